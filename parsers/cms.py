"""A CMS signature (RFC 5652 SignedData) in, as BER or DER; who signed what and how, unverified, out.

Of S/MIME (RFC 8551): a detached signature, or one with the content inside. What is no such thing is `None`. Read here
because pyasn1 refuses a content inside that was streamed (explicit tags of indefinite length, as OpenSSL writes them),
and cryptography gives the certificates of a signature but not its signers.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

SIGNED_DATA: Final = "1.2.840.113549.1.7.2"
DATA: Final = "1.2.840.113549.1.7.1"
_CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"
_DEEPEST: Final = 16
_CONSTRUCTED: Final = 0x20
_INTEGER, _OCTETS, _OID, _SEQUENCE, _SET = 0x02, 0x04, 0x06, 0x30, 0x31


class Signer(NamedTuple):
    """One signature. A certificate is named by its issuer and serial number, or by its key identifier."""

    issuer: bytes  # DER of the name; b"" where it is named by key
    serial: int
    key_id: bytes
    digest: str  # object identifier of its algorithm
    algorithm: str  # of the signature
    signature: bytes
    attributes: bytes  # DER of the set that is signed; b"" when the content is signed itself
    content_digest: bytes  # of the attributes


class Signed(NamedTuple):
    """A signed content: inside, or b"" where it is detached."""

    content: bytes
    certificates: tuple[bytes, ...]  # DER
    signers: tuple[Signer, ...]


class _Node(NamedTuple):
    tag: int
    body: bytes
    raw: bytes  # with tag and length

    def parts(self) -> list["_Node"]:
        return list(_nodes(self.body, 0))


def read_signed(data: bytes) -> Signed | None:
    """What a signature says; nothing of it is proven."""
    try:
        kind, content = _node(data, 0, 0)[0].parts()[:2]
        if _identifier(kind) != SIGNED_DATA:
            return None
        _, _, inside, *rest = content.parts()[0].parts()
        certificates = next((node for node in rest if node.tag == 0xA0), None)
        signers = rest[-1]
        if signers.tag != _SET:
            return None
        return Signed(
            _content(inside),
            tuple(node.raw for node in (certificates.parts() if certificates else ()) if node.tag == _SEQUENCE),
            tuple(_signer(node) for node in signers.parts()),
        )
    except (IndexError, ValueError):
        return None


def _content(inside: _Node) -> bytes:
    kind, *explicit = inside.parts()
    if _identifier(kind) != DATA:
        raise ValueError("what is signed is no data")
    return _octets(explicit[0].parts()[0]) if explicit else b""


def _signer(node: _Node) -> Signer:
    _, named, digest, *rest = node.parts()
    attributes = rest.pop(0) if rest[0].tag == 0xA0 else None
    algorithm, signature = rest[:2]
    issuer, serial, key_id = b"", 0, b""
    if named.tag == _SEQUENCE:
        name, number = named.parts()
        issuer, serial = name.raw, int.from_bytes(number.body, "big", signed=True)
    else:
        key_id = named.body
    values = _values(attributes) if attributes else {}
    if attributes and _identifier(values[_CONTENT_TYPE]) != DATA:
        raise ValueError("what is signed is no data")
    return Signer(
        issuer,
        serial,
        key_id,
        _identifier(digest.parts()[0]),
        _identifier(algorithm.parts()[0]),
        _octets(signature),
        bytes([_SET]) + attributes.raw[1:] if attributes else b"",
        values[_MESSAGE_DIGEST].body if attributes else b"",
    )


def _values(attributes: _Node) -> dict[str, _Node]:
    """The one value of each of the two attributes that RFC 5652 11 asks for."""
    values: dict[str, _Node] = {}
    for attribute in attributes.parts():
        kind, some = attribute.parts()
        name = _identifier(kind)
        if name in (_CONTENT_TYPE, _MESSAGE_DIGEST):
            (value,) = some.parts()
            if name in values:
                raise ValueError("an attribute is there twice")
            values[name] = value
    if len(values) != 2:
        raise ValueError("an attribute is missing")
    return values


def _identifier(node: _Node) -> str:
    """An object identifier with dots (X.690 8.19)."""
    if node.tag != _OID or not node.body:
        raise ValueError("expected an object identifier")
    numbers, number = [], 0
    for byte in node.body:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(number)
            number = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))


def _octets(node: _Node) -> bytes:
    """An octet string, also one in pieces."""
    if node.tag == _OCTETS | _CONSTRUCTED:
        return b"".join(_octets(piece) for piece in node.parts())
    if node.tag != _OCTETS:
        raise ValueError("expected octets")
    return node.body


def _nodes(data: bytes, depth: int) -> Iterator[_Node]:
    at = 0
    while at < len(data):
        node, at = _node(data, at, depth)
        yield node


def _node(data: bytes, at: int, depth: int) -> tuple[_Node, int]:
    """The node that begins at `at` and where the next one does. Raises `IndexError`, `ValueError`."""
    if depth > _DEEPEST:
        raise ValueError("too deep")
    tag, length, start = data[at], data[at + 1], at + 2
    if tag & 0x1F == 0x1F:
        raise ValueError("no tag of CMS")
    if length == 0x80:  # indefinite: to the mark of its end (X.690 8.1.3.6)
        end = start
        while data[end : end + 2] != b"\0\0":
            _, end = _node(data, end, depth + 1)
        return _Node(tag, data[start:end], data[at : end + 2]), end + 2
    if length & 0x80:
        size = length & 0x7F
        length, start = int.from_bytes(data[start : start + size], "big"), start + size
    end = start + length
    if end > len(data):
        raise ValueError("cut off")
    return _Node(tag, data[start:end], data[at:end]), end
