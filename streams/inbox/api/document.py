"""The API as an OpenAPI 3.1 document, made from the models that the handlers use."""

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from streams.inbox.api.alerts import NEXT
from streams.inbox.api.models import MODELS
from streams.inbox.api.report import WEEK
from streams.inbox.api.stays import KEY_PATTERN

if TYPE_CHECKING:
    from streams.inbox.request import Inbox

VERSION: Final = "1"
_PROBLEM: Final = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemOut"}}}
_TITLES: Final = {
    400: "The request is not as this document says.",
    401: "No valid token.",
    403: "The token is not good for this, or the person may not do it.",
    404: "There is no such stay, or it is not the person's.",
    409: "Somebody else has the stay, or it is not at this version, or the key was used for another act.",
    410: "A cursor ahead of this store, which was restored since.",
    412: "The stay changed since it was read.",
    413: "Too long.",
    415: "Not JSON.",
    422: "The act has faults; each is named.",
    429: "Too many wrong tokens from this address; see Retry-After.",
    503: "The store does not answer; try the same again.",
}
_ALERT_ID: Final = {
    **{"name": "alert_id", "in": "path", "required": True},
    "schema": {"type": "string", "pattern": "^[0-9A-Za-z_-]{1,64}$"},
}
_SAME_STAY: Final = {"alert_id": "$request.path.alert_id"}
_ETAG: Final = {
    "ETag": {"schema": {"type": "string"}, "description": "changes with every version, act and wish of the person"}
}


async def document_page(_inbox: "Inbox", _request: Request) -> Response:
    return JSONResponse(document())


@cache
def document() -> dict[str, Any]:
    """The document, the same for everybody."""
    _, schemas = models_json_schema(
        [(model, "validation") for model in MODELS], ref_template="#/components/schemas/{model}"
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Warm Handoff",
            "version": VERSION,
            "description": "Stays, what people did about them, and alerts. Within version 1 fields are only added.",
        },
        "servers": [{"url": "/api/v1"}],
        "security": [{"bearer": []}],
        "paths": {
            "/openapi.json": {"get": {**_said("This document.", "object"), "security": []}},
            "/stays": {
                "get": _get(
                    "The stays of the person's list.",
                    "StayList",
                    (400, 401, 403, 429, 503),
                    links={
                        "Stay": _link("getStay", alert_id="$response.body#/stays/0/stay/alert_id"),
                        "Act": _link("writeAct", alert_id="$response.body#/stays/0/stay/alert_id"),
                    },
                )
                | {"operationId": "listStays"}
            },
            "/stays/{alert_id}": {
                "get": {
                    **_get(
                        "One stay with its story.",
                        "StayWhole",
                        (401, 403, 404, 429, 503),
                        headers=_ETAG,
                        unchanged=True,
                        links={
                            "Unchanged": _link("getStay", **_SAME_STAY, **{"If-None-Match": "$response.header.ETag"}),
                            "Act": _link("writeAct", **_SAME_STAY, **{"If-Match": "$response.header.ETag"}),
                        },
                    ),
                    "operationId": "getStay",
                    "parameters": [_ALERT_ID, _header("If-None-Match", "an ETag: 304 when it holds")],
                }
            },
            "/stays/{alert_id}/acts": {
                "post": {
                    "summary": "Write an act, once for each key.",
                    "operationId": "writeAct",
                    "parameters": [
                        _ALERT_ID,
                        _header(
                            "Idempotency-Key", "the act's id: sent again it adds nothing", KEY_PATTERN, required=True
                        ),
                        _header("If-Match", "an ETag: 412 when it no longer holds; *: take it from whoever has it"),
                    ],
                    "requestBody": {"required": True, "content": _content("ActIn")},
                    "responses": {
                        "200": {"description": "Written before.", "headers": _ETAG, "content": _content("Act")},
                        "201": {
                            "description": "Written.",
                            "headers": _ETAG,
                            "content": _content("Act"),
                            "links": {"Stay": _link("getStay", **_SAME_STAY)},
                        },
                        **_problems((400, 401, 403, 404, 409, 412, 413, 415, 422, 429, 503)),
                    },
                }
            },
            "/report": {
                "get": {
                    "summary": "A week of the person's network, by practice and hospital: counts.",
                    "operationId": "getReport",
                    "parameters": [
                        {
                            **{"name": WEEK, "in": "query", "required": False},
                            "schema": {"type": "string", "format": "date"},
                            "description": "a day of it; left out: this week",
                        }
                    ],
                    "responses": {
                        "200": {"description": "Its numbers, of this minute.", "content": _content("Report")},
                        **_problems((400, 401, 403, 429, 503)),
                    },
                }
            },
            "/alerts": {
                "get": {
                    "summary": "Alert versions the person is told of, after a cursor, oldest first.",
                    "operationId": "listAlerts",
                    "parameters": [
                        {
                            **{"name": "after", "in": "query", "required": False},
                            "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"},
                            "description": "left out: from the beginning",
                        }
                    ],
                    "responses": {
                        "200": {
                            "description": "A JSON object a line (AlertLine); none: nothing new.",
                            "headers": {NEXT: {"schema": {"type": "string"}, "description": "go on from here"}},
                            "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
                            "links": {"Next": _link("listAlerts", after=f"$response.header.{NEXT}")},
                        },
                        **_problems((400, 401, 403, 410, 429, 503)),
                    },
                }
            },
        },
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "made with `handoff token create`"}
            },
        },
    }


def _content(model: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{model}"}}}


def _said(summary: str, kind: str) -> dict[str, Any]:
    answer = {"description": summary, "content": {"application/json": {"schema": {"type": kind}}}}
    return {"summary": summary, "responses": {"200": answer}}


def _get(
    summary: str,
    model: str,
    refused: tuple[int, ...],
    *,
    headers: dict[str, Any] | None = None,
    unchanged: bool = False,
    links: dict[str, Any],
) -> dict[str, Any]:
    answers: dict[str, Any] = {
        "200": {"description": summary, "headers": headers or {}, "content": _content(model), "links": links}
    }
    if unchanged:
        answers["304"] = {"description": "Not changed."}
    return {"summary": summary, "responses": {**answers, **_problems(refused)}}


def _link(operation: str, **parameters: str) -> dict[str, Any]:
    """What may be asked next, with what of this answer."""
    return {"operationId": operation, "parameters": parameters}


def _problems(codes: tuple[int, ...]) -> dict[str, Any]:
    return {str(code): {"description": _TITLES[code], "content": _PROBLEM} for code in codes}


def _header(name: str, text: str, pattern: str = "", *, required: bool = False) -> dict[str, Any]:
    schema = {"type": "string", **({"pattern": pattern} if pattern else {})}
    return {"name": name, "in": "header", "required": required, "schema": schema, "description": text}
