"""Letters and chasers alike: clocks that jump, two senders, a sender that is lost. Each goes once."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chassis import failpoints
from chassis.database import Database
from chassis.failpoints import FailPoint
from chassis.testing import LATER, RecordingMailServer, Treatment
from contracts.notifications import LetterSent
from services.notifications.answers import Answer, record_answer
from services.notifications.chasing import SECOND_THOUGHTS, call_back, order_chasers
from services.notifications.domain import AnswerKind
from services.notifications.sending import Sender
from services.notifications.stages import send_campaign
from tests.conftest import announced, move_to
from tests.notifications.conftest import SendAll, approved, letters, released, rows

#: Lets nine of a kind be due at a moment.
Due = Callable[[datetime], Awaitable[None]]

AN_HOUR = timedelta(hours=1)
#: When sending begins, and by how much the clock jumps while it goes on.
JUMPS = {
    "an hour on": (datetime(2026, 11, 26, 12, 0, tzinfo=UTC), AN_HOUR),
    "an hour back": (datetime(2026, 11, 26, 12, 0, tzinfo=UTC), -AN_HOUR),
    "clocks go forward": (datetime(2027, 3, 28, 0, 59, 58, tzinfo=UTC), timedelta(seconds=3)),
    "clocks go back": (datetime(2026, 10, 25, 0, 59, 58, tzinfo=UTC), timedelta(seconds=3)),
}
KINDS = ("letters", "chasers")


@pytest.fixture(autouse=True)
def disarmed() -> Any:
    yield
    failpoints.arm("")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def nine_due(kind: str, book: Database, mail: RecordingMailServer, send_due: SendAll) -> Due:
    async def prepare(moment: datetime) -> None:
        if kind == "letters":
            move_to(book, moment - AN_HOUR)
            campaign = await approved(book)
            move_to(book, moment)
            async with book.transaction() as tx:
                await send_campaign(tx, campaign)
            return
        move_to(book, moment - timedelta(days=60))
        await released(book)
        await send_due()
        mail.forget()
        move_to(book, moment - SECOND_THOUGHTS)
        async with book.transaction() as tx:
            ids = [each["id"] for each in await letters(book)]
            assert (await order_chasers(tx, ids)).chasers == 9
        move_to(book, moment)

    return prepare


async def states(database: Database, kind: str) -> Counter[str]:
    return Counter(row["state"] for row in await rows(database, f"SELECT state FROM {kind}"))


def copies(mail: RecordingMailServer) -> Counter[str]:
    """How often each Message-ID was accepted."""
    return Counter(message.parsed["Message-ID"] for message in mail.messages)


@pytest.mark.parametrize("jump", JUMPS)
async def test_a_clock_that_jumps_in_mid_batch_sends_nothing_twice(
    book: Database, mail: RecordingMailServer, send_due: SendAll, kind: str, nine_due: Due, jump: str
) -> None:
    """Two senders are at work; a third comes after the jump and takes claims that look old for lost ones."""
    begins, by = JUMPS[jump]
    await nine_due(begins)
    mail.treat(Treatment(delay=0.3))
    senders = [asyncio.create_task(Sender(book).turn()) for _ in range(2)]
    await mail.arrived(2)
    book.context.clock.advance(by)
    await Sender(book).turn()
    await asyncio.gather(*senders)
    book.context.clock.advance(2 * AN_HOUR)
    mail.accept_everything()
    await send_due()
    assert set(copies(mail).values()) == {1}
    assert len(mail.messages) == 9
    assert await states(book, kind) == {"sent": 9}


@pytest.mark.parametrize(
    ("place", "copy"), [("mail.claimed", 0), ("mail.entered", 0), ("mail.handed_over", 1)]
)
async def test_what_a_lost_sender_had_in_its_hands_is_left_to_a_person(
    book: Database,
    mail: RecordingMailServer,
    send_due: SendAll,
    kind: str,
    nine_due: Due,
    place: str,
    copy: int,
) -> None:
    await nine_due(JUMPS["an hour on"][0])
    failpoints.arm(f"{place}=raise")
    with pytest.raises(FailPoint):
        await Sender(book).turn()
    await send_due()
    assert await states(book, kind) == {"sent": 8, "sending": 1}
    book.context.clock.advance(timedelta(minutes=10))
    await send_due()
    assert await states(book, kind) == {"sent": 8, "unknown": 1}
    assert len(mail.messages) == 8 + copy
    assert set(copies(mail).values()) == {1}


@pytest.mark.parametrize("fate", ["sent", "later"])
async def test_what_the_ledger_knows_of_a_lost_sender_is_asked_of_nobody(
    book: Database, mail: RecordingMailServer, send_due: SendAll, kind: str, nine_due: Due, fate: str
) -> None:
    """It knows how that ended: what was taken is sent and announced, what was not taken goes again."""
    await nine_due(JUMPS["an hour on"][0])
    if fate == "later":
        mail.treat(LATER)
    before = len([each for each in await announced(book) if each.fact is LetterSent])
    failpoints.arm("mail.ended=raise")
    with pytest.raises(FailPoint):
        await Sender(book).turn()
    assert (await states(book, kind))["sending"] == 1
    mail.accept_everything()
    await Sender(book).turn()
    assert set(await states(book, kind)) <= {"sent", "ready"}
    book.context.clock.advance(timedelta(minutes=10))
    await send_due()
    assert await states(book, kind) == {"sent": 9}
    assert len(mail.messages) == 9
    assert set(copies(mail).values()) == {1}
    said = [each for each in await announced(book) if each.fact is LetterSent]
    assert len(said) - before == (9 if kind == "letters" else 0)


async def test_a_letter_whose_recipient_has_answered_is_not_asked_about(
    book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    await released(book)
    failpoints.arm("mail.handed_over=raise")
    with pytest.raises(FailPoint):
        await Sender(book).turn()
    [lost] = [each for each in await letters(book) if each["state"] == "sending"]
    async with book.transaction() as tx:
        await record_answer(tx, lost["id"], Answer(kind=AnswerKind.ACKNOWLEDGE))
    book.context.clock.advance(timedelta(minutes=10))
    await send_due()
    assert await states(book, "letters") == {"sent": 9}
    assert len(mail.messages) == 9


async def test_what_a_lost_sender_was_making_goes_by_itself(
    book: Database, mail: RecordingMailServer, send_due: SendAll, kind: str, nine_due: Due
) -> None:
    """Nobody had begun to send it, so there is nothing to ask a person."""
    await nine_due(JUMPS["an hour on"][0])
    failpoints.arm("mail.made=raise")
    with pytest.raises(FailPoint):
        await Sender(book).turn()
    await send_due()
    assert await states(book, kind) == {"sent": 8, "ready": 1}
    book.context.clock.advance(timedelta(seconds=book.context.settings.mail_timeout + 1))
    await send_due()
    assert await states(book, kind) == {"sent": 9}
    assert set(copies(mail).values()) == {1}
    assert len(mail.messages) == 9


async def test_chasers_that_are_called_back_in_mid_batch_go_once_or_not_at_all(
    book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    await released(book)
    await send_due()
    mail.forget()
    book.context.clock.advance(timedelta(days=60))
    async with book.transaction() as tx:
        batch = await order_chasers(tx, [each["id"] for each in await letters(book)], after=timedelta(0))
    mail.treat(Treatment(delay=0.3))
    senders = [asyncio.create_task(Sender(book).turn()) for _ in range(2)]
    await mail.arrived(1)
    async with book.transaction() as tx:
        back = await call_back(tx, batch.batch_id)
    await asyncio.gather(*senders)
    await send_due()
    assert await states(book, "chasers") == Counter({"sent": 9 - back, "withheld": back})
    assert copies(mail).total() == len(copies(mail)) == 9 - back
