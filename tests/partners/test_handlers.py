"""What partners makes of what it hears: one note on the timeline for each fact, in whatever order."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.database import Database
from chassis.house import word_within
from chassis.inbox import Inbox
from contracts.catalogue import facts_for, sample
from contracts.envelope import pounds_sterling
from contracts.grants import ContributionReceived, ContributionRefunded, ContributionWrittenBack
from contracts.notifications import (
    ContactCleared,
    ContactSuspected,
    ContributionPledged,
    LetterAcknowledged,
    LetterAnswerCorrected,
    LetterAnswered,
    LetterBounced,
    LetterFailed,
    LetterOverdue,
    LetterSent,
)
from services.partners.handlers import SUBSCRIPTIONS
from tests.partners.conftest import SUCCESSOR, TRUST, Bring, hear, line, told

NOTED = {
    LetterSent: "Letter to {whom} sent: “Training for refugee dentists 2012”, asking £3,700",
    LetterFailed: "Letter to {whom} did not arrive: “Training for refugee dentists 2012”",
    LetterBounced: "Letter to {whom} came back: “Training for refugee dentists 2012”",
    LetterAcknowledged: "Letter to {whom} acknowledged: “Training for refugee dentists 2012”",
    LetterAnswered: "Letter to {whom} answered with a refusal: “Training for refugee dentists 2012”",
    LetterAnswerCorrected: "Answer put right: acknowledged, “Training for refugee dentists 2012”",
    LetterOverdue: "Letter to {whom}, answer late: “Training for refugee dentists 2012”",
    ContactSuspected: "The address of {whom} may be dead",
    ContactCleared: "The address of {whom} works after all",
    ContributionPledged: "£3,700 pledged for “training scheme”: “Training for refugee dentists 2012”",
    ContributionReceived: "£3,700 received for “training scheme”",
    ContributionRefunded: "£700 given back, from “training scheme”",
    ContributionWrittenBack: "£700 will not come, of what was pledged for “training scheme”",
}


@pytest.fixture
async def trust(bring: Bring, register: Database) -> UUID:
    """The id of an organisation in the register."""
    await bring(line(TRUST))
    return await id_of(register, "GB-NHS-5LA")


async def id_of(register: Database, identifier: str) -> UUID:
    async with register.reading() as tx:
        found: UUID = await tx.fetchval("SELECT id FROM organisations WHERE identifier = $1", identifier)
    return found


async def timeline(register: Database) -> list[dict[str, Any]]:
    """The rows of the timeline, oldest first."""
    async with register.reading() as tx:
        return [dict(row) for row in await tx.fetch("SELECT * FROM timeline ORDER BY happened_at, id")]


def test_everything_that_is_said_to_partners_is_heard() -> None:
    assert {each.fact.type() for each in SUBSCRIPTIONS} == set(facts_for("partners"))
    remembered = {each.fact.NAME for each in SUBSCRIPTIONS if each.react is None}
    assert remembered == {"service_reported"}, "how a service is replaces what was heard before"


@pytest.mark.parametrize("fact", NOTED)
async def test_a_fact_is_noted_in_plain_words(register: Database, trust: UUID, fact: Any) -> None:
    await hear(register, [told(fact, organisation_id=trust)])
    [row] = await timeline(register)
    whom = word_within(register.context.house.lists["contact_roles"], "dental_care")
    assert row["what"] == NOTED[fact].format(whom=whom)
    assert row["organisation_id"] == trust
    assert row["kind"] == fact.NAME
    assert row["letter_id"] == sample(fact).data.get("letter_id")


@pytest.mark.parametrize(
    ("expected", "which"),
    [(pounds_sterling(70_000), "£700 of what"), (None, "What")],
    ids=["with the sum", "by an earlier release"],
)
async def test_what_is_expected_after_all_is_noted_beside_what_was_to_come_no_more(
    register: Database, trust: UUID, expected: Any, which: str
) -> None:
    gone = told(ContributionWrittenBack, organisation_id=trust)
    said = {"amount": pounds_sterling(0), "expected_again": expected}
    again = told(ContributionWrittenBack, organisation_id=trust, **said)
    await hear(register, [gone, replace(again, id=uuid4(), time=gone.time + timedelta(hours=1))])
    noted = await timeline(register)
    assert [row["what"] for row in noted] == [
        NOTED[ContributionWrittenBack],
        f"{which} was pledged for “training scheme” is expected after all",
    ]
    assert noted[1]["detail"] == "It is waited for again since 20 April 2012."


async def test_a_letter_without_an_ask_is_noted_without_one(register: Database, trust: UUID) -> None:
    await hear(register, [told(LetterSent, organisation_id=trust, ask=None, contact_role="unheard_of")])
    [row] = await timeline(register)
    assert row["what"] == "Letter to unheard_of sent: “Training for refugee dentists 2012”"


async def test_a_postal_address_from_which_our_letter_came_back(register: Database, trust: UUID) -> None:
    await hear(register, [told(ContactSuspected, organisation_id=trust, channel="post")])
    [row] = await timeline(register)
    assert row["what"].startswith("The postal address of ")
    assert row["detail"] == "Our letter came back by post. Telephone, and put it right."


@pytest.mark.parametrize("answer", ["pledged", "will_meet", "declined", "asked"])
async def test_every_answer_has_its_words(register: Database, trust: UUID, answer: str) -> None:
    await hear(register, [told(LetterAnswered, organisation_id=trust, answer=answer)])
    [row] = await timeline(register)
    words = {
        "pledged": "a pledge",
        "will_meet": "an offer to meet",
        "declined": "a refusal",
        "asked": "a question",
    }
    assert f"answered with {words[answer]}" in row["what"]
    assert row["detail"]


async def test_the_order_of_arrival_makes_no_difference(
    register: Database, trust: UUID, bring: Bring
) -> None:
    events = [told(fact, organisation_id=trust) for fact in (LetterSent, LetterAcknowledged, LetterAnswered)]
    seen = []
    for order in permutations(events):
        async with register.transaction() as tx:
            await tx.execute("TRUNCATE timeline, timeline_files, inbox")
        for event in order:
            await hear(register, [event])
        seen.append([(row["id"], row["what"]) for row in await timeline(register)])
    assert len(seen[0]) == 3
    assert all(each == seen[0] for each in seen)


async def test_a_fact_told_twice_is_noted_once(register: Database, trust: UUID) -> None:
    event = told(LetterSent, organisation_id=trust)
    await hear(register, [event, event])
    await hear(register, [event])
    assert len(await timeline(register)) == 1


async def test_news_of_an_unknown_organisation_waits_until_it_is_known(
    register: Database, bring: Bring
) -> None:
    await hear(register, [sample(LetterSent)])
    assert await timeline(register) == []
    async with register.reading() as tx:
        assert await tx.fetchval("SELECT reason FROM parked") == "not_yet_known"
    await bring(line(TRUST), line(SUCCESSOR))
    trust = sample(LetterSent).data["organisation_id"]
    async with register.transaction() as tx:
        await tx.execute("UPDATE organisations SET id = $1 WHERE identifier = 'GB-NHS-5LA'", trust)
        await tx.execute("UPDATE parked SET next_try = $1", tx.now)
    assert await Inbox(register, SUBSCRIPTIONS).retry()
    assert len(await timeline(register)) == 1
