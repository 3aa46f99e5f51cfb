"""Counting time and chasing: who is late, who is chased and who is not, and nobody who has answered."""

import asyncio
import email.policy
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis import failpoints
from chassis.clock import LOCAL
from chassis.database import Database
from chassis.errors import Conflict
from chassis.failpoints import FailPoint
from chassis.testing import CUT_AFTER_DOT, CUT_BEFORE_DOT, NO_SUCH_MAILBOX, RecordingMailServer
from chassis.working_days import working_days_after, working_days_before, working_days_between
from contracts.notifications import CampaignFinished, LetterOverdue
from services.notifications.answers import Answer, record_answer
from services.notifications.campaigns import lock_campaign
from services.notifications.chasing import (
    SECOND_THOUGHTS,
    call_back,
    chase_bodies,
    due,
    mark_chaser_sent,
    order_chasers,
    send_chaser_again,
    waiting_of,
)
from services.notifications.chasing_settings import Chasing, chasing_faults, chasing_of, set_chasing
from services.notifications.domain import AnswerKind, Channel, LetterState, day_words, late_on
from services.notifications.figures import document
from services.notifications.letters import lock_letter, mark_sent, token_of
from services.notifications.outgoing import Chasers, Claimed, Taken
from services.notifications.patience import chased_before, next_on, waiting_before, why_not
from services.notifications.posting import confirm_posted, order_batch
from services.notifications.printing import Printer
from services.notifications.reaching import hand_to_post, write_to_other
from services.notifications.sending import Sender
from services.notifications.settling import Settlement
from services.notifications.stages import SecondPersonNeeded, approve_campaign, send_back, submit_campaign
from services.notifications.waiting import chase_where_wanted, finish_campaigns, note_lateness
from tests.conftest import announced, move_to
from tests.notifications.conftest import (
    READER,
    ROLES,
    WRITER,
    SendAll,
    address_of,
    chase_so,
    contact,
    contact_of,
    drafted,
    hear,
    letters,
    organisation,
    pledged,
    released,
    rows,
    trust_of,
    withdrawn,
    written_back,
)

BARNET, BRENT = "E09000020", "E09000033"
ACKNOWLEDGE = Answer(kind=AnswerKind.ACKNOWLEDGE)
DECLINE = Answer(kind=AnswerKind.DECLINE)
DAYS = st.dates(date(2010, 1, 1), date(2035, 12, 31))


@pytest.fixture(autouse=True)
def disarmed() -> Any:
    yield
    failpoints.arm("")


@pytest.fixture
async def sent(book: Database, send_due: SendAll) -> UUID:
    """A campaign that was sent on a working day."""
    pass_working_days(book, 1)
    id = await released(book)
    await send_due()
    return id


def pass_working_days(database: Database, n: int) -> date:
    """Go to the noon of the n-th working day from now."""
    day = working_days_after(database.context.clock.today(), n)
    move_to(database, datetime.combine(day, time(12), LOCAL))
    return day


async def order(database: Database, campaign: UUID, *areas: str) -> UUID:
    async with database.transaction() as tx:
        return (await chase_bodies(tx, [(campaign, trust_of(area)) for area in areas])).batch_id


async def go(database: Database, send_due: SendAll) -> None:
    """Let the time to think again pass, and send."""
    database.context.clock.advance(SECOND_THOUGHTS + timedelta(seconds=1))
    await send_due()


async def answer(database: Database, letter_id: UUID, said: Answer = DECLINE) -> None:
    async with database.transaction() as tx:
        await record_answer(tx, letter_id, said)


async def letter_to(database: Database, area: str, role: str = "chief_executive") -> dict[str, Any]:
    [found] = [each for each in await letters(database) if each["contact_id"] == contact_of(area, role)]
    return found


async def take(database: Database) -> Taken:
    """The next chaser, as the sender takes it to be made."""
    async with database.transaction() as tx:
        [taken] = await Chasers().take(tx, await Chasers().due(tx, 1))
    return taken


async def claim(database: Database, taken: Taken) -> Claimed | None:
    """A chaser that was made, as the sender claims it."""
    async with database.transaction() as tx:
        return await Chasers().claim(tx, taken)


async def letters_of(database: Database, area: str) -> list[dict[str, Any]]:
    return [each for each in await letters(database) if each["organisation_id"] == trust_of(area)]


