"""A FHIR request in; what its query and body hold, or why they cannot be read, out. All is JSON, in and out."""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs

from starlette.requests import Request

from parsers.fhir.parameters import parameters_of
from streams.tell.serving.answers import CONTENT_TYPE, Wrong

MOST_BYTES: Final = 64 * 1024
MOST_FIELDS: Final = 20  # of a form
LARGEST: Final = 2**62  # number that may be asked for
FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = frozenset({CONTENT_TYPE, "application/json", "text/json", "json"})
_ANY: Final = frozenset({"*/*", "application/*"})
_OF_SHAPE: Final = frozenset(  # how an answer looks, not what is in it: a server may pass over it (FHIR R4 search.html)
    {"_format", "_pretty", "_sort", "_total", "_summary", "_elements", "_include", "_revinclude"}
)


def expect_json_wanted(request: Request) -> None:
    """`_format` counts more than `Accept` (FHIR R4 http.html#mime-type). Raises `Wrong`."""
    wanted = request.query_params.getlist("_format") or ",".join(request.headers.getlist("accept")).split(",")
    ranges = [_media_type(text) for text in wanted]
    if any(wanted) and not (_JSON | _ANY).intersection(ranges):
        raise Wrong(406, "not-supported", f"what is answered is {CONTENT_TYPE}")


async def _body_of(request: Request) -> bytes:
    """Raises `Wrong`."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise Wrong(413, "too-long", "the body is too long")
    return body


async def form_of(request: Request) -> dict[str, list[str]]:
    """The fields of a posted form. Raises `Wrong`."""
    _expect_type(request, frozenset({FORM}))
    try:
        return parse_qs((await _body_of(request)).decode("utf-8", "replace"), max_num_fields=MOST_FIELDS)
    except ValueError:
        raise Wrong(400, "too-long", "the form has too many fields") from None


async def searched_by(request: Request, *names: str) -> dict[str, str]:
    """The parameters of a search: of its address and, where it is posted, of its form; "" for one that is not given.

    Raises `Wrong` for another filter or one given twice: a client that believes in one must not be answered without.
    """
    given = {name: request.query_params.getlist(name) for name in request.query_params}
    for name, values in (await form_of(request) if request.method == "POST" else {}).items():
        given.setdefault(name, []).extend(values)
    of_shape = given.keys() & _OF_SHAPE
    if given.keys() - of_shape - set(names) or any(len(given[name]) > 1 for name in given.keys() - of_shape):
        raise Wrong(400, "not-supported", f"search by {' and '.join(names)}, each once")
    return {name: given[name][0] if name in given else "" for name in names}


async def document_of(request: Request) -> dict[str, Any]:
    """The resource that was sent. Raises `Wrong`."""
    _expect_type(request, _JSON)
    return _resource_in(await _body_of(request))


def _resource_in(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
        json.dumps(document, ensure_ascii=False, allow_nan=False).encode()  # what cannot be said again is no JSON
    except (ValueError, RecursionError):
        raise Wrong(400, "structure", "the body must be JSON") from None
    if not isinstance(document, dict):
        raise Wrong(400, "structure", "the body must be a resource")
    return document


async def operation_of(request: Request) -> dict[str, list[str]]:
    """The parameters of an operation: of its address, and of a Parameters resource where one is posted."""
    parameters: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        parameters.setdefault(name, []).append(value)
    body = await _body_of(request)
    if body:
        _expect_type(request, _JSON)
    said = parameters_of(_resource_in(body)) if body else {}
    if said is None:
        raise Wrong(400, "structure", "the body must be Parameters")
    for name, values in said.items():
        parameters.setdefault(name, []).extend(values)
    return parameters


def number_of(given: Mapping[str, list[str]], name: str, usual: int) -> int:
    """Raises `Wrong`."""
    text = given.get(name, [str(usual)])[0]
    if not text.isascii() or not text.isdigit() or (len(text) > 18 and text != str(LARGEST)):
        raise Wrong(400, "value", f"{name} must be a whole number")
    return int(text)


def _expect_type(request: Request, types: frozenset[str]) -> None:
    said = request.headers.get("content-type", "")
    if said and _media_type(said) not in types:
        raise Wrong(415, "not-supported", f"the body must be {FORM if FORM in types else CONTENT_TYPE}")


def _media_type(text: str) -> str:
    """In an address a bare + is a space."""
    return text.partition(";")[0].strip().replace("fhir json", "fhir+json").lower()
