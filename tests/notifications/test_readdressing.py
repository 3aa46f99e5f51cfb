"""Letters follow bodies that were merged or have closed, whatever order the events come in."""

import asyncio
from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from chassis.database import Database
from chassis.testing import RecordingMailServer
from contracts.envelope import Event
from contracts.notifications import ContributionPledged, LetterAcknowledged
from contracts.partners import OrganisationAmended, OrganisationClosed
from services.notifications.answers import Answer, confirm_pledge, record_answer
from services.notifications.domain import AnswerKind
from services.notifications.figures import figures
from services.notifications.preparing import prepare_letters
from services.notifications.queries import QUERIES
from services.notifications.readdressing import follow_bodies
from tests.conftest import announced, client
from tests.notifications.conftest import (
    ROLES,
    SendAll,
    address_of,
    contact,
    contact_of,
    drafted,
    hear,
    letters,
    organisation,
    released,
    rows,
    told,
    trust_of,
    withdrawn,
)

#: The trusts of the address book: one that goes, one that stays, and a third.
GOES, STAYS, THIRD = "E09000020", "E09000033", "E09000007"
CLOSED_ON = date(2013, 3, 31)


def merged(area: str, into: UUID, sequence: int = 2) -> Event:
    data = organisation(trust_of(area), f"Trust {area}", [area], merged_into=into).data
    return told(OrganisationAmended, trust_of(area), sequence, **data)


def named(area: str, name: str, sequence: int = 2) -> Event:
    data = organisation(trust_of(area), name, [area]).data
    return told(OrganisationAmended, trust_of(area), sequence, **data)


def closed(
    id: UUID, name: str, successor: UUID | None, *handed: str, areas: Sequence[str] = (), sequence: int = 2
) -> Event:
    data: dict[str, Any] = {"closed_on": CLOSED_ON, "successor_id": successor, "handed_over": list(handed)}
    said = organisation(id, name, areas or [GOES], **data).data
    return told(OrganisationClosed, id, sequence, **said)


def moved(database: Database, area: str, role: str, to: UUID) -> Event:
    """A contact who went along with a merge."""
    email = address_of(area, role)
    return contact(database, contact_of(area, role), to, 2, role=role, email=email)


def merge_events(database: Database) -> list[Event]:
    """The first trust goes into the second: one contact is there already, the others move."""
    stays = trust_of(STAYS)
    return [
        merged(GOES, stays),
        named(STAYS, "The United Trust"),
        withdrawn(contact_of(GOES, "chief_executive"), trust_of(GOES)),
        *(moved(database, GOES, role, stays) for role in ROLES[1:]),
    ]


async def follow(database: Database) -> None:
    async with database.transaction() as tx:
        await follow_bodies(tx)


async def to(database: Database, area: str) -> list[dict[str, Any]]:
    """The letters that were written to the contacts of a trust."""
    found = {contact_of(area, role) for role in ROLES}
    return [letter for letter in await letters(database) if letter["contact_id"] in found]


# Merged


