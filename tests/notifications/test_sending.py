"""The sender against a real mail server that accepts, hesitates, refuses and breaks off."""

import asyncio
import email.policy
import os
import signal
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from typing import Any

import pytest

from chassis import failpoints
from chassis.context import Context
from chassis.database import Database
from chassis.testing import (
    CUT_AFTER_DOT,
    CUT_BEFORE_DOT,
    GREYLISTED,
    LATER,
    NO_SUCH_MAILBOX,
    REFUSED,
    RecordingMailServer,
    Treatment,
)
from contracts.notifications import CampaignSent, LetterFailed, LetterSent
from services.notifications import outgoing, parts, settling
from services.notifications.domain import LetterState
from services.notifications.figures import figures
from services.notifications.handover import Connection, Fate
from services.notifications.letters import mark_sent, send_again, token_of
from services.notifications.outgoing import Letters, Taken
from services.notifications.queries import BOARD, QUERIES
from services.notifications.readdressing import follow_bodies
from services.notifications.rendering import render_mail
from services.notifications.sending import Sender
from services.notifications.settling import Settlement
from services.notifications.stages import pause_campaign, resume_campaign
from tests.conftest import MakeDatabase, announced
from tests.notifications.conftest import (
    ROLES,
    SendAll,
    address_of,
    contact,
    contact_of,
    example_plan,
    fill,
    hear,
    letters,
    released,
    rows,
    trust_of,
    withdrawn,
)

ONE = address_of("E09000020", "dental_care")


@pytest.fixture(autouse=True)
def disarmed() -> Any:
    yield
    failpoints.arm("")


async def _states(database: Database) -> dict[str, int]:
    found: dict[str, int] = {}
    for letter in await letters(database):
        found[letter["state"]] = found.get(letter["state"], 0) + 1
    return found


async def _the_one(database: Database) -> dict[str, Any]:
    """The letter that the tests treat differently."""
    [letter] = [
        letter
        for letter in await letters(database)
        if letter["contact_id"] == contact_of("E09000020", "dental_care")
    ]
    return letter


async def _facts(database: Database, fact: type) -> list[Any]:
    return [event for event in await announced(database) if event.fact is fact]


