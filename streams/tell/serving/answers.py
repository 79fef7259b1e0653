"""Values in, FHIR answers out; what went wrong is an `OperationOutcome` that repeats nothing of what was sent."""

from typing import Any, Final

from starlette.responses import JSONResponse

CONTENT_TYPE: Final = "application/fhir+json"
NO_STORE: Final = {"Cache-Control": "no-store"}


class Wrong(Exception):
    """Ends a request with an `OperationOutcome`."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text


def resource(document: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(document, status, headers={**NO_STORE, **(headers or {})}, media_type=CONTENT_TYPE)


def outcome(wrong: Wrong) -> JSONResponse:
    issue = {"severity": "error", "code": wrong.code, "diagnostics": wrong.text}
    document = {"resourceType": "OperationOutcome", "issue": [issue]}
    headers = {"WWW-Authenticate": "Bearer"} if wrong.status == 401 else {}
    return resource(document, wrong.status, headers)


def searchset(resources: list[dict[str, Any]], base: str) -> dict[str, Any]:
    """What a search found."""
    entries = [
        {"fullUrl": _url(document, base), "resource": document, "search": {"mode": "match"}} for document in resources
    ]
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": len(resources)}
    return bundle | ({"entry": entries} if entries else {})


def _url(document: dict[str, Any], base: str) -> str:
    """Parameters are not kept under an address."""
    kind, name = document["resourceType"], document["id"]
    return f"urn:uuid:{name}" if kind == "Parameters" else f"{base}/{kind}/{name}"