async def chasers(database: Database) -> list[dict[str, Any]]:
    return await rows(database, "SELECT * FROM chasers ORDER BY made_at, id")


async def states(database: Database) -> dict[str, int]:
    found: dict[str, int] = {}
    for chaser in await chasers(database):
        found[chaser["state"]] = found.get(chaser["state"], 0) + 1
    return found


async def history(database: Database, letter_id: UUID) -> list[str]:
    found = await rows(
        database, "SELECT what FROM letter_history WHERE letter_id = $1 ORDER BY id", letter_id
    )
    return [row["what"] for row in found]


async def to_chase(database: Database, **which: Any) -> list[UUID]:
    async with database.reading() as tx:
        return [row["organisation_id"] for row in await due(tx, **which)]


async def facts(database: Database, fact: type) -> list[Any]:
    return [event for event in await announced(database) if event.fact is fact]


async def look(database: Database) -> int:
    """What the calendar does once in a minute."""
    async with database.transaction() as tx:
        noted = await note_lateness(tx)
        await finish_campaigns(tx)
    return noted


class TestWorkingDays:
    @given(DAYS, st.integers(0, 90))
    def test_before_is_the_latest_day_after_which_there_were_so_many(self, day: date, n: int) -> None:
        start = working_days_before(day, n)
        assert working_days_between(start, day) == n
        assert n == 0 or working_days_between(start + timedelta(days=1), day) < n

    @given(DAYS, DAYS)
    def test_the_moment_in_the_database_says_the_same_as_the_rule(self, since: date, on: date) -> None:
        at = datetime.combine(since, time(23, 59), LOCAL).astimezone(UTC)
        assert (at < waiting_before(on, 20)) == (on >= late_on(since))

    @given(DAYS, DAYS, st.integers(1, 60))
    def test_so_does_the_moment_of_the_last_chaser(self, chased: date, on: date, every: int) -> None:
        at = datetime.combine(chased, time(0, 0), LOCAL).astimezone(UTC)
        assert (at < chased_before(on)[every - 1]) == (on >= next_on(chased, every))


class TestLateness:
    async def test_late_and_very_late_are_noted_once_with_their_dates(
        self, book: Database, sent: UUID
    ) -> None:
        since = book.context.clock.today()
        pass_working_days(book, 20)
        assert await look(book) == 0
        pass_working_days(book, 1)
        assert [await look(book), await look(book)] == [9, 0]
        pass_working_days(book, 20)
        assert [await look(book), await look(book)] == [9, 0]
        said = await facts(book, LetterOverdue)
        of_one = [event.data for event in said if event.data["letter_id"] == (await letters(book))[0]["id"]]
        assert [(each["lateness"], each["overdue_on"]) for each in of_one] == [
            ("late", working_days_after(since, 21)),
            ("very_late", working_days_after(since, 41)),
        ]
        assert "No answer for over 20 working days" in await history(book, of_one[0]["letter_id"])

    async def test_a_jump_of_the_clock_notes_both_with_the_dates_on_which_they_were(
        self, book: Database, sent: UUID
    ) -> None:
        pass_working_days(book, 60)
        assert await look(book) == 18
        assert len(await facts(book, LetterOverdue)) == 18

    async def test_a_body_that_has_answered_is_late_with_no_letter(self, book: Database, sent: UUID) -> None:
        await answer(book, (await letter_to(book, BARNET))["id"])
        pass_working_days(book, 21)
        assert await look(book) == 6

    async def test_whoever_says_that_it_is_there_has_as_long_again(self, book: Database, sent: UUID) -> None:
        pass_working_days(book, 21)
        await look(book)
        letter = await letter_to(book, BARNET)
        await answer(book, letter["id"], ACKNOWLEDGE)
        pass_working_days(book, 20)
        await look(book)
        assert (await letter_to(book, BARNET))["lateness"] == ""
        pass_working_days(book, 1)
        await look(book)
        assert (await letter_to(book, BARNET))["lateness"] == "late"

    async def test_the_clock_begins_anew_when_a_letter_is_sent_again(
        self, book: Database, mail: RecordingMailServer, send_due: SendAll
    ) -> None:
        mail.treat(CUT_AFTER_DOT, address_of(BARNET, "chief_executive"), times=1)
        await released(book)
        await send_due()
        pass_working_days(book, 30)
        assert await look(book) == 8  # whoever may not have had it is not late
        letter = await letter_to(book, BARNET)
        async with book.transaction() as tx:
            await mark_sent(tx, letter["id"])
        letter = await letter_to(book, BARNET)
        assert letter["waits_since"] == letter["sent_at"]

    async def test_two_who_look_at_once_note_it_once(self, book: Database, sent: UUID) -> None:
        pass_working_days(book, 21)
        assert sum(await asyncio.gather(look(book), look(book), look(book))) == 9
        assert len(await facts(book, LetterOverdue)) == 9


