"""What comes back: recorded once, never lowered, announced without anybody's words."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.database import Database
from chassis.errors import Conflict, NotFound, Refused
from chassis.testing import CUT_AFTER_DOT, RecordingMailServer
from contracts.catalogue import sample
from contracts.envelope import Event, Fact
from contracts.grants import ContributionReceived, ContributionRefunded
from contracts.notifications import ContributionPledged, LetterAcknowledged, LetterAnswered, LetterSent
from services.notifications.answers import Answer, confirm_pledge, record_answer, settle_answer
from services.notifications.domain import AnswerKind, AnswerState, BodyStatus
from services.notifications.figures import Figures, document, figures
from services.notifications.letters import letter_to_area
from tests.conftest import announced
from tests.notifications.conftest import (
    SendAll,
    drafted,
    hear,
    letters,
    organisation,
    pledged,
    released,
    rows,
    trust_of,
    written_back,
)

ACKNOWLEDGE = Answer(kind=AnswerKind.ACKNOWLEDGE)
SECRET = "because Ms Zzyzxova said so"
DECLINE = Answer(kind=AnswerKind.DECLINE, detail=SECRET)
ASK = Answer(kind=AnswerKind.ASK, detail=SECRET)
PLEDGE = Answer(kind=AnswerKind.PLEDGE, name="Zzyzxova", position="Head of Finance", pledge_pence=150_000)


@pytest.fixture
async def campaign(book: Database, send_due: SendAll) -> UUID:
    """A campaign that was sent."""
    id = await released(book)
    await send_due()
    return id


async def say(database: Database, letter: UUID, *said: Answer) -> AnswerState:
    for answer in said:
        async with database.transaction() as tx:
            after = await record_answer(tx, letter, answer)
    return after


async def told(database: Database, *facts: type) -> list[Any]:
    return [event for event in await announced(database) if event.fact in facts]


async def told_of(database: Database, campaign: UUID) -> dict[str, Any]:
    async with database.reading() as tx:
        return await document(tx, campaign)


async def come_to(database: Database, campaign: UUID) -> Figures:
    async with database.reading() as tx:
        return await figures(tx, campaign)


async def a_letter(database: Database, campaign: UUID, area: str = "E09000020") -> UUID:
    async with database.reading() as tx:
        return await letter_to_area(tx, campaign, area)


async def test_an_acknowledgement_is_announced_once(book: Database, campaign: UUID) -> None:
    letter = await a_letter(book, campaign)
    assert await say(book, letter, ACKNOWLEDGE, ACKNOWLEDGE) is AnswerState.ACKNOWLEDGED
    [event] = await told(book, LetterAcknowledged, LetterAnswered)
    assert event.data["letter_id"] == letter
    assert len(await rows(book, "SELECT FROM answers")) == 1


async def test_parallel_acknowledgements_are_one(book: Database, campaign: UUID) -> None:
    letter = await a_letter(book, campaign)
    await asyncio.gather(*(say(book, letter, ACKNOWLEDGE) for _ in range(6)))
    assert len(await told(book, LetterAcknowledged)) == 1


async def test_an_answer_is_never_lowered(book: Database, campaign: UUID) -> None:
    letter = await a_letter(book, campaign)
    assert await say(book, letter, DECLINE, ACKNOWLEDGE) is AnswerState.DECLINED
    assert await say(book, letter, ASK) is AnswerState.DECLINED
    assert await say(book, letter, PLEDGE) is AnswerState.PLEDGED
    assert await told(book, LetterAcknowledged) == []
    answers = [event.data["answer"] for event in await told(book, LetterAnswered)]
    assert answers == ["declined", "asked", "pledged"]


async def test_every_event_of_a_letter_has_a_version_of_its_own(book: Database, campaign: UUID) -> None:
    letter = await a_letter(book, campaign)
    await say(book, letter, ACKNOWLEDGE, ASK, DECLINE)
    events = [event for event in await announced(book) if event.subject == str(letter)]
    sequences = [event.sequence for event in events]
    assert len(events) == 4
    assert sequences == sorted(set(sequences))


async def test_nobodys_words_leave_the_service(book: Database, campaign: UUID) -> None:
    letter = await a_letter(book, campaign)
    await say(book, letter, DECLINE, ASK, PLEDGE)
    said = await rows(book, "SELECT convert_from(body, 'UTF8') AS body FROM outbox")
    assert not any("Zzyzxova" in row["body"] for row in said)
    noted = await rows(book, "SELECT what, who FROM letter_history")
    assert not any("Zzyzxova" in str(row) for row in noted)


async def test_a_pledge_counts_when_it_is_confirmed(book: Database, campaign: UUID) -> None:
    letter = await a_letter(book, campaign)
    await say(book, letter, PLEDGE)
    assert (await come_to(book, campaign)).pledged_pence == 0
    assert await told(book, ContributionPledged) == []
    [pledge] = await rows(book, "SELECT id FROM answers")

    async def confirm() -> None:
        async with book.transaction() as tx:
            await confirm_pledge(tx, pledge["id"])

    outcomes = await asyncio.gather(*(confirm() for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 3
    [event] = await told(book, ContributionPledged)
    assert event.data["pledge_id"] == pledge["id"]
    assert event.data["organisation_id"] == trust_of("E09000020")
    assert (event.data["fund"], event.data["amount"]["amount_pence"]) == ("training scheme", 150_000)
    found = await come_to(book, campaign)
    assert (found.pledged_pence, found.pledged_bodies) == (150_000, 1)


async def test_what_came_for_a_campaign_is_counted_once_and_less_what_went_back(
    book: Database, campaign: UUID
) -> None:
    def said(fact: type[Fact], campaign_id: UUID | None) -> Event:
        golden = sample(fact)
        return replace(golden, id=uuid4(), data={**golden.data, "campaign_id": campaign_id})

    came = said(ContributionReceived, campaign)
    await hear(book, came, came, said(ContributionReceived, uuid4()), said(ContributionReceived, None))
    assert (await come_to(book, campaign)).received_pence == 370_000
    await hear(book, came, said(ContributionRefunded, campaign))
    assert (await come_to(book, campaign)).received_pence == 300_000


async def test_what_will_not_come_of_a_pledge_counts_no_more_and_is_shown_apart(
    book: Database, campaign: UUID
) -> None:
    letter = await a_letter(book, campaign)
    part, whole = await pledged(book, letter, 150_000), await pledged(book, letter, 20_000)
    gone = written_back(part, 50_000)
    await hear(book, gone, gone)
    await hear(book, gone)
    found = await come_to(book, campaign)
    assert (found.pledged_pence, found.pledged_bodies, found.written_back_pence) == (120_000, 1, 50_000)
    assert found.bodies(BodyStatus.PLEDGED) == 1
    await hear(book, written_back(whole, 20_000))
    found = await come_to(book, campaign)
    assert (found.pledged_pence, found.pledged_bodies, found.written_back_pence) == (100_000, 1, 70_000)
    noted = await rows(book, "SELECT what, who FROM letter_history WHERE who = 'Grants' ORDER BY id")
    assert [row["what"] for row in noted] == [
        "£500 of what was pledged will not come",
        "£200 of what was pledged will not come",
    ]


async def test_a_body_of_whose_pledge_nothing_will_come_has_answered_and_promises_nothing(
    book: Database, campaign: UUID
) -> None:
    letter = await a_letter(book, campaign)
    await hear(book, written_back(await pledged(book, letter)))
    found = await come_to(book, campaign)
    assert (found.pledged_pence, found.pledged_bodies, found.written_back_pence) == (0, 0, 150_000)
    assert (found.bodies(BodyStatus.WRITTEN_BACK), found.bodies(BodyStatus.PLEDGED)) == (1, 0)
    assert (found.asked, found.acknowledged, found.answered) == (3, 1, 1)
    assert (await told_of(book, campaign))["pledged"] == {
        "bodies": 0,
        "pence": 0,
        "written_back_pence": 150_000,
    }
    book.context.clock.advance(timedelta(hours=1))
    await say(book, letter, PLEDGE)
    assert (await come_to(book, campaign)).bodies(BodyStatus.PLEDGED) == 1, "they promise anew"
    [anew] = await rows(book, "SELECT id FROM answers WHERE confirmed_at IS NULL")
    async with book.transaction() as tx:
        await confirm_pledge(tx, anew["id"])  # nothing counts that it could come instead of
    found = await come_to(book, campaign)
    assert (found.pledged_pence, found.pledged_bodies, found.written_back_pence) == (150_000, 1, 150_000)


async def test_once_nothing_of_a_pledge_will_come_a_refusal_is_their_answer(
    book: Database, campaign: UUID
) -> None:
    """Whichever of the two is heard first."""
    first = await a_letter(book, campaign)
    second = await a_letter(book, campaign, "E09000033")
    pledges = [await pledged(book, letter) for letter in (first, second)]
    book.context.clock.advance(timedelta(hours=1))
    await say(book, first, DECLINE)
    for pledge in pledges:
        await hear(book, written_back(pledge))
    assert await say(book, second, DECLINE) is AnswerState.DECLINED
    found = await come_to(book, campaign)
    assert found.bodies(BodyStatus.DECLINED) == 2
    assert (found.pledged_pence, found.written_back_pence) == (0, 300_000)


async def test_what_grants_expects_after_all_counts_again(book: Database, campaign: UUID) -> None:
    """Whichever of its words comes first, and what came in between stands where it stood."""
    first = await a_letter(book, campaign)
    second = await a_letter(book, campaign, "E09000033")
    pledges = [await pledged(book, letter) for letter in (first, second)]
    await hear(book, written_back(pledges[0]))
    book.context.clock.advance(timedelta(hours=1))
    assert await say(book, first, DECLINE) is AnswerState.DECLINED
    await hear(book, written_back(pledges[0], 0, word=2))
    for word, pence in ((2, 0), (1, 150_000)):
        await hear(book, written_back(pledges[1], pence, word=word))
    found = await come_to(book, campaign)
    assert (found.pledged_pence, found.pledged_bodies, found.written_back_pence) == (300_000, 2, 0)
    assert (found.bodies(BodyStatus.PLEDGED), found.bodies(BodyStatus.WRITTEN_BACK)) == (2, 0)
    assert (await told_of(book, campaign))["pledged"] == {
        "bodies": 2,
        "pence": 300_000,
        "written_back_pence": 0,
    }
    noted = await rows(book, "SELECT what FROM letter_history WHERE who = 'Grants' ORDER BY id")
    assert [row["what"] for row in noted] == [
        "£1,500 of what was pledged will not come",
        "£1,500 of what was pledged is expected after all",
    ]
    await hear(book, written_back(pledges[0], 50_000, word=3))
    found = await come_to(book, campaign)
    assert (found.pledged_pence, found.pledged_bodies, found.written_back_pence) == (250_000, 2, 50_000)


@pytest.mark.parametrize(
    ("came", "noted"),
    [
        (0, ["The pledge of £1,500 was replaced by one of £200"]),
        (50_000, ["The pledge of £1,500 was replaced by one of £200, but the £500 that came counts"]),
        (150_000, []),
    ],
)
async def test_of_a_pledge_that_was_replaced_what_came_counts_and_nothing_is_lost(
    book: Database, campaign: UUID, came: int, noted: list[str]
) -> None:
    """Grants says of it, too, that the rest will not come; nothing, when all of it has come."""
    letter = await a_letter(book, campaign)
    before = await pledged(book, letter)
    book.context.clock.advance(timedelta(hours=1))
    await say(book, letter, replace(PLEDGE, pledge_pence=20_000))
    [anew] = await rows(book, "SELECT id FROM answers WHERE confirmed_at IS NULL")
    async with book.transaction() as tx:
        await confirm_pledge(tx, anew["id"], instead=True)
    if came < 150_000:
        await hear(book, written_back(before, 150_000 - came))
    found = await come_to(book, campaign)
    assert (found.pledged_pence, found.pledged_bodies, found.written_back_pence) == (20_000 + came, 1, 0)
    assert found.bodies(BodyStatus.PLEDGED) == 1
    said = await rows(book, "SELECT what FROM letter_history WHERE who = 'Grants'")
    assert [row["what"] for row in said] == noted


async def test_what_grants_says_of_a_pledge_waits_until_it_is_known_and_confirmed(
    book: Database, campaign: UUID
) -> None:
    """As after a restore; of a pledge that came by no campaign there is nothing to know."""
    await say(book, await a_letter(book, campaign), PLEDGE)
    [pledge] = await rows(book, "SELECT id FROM answers")
    await hear(book, written_back(uuid4(), campaign_id=None))
    assert await rows(book, "SELECT FROM parked") == []
    early = written_back(pledge["id"])
    await hear(book, written_back(uuid4()), early)
    assert [row["reason"] for row in await rows(book, "SELECT reason FROM parked")] == ["not_yet_known"] * 2
    assert (await come_to(book, campaign)).bodies(BodyStatus.PLEDGED) == 1
    async with book.transaction() as tx:
        await confirm_pledge(tx, pledge["id"])
    await hear(book, replace(early, id=uuid4()))
    assert (await come_to(book, campaign)).bodies(BodyStatus.WRITTEN_BACK) == 1


async def test_a_pledge_that_was_replaced_cannot_be_confirmed(book: Database, campaign: UUID) -> None:
    letter = await a_letter(book, campaign)
    await say(book, letter, PLEDGE)
    book.context.clock.advance(timedelta(hours=1))
    await say(book, letter, DECLINE)
    [pledge] = await rows(book, "SELECT id FROM answers WHERE kind = 'pledge'")
    with pytest.raises(Conflict, match="newer answer"):
        async with book.transaction() as tx:
            await confirm_pledge(tx, pledge["id"])
    with pytest.raises(NotFound):
        async with book.transaction() as tx:
            await confirm_pledge(tx, uuid4())


async def test_a_confirmed_pledge_is_not_moved_by_a_later_answer(book: Database, campaign: UUID) -> None:
    letter = await a_letter(book, campaign)
    await say(book, letter, PLEDGE)
    [pledge] = await rows(book, "SELECT id FROM answers")
    async with book.transaction() as tx:
        await confirm_pledge(tx, pledge["id"])
    book.context.clock.advance(timedelta(hours=1))
    assert await say(book, letter, DECLINE) is AnswerState.PLEDGED
    found = await come_to(book, campaign)
    assert (found.pledged_pence, found.pledged_bodies) == (150_000, 1)
    assert found.bodies(BodyStatus.DECLINED) == 0
    assert len(await rows(book, "SELECT FROM answers WHERE kind = 'decline'")) == 1


async def test_only_a_question_or_a_refusal_is_settled_and_only_once(book: Database, campaign: UUID) -> None:
    await say(book, await a_letter(book, campaign), PLEDGE, ASK)
    ids = {row["kind"]: row["id"] for row in await rows(book, "SELECT id, kind FROM answers")}

    async def settle(id: UUID) -> None:
        async with book.transaction() as tx:
            await settle_answer(tx, id)

    outcomes = await asyncio.gather(*(settle(ids["ask"]) for _ in range(3)), return_exceptions=True)
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 2
    for id in (ids["pledge"], uuid4()):
        with pytest.raises(NotFound):
            await settle(id)
    noted = await rows(book, "SELECT FROM letter_history WHERE what = 'Question answered by us'")
    assert len(noted) == 1


async def test_three_letters_to_one_body_are_one_body(book: Database, campaign: UUID) -> None:
    for letter in await letters(book):
        if letter["organisation_id"] == trust_of("E09000020"):
            await say(book, letter["id"], ACKNOWLEDGE)
    found = await come_to(book, campaign)
    assert (found.asked, found.acknowledged, found.never_acknowledged) == (3, 1, 2)


async def test_the_figures_of_a_campaign(book: Database, campaign: UUID) -> None:
    await say(book, await a_letter(book, campaign), DECLINE)
    assert await told_of(book, campaign) == {
        "asked": 3,
        "acknowledged": 1,
        "answered": 1,
        "declined": 1,
        "never_acknowledged": 2,
        "problems": 0,
        "chased": 0,
        "asks_pence": {"min": 350_000, "max": 500_000, "total": 1_330_000},
        "pledged": {"bodies": 0, "pence": 0, "written_back_pence": 0},
        "letters": {
            "draft": 0,
            "blocked": 0,
            "ready": 0,
            "printed": 0,
            "sending": 0,
            "sent": 9,
            "failed": 0,
            "unknown": 0,
        },
    }


async def test_a_body_whose_letters_never_arrived_is_a_problem_and_not_silent(
    book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    for area in ("E09000020",):
        for role in ("chief_executive", "dental_care", "equality_and_diversity"):
            mail.treat(CUT_AFTER_DOT, f"{role}.{area.lower()}@trust.example")
    campaign = await released(book)
    await send_due()
    told = await told_of(book, campaign)
    assert (told["asked"], told["never_acknowledged"], told["problems"]) == (2, 2, 1)
    assert told["letters"]["unknown"] == 3


async def test_who_answers_a_letter_has_it(
    book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    mail.treat(CUT_AFTER_DOT, times=1)
    campaign = await released(book)
    await send_due()
    [lost] = [letter for letter in await letters(book) if letter["state"] == "unknown"]
    await say(book, lost["id"], ACKNOWLEDGE)
    assert {letter["state"] for letter in await letters(book)} == {"sent"}
    assert len(await told(book, LetterSent)) == 9
    assert (await come_to(book, campaign)).acknowledged == 1


async def test_a_letter_that_has_not_left_cannot_be_answered(book: Database) -> None:
    campaign = await drafted(book)
    with pytest.raises(Conflict, match="not been sent"):
        await say(book, await a_letter(book, campaign), ACKNOWLEDGE)
    with pytest.raises(NotFound):
        await say(book, uuid4(), ACKNOWLEDGE)


@pytest.mark.parametrize(
    ("answer", "field"),
    [
        (Answer(kind=AnswerKind.PLEDGE, name="A", position="B"), "amount"),
        (Answer(kind=AnswerKind.PLEDGE, name="A", position="B", pledge_pence=0), "amount"),
        (Answer(kind=AnswerKind.PLEDGE, name="A", position="B", pledge_pence=10**12), "amount"),
        (Answer(kind=AnswerKind.PLEDGE, position="B", pledge_pence=1), "name"),
        (Answer(kind=AnswerKind.PLEDGE, name="A", position="x" * 201, pledge_pence=1), "position"),
        (Answer(kind=AnswerKind.ASK), "question"),
        (Answer(kind=AnswerKind.DECLINE, detail="x" * 4_001), "reason"),
    ],
)
async def test_an_answer_with_a_fault_changes_nothing(
    book: Database, campaign: UUID, answer: Answer, field: str
) -> None:
    with pytest.raises(Refused) as refused:
        await say(book, await a_letter(book, campaign), answer)
    assert refused.value.field == field
    assert await rows(book, "SELECT FROM answers") == []


async def test_silence_becomes_late_with_the_working_days(book: Database, campaign: UUID) -> None:
    await hear(book, organisation(trust_of("E09000020"), "Renamed", ["E09000020"], sequence=2))
    assert (await come_to(book, campaign)).bodies(BodyStatus.SILENT) == 3
    book.context.clock.advance(timedelta(days=40))
    assert (await come_to(book, campaign)).bodies(BodyStatus.LATE) == 3
    book.context.clock.advance(timedelta(days=40))
    assert (await come_to(book, campaign)).bodies(BodyStatus.VERY_LATE) == 3
