"""Who may send: what a connection must show to be one of the senders, and the facilities that one may speak for."""

import re
from ipaddress import ip_network
from typing import Final

from pydantic import field_validator, model_validator

from parsers.events import Value

ANY: Final = "*"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class Sender(Value):
    """One sending system. Of each kind of proof that is listed, a connection must show one; a file is its folder's."""

    name: str
    facilities: tuple[str, ...]  # as the feed names them (MSH-4, PV1-3.4 …), names or universal ids; "*" for any
    fingerprints: tuple[str, ...] = ()  # SHA-256 of its client certificates: two, while one follows the other
    issuer: str = ""  # or who signed them (RFC 4514) …
    names: tuple[str, ...] = ()  # … and their common or DNS names
    networks: tuple[str, ...] = ()  # addresses it comes from
    token_hashes: tuple[str, ...] = ()  # SHA-256 of its bearer tokens, for POST /hl7
    folders: tuple[str, ...] = ()  # the `folder` of a feed that its files are dropped into

    @field_validator("fingerprints", "token_hashes", mode="after")
    @classmethod
    def _digests(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        digests = tuple(digest.replace(":", "").replace(" ", "").lower() for digest in value)
        if not all(_SHA256.fullmatch(digest) for digest in digests):
            raise ValueError("expected SHA-256 in 64 hexadecimal digits")
        return digests

    @field_validator("networks")
    @classmethod
    def _known_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(str(ip_network(network)) for network in value)
        except ValueError:
            raise ValueError('expected addresses or networks, such as "10.1.0.5" or "10.2.0.0/24"') from None

    @model_validator(mode="after")
    def _shows_something(self) -> "Sender":
        if not self.facilities:
            raise ValueError('expected the facilities it may speak for, or "*"')
        if bool(self.issuer) != bool(self.names):
            raise ValueError("issuer and names go together")
        if not (self.fingerprints or self.issuer or self.networks or self.token_hashes or self.folders):
            raise ValueError("expected fingerprints, issuer and names, networks, token_hashes or folders")
        return self

    @property
    def by_certificate(self) -> bool:
        return bool(self.fingerprints or self.issuer)

    def speaks_for(self, said: frozenset[str]) -> bool:
        """Whether one of these names of a facility is one of its."""
        if ANY in self.facilities:
            return True
        return not said.isdisjoint(facility.strip().casefold() for facility in self.facilities)


class Senders(Value):
    """The `[[senders]]` of `handoff.toml`. Without any, whoever gets in may speak for everybody."""

    senders: tuple[Sender, ...] = ()

    @model_validator(mode="after")
    def _named_once(self) -> "Senders":
        if len({sender.name for sender in self.senders}) < len(self.senders):
            raise ValueError("senders: each needs a name of its own")
        return self