class TestWhomToChase:
    async def test_nobody_before_the_time_and_everybody_silent_after_it(
        self, book: Database, sent: UUID
    ) -> None:
        pass_working_days(book, 20)
        assert await to_chase(book) == []
        await answer(book, (await letter_to(book, BARNET))["id"])
        pass_working_days(book, 1)
        assert set(await to_chase(book)) == {trust_of(BRENT), trust_of("E09000007")}

    async def test_never_a_body_that_pledged_also_when_its_money_will_not_come(
        self, book: Database, sent: UUID
    ) -> None:
        letter = (await letter_to(book, BARNET))["id"]
        await hear(book, written_back(await pledged(book, letter)))
        for _ in range(3):
            pass_working_days(book, 21)
            assert set(await to_chase(book)) == {trust_of(BRENT), trust_of("E09000007")}
        with pytest.raises(Conflict):
            await order(book, sent, BARNET)

    async def test_the_list_and_the_rule_agree(self, book: Database, sent: UUID) -> None:
        await answer(book, (await letter_to(book, BARNET, "dental_care"))["id"], ACKNOWLEDGE)
        await hear(book, withdrawn(contact_of(BRENT, "dental_care"), trust_of(BRENT)))
        for days in (20, 1, 10, 1):
            today = pass_working_days(book, days)
            async with book.reading() as tx:
                listed = {id for row in await due(tx) for id in row["letter_ids"]}
                ruled = {
                    letter["id"]
                    for letter in await letters(book)
                    if why_not(await waiting_of(tx, letter["id"]), today) is None
                }
            assert listed == ruled

    async def test_whoever_acknowledged_is_chased_later_and_the_others_there_are_not(
        self, book: Database, sent: UUID
    ) -> None:
        pass_working_days(book, 10)
        letter = await letter_to(book, BARNET, "dental_care")
        await answer(book, letter["id"], ACKNOWLEDGE)
        pass_working_days(book, 11)
        assert trust_of(BARNET) not in await to_chase(book)
        pass_working_days(book, 10)
        async with book.reading() as tx:
            [row] = [row for row in await due(tx) if row["organisation_id"] == trust_of(BARNET)]
        assert row["letter_ids"] == [letter["id"]]


