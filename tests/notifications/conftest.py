"""An address book heard of through the inbox, the Forum's campaign, and a mail server that records."""

import tomllib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

import pytest

from chassis.config import Settings
from chassis.database import Database, Transaction
from chassis.sealed import seal
from chassis.testing import RecordingMailServer
from contracts.envelope import Event, Fact, pounds_sterling
from contracts.grants import ContributionWrittenBack, RegistrationsCounted
from contracts.partners import ContactListed, ContactWithdrawn, OrganisationRegistered, PersonAdmitted
from services.notifications.answers import Answer, confirm_pledge, record_answer
from services.notifications.campaigns import create_campaign, lock_campaign
from services.notifications.chasing_settings import chasing_of, set_chasing
from services.notifications.domain import AnswerKind
from services.notifications.handlers import SUBSCRIPTIONS
from services.notifications.plans import Plan, read_plan
from services.notifications.preparing import prepare_letters
from services.notifications.sending import Sender
from services.notifications.stages import approve_campaign, send_campaign, submit_campaign
from tests.conftest import EXAMPLES, MakeDatabase, take

AREAS = {"E09000020": 52, "E09000033": 187, "E09000007": 260}
ROLES = ("chief_executive", "dental_care", "equality_and_diversity")

#: Who writes campaigns here, and who reads them before they go.
WRITER, READER = UUID(int=11), UUID(int=12)
#: In which a pledge was made, as Grants says; Letters looks at the pledge alone.
SOME_CAMPAIGN = UUID(int=9)


def told(fact: type[Fact], subject: object, sequence: int = 1, **data: Any) -> Event:
    """An event as it comes from its owner."""
    return Event(
        fact=fact,
        id=uuid4(),
        subject=str(subject),
        time=datetime(2012, 1, 9, 9, 0, tzinfo=UTC),
        data=data,
        sequence=sequence,
    )


def organisation(id: UUID, name: str, areas: Sequence[str], sequence: int = 1, **data: Any) -> Event:
    return told(
        OrganisationRegistered,
        id,
        sequence,
        **{
            "organisation_id": id,
            "name": name,
            "identifier": f"CONDUIT-{id.hex[:8]}",
            "kinds": ["primary_care_trust"],
            "areas": list(areas),
            "closeness": "contact",
            "opened_on": date(2002, 4, 1),
            "closed_on": None,
            "successor_id": None,
            **data,
        },
    )


def contact(database: Database, id: UUID, organisation_id: UUID, sequence: int = 1, **data: Any) -> Event:
    """A contact that was listed; the address is sealed as partners seals it."""
    address = {
        "name": data.pop("name", "Zuzana Marková"),
        "email": data.pop("email", f"{id.hex[:8]}@trust.example"),
        "postal_address": data.pop("postal_address", ["1 Trust Road", "London"]),
        "postcode": data.pop("postcode", "W10 1AA"),
        "source": "the trust's annual report",
    }
    return told(
        ContactListed,
        id,
        sequence,
        **{
            "contact_id": id,
            "organisation_id": organisation_id,
            "role": "chief_executive",
            "channel": "email",
            "listed_on": date(2011, 9, 8),
            "withdrawn_on": None,
            "address": seal(database.context.keys, ContactListed, "address", address),
            **data,
        },
    )


def withdrawn(id: UUID, organisation_id: UUID, sequence: int = 2) -> Event:
    return told(
        ContactWithdrawn,
        id,
        sequence,
        contact_id=id,
        organisation_id=organisation_id,
        role="chief_executive",
        channel="email",
        listed_on=date(2011, 9, 8),
        withdrawn_on=date(2012, 1, 8),
        address=None,
    )


def person(
    database: Database,
    id: UUID,
    name: str | None,
    sequence: int = 1,
    *,
    fact: type[Fact] = PersonAdmitted,
    barred: bool = False,
) -> Event:
    """Somebody who may sign in, as partners says it; of whoever was erased, without a name."""
    keys = database.context.keys
    who = {"name": name, "email": "colleague@forum.example"}
    return told(
        fact,
        id,
        sequence,
        person_id=id,
        organisation_id=UUID(int=2),
        roles=["staff"],
        barred=barred,
        who=seal(keys, fact, "who", who) if name else None,
        name=seal(keys, fact, "name", {"name": name}) if name else None,
    )


def counted(
    area: str, count: int, sequence: int = 1, profession: str = "dentist", on: date = date(2011, 12, 31)
) -> Event:
    return told(
        RegistrationsCounted,
        f"{area}/{profession}",
        sequence,
        area=area,
        profession=profession,
        count=count,
        counted_on=on,
    )


async def pledged(database: Database, letter_id: UUID, pence: int = 150_000) -> UUID:
    """A pledge in answer to a letter, which we have confirmed."""
    said = Answer(kind=AnswerKind.PLEDGE, name="Sam Okafor", position="Finance", pledge_pence=pence)
    async with database.transaction() as tx:
        await record_answer(tx, letter_id, said)
        pledge: UUID = await tx.fetchval("SELECT id FROM answers ORDER BY at DESC, id DESC LIMIT 1")
        await confirm_pledge(tx, pledge, instead=False)
    return pledge