async def test_what_is_not_sent_goes_in_the_name_of_the_entry_that_stays(
    book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    await released(book)
    await hear(book, *merge_events(book))
    await send_due()
    said = await letters(book)
    assert {letter["organisation_id"] for letter in said} == {trust_of(STAYS), trust_of(THIRD)}
    states = {letter["contact_id"]: letter["state"] for letter in said}
    assert states[contact_of(GOES, "chief_executive")] == "blocked", (
        "they have a letter at the one that stays"
    )
    assert list(states.values()).count("sent") == 8
    assert len(mail.messages) == 8
    for message in mail.messages:
        text = message.parsed.get_body(("plain",))
        assert text is not None
        assert "Trust E09000020" not in text.get_content()
        assert "Trust E09000033" not in text.get_content()


async def test_a_contact_in_both_whose_other_entry_has_no_letter_is_written_to_once(
    book: Database, send_due: SendAll, mail: RecordingMailServer
) -> None:
    """The letter was for the entry that goes; the same person is reached at the one that stays."""
    campaign = await released(book)
    async with book.transaction() as tx:
        gone = contact_of(STAYS, "chief_executive")
        await tx.execute("DELETE FROM letters WHERE contact_id = $1", gone)
    await hear(book, *merge_events(book))
    await send_due()
    one = [letter for letter in await letters(book) if letter["contact_id"] == gone]
    assert [letter["state"] for letter in one] == ["sent"]
    assert address_of(STAYS, "chief_executive") in {each for m in mail.messages for each in m.recipients}
    history = await rows(book, "SELECT what FROM letter_history WHERE letter_id = $1", one[0]["id"])
    assert "Re-addressed: two entries of this contact are one" in {row["what"] for row in history}
    async with book.reading() as tx:
        found = await figures(tx, campaign)
    assert (found.asked, found.bodies()) == (2, 2)


async def test_a_merged_body_counts_once_with_what_either_has_said(book: Database, send_due: SendAll) -> None:
    campaign = await released(book)
    await send_due()
    async with book.reading() as tx:
        assert (await figures(tx, campaign)).asked == 3
    first, *_ = await to(book, GOES)
    pledge = Answer(kind=AnswerKind.PLEDGE, name="Sam", position="Head", pledge_pence=100_000)
    async with book.transaction() as tx:
        await record_answer(tx, first["id"], pledge)
    await hear(book, *merge_events(book))
    async with book.reading() as tx:
        found = await figures(tx, campaign)
    assert (found.asked, found.acknowledged, found.never_acknowledged) == (2, 1, 1)
    one = "SELECT name, areas, letters FROM bodies WHERE organisation_id = $1"
    [body] = await rows(book, one, trust_of(STAYS))
    assert (body["name"], set(body["areas"]), body["letters"]) == ("The United Trust", {GOES, STAYS}, 6)
    async with book.transaction() as tx:
        [answer] = await tx.fetch("SELECT id FROM answers")
        await confirm_pledge(tx, answer["id"])
        await record_answer(tx, first["id"], Answer(kind=AnswerKind.ACKNOWLEDGE))
    facts = [e for e in await announced(book) if e.fact in (ContributionPledged, LetterAcknowledged)]
    assert {event.data["organisation_id"] for event in facts} == {trust_of(STAYS)}
    assert (await to(book, GOES))[0]["frozen"]["values"]["body_name"] == "Trust E09000020", "as it was sent"


async def test_a_draft_names_the_entry_that_stays_and_its_contacts_once(book: Database) -> None:
    campaign = await drafted(book)
    await hear(book, merged(GOES, trust_of(STAYS)))  # and nothing of its contacts yet
    assert {letter["body_name"] for letter in await letters(book)} == {f"Trust {STAYS}", f"Trust {THIRD}"}
    async with book.transaction() as tx:
        await prepare_letters(tx, campaign)
    assert {letter["organisation_id"] for letter in await letters(book)} == {trust_of(STAYS), trust_of(THIRD)}


# Closed


@pytest.fixture
async def chain(book: Database) -> tuple[UUID, UUID]:
    """Two more bodies, which take over one after the other; the second has the same roles."""
    ccg, icb = uuid5(trust_of(GOES), "ccg"), uuid5(trust_of(GOES), "icb")
    await hear(
        book,
        organisation(ccg, "West London CCG", [], kinds=["nhs_trust"]),
        organisation(icb, "North West London ICB", [], kinds=["nhs_trust"]),
        *(
            contact(book, uuid5(icb, role), icb, role=role, name=f"Ṁary {role}", email=f"{role}@icb.example")
            for role in ROLES[:2]
        ),
    )
    return ccg, icb


async def test_letters_go_to_the_last_of_a_chain_and_are_set_aside_where_nobody_has_the_role(
    book: Database, chain: tuple[UUID, UUID], mail: RecordingMailServer, send_due: SendAll
) -> None:
    ccg, icb = chain
    campaign = await released(book)
    await hear(
        book,
        closed(trust_of(GOES), "Trust E09000020", ccg, "letters"),
        closed(ccg, "West London CCG", icb, "letters", "agreements"),
    )
    await send_due()
    there = [letter for letter in await letters(book) if letter["organisation_id"] == icb]
    assert {letter["state"] for letter in there} == {"sent"}
    assert {each for m in mail.messages for each in m.recipients} >= {
        f"{role}@icb.example" for role in ROLES[:2]
    }
    values = there[0]["frozen"]["values"]
    assert (values["body_name"], values["contact_name"][:5]) == ("North West London ICB", "Ṁary ")
    [aside] = [letter for letter in await letters(book) if letter["state"] == "blocked"]
    assert aside["reason"] == "body_closed"
    assert "nobody has this role" in aside["failure"]
    assert "closed on 31 March 2013" in aside["failure"]
    from services.notifications.web import build

    async with client(build(book), "/letters") as browser:
        board = await browser.get(f"/letters/campaigns/{campaign}")
    assert "At North West London ICB, which took over, nobody has this role" in board.text


@pytest.mark.parametrize("handed", [(), ("agreements",)])
async def test_letters_that_were_not_handed_over_are_stopped_with_the_reason(
    book: Database,
    chain: tuple[UUID, UUID],
    mail: RecordingMailServer,
    send_due: SendAll,
    handed: tuple[str, ...],
) -> None:
    await released(book)
    await hear(book, closed(trust_of(GOES), "Trust E09000020", chain[1], *handed))
    await send_due()
    aside = await to(book, GOES)
    assert {letter["state"] for letter in aside} == {"blocked"}
    assert {letter["failure"] for letter in aside} == {
        "This body closed on 31 March 2013. Its letters were not handed over."
    }
    assert {letter["cure"] for letter in aside} == {"Write to its successor, North West London ICB."}
    assert len(mail.messages) == 6


async def test_two_bodies_with_one_successor_write_to_it_once(
    book: Database, chain: tuple[UUID, UUID], send_due: SendAll
) -> None:
    icb = chain[1]
    await released(book)
    await hear(
        book,
        *(closed(trust_of(a), f"Trust {a}", icb, "letters", areas=[a]) for a in (GOES, THIRD)),
    )
    await send_due()
    sent = [letter for letter in await letters(book) if letter["organisation_id"] == icb]
    assert len(sent) == 2
    failures = [letter["failure"] for letter in await letters(book) if letter["state"] == "blocked"]
    assert len(failures) == 4
    assert sum("has a letter of this campaign" in failure for failure in failures) == 2


async def test_a_ring_of_successors_sends_nothing_round(
    book: Database, chain: tuple[UUID, UUID], send_due: SendAll
) -> None:
    ccg, icb = chain
    await released(book)
    await hear(
        book,
        closed(trust_of(GOES), "Trust E09000020", ccg, "letters"),
        closed(ccg, "West London CCG", icb, "letters"),
        closed(icb, "North West London ICB", trust_of(GOES), "letters"),
    )
    await send_due()
    assert {letter["state"] for letter in await to(book, GOES)} == {"blocked"}


async def test_a_letter_comes_back_while_its_campaign_is_sent_and_never_after(
    book: Database, chain: tuple[UUID, UUID], send_due: SendAll, mail: RecordingMailServer
) -> None:
    icb = chain[1]
    campaign = await released(book)
    await hear(book, closed(trust_of(GOES), "Trust E09000020", None))
    await follow(book)
    assert {letter["state"] for letter in await to(book, GOES)} == {"blocked"}
    await hear(book, closed(trust_of(GOES), "Trust E09000020", icb, "letters", sequence=3))
    await follow(book)
    assert len([each for each in await letters(book) if each["organisation_id"] == icb]) == 2
    await send_due()
    async with book.reading() as tx:
        assert (await QUERIES.campaign(tx, id=campaign))["state"] == "sent"
    before = len(mail.messages)
    late = contact(book, uuid5(icb, "late"), icb, role=ROLES[2], email="late@icb.example")
    await hear(book, late)
    await send_due()
    assert len(mail.messages) == before, "a letter of long ago went because somebody was listed"


async def test_a_closing_that_is_taken_back_lets_the_letters_go(book: Database, send_due: SendAll) -> None:
    await released(book)
    await hear(book, closed(trust_of(GOES), "Trust E09000020", None))
    await follow(book)
    await hear(book, named(GOES, "Trust E09000020", sequence=3))
    await send_due()
    assert {letter["state"] for letter in await letters(book)} == {"sent"}


async def test_a_draft_names_the_last_of_the_chain(book: Database, chain: tuple[UUID, UUID]) -> None:
    ccg, icb = chain
    await hear(book, closed(trust_of(GOES), "Trust E09000020", ccg), closed(ccg, "West London CCG", icb))
    await drafted(book)
    cures = {letter["cure"] for letter in await letters(book) if letter["state"] == "blocked"}
    assert cures == {"Write to its successor, North West London ICB."}


async def test_a_letter_that_was_scrubbed_is_turned_to_nobody(
    book: Database, chain: tuple[UUID, UUID], send_due: SendAll
) -> None:
    await released(book)
    async with book.transaction() as tx:
        await tx.execute("UPDATE letters SET scrubbed_at = $1", tx.now)
    await hear(book, closed(trust_of(GOES), "Trust E09000020", chain[1], "letters"))
    await follow(book)
    assert {letter["state"] for letter in await to(book, GOES)} == {"blocked"}


# Any order


async def _state(database: Database) -> list[Any]:
    """What letters say and to whom, and the copies, without when and how often something changed."""
    statement = (
        "SELECT number, organisation_id, contact_id, body_name, state, reason, failure,"
        " frozen->'values' AS says FROM letters ORDER BY number"
    )
    tables = ("SELECT * FROM organisations ORDER BY id", "SELECT * FROM contacts ORDER BY id")
    return [await rows(database, each) for each in (statement, *tables)]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("between", [False, True], ids=["at the end", "after each"])
async def test_any_order_of_a_merge_and_closings_ends_the_same(
    book: Database, chain: tuple[UUID, UUID], between: bool
) -> None:
    """Also when the letters are looked at after each event."""
    ccg, icb = chain
    third = closed(trust_of(THIRD), "Trust E09000007", ccg, "letters", areas=[THIRD])
    events = [*merge_events(book), third, closed(ccg, "West London CCG", icb, "letters")]
    await released(book)
    loop = asyncio.get_running_loop()
    tables = ("letters", "letter_history", "organisations", "contacts")
    async with book.transaction() as tx:
        for table in tables:
            await tx.execute(f"CREATE TABLE before_{table} AS SELECT * FROM {table}")

    async def deliver(order: Sequence[Event]) -> list[Any]:
        async with book.transaction() as tx:
            await tx.execute("DELETE FROM letter_history")
            for table in ("letters", "organisations", "contacts"):
                await tx.execute(f"DELETE FROM {table}")
                await tx.execute(f"INSERT INTO {table} SELECT * FROM before_{table}")
            await tx.execute("TRUNCATE inbox, parked")
        for event in order:
            await hear(book, event)
            if between:
                await follow(book)
        await follow(book)
        return await _state(book)

    expected = await deliver(events)
    said, *_ = expected
    assert {row["organisation_id"] for row in said if row["state"] == "ready"} == {trust_of(STAYS), icb}

    @hypothesis_settings(max_examples=25, suppress_health_check=list(HealthCheck))
    @given(order=st.permutations(events), twice=st.lists(st.sampled_from(events), max_size=3))
    def property_holds(order: list[Event], twice: list[Event]) -> None:
        found = asyncio.run_coroutine_threadsafe(deliver([*order, *twice]), loop).result(60)
        assert found == expected

    await asyncio.to_thread(property_holds)