class TestChasing:
    async def test_a_chaser_is_a_reply_with_the_first_letter_and_the_same_link(
        self, book: Database, sent: UUID, mail: RecordingMailServer, send_due: SendAll
    ) -> None:
        mail.forget()
        pass_working_days(book, 21)
        await order(book, sent, BARNET)
        await send_due()
        assert mail.messages == []  # there is time to think again
        await go(book, send_due)
        letter = await letter_to(book, BARNET)
        [received] = mail.to(address_of(BARNET, "chief_executive"))
        message = message_from_bytes(received.raw, _class=EmailMessage, policy=email.policy.default)
        assert message["In-Reply-To"] == message["References"] == letter["message_id"]
        assert message["Message-ID"] == letter["message_id"].replace("-1@", "-2@")
        assert message["Subject"].startswith("Re: ")
        body = message.get_body(("plain",))
        assert body is not None
        assert token_of(book.context, letter["id"]) in body.get_content()
        [pdf] = message.iter_attachments()
        assert pdf.get_content()[:5] == b"%PDF-"
        assert b"overdue" not in received.raw.lower()
        assert len(mail.messages) == 3
        story = await history(book, letter["id"])
        assert any(each.startswith("To be chased, because nobody has answered since") for each in story)
        assert story[-1] == "Chaser 1: taken by the mail server"

    async def test_at_most_so_often_and_so_far_apart(
        self, book: Database, sent: UUID, mail: RecordingMailServer, send_due: SendAll
    ) -> None:
        mail.forget()
        pass_working_days(book, 21)
        for _ in range(2):
            await order(book, sent, BARNET)
            await go(book, send_due)
            assert trust_of(BARNET) not in await to_chase(book)
            pass_working_days(book, 9)
            assert trust_of(BARNET) not in await to_chase(book)
            pass_working_days(book, 1)
        assert trust_of(BARNET) not in await to_chase(book)
        assert await to_chase(book, enough=True) == [trust_of(BARNET)]
        assert len(mail.to(address_of(BARNET, "chief_executive"))) == 2
        async with book.reading() as tx:
            assert (await document(tx, sent))["chased"] == 2

    async def test_an_order_can_be_called_back_until_it_goes(
        self, book: Database, sent: UUID, mail: RecordingMailServer, send_due: SendAll
    ) -> None:
        mail.forget()
        pass_working_days(book, 21)
        batch = await order(book, sent, BARNET, BRENT)
        async with book.transaction() as tx:
            assert await call_back(tx, batch) == 6
            with pytest.raises(Conflict):
                await call_back(tx, batch)
        await go(book, send_due)
        assert (mail.messages, await states(book)) == ([], {"withheld": 6})
        assert trust_of(BARNET) in await to_chase(book)
        await order(book, sent, BARNET)
        await go(book, send_due)
        assert len(mail.messages) == 3

    async def test_nobody_is_ordered_twice(self, book: Database, sent: UUID) -> None:
        pass_working_days(book, 21)
        await order(book, sent, BARNET)
        with pytest.raises(Conflict):
            await order(book, sent, BARNET)
        ids = [letter["id"] for letter in await letters(book)]

        async def all_of_them() -> int:
            async with book.transaction() as tx:
                return (await order_chasers(tx, ids)).chasers

        assert sum(await asyncio.gather(all_of_them(), all_of_them())) == 6

    async def test_by_itself_where_a_campaign_wants_it_so(
        self, book: Database, sent: UUID, mail: RecordingMailServer, send_due: SendAll
    ) -> None:
        mail.forget()
        pass_working_days(book, 21)
        async with book.transaction() as tx:
            assert await chase_where_wanted(tx) == 0
            await chase_so(tx, sent, most=1, every=5, by_itself=True)
            assert [await chase_where_wanted(tx), await chase_where_wanted(tx)] == [3, 0]
        await send_due()
        assert len(mail.messages) == 9
        pass_working_days(book, 5)
        async with book.transaction() as tx:
            assert await chase_where_wanted(tx) == 0