def written_back(
    pledge_id: UUID, pence: int = 150_000, campaign_id: UUID | None = SOME_CAMPAIGN, word: int = 1
) -> Event:
    """Grants says, in its first word on it or a later one, that so much of a pledge will not come."""
    return told(
        ContributionWrittenBack,
        pledge_id,
        word,
        pledge_id=pledge_id,
        organisation_id=UUID(int=8),
        campaign_id=campaign_id,
        fund="training scheme",
        amount=pounds_sterling(pence),
        written_back_on=date(2012, 4, 20),
    )


async def hear(database: Database, *events: Event) -> None:
    """Let the service receive these events, through its inbox."""
    await take(database, SUBSCRIPTIONS, *events)


def trust_of(area: str) -> UUID:
    return uuid5(NAMESPACE_URL, f"trust/{area}")


def contact_of(area: str, role: str) -> UUID:
    return uuid5(NAMESPACE_URL, f"contact/{area}/{role}")


def address_of(area: str, role: str) -> str:
    return f"{role}.{area.lower()}@trust.example"


async def fill(database: Database, areas: dict[str, int], roles: Sequence[str] = ROLES) -> None:
    """One trust for each area with a contact of each role, and how many dentists live there."""
    events = [organisation(trust_of(area), f"Trust {area}", [area]) for area in areas]
    events += [
        contact(database, contact_of(area, role), trust_of(area), role=role, email=address_of(area, role))
        for area in areas
        for role in roles
    ]
    await hear(database, *events, *(counted(area, count) for area, count in areas.items()))


def example_document() -> dict[str, Any]:
    return tomllib.loads((EXAMPLES / "campaign.toml").read_text("utf-8"))


def example_plan(**changes: Any) -> Plan:
    """The Forum's campaign."""
    return replace(read_plan(example_document()), **changes)


async def drafted(database: Database, plan: Plan | None = None) -> UUID:
    """A draft with its letters."""
    async with database.transaction() as tx:
        id = await create_campaign(tx, plan or example_plan(), WRITER)
        await prepare_letters(tx, id)
    return id


async def approved(database: Database, plan: Plan | None = None) -> UUID:
    """A campaign that somebody else has approved."""
    id = await drafted(database, plan)
    async with database.transaction() as tx:
        await approve(tx, id)
    return id


async def approve(tx: Transaction, id: UUID) -> None:
    """Submit a draft as its writer, and approve it as somebody else."""
    await submit_campaign(tx, id, WRITER)
    found = await lock_campaign(tx, id)
    await approve_campaign(tx, id, READER, found["version"])


async def chase_so(tx: Transaction, id: UUID, **changes: Any) -> None:
    """Let a campaign of which letters have gone chase in another way, which somebody else has approved."""
    chasing = replace((await chasing_of(tx, id)).chasing, **changes)
    if (await set_chasing(tx, id, chasing, WRITER)).waits:
        await approve_campaign(tx, id, READER, (await lock_campaign(tx, id))["version"])


async def released(database: Database, plan: Plan | None = None) -> UUID:
    """A campaign whose letters are due."""
    id = await approved(database, plan)
    async with database.transaction() as tx:
        await send_campaign(tx, id)
    return id


async def rows(database: Database, statement: str, *values: Any) -> list[dict[str, Any]]:
    async with database.reading() as tx:
        return [dict(row) for row in await tx.fetch(statement, *values)]


async def letters(database: Database) -> list[dict[str, Any]]:
    """All letters, in the order of their numbers."""
    return await rows(database, "SELECT * FROM letters ORDER BY campaign_id, number")


@pytest.fixture(scope="session")
def recording_server() -> Iterator[RecordingMailServer]:
    with RecordingMailServer() as server:
        yield server


@pytest.fixture
def mail(recording_server: RecordingMailServer) -> Iterator[RecordingMailServer]:
    """The mail server, accepting everything, with nothing in it."""
    recording_server.forget()
    yield recording_server
    recording_server.forget()


@pytest.fixture
def settings(settings: Settings, mail: RecordingMailServer) -> Settings:
    """Settings that lead to the recording mail server, with nothing to wait for."""
    return replace(
        settings,
        smtp_url=f"smtp://{mail.host}:{mail.port}",
        mail_rate=1000.0,
        mail_domain_rate=0.0,
        mail_attempts=3,
        mail_retry=30.0,
        public_url="https://forum.example",
    )


@pytest.fixture
async def book(make_database: MakeDatabase) -> Database:
    """Three trusts with three contacts each, and their counts."""
    database = await make_database("notifications")
    await fill(database, AREAS)
    return database


SendAll = Callable[[], Awaitable[None]]


@pytest.fixture
def send_due(book: Database) -> SendAll:
    """Takes turns of the sender until there is nothing more to do at once."""

    async def send_due() -> None:
        while await Sender(book).turn():
            pass

    return send_due


@pytest.fixture
async def sent(book: Database, send_due: SendAll) -> list[dict[str, Any]]:
    """Nine letters that were sent."""
    await released(book)
    await send_due()
    return await letters(book)