async def test_every_letter_of_a_campaign_is_sent_once_and_announced(
    book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    campaign = await released(book)
    await send_due()
    assert await _states(book) == {"sent": 9}
    assert len(mail.messages) == 9
    sent = await _facts(book, LetterSent)
    assert {event.data["letter_id"] for event in sent} == {letter["id"] for letter in await letters(book)}
    asks = {event.data["organisation_id"]: event.data["ask"] for event in sent}
    assert asks[trust_of("E09000020")] == {"amount_pence": 350_000, "currency": "GBP"}
    [finished] = await _facts(book, CampaignSent)
    assert (finished.data["bodies"], finished.data["letters"]) == (3, 9)
    async with book.reading() as tx:
        found = await figures(tx, campaign)
    assert (found.state, found.asked, found.never_acknowledged) == ("sent", 3, 3)


#: As many bodies again, of each of which the chief executive is known.
_MANY = """
INSERT INTO organisations (id, name, kinds, areas, handed_over, epoch, version)
SELECT md5('o' || n)::uuid, 'Trust ' || n, '{primary_care_trust}', '{E09000020}', '{}', 1, 1
FROM generate_series(1, 600) n;
INSERT INTO contacts (id, organisation_id, role, channel, name, email, source, listed_on, epoch, version)
SELECT md5('c' || n)::uuid, md5('o' || n)::uuid, 'chief_executive', 'email', 'Jo', n || '@trust.example',
       'their list', '2011-01-01', 1, 1
FROM generate_series(1, 600) n;
"""
_READ = """
SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0) FROM pg_stat_xact_user_tables
WHERE relname IN ('letters', 'bodies', 'contacts', 'organisations')
"""


async def test_letters_of_a_large_campaign_are_taken_claimed_and_settled_without_reading_the_others(
    book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    """Whatever plans were made when there was little; in parts that are smaller than the campaign."""
    await released(book)
    await send_due()
    async with book.transaction() as tx:
        await tx.execute(_MANY)
    with pytest.MonkeyPatch.context() as smaller:
        smaller.setattr(parts, "PART", 100)
        large = await released(book, example_plan(name="Another"))
    async with book.reading() as tx:
        before = await tx.fetchval(_READ)
        await QUERIES.follow_order(tx)
        due = await Letters().due(tx, 1000)
        assert await tx.fetchval(_READ) - before < 10 * len(due)
    assert len(due) == len(set(due)) == 609
    async with book.transaction() as tx:
        before = await tx.fetchval(_READ)
        some = await Letters().take(tx, due[295:307])
        assert len(some) == 12
        assert await Letters().take(tx, due[295:307]) == [], "a letter was taken twice"
        claimed = await Letters().claim(tx, some[5])
        assert claimed is not None
        assert await Letters().claim(tx, some[5]) is None, "a letter was claimed twice"
        settlement = Settlement(state=LetterState.SENT, what="Taken by the mail server", sent_at=tx.now)
        await Letters().settle(tx, claimed, settlement)
        assert await tx.fetchval(_READ) - before < 300
    async with book.transaction() as tx:
        await tx.execute("ANALYZE letters, contacts, organisations")  # as the server does by itself
        before = await tx.fetchval(_READ)
        await QUERIES.follow_indexes(tx)
        await follow_bodies(tx)
        assert [row async for row in QUERIES.finish_campaigns(tx, now=tx.now)] == []
        going = BOARD.going_by_themselves(tx, campaigns=[large])
        assert [row["id"] async for row in going] == [large]
        assert await tx.fetchval(_READ) - before < 100, "what simply waits was looked at for what is wrong"


async def test_the_message_is_whole(book: Database, mail: RecordingMailServer, send_due: SendAll) -> None:
    await released(book)
    await send_due()
    [received] = mail.to(ONE)
    letter = await _the_one(book)
    message = message_from_bytes(received.raw, policy=email.policy.default)
    assert message["Message-ID"] == letter["message_id"]
    assert message["From"].addresses[0].addr_spec == book.context.house.email
    assert message["Reply-To"].addresses[0].addr_spec == book.context.house.email
    assert message["To"].addresses[0].addr_spec == ONE
    assert "£3,500" in message["Subject"]
    plain, pdf = message.get_body(("plain",)), list(message.iter_attachments())
    assert plain is not None
    url = f"https://forum.example/letters/r/{token_of(book.context, letter['id'])}"
    assert url in plain.get_content()
    assert pdf[0].get_content()[:5] == b"%PDF-"


async def test_nothing_of_a_person_is_announced(book: Database, send_due: SendAll) -> None:
    await released(book)
    await send_due()
    said = await rows(book, "SELECT convert_from(body, 'UTF8') AS body FROM outbox")
    assert said
    assert not any("Markov" in row["body"] or "@" in row["body"] for row in said)


@pytest.mark.parametrize("treatment", [LATER, GREYLISTED], ids=["message", "recipient"])
async def test_a_server_that_says_later_gets_it_later(
    book: Database, mail: RecordingMailServer, send_due: SendAll, treatment: Treatment
) -> None:
    mail.treat(treatment, ONE, times=1)
    await released(book)
    await send_due()
    waiting = await _the_one(book)
    assert (waiting["state"], waiting["attempts"]) == ("ready", 1)
    assert waiting["next_try"] > waiting["changed_at"]
    assert await _facts(book, CampaignSent) == []
    book.context.clock.advance(timedelta(minutes=1))
    await send_due()
    assert (await _the_one(book))["state"] == "sent"
    assert len(mail.to(ONE)) == 1
    assert len(await _facts(book, CampaignSent)) == 1


async def test_after_the_last_try_a_letter_has_failed(
    book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    mail.treat(LATER, ONE)
    await released(book)
    for _ in range(4):
        await send_due()
        book.context.clock.advance(timedelta(hours=5))
    failed = await _the_one(book)
    assert (failed["state"], failed["attempts"]) == ("failed", 3)
    assert "3 tries" in failed["failure"]
    assert len(await _facts(book, LetterFailed)) == 1


@pytest.mark.parametrize("treatment", [NO_SUCH_MAILBOX, REFUSED], ids=["recipient", "message"])
async def test_a_refused_letter_has_failed_and_the_others_go_on(
    book: Database, mail: RecordingMailServer, send_due: SendAll, treatment: Treatment
) -> None:
    mail.treat(treatment, ONE)
    await released(book)
    await send_due()
    assert await _states(book) == {"sent": 8, "failed": 1}
    [failed] = await _facts(book, LetterFailed)
    assert failed.data["letter_id"] == (await _the_one(book))["id"]
    mail.forget()
    async with book.transaction() as tx:
        await send_again(tx, failed.data["letter_id"])
    await send_due()
    assert (await _the_one(book))["state"] == "sent"
    assert len(mail.to(ONE)) == 1


async def test_a_connection_that_breaks_before_the_dot_is_tried_again(
    book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    mail.treat(CUT_BEFORE_DOT, ONE, times=1)
    await released(book)
    await send_due()
    assert (await _the_one(book))["state"] == "ready"
    book.context.clock.advance(timedelta(minutes=1))
    await send_due()
    assert (await _the_one(book))["state"] == "sent"
    assert len(mail.to(ONE)) == 1


async def test_a_connection_that_breaks_under_the_text_is_known_to_have_taken_nothing() -> None:
    """Without a race: the server reads nothing, so the text cannot have left when the connection breaks."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example\r\n")
        while line := await reader.readline():
            if line == b"DATA\r\n":
                writer.write(b"354 go on\r\n")
                await asyncio.sleep(0.3)
                writer.transport.abort()
                return
            writer.write(b"250 fine\r\n")

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1024)
    port = server.sockets[0].getsockname()[1]
    connection = Connection(f"smtp://127.0.0.1:{port}", greeting="forum.example", timeout=5)
    await connection.open()
    outcome = await connection.hand_over("a@forum.example", "b@trust.example", b"x" * 75 * 2**20)
    assert outcome.fate is Fate.LATER
    server.close()
    await server.wait_closed()


async def test_a_connection_that_breaks_after_the_dot_leaves_it_to_a_person(
    book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    mail.treat(CUT_AFTER_DOT, ONE, times=1)
    await released(book)
    await send_due()
    for _ in range(3):
        book.context.clock.advance(timedelta(days=1))
        await send_due()
    unknown = await _the_one(book)
    assert (unknown["state"], unknown["sent_at"]) == ("unknown", None)
    assert "may or may not have arrived" in unknown["failure"]
    assert len(mail.to(ONE)) == 1
    assert len(await _facts(book, LetterSent)) == 8


async def test_a_server_that_says_nothing_after_the_dot_leaves_it_to_a_person(
    book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    mail.treat(Treatment(delay=4), ONE, times=1)
    book.context = replace(book.context, settings=replace(book.context.settings, mail_timeout=2.0))
    await released(book)
    await send_due()
    assert (await _the_one(book))["state"] == "unknown"
    assert len(mail.to(ONE)) == 1


@pytest.mark.parametrize("arrived", [True, False])
async def test_a_person_settles_what_nobody_could_know(
    book: Database, mail: RecordingMailServer, send_due: SendAll, arrived: bool
) -> None:
    mail.treat(CUT_AFTER_DOT, ONE, times=1)
    await released(book)
    await send_due()
    id = (await _the_one(book))["id"]
    async with book.transaction() as tx:
        await (mark_sent if arrived else send_again)(tx, id)
    await send_due()
    settled = await _the_one(book)
    assert settled["state"] == "sent"
    assert settled["sent_at"] is not None
    assert len({mail.parsed["Message-ID"] for mail in mail.to(ONE)}) == 1
    assert len(mail.to(ONE)) == (1 if arrived else 2)
    assert len(await _facts(book, LetterSent)) == 9


async def test_while_the_server_is_away_letters_wait_untouched(
    book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    mail.stop()
    try:
        await released(book)
        await send_due()
        waiting = await letters(book)
        assert {(letter["state"], letter["attempts"]) for letter in waiting} == {("ready", 0)}
        assert {letter["failure"] for letter in waiting} == {
            "The mail server cannot be reached. We try again by ourselves."
        }
    finally:
        mail.start()
    book.context.clock.advance(timedelta(minutes=1))
    await send_due()
    assert await _states(book) == {"sent": 9}


async def test_two_senders_at_once_send_each_letter_once(
    book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    await released(book)
    await asyncio.gather(*(Sender(book).turn() for _ in range(3)))
    await send_due()
    assert len(mail.messages) == 9
    assert len({message.recipients for message in mail.messages}) == 9
    assert len(await _facts(book, LetterSent)) == 9


async def test_two_senders_make_each_letter_once(
    book: Database, mail: RecordingMailServer, send_due: SendAll, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: Counter[Any] = Counter()

    async def count(self: Letters, context: Context, taken: Taken) -> bytes:
        made[taken.id] += 1
        return await compose(self, context, taken)

    compose = Letters.compose
    monkeypatch.setattr(Letters, "compose", count)
    await released(book)
    await asyncio.gather(*(Sender(book).turn() for _ in range(2)))
    await send_due()
    assert await _states(book) == {"sent": 9}
    assert set(made.values()) == {1}


async def test_a_letter_goes_as_it_is_when_it_goes(
    book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    """While its e-mail is made, the address changes: what was made goes to nobody, and it is made again."""
    await released(book)
    one, trust = contact_of("E09000020", "dental_care"), trust_of("E09000020")
    async with book.transaction() as tx:
        taken = await Letters().take(tx, await Letters().due(tx, 9))
    [mine] = [each for each in taken if each.row["contact_id"] == one]
    moved = contact(book, one, trust, sequence=2, role="dental_care", email="new@trust.example")
    await hear(book, moved)
    for each in taken:
        async with book.transaction() as tx:
            assert (await Letters().claim(tx, each) is None) == (each is mine)
    async with book.transaction() as tx:
        await Letters().put_back(tx, mine)
    await send_due()
    assert mail.to(ONE) == []
    assert len(mail.to("new@trust.example")) == 1


async def test_a_letter_that_was_made_waits_with_its_campaign(
    book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    campaign = await released(book)
    async with book.transaction() as tx:
        taken = await Letters().take(tx, await Letters().due(tx, 9))
    async with book.transaction() as tx:
        assert await pause_campaign(tx, campaign) == 9
    for each in taken:
        async with book.transaction() as tx:
            assert await Letters().claim(tx, each) is None
            await Letters().put_back(tx, each)
    await send_due()
    assert mail.messages == []
    async with book.transaction() as tx:
        await resume_campaign(tx, campaign)
    await send_due()
    assert await _states(book) == {"sent": 9}


async def test_who_was_withdrawn_after_the_letter_was_written_gets_none(
    book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    await released(book)
    await hear(book, withdrawn(contact_of("E09000020", "dental_care"), trust_of("E09000020")))
    await send_due()
    aside = await _the_one(book)
    assert (aside["state"], aside["reason"]) == ("blocked", "withdrawn")
    assert mail.to(ONE) == []
    assert len(await _facts(book, CampaignSent)) == 1


async def test_a_letter_that_cannot_be_made_fails_alone(
    make_database: MakeDatabase, mail: RecordingMailServer
) -> None:
    database = await make_database("notifications")
    await fill(database, {"E09000020": 9}, roles=ROLES)
    async with database.transaction() as tx:
        await tx.execute("UPDATE contacts SET email = E'a\\r\\nBcc: x@y.example' WHERE role = 'dental_care'")
    await released(database)
    while await Sender(database).turn():
        pass
    assert await _states(database) == {"sent": 2, "failed": 1}
    assert "could not be made" in (await _the_one(database))["failure"]
    assert len(mail.messages) == 2


async def test_the_rate_is_kept(book: Database, mail: RecordingMailServer) -> None:
    sender = Sender(book)
    started = asyncio.get_running_loop().time()
    object.__setattr__(sender, "_settings", _slow(book))
    for _ in range(4):
        await sender._slot()
    assert asyncio.get_running_loop().time() - started >= 0.3 * 0.9


def _slow(database: Database) -> Any:
    return replace(database.context.settings, mail_rate=10.0)


async def test_a_letter_over_which_its_maker_ends_is_tried_again_and_keeps_no_other(
    book: Database, mail: RecordingMailServer, send_due: SendAll, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory may have run out, which is no fault of the letter; in the end it is given up, and says why."""
    await released(book)
    monkeypatch.setattr(outgoing, "render_mail", _ends_over_one)
    await send_due()
    first = await _the_one(book)
    assert (first["state"], first["attempts"]) == ("ready", 1)
    assert first["failure"].startswith("Not made yet, we try again by ourselves")
    assert await _states(book) == {"sent": len(mail.messages), "ready": 1}
    assert mail.messages
    for _ in range(book.context.settings.mail_attempts):
        book.context.clock.advance(timedelta(days=1))
        await send_due()
    last = await _the_one(book)
    assert (last["state"], last["cure"]) == ("failed", settling._PUT_RIGHT)
    said = await rows(
        book, "SELECT what, who FROM letter_history WHERE letter_id = $1 ORDER BY id", last["id"]
    )
    assert {(line["what"], line["who"]) for line in said} >= {
        ("Not made yet", "the sender"),
        ("Not sent", "the sender"),
    }


def _ends_over_one(*arguments: Any, **named: Any) -> bytes:
    if ONE in arguments:
        os.kill(os.getpid(), signal.SIGKILL)
    return render_mail(*arguments, **named)


async def test_letters_are_made_in_another_process(
    book: Database, mail: RecordingMailServer, send_due: SendAll, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So pages do not wait for them."""
    await released(book)
    monkeypatch.setattr(outgoing, "render_mail", _by_whom)
    await send_due()
    makers = {int(message.parsed.get_content()) for message in mail.messages}
    assert makers
    assert os.getpid() not in makers


def _by_whom(*_arguments: Any, **_named: Any) -> bytes:
    return f"Subject: made\r\n\r\n{os.getpid()}\r\n".encode()