class TestNotChased:
    async def test_whoever_answered_after_the_order(
        self, book: Database, sent: UUID, mail: RecordingMailServer, send_due: SendAll
    ) -> None:
        mail.forget()
        pass_working_days(book, 21)
        await order(book, sent, BARNET, BRENT)
        letter = await letter_to(book, BARNET)
        await answer(book, letter["id"])
        await go(book, send_due)
        assert await states(book) == {"withheld": 3, "sent": 3}
        assert mail.to(address_of(BARNET, "chief_executive")) == []
        assert "Not chased: They have answered." in await history(book, letter["id"])
        other = await letter_to(book, BARNET, "dental_care")
        assert "Not chased: Somebody else there has answered." in await history(book, other["id"])

    @pytest.mark.parametrize(
        ("reason", "what"),
        [
            ("in_time", "acknowledges"),
            ("closed", "closes"),
            ("withdrawn", "goes"),
            ("no_address", "loses its address"),
            ("enough", "is chased no more"),
        ],
    )
    async def test_the_reason_is_kept(
        self, book: Database, sent: UUID, mail: RecordingMailServer, send_due: SendAll, reason: str, what: str
    ) -> None:
        mail.forget()
        day = pass_working_days(book, 21)
        await order(book, sent, BARNET)
        letter = await letter_to(book, BARNET)
        trust, id = trust_of(BARNET), contact_of(BARNET, "chief_executive")
        if what == "acknowledges":
            await answer(book, letter["id"], ACKNOWLEDGE)
        elif what == "closes":
            await hear(book, organisation(trust, "Trust", [BARNET], 2, closed_on=day))
        elif what == "goes":
            await hear(book, withdrawn(id, trust))
        elif what == "loses its address":
            await hear(book, contact(book, id, trust, 2, email=None))
        else:
            async with book.transaction() as tx:
                await chase_so(tx, sent, most=0)
        await go(book, send_due)
        [chaser] = [each for each in await chasers(book) if each["letter_id"] == letter["id"]]
        assert (chaser["state"], chaser["reason"]) == ("withheld", reason)
        assert mail.to(address_of(BARNET, "chief_executive")) == []
        assert (await history(book, letter["id"]))[-1] == f"Not chased: {chaser['failure']}"

    async def test_whoever_answers_in_the_same_second_as_the_claim(
        self, book: Database, sent: UUID, mail: RecordingMailServer, send_due: SendAll
    ) -> None:
        """The answer is being recorded when the sender comes: it is passed over, and then withheld."""
        mail.forget()
        pass_working_days(book, 21)
        await order(book, sent, BARNET)
        book.context.clock.advance(SECOND_THOUGHTS + timedelta(seconds=1))
        letter = await letter_to(book, BARNET)
        async with book.transaction() as answering:
            await record_answer(answering, letter["id"], DECLINE)
            await Sender(book).turn()  # the two others go meanwhile: nothing of this answer is known yet
        await send_due()
        assert mail.to(address_of(BARNET, "chief_executive")) == []
        [chaser] = [each for each in await chasers(book) if each["letter_id"] == letter["id"]]
        assert (chaser["state"], chaser["reason"]) == ("withheld", "answered")

    async def test_whoever_answers_while_the_e_mail_is_made(self, book: Database, sent: UUID) -> None:
        pass_working_days(book, 21)
        await order(book, sent, BARNET)
        book.context.clock.advance(SECOND_THOUGHTS + timedelta(seconds=1))
        taken = await take(book)
        await answer(book, taken.letter_id)
        assert await claim(book, taken) is None
        async with book.transaction() as tx:
            await Chasers().put_back(tx, taken)
        async with book.transaction() as tx:
            assert await Chasers().take(tx, [taken.id]) == []
        [chaser] = [each for each in await chasers(book) if each["id"] == taken.id]
        assert (chaser["state"], chaser["reason"]) == ("withheld", "answered")

    async def test_a_claim_that_comes_first_goes_and_the_answer_waits_for_it(
        self, book: Database, sent: UUID
    ) -> None:
        pass_working_days(book, 21)
        await order(book, sent, BARNET)
        book.context.clock.advance(SECOND_THOUGHTS + timedelta(seconds=1))
        taken = await take(book)
        async with book.transaction() as tx:
            assert await Chasers().claim(tx, taken) is not None
            answering = asyncio.create_task(answer(book, taken.letter_id))
            await asyncio.sleep(0.2)
            assert not answering.done()
        await answering

    async def test_whoever_answers_one_campaign_while_they_are_chased_about_two(
        self, book: Database, sent: UUID, mail: RecordingMailServer, send_due: SendAll
    ) -> None:
        """Somebody begins to answer once a chaser is taken; others follow. The other campaign goes on."""
        other = await released(book)
        await send_due()
        mail.forget()
        pass_working_days(book, 21)
        found = {(each["campaign_id"], each["role"]): each["id"] for each in await letters_of(book, BARNET)}
        chief, dental, equality = ROLES
        async with book.transaction() as tx:
            ids = [found[sent, chief], found[sent, dental], found[other, equality]]
            assert (await order_chasers(tx, ids)).chasers == 3
        book.context.clock.advance(SECOND_THOUGHTS + timedelta(seconds=1))
        taken = await take(book)
        assert taken.letter_id in (found[sent, chief], found[sent, dental])
        async with book.transaction() as answering:
            await lock_letter(answering, found[sent, equality])
            last_look = asyncio.create_task(claim(book, taken))
            followers = [asyncio.create_task(answer(book, found[sent, role])) for role in (chief, dental)]
            await asyncio.sleep(0.2)
            assert not last_look.done()
            await record_answer(answering, found[sent, equality], DECLINE)
            await Sender(book).turn()
        assert await last_look is None
        await asyncio.gather(*followers)
        async with book.transaction() as tx:
            await Chasers().put_back(tx, taken)
        await send_due()
        assert [message.recipients for message in mail.messages] == [(address_of(BARNET, equality),)]
        assert await states(book) == {"withheld": 2, "sent": 1}

    async def test_whoever_answers_while_it_is_entered_that_a_chaser_went(
        self, book: Database, sent: UUID
    ) -> None:
        pass_working_days(book, 21)
        await order(book, sent, BARNET)
        book.context.clock.advance(SECOND_THOUGHTS + timedelta(seconds=1))
        claimed = await claim(book, await take(book))
        assert claimed is not None

        async def settle() -> None:
            async with book.transaction() as tx:
                went = Settlement(state=LetterState.SENT, what="Taken by the mail server", sent_at=tx.now)
                await Chasers().settle(tx, claimed, went)

        async with book.transaction() as answering:
            await lock_letter(answering, claimed.letter_id)
            settling = asyncio.create_task(settle())
            await asyncio.sleep(0.2)
            await record_answer(answering, claimed.letter_id, DECLINE)
        await settling
        assert (await states(book))["sent"] == 1


