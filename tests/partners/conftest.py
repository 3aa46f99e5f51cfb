"""The register of partners, and files to import into it."""

import csv
import io
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any
from uuid import UUID

import pytest
from starlette.types import ASGIApp

from chassis.database import Database
from contracts.catalogue import sample
from contracts.envelope import Event, Fact
from services.partners import people
from services.partners.handlers import SUBSCRIPTIONS
from services.partners.imports import ImportReport, import_partners
from services.partners.partners_file import CONTACT_COLUMNS, ORGANISATION_COLUMNS
from services.partners.web import build
from tests.conftest import MakeDatabase, client, take
from tests.partners.browsing import EMAIL, MOUNT, OpenBrowser

HEADER = ("identifier", *ORGANISATION_COLUMNS, *CONTACT_COLUMNS)

#: An organisation's columns, and a contact's; tests say what is different.
TRUST = {
    "identifier": "GB-NHS-5LA",
    "name": "Kensington and Chelsea Primary Care Trust",
    "kinds": "primary_care_trust",
    "areas": "E09000020",
    "closeness": "working",
    "opened_on": "2002-04-01",
}
OFFICER = {
    "contact_name": "Marker Zzyzxova",
    "contact_role": "dental_care",
    "contact_channel": "email",
    "contact_email": "marker.zzyzxova@trust.example",
    "contact_source": "marker-source, read on 12 October 2011",
    "contact_listed_on": "2011-10-12",
}
SUCCESSOR = {
    "identifier": "GB-NHS-08Y",
    "name": "West London Clinical Commissioning Group",
    "kinds": "nhs_trust",
    "closeness": "contact",
}


def line(*parts: Mapping[str, str], **cells: str) -> dict[str, str]:
    """A line made of an organisation, perhaps a contact, and what is different."""
    merged: dict[str, str] = {}
    for part in parts:
        merged |= part
    return merged | cells


def partners_csv(*rows: Mapping[str, str]) -> bytes:
    """The rows as the bytes of a file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, HEADER)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


@pytest.fixture
async def register(make_database: MakeDatabase) -> Database:
    """An empty register."""
    return await make_database("partners")


Bring = Callable[..., Awaitable[ImportReport]]


@pytest.fixture
def bring(register: Database) -> Bring:
    """Imports rows and says what became of them."""

    async def bring(*rows: Mapping[str, str], dry_run: bool = False) -> ImportReport:
        return await import_partners(register, partners_csv(*rows), dry_run=dry_run)

    return bring


def told(fact: type[Fact], **data: Any) -> Event:
    """The golden sample of a fact, about something else where the test says so."""
    golden = sample(fact)
    return Event(
        fact=fact,
        id=golden.id,
        subject=golden.subject,
        time=golden.time,
        data={**golden.data, **data},
        sequence=golden.sequence,
    )


async def hear(database: Database, events: Iterable[Event]) -> None:
    """Let the service receive these events, through its inbox."""
    await take(database, SUBSCRIPTIONS, *events)


async def everything(database: Database) -> list[list[tuple[Any, ...]]]:
    """All rows of the register and of the outbox, to compare before and after."""
    tables = ("organisations", "contacts", "timeline", "outbox")
    async with database.reading() as tx:
        return [
            [tuple(row) for row in await tx.fetch(f"SELECT * FROM {table} ORDER BY id")] for table in tables
        ]


@pytest.fixture
def app(register: Database) -> ASGIApp:
    return build(register)


@pytest.fixture
def open_browser(app: ASGIApp) -> OpenBrowser:
    """Another browser that has never been here."""
    return lambda: client(app, MOUNT, None)


@pytest.fixture
async def amina(register: Database) -> UUID:
    """Somebody who may sign in."""
    async with register.transaction() as tx:
        return await people.invite(tx, name="Amina Marker", email=EMAIL, roles=["staff", "ops"])
