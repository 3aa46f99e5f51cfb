"""Operations for programs. Each says as a schema what it takes and what it gives; the same schema checks it,
writes it, and is what the service's OpenAPI document is made of.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

from marshmallow import Schema
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from chassis.documents import load
from chassis.web.access import Endpoint, page, session_name
from chassis.web.errors import BadRequest
from chassis.web.reading import read_json
from contracts.access import RULES, Action
from contracts.shapes import fields_of, json_schema

BASE = "/api/v1"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """What a program must know of one operation."""

    gives: type[Schema]
    takes: type[Schema] | None = None
    #: What may stand in the address after the question mark, and what it does.
    asks: Mapping[str, str]
    status: int
    action: Action
    summary: str


def operation(
    path: str,
    endpoint: Endpoint,
    action: Action,
    *,
    gives: type[Schema],
    takes: type[Schema] | None = None,
    asks: Mapping[str, str] | None = None,
    method: str = "GET",
    status: int = 200,
) -> Route:
    """A route for programs, below ``/api/v1``."""
    known = frozenset(asks or ())

    @wraps(endpoint)
    async def checked(request: Request) -> Response:
        _refuse_unknown(request, known)
        return await endpoint(request)

    route = page(BASE + path, checked, action, methods=(method,))
    summary = (endpoint.__doc__ or "").strip().partition("\n")[0]
    route.endpoint.operation = Operation(  # type: ignore[attr-defined]
        gives=gives, takes=takes, asks=asks or {}, status=status, action=action, summary=summary
    )
    return route


def _refuse_unknown(request: Request, known: frozenset[str]) -> None:
    """A slip in the name of a parameter must not look like an answer to what was asked.

    Raises:
        BadRequest: names the first that nobody knows.
    """
    for name in request.query_params:
        if name not in known:
            said = (
                f"Use one of: {', '.join(sorted(known))}."
                if known
                else "Leave it out: this address has none."
            )
            raise BadRequest(f"There is no parameter {name[:40]!r} here.", said)


async def read_document(request: Request, takes: Callable[[], Schema]) -> dict[str, Any]:
    """The body of a request, as its schema wants it.

    Raises:
        WrongMediaType, BadRequest: when it is no JSON object.
        Refused: names the first field at fault.
    """
    return load(takes, await read_json(request))


def give(
    gives: type[Schema], document: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """An answer, as its schema writes it."""
    return JSONResponse(gives().dump(document), status, headers)


# The document


async def show_document(request: Request) -> Response:
    """All operations of this service, as OpenAPI 3.1."""
    site = request.app.state.site
    mount = request.scope.get("root_path", "")
    return JSONResponse(
        document(site.context.service, mount, request.app.routes, session_name(site.context.settings))
    )


OPENAPI = page(f"{BASE}/openapi.json", show_document, Action.BE_PUBLIC)


def document(service: str, mount: str, routes: Iterable[BaseRoute], session: str) -> dict[str, Any]:
    """An OpenAPI 3.1 document of the operations among some routes."""
    paths: dict[str, Any] = {}
    for route in routes:
        described: Operation | None = getattr(getattr(route, "endpoint", None), "operation", None)
        if described is not None and isinstance(route, Route):
            [method] = (route.methods or set()) - {"HEAD"}
            said = _operation(service, route, described, method.lower())
            paths.setdefault(mount + route.path, {})[method.lower()] = said
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Conduit: {service}",
            "version": "1",
            "description": "Amounts are whole pence; moments carry an offset; errors are RFC 9457 problems.",
        },
        "paths": paths,
        "components": {
            "schemas": {"Problem": _PROBLEM},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "Made under “Your account”."},
                "session": {"type": "apiKey", "in": "cookie", "name": session},
            },
        },
    }


_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string", "description": "What is wrong."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What to do about it."},
        "field": {"type": "string", "description": "Where it is wrong."},
        "reference": {"type": "string", "description": "What the log calls this request."},
    },
}


def _operation(service: str, route: Route, described: Operation, method: str) -> dict[str, Any]:
    public = RULES[described.action].public
    said: dict[str, Any] = {
        "operationId": f"{service}_{route.name}",
        "summary": described.summary,
        "security": [] if public else [{"token": []}, {"session": []}],
        "parameters": [*_parameters(route, described, method)],
        "responses": {
            str(described.status): {
                "description": "Found." if method == "get" else "Done.",
                "content": {"application/json": {"schema": _schema(described.gives)}},
            },
            "default": {
                "description": "Not done, and what to do about it.",
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        },
    }
    if described.takes is not None:
        content = {"application/json": {"schema": _schema(described.takes)}}
        said["requestBody"] = {"required": True, "content": content}
    return said


def _parameters(route: Route, described: Operation, method: str) -> Iterable[dict[str, Any]]:
    for name in route.param_convertors:
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
    for name, words in described.asks.items():
        yield {"name": name, "in": "query", "description": words, "schema": {"type": "string"}}
    if method == "post":
        words = "New for each act, such as a UUID. The same key and body again give the same answer."
        length = {"type": "string", "minLength": 8, "maxLength": 100}
        yield {
            "name": "Idempotency-Key",
            "in": "header",
            "required": True,
            "description": words,
            "schema": length,
        }
    if method in ("put", "patch"):
        words = "The ETag of what was read, so that nobody's change is written over unseen."
        yield {
            "name": "If-Match",
            "in": "header",
            "required": True,
            "description": words,
            "schema": {"type": "string"},
        }


def _schema(schema: type[Schema]) -> dict[str, Any]:
    return json_schema(fields_of(schema()))