class TestAtMostOnce:
    @pytest.fixture
    async def ordered(self, book: Database, sent: UUID, mail: RecordingMailServer) -> UUID:
        mail.forget()
        pass_working_days(book, 21)
        await order(book, sent, BARNET)
        book.context.clock.advance(SECOND_THOUGHTS + timedelta(seconds=1))
        return sent

    @pytest.mark.parametrize("place", ["mail.claimed", "mail.handed_over"])
    async def test_a_sender_that_dies_leaves_it_to_a_person(
        self, book: Database, ordered: UUID, mail: RecordingMailServer, send_due: SendAll, place: str
    ) -> None:
        failpoints.arm(f"{place}=raise")
        with pytest.raises(FailPoint):
            await Sender(book).turn()
        book.context.clock.advance(timedelta(minutes=5))
        await send_due()
        assert await states(book) == {"unknown": 1, "sent": 2}
        for chaser in await chasers(book):
            letter = next(each for each in await letters(book) if each["id"] == chaser["letter_id"])
            [area] = letter["areas"]
            most = 0 if chaser["state"] == "unknown" and place == "mail.claimed" else 1
            assert len(mail.to(address_of(area, letter["role"]))) == most

    async def test_smtp_faults(
        self, book: Database, ordered: UUID, mail: RecordingMailServer, send_due: SendAll
    ) -> None:
        mail.treat(CUT_AFTER_DOT, address_of(BARNET, "chief_executive"), times=1)
        mail.treat(NO_SUCH_MAILBOX, address_of(BARNET, "dental_care"), times=1)
        for _ in range(3):
            await send_due()
            book.context.clock.advance(timedelta(minutes=10))
        assert await states(book) == {"unknown": 1, "failed": 1, "sent": 1}
        found = {chaser["state"]: chaser["id"] for chaser in await chasers(book)}
        async with book.transaction() as tx:
            await mark_chaser_sent(tx, found["unknown"])
            await send_chaser_again(tx, found["failed"])
            with pytest.raises(Conflict):
                await send_chaser_again(tx, found["sent"])
        await send_due()
        assert await states(book) == {"sent": 3}
        assert len(mail.to(address_of(BARNET, "dental_care"))) == 1

    async def test_a_connection_that_breaks_before_the_dot_is_tried_again(
        self, book: Database, ordered: UUID, mail: RecordingMailServer, send_due: SendAll
    ) -> None:
        mail.treat(CUT_BEFORE_DOT, address_of(BARNET, "chief_executive"), times=1)
        await send_due()
        book.context.clock.advance(timedelta(minutes=2))
        await send_due()
        found = await states(book)
        assert found in ({"sent": 3}, {"sent": 2, "unknown": 1})
        assert len(mail.to(address_of(BARNET, "chief_executive"))) == (1 if found == {"sent": 3} else 0)

    async def test_two_senders_at_once(
        self, book: Database, ordered: UUID, mail: RecordingMailServer
    ) -> None:
        await asyncio.gather(*(Sender(book).turn() for _ in range(3)))
        assert await states(book) == {"sent": 3}
        assert len({message.recipients[0] for message in mail.messages}) == len(mail.messages) == 3


