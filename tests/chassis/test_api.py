"""Operations for programs: the document of each service, and what comes of a document with a fault."""

from importlib import import_module
from typing import Any

import httpx
import pytest
from marshmallow import RAISE, Schema, fields

from chassis.documents import load
from chassis.errors import Refused
from contracts.envelope import WholeNumber
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS, SERVICES
from services.grants.imports import import_registrations
from services.partners.imports import import_partners
from tests.conftest import EXAMPLES, MakeDatabase, client

MOUNTS = {PARTNERS: "/partners", GRANTS: "/grants", NOTIFICATIONS: "/letters"}


@pytest.mark.parametrize("service", SERVICES)
async def test_everybody_may_read_what_a_service_offers_programs(
    make_database: MakeDatabase, service: str
) -> None:
    app = import_module(f"services.{service}.web").build(await make_database(service))
    mount = MOUNTS[service]
    async with client(app, mount, None) as stranger:
        answer = await stranger.get(f"{mount}/api/v1/openapi.json")
    document = answer.json()
    assert (answer.status_code, document["openapi"]) == (200, "3.1.0")
    offered = {
        (f"{mount}{route.path}", method.lower())
        for route in app.routes
        for method in route.methods - {"HEAD"}
        if "/api/" in route.path and "openapi" not in route.path
    }
    assert {(path, method) for path, ways in document["paths"].items() for method in ways} == offered
    said = [(method, way) for ways in document["paths"].values() for method, way in ways.items()]
    assert len({way["operationId"] for _, way in said}) == len(said) > 0
    for method, way in said:
        assert way["summary"].endswith(".")
        assert way["security"] == [{"token": []}, {"session": []}]
        names = {parameter["name"] for parameter in way["parameters"]}
        assert ("Idempotency-Key" in names) is (method == "post")


async def told(make_database: MakeDatabase, service: str, *paths: str) -> list[tuple[httpx.Response, Schema]]:
    """What a service with the example in it answers, and the schema that it says it answers with."""
    database = await make_database(service)
    if service == PARTNERS:
        await import_partners(database, EXAMPLES / "partners.csv", dry_run=False)
    else:
        await import_registrations(database, EXAMPLES / "registrations.csv")
    app = import_module(f"services.{service}.web").build(database)
    mount, found = MOUNTS[service], []
    async with client(app, mount) as browser:
        for path in paths:
            if "{id}" in path:
                listed = (await browser.get(f"{mount}/api/v1/organisations")).json()["organisations"]
                address = path.replace("{id}", listed[0]["id"])
            else:
                address = path
            here = [each for each in app.routes if each.path == path.partition("?")[0]]
            (route,) = [each for each in here if "GET" in each.methods]
            found.append((await browser.get(mount + address), route.endpoint.operation.gives()))
    return found


@pytest.mark.parametrize(
    ("service", "paths"),
    [
        (PARTNERS, ("/api/v1/organisations", "/api/v1/organisations?q=trust", "/api/v1/organisations/{id}")),
        (GRANTS, ("/api/v1/registrations/counts",)),
    ],
)
async def test_what_is_given_is_what_the_document_says(
    make_database: MakeDatabase, service: str, paths: tuple[str, ...]
) -> None:
    for answer, schema in await told(make_database, service, *paths):
        assert answer.status_code == 200
        assert schema.validate(answer.json()) == {}
        assert schema.load(answer.json(), unknown=RAISE)


async def test_whoever_may_not_is_told_so_before_the_body_is_looked_at(make_database: MakeDatabase) -> None:
    app = import_module("services.notifications.web").build(await make_database(NOTIFICATIONS))
    async with client(app, "/letters", None) as stranger:
        for headers in ({}, {"content-type": "text/plain"}, {"content-type": "application/json"}):
            answer = await stranger.post("/letters/api/v1/campaigns", content=b"{", headers=headers)
            assert answer.status_code == 401
    async with client(app, "/letters") as browser:
        plain = await browser.post(
            "/letters/api/v1/campaigns",
            content=b'{"name": "x"}',
            headers={"content-type": "text/plain", "idempotency-key": "12345678"},
        )
        assert plain.status_code == 415, "what a form of another site could send is no document"


class Part(Schema):
    many = fields.List(fields.String(), required=True)


class Whole(Schema):
    number = WholeNumber(required=True)
    part = fields.Nested(Part, required=True)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"part": {"many": []}}, "number"),
        ({"number": 1.5, "part": {"many": []}}, "number"),
        ({"number": 1, "part": {"many": ["a", 2]}}, "part.many.1"),
        ({"number": 1, "part": []}, "part"),
        ({"number": 1, "part": {"many": [], "more": 1}}, "part.more"),
        ({"number": 1, "part": {"many": []}, "SECRET MARKER" * 50: 1}, "SECRET MARKER"),
    ],
)
def test_a_fault_is_named_and_nothing_else_quoted(document: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refused:
        load(Whole, document)
    assert str(refused.value.field).startswith(field)
    assert len(str(refused.value.field)) < 120
    assert refused.value.cure
