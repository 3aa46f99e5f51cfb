"""A directory to test with: many services at once, and counting what a page asks the database."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import uuid_utils.compat

from chassis.database import Database
from services.partners import directory
from services.partners.directory import Offer, OfferedService
from services.partners.domain import Organisation
from services.partners.imports import import_partners
from services.partners.queries import QUERIES
from services.partners.register import write_organisations
from services.partners.services_file import import_services
from tests.conftest import EXAMPLES
from tests.watching import Watched

OFFER = Offer(
    name="Housing drop-in",
    description="Help for people who may lose their home.",
    needs=("housing", "legal"),
    areas=("E09000020", "E09000033"),
    languages=("ar", "so"),
    free=True,
    cost="",
    telephone="020 7946 0101",
    email="help@body.example",
    website="https://body.example/help",
    postal_address=("The Hall", "9 Acorn Road", "London"),
    postcode="W10 5NT",
    opening_hours="Tuesdays, 10am to 1pm",
    public_channels=("telephone", "email", "website", "address"),
    active=True,
)


async def take_example(database: Database) -> None:
    """Bring in the example's bodies and what they offer."""
    await import_partners(database, EXAMPLES / "partners.csv", dry_run=False)
    assert await import_services(database, EXAMPLES / "services.csv") == []


async def id_of(database: Database, body: Mapping[str, str]) -> UUID:
    """The id of the body of this line."""
    async with database.transaction() as tx:
        id: UUID = await QUERIES.organisation_identified(tx, identifier=body["identifier"])
    return id


async def fill(database: Database, number: int, *, organisations: int) -> list[UUID]:
    """So many more services, spread over so many more bodies. The ids of these."""
    bodies = [_body() for _ in range(organisations)]
    async with database.transaction() as tx:
        await write_organisations(tx, bodies)
        for first in range(0, number, 1_000):
            services = [
                _service(bodies[each % organisations].id, each, tx.today)
                for each in range(first, min(first + 1_000, number))
            ]
            await directory.write(tx, services)
        await tx.execute("ANALYZE offered_services, organisations")
    return [body.id for body in bodies]


def _body() -> Organisation:
    id = uuid_utils.compat.uuid7()
    return Organisation(
        id=id,
        identifier=f"CONDUIT-{id}",
        name=f"Body {id}",
        kinds=("specialist_advice",),
        areas=("E09000020",),
        closeness="working",
        opened_on=None,
        closed_on=None,
        successor_id=None,
    )


def _service(organisation_id: UUID, number: int, day: Any) -> OfferedService:
    said = vars(replace(OFFER, name=f"Help {number:05}"))
    id = uuid_utils.compat.uuid7()
    return OfferedService(id=id, organisation_id=organisation_id, **said, checked_on=day, checked_by=None)


@asynccontextmanager
async def watched(database: Database) -> AsyncIterator[Watched]:
    """The same database, open, and counting."""
    watched = Watched(database._url, database.context)
    await watched.open()
    try:
        yield watched
    finally:
        await watched.close()