class TestBeyondChasing:
    async def test_one_letter_more_does_not_change_when_a_campaign_was_sent(
        self, book: Database, stuck: UUID, send_due: SendAll
    ) -> None:
        [before] = await rows(book, "SELECT sent_at FROM campaigns")
        async with book.transaction() as tx:
            await write_to_other(tx, stuck, contact_of(BARNET, "chair"))
        await send_due()
        assert await rows(book, "SELECT state, sent_at FROM campaigns") == [{"state": "sent", **before}]

    @pytest.fixture
    async def stuck(self, book: Database, send_due: SendAll) -> UUID:
        """One body that was chased as often as the campaign does; somebody there has no letter yet."""
        await hear(
            book,
            contact(book, contact_of(BARNET, "chair"), trust_of(BARNET), role="chair", name="Ng Thị Ánh"),
        )
        pass_working_days(book, 1)
        id = await released(book)
        await send_due()
        async with book.transaction() as tx:
            await chase_so(tx, id, most=1, every=5)
        pass_working_days(book, 21)
        await order(book, id, BARNET)
        await go(book, send_due)
        pass_working_days(book, 5)
        return id

    async def test_somebody_else_there_gets_the_letter(
        self, book: Database, stuck: UUID, mail: RecordingMailServer, send_due: SendAll
    ) -> None:
        mail.forget()
        async with book.transaction() as tx:
            assert await write_to_other(tx, stuck, contact_of(BARNET, "chair")) is Channel.EMAIL
        await send_due()
        assert len(mail.messages) == 1
        [letter] = [each for each in await letters(book) if each["role"] == "chair"]
        assert (letter["state"], letter["number"], letter["role"]) == ("sent", 10, "chair")
        with pytest.raises(Conflict):
            async with book.transaction() as tx:
                await write_to_other(tx, stuck, contact_of(BARNET, "chair"))

    async def test_a_person_posts_it(self, book: Database, stuck: UUID, send_due: SendAll) -> None:
        async with book.transaction() as tx:
            await hand_to_post(tx, stuck, trust_of(BARNET))
        with pytest.raises(Conflict):
            async with book.transaction() as tx:
                await hand_to_post(tx, stuck, trust_of(BARNET))
        await send_due()
        [post] = [each for each in await chasers(book) if each["channel"] == "post"]
        assert post["state"] == "ready"
        with pytest.raises(Conflict):
            async with book.transaction() as tx:
                await mark_chaser_sent(tx, post["id"])
        async with book.transaction() as tx:
            batch = (await order_batch(tx, stuck, duplex=False, by=None)).batch_id
        assert batch
        assert await Printer(book).turn()
        async with book.transaction() as tx:
            assert await confirm_posted(tx, batch, tx.today, by=None) == 1
        today = day_words(book.context.clock.today())
        assert f"Chaser posted on {today}" in await history(book, post["letter_id"])

    async def test_a_campaign_is_finished_when_everybody_answered_or_was_given_up(
        self, book: Database, stuck: UUID, send_due: SendAll
    ) -> None:
        await order(book, stuck, BRENT)
        await go(book, send_due)
        await answer(book, (await letter_to(book, "E09000007"))["id"])
        pass_working_days(book, 24)
        await look(book)
        assert await facts(book, CampaignFinished) == []
        pass_working_days(book, 2)
        await look(book)
        await look(book)
        [finished] = await facts(book, CampaignFinished)
        assert (finished.data["bodies"], finished.data["answered"]) == (3, 1)
        assert await to_chase(book, enough=True) == []


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("Dear {contact_nam}", "Did you mean {contact_name}?"),
        ("Your answer is OVERDUE", "calls their answer overdue"),
        ("", "empty"),
        ("x" * 6_000, "too long"),
    ],
)
def test_words_that_will_not_do_are_refused(words: str, fault: str) -> None:
    found = list(chasing_faults(Chasing(most=2, every=10, by_itself=False, words=words)))
    assert [each.field for each in found] == ["words"]
    assert fault in found[0].what


async def test_words_that_were_ordered_stay_as_they_were(
    book: Database, sent: UUID, mail: RecordingMailServer, send_due: SendAll
) -> None:
    mail.forget()
    pass_working_days(book, 21)
    await order(book, sent, BARNET)
    async with book.transaction() as tx:
        await chase_so(tx, sent, words="Ánh ﷽ O’Brien, {contact_name}")
    await order(book, sent, BRENT)
    await go(book, send_due)
    assert "Ánh ﷽ O’Brien, Zuzana" not in text_of(mail, BARNET)
    assert "Ánh ﷽ O’Brien, Zuzana" in text_of(mail, BRENT)


def text_of(mail: RecordingMailServer, area: str, role: str = ROLES[0]) -> str:
    [received] = mail.to(address_of(area, role))
    message = message_from_bytes(received.raw, _class=EmailMessage, policy=email.policy.default)
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


class TestApproval:
    """Whoever writes how a campaign chases does not say that it may."""

    async def test_chasers_say_what_was_approved_until_somebody_else_has_read_the_new_words(
        self, book: Database, sent: UUID, mail: RecordingMailServer, send_due: SendAll
    ) -> None:
        mail.forget()
        pass_working_days(book, 21)
        other = Chasing(most=9, every=1, by_itself=True, words="BUY MY WATCHES, {contact_name}")
        async with book.transaction() as tx:
            before = (await chasing_of(tx, sent)).chasing
            written = await set_chasing(tx, sent, other, WRITER)
            assert written.waits
            assert (await chasing_of(tx, sent, approved=True)).chasing == before
            assert await chase_where_wanted(tx) == 0
        await order(book, sent, BARNET)
        await go(book, send_due)
        assert "Some weeks ago we wrote to you" in text_of(mail, BARNET)
        async with book.transaction() as tx:
            version = (await lock_campaign(tx, sent))["version"]
            with pytest.raises(SecondPersonNeeded):
                await approve_campaign(tx, sent, WRITER, version)
            await approve_campaign(tx, sent, READER, version)
            assert (await chasing_of(tx, sent, approved=True)).chasing == other
        await order(book, sent, BRENT)
        await go(book, send_due)
        assert "BUY MY WATCHES" in text_of(mail, BRENT)

    async def test_what_was_sent_back_is_not_done_and_everybody_who_wrote_it_is_remembered(
        self, book: Database, sent: UUID
    ) -> None:
        third = UUID("0134c1e9-0100-7a11-8a6f-00000000000c")
        async with book.transaction() as tx:
            before = (await chasing_of(tx, sent)).chasing
            await set_chasing(tx, sent, replace(before, words="Hello {contact_name}"), WRITER)
            await send_back(tx, sent, READER, (await lock_campaign(tx, sent))["version"], "Say who we are.")
            found = await chasing_of(tx, sent)
            assert (found.waits, found.returned_because) == (False, "Say who we are.")
            assert (await chasing_of(tx, sent, approved=True)).chasing == before
            await set_chasing(tx, sent, replace(before, words="The forum greets {contact_name}"), third)
            version = (await lock_campaign(tx, sent))["version"]
            for hand in (WRITER, third):
                with pytest.raises(SecondPersonNeeded):
                    await approve_campaign(tx, sent, hand, version)
            await approve_campaign(tx, sent, READER, version)

    async def test_chasing_less_needs_nobody(self, book: Database, sent: UUID) -> None:
        async with book.transaction() as tx:
            less = replace((await chasing_of(tx, sent)).chasing, most=1, every=20)
            await set_chasing(tx, sent, less, WRITER)
            assert (await chasing_of(tx, sent, approved=True)).chasing == less
            with pytest.raises(Conflict):
                await approve_campaign(tx, sent, READER, (await lock_campaign(tx, sent))["version"])

    async def test_what_is_written_in_a_draft_is_approved_with_its_letters(self, book: Database) -> None:
        id = await drafted(book)
        async with book.transaction() as tx:
            other = replace((await chasing_of(tx, id)).chasing, most=3)
            await set_chasing(tx, id, other, READER)
            await submit_campaign(tx, id, WRITER)
            version = (await lock_campaign(tx, id))["version"]
            with pytest.raises(SecondPersonNeeded):
                await approve_campaign(tx, id, READER, version)
            with pytest.raises(Conflict):
                await set_chasing(tx, id, replace(other, most=9), WRITER)
            await approve_campaign(tx, id, UUID(int=7), version)
            assert (await chasing_of(tx, id, approved=True)).chasing == other
