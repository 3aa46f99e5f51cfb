"""Mail that comes: taken in once, matched to one letter or held, from a real mailbox and from a pipe."""

import asyncio
import contextlib
import os
import re
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import pytest
from imap_tools import BaseMailBox, MailBox, MailBoxUnencrypted

from chassis.audit import Actor, acting
from chassis.config import Settings, SettingsError
from chassis.database import Database
from chassis.errors import Conflict, NotFound
from chassis.files import file_content
from chassis.rights import Subject
from chassis.testing import PrivateDovecot, RecordingMailServer
from contracts.notifications import LetterAcknowledged, LetterBounced
from services.installation import Installation
from services.messages import opened as database_of
from services.notifications import held
from services.notifications.collecting import Collector
from services.notifications.reading.kinds import LARGEST_MAIL, MOST_LINES
from services.notifications.receiving import match_by_hand, receive, set_aside, settle_mail, unmatch
from services.notifications.replies import letters_addressed, letters_followed, reply_address
from services.notifications.stops import take_back
from tests.certificates import Certificate
from tests.conftest import announced
from tests.notifications.conftest import SendAll, letters, released, rows
from tests.notifications.test_reading_mail import delivery_report, mail

WHO = Actor(person=None, source="test", action="test")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, reply_to="answers+{token}@forum.example")


async def _letter(database: Database, id: UUID) -> dict[str, Any]:
    [letter] = await rows(database, "SELECT * FROM letters WHERE id = $1", id)
    return letter


async def _mails(database: Database) -> list[dict[str, Any]]:
    return await rows(database, "SELECT * FROM incoming ORDER BY id")


async def _only(database: Database) -> dict[str, Any]:
    [mail] = await _mails(database)
    return mail


async def _history(database: Database, id: UUID) -> list[str]:
    found = await rows(database, "SELECT what FROM letter_history WHERE letter_id = $1 ORDER BY id", id)
    return [row["what"] for row in found]


async def _facts(database: Database, fact: type) -> list[Any]:
    return [event for event in await announced(database) if event.fact is fact]


class TestAddresses:
    async def test_each_letter_has_an_address_of_its_own_that_answers_and_bounces_go_to(
        self, book: Database, sent: list[dict[str, Any]], mail: RecordingMailServer
    ) -> None:
        addresses = {reply_address(book.context, letter["id"]) for letter in sent}
        assert len(addresses) == 9
        assert {received.parsed["Reply-To"].addresses[0].addr_spec for received in mail.messages} == addresses
        assert {received.sender for received in mail.messages} == addresses

    async def test_it_is_known_again_whatever_became_of_its_case(
        self, book: Database, sent: list[dict[str, Any]]
    ) -> None:
        [one, two] = [letter["id"] for letter in sent[:2]]
        text = f"<{reply_address(book.context, one).upper()}>, x@y.example"
        assert letters_addressed(book.context, text) == {one}
        assert letters_addressed(book.context, text + reply_address(book.context, two)) == {one, two}

    async def test_one_that_somebody_made_up_is_none(
        self, book: Database, sent: list[dict[str, Any]]
    ) -> None:
        address = reply_address(book.context, sent[0]["id"])
        changed = address.replace(address[20], "a" if address[20] != "a" else "b", 1)
        assert letters_addressed(book.context, changed) == set()
        assert letters_addressed(book.context, "answers+aaaa@forum.example") == set()

    async def test_a_message_id_says_which_letter_or_which_of_its_chasers(
        self, sent: list[dict[str, Any]]
    ) -> None:
        told = [sent[0]["message_id"], sent[0]["message_id"].replace("-1@", "-2@"), "<other@x.example>"]
        assert letters_followed(told) == {sent[0]["id"]}

    @pytest.mark.parametrize(
        "address", ["answers@forum.example", "{token}{token}@forum.example", "a@{token}", "a\n@b"]
    )
    def test_a_setting_that_names_no_such_address_is_refused(self, address: str) -> None:
        with pytest.raises(SettingsError, match="REPLY_TO"):
            Settings.load({"CONDUIT_REPLY_TO": address})


class TestMatching:
    async def test_an_answer_to_the_letters_address_stops_its_clock_and_is_our_turn(
        self, book: Database, sent: list[dict[str, Any]]
    ) -> None:
        letter = sent[0]
        raw = mail("We shall think about it.", to=reply_address(book.context, letter["id"]))
        id = await receive(book, raw)
        kept = await _only(book)
        assert (kept["id"], kept["kind"], kept["state"], kept["letter_id"]) == (
            id,
            "answer",
            "matched",
            letter["id"],
        )
        assert (kept["words"], kept["settled_at"], kept["verified"]) == (
            "We shall think about it.",
            None,
            False,
        )
        assert (await _letter(book, letter["id"]))["answer"] == "acknowledged"
        assert len(await _facts(book, LetterAcknowledged)) == 1
        assert "Answered by e-mail: our turn" in await _history(book, letter["id"])
        async with book.reading() as tx:
            assert await file_content(tx, kept["file_id"]) == raw

    async def test_by_what_it_answers(self, book: Database, sent: list[dict[str, Any]]) -> None:
        await receive(book, mail(in_reply_to=sent[3]["message_id"]))
        assert (await _only(book))["letter_id"] == sent[3]["id"]

    async def test_one_that_names_two_letters_is_matched_to_neither(
        self, book: Database, sent: list[dict[str, Any]]
    ) -> None:
        both = f"{sent[0]['message_id']} {sent[1]['message_id']}"
        await receive(book, mail(references=both))
        await receive(
            book, mail(to=reply_address(book.context, sent[0]["id"]), in_reply_to=sent[1]["message_id"])
        )
        assert {(each["state"], each["reason"]) for each in await _mails(book)} == {
            ("held", "It names more than one letter.")
        }
        assert {letter["answer"] for letter in await letters(book)} == {"silent"}

    async def test_one_that_names_none_or_a_draft_is_held(self, book: Database) -> None:
        await released(book)
        [draft, *_] = await letters(book)
        async with book.transaction() as tx:
            await tx.execute("UPDATE letters SET state = 'draft' WHERE id = $1", draft["id"])
        await receive(book, mail())
        await receive(book, mail(in_reply_to=draft["message_id"]))
        assert [each["reason"] for each in await _mails(book)] == [
            "It names no letter of ours.",
            "It names a letter that has not been sent.",
        ]

    async def test_of_one_that_is_too_large_and_lies_in_no_mailbox_it_is_said_that_there_is_no_more(
        self, book: Database
    ) -> None:
        """As of one from a pipe, of which the rest is let go."""
        await receive(book, mail("x\r\n" * (LARGEST_MAIL // 3 + 10))[: LARGEST_MAIL + 1])
        [kept] = await _mails(book)
        assert kept["state"] == "held"
        assert kept["reason"].startswith("Only its beginning was kept, and here there is no more of it")

    async def test_an_answer_after_an_answer_lowers_nothing(
        self, book: Database, sent: list[dict[str, Any]]
    ) -> None:
        await receive(book, mail("One", in_reply_to=sent[0]["message_id"]))
        await receive(book, mail("Two", in_reply_to=sent[0]["message_id"]))
        assert len(await _facts(book, LetterAcknowledged)) == 1
        assert len(await _mails(book)) == 2

    async def test_what_comes_again_is_taken_in_once(
        self, book: Database, sent: list[dict[str, Any]]
    ) -> None:
        raw = mail(message_id="<1@trust.example>", in_reply_to=sent[0]["message_id"])
        assert await receive(book, raw) is not None
        assert await receive(book, b"Received: again\r\n" + raw) is None
        assert (await asyncio.gather(*(receive(book, raw) for _ in range(5)))) == [None] * 5
        await _only(book)

    async def test_of_many_at_once_one_is_taken_in(self, book: Database, sent: list[dict[str, Any]]) -> None:
        raw = mail(in_reply_to=sent[0]["message_id"])
        taken = await asyncio.gather(*(receive(book, raw) for _ in range(5)))
        assert len([id for id in taken if id]) == 1
        await _only(book)


def _stopping(letter: dict[str, Any], body: str = "", **headers: str) -> bytes:
    """What mail programs write when somebody unsubscribes: to our own address, with no thread."""
    told = {"from": letter["email"].title(), "to": "office@forum.example", "subject": letter["stop_subject"]}
    return mail(body, **told | headers)


class TestNoMoreLetters:
    @pytest.fixture
    async def letter(
        self, book: Database, sent: list[dict[str, Any]], mail: RecordingMailServer
    ) -> dict[str, Any]:
        """A letter with the mail in which its own header offers to be told to stop."""
        [received] = [each for each in mail.messages if each.parsed["Message-ID"] == sent[0]["message_id"]]
        [offered] = re.findall(r"<mailto:([^>]+)>", received.parsed["List-Unsubscribe"])
        address, _, query = offered.partition("?")
        assert address == "office@forum.example"
        [subject] = parse_qs(query, strict_parsing=True)["subject"]
        return {**sent[0], "email": received.recipients[0], "stop_subject": subject}

    async def _stops(self, book: Database) -> list[dict[str, Any]]:
        return await rows(book, "SELECT letter_id, scope, way, lifted_at IS NULL AS stands FROM stops")

    @pytest.mark.parametrize(
        "headers", [{}, {"auto_submitted": "auto-generated"}, {"x_autoreply": "yes", "precedence": "bulk"}]
    )
    async def test_the_mail_that_a_letter_offers_stops_them_and_is_no_answer(
        self, book: Database, letter: dict[str, Any], headers: dict[str, str]
    ) -> None:
        raw = _stopping(letter, **headers)
        await receive(book, raw)
        assert await receive(book, raw) is None
        kept = await _only(book)
        told = (kept["kind"], kept["state"], kept["letter_id"], kept["settled_at"] is not None)
        assert told == ("stop", "matched", letter["id"], True)
        stop = {"letter_id": letter["id"], "scope": "person", "way": "mail", "stands": True}
        assert await self._stops(book) == [stop]
        assert (await _letter(book, letter["id"]))["answer"] == "silent"
        assert await rows(book, "SELECT FROM answers") == []
        assert "They asked us never to write to them again" in await _history(book, letter["id"])

    async def test_as_an_answer_to_the_letter_it_is_a_stop_too(
        self, book: Database, letter: dict[str, Any]
    ) -> None:
        await receive(book, _stopping(letter, in_reply_to=letter["message_id"]))
        assert [each["way"] for each in await self._stops(book)] == ["mail"]
        assert (await _letter(book, letter["id"]))["answer"] == "silent"

    async def test_what_they_write_with_it_is_our_turn(self, book: Database, letter: dict[str, Any]) -> None:
        await receive(book, _stopping(letter, "Please write to the whole trust no more."))
        assert (await _only(book))["settled_at"] is None
        assert len(await self._stops(book)) == 1

    async def test_whoever_said_so_takes_it_back_on_the_page(
        self, book: Database, letter: dict[str, Any]
    ) -> None:
        await receive(book, _stopping(letter))
        async with acting(book, WHO) as tx:
            await take_back(tx, letter["id"], who="the recipient")
        assert [each["stands"] for each in await self._stops(book)] == [False]

    async def test_from_another_address_a_person_says_whether_it_counts(
        self, book: Database, letter: dict[str, Any]
    ) -> None:
        id = await receive(book, _stopping(letter, **{"from": "somebody@else.example"}))
        assert id is not None
        kept = await _only(book)
        assert (kept["kind"], kept["state"]) == ("stop", "held")
        assert "from another address" in kept["reason"]
        assert await self._stops(book) == []
        async with acting(book, WHO) as tx:
            await match_by_hand(tx, id, letter["id"])
        assert [each["stands"] for each in await self._stops(book)] == [True]
        async with acting(book, WHO) as tx:
            await unmatch(tx, id)
        assert [each["stands"] for each in await self._stops(book)] == [False]

    async def test_one_that_names_another_letter_than_it_answers_or_none_is_held(
        self, book: Database, letter: dict[str, Any], sent: list[dict[str, Any]]
    ) -> None:
        await receive(book, _stopping(letter, in_reply_to=sent[1]["message_id"]))
        await receive(book, _stopping(letter, subject="No more letters C9-999"))
        told = [(each["state"], each["reason"]) for each in await _mails(book)]
        assert told == [("held", "It names more than one letter."), ("held", "It names no letter of ours.")]
        assert await self._stops(book) == []

    async def test_other_words_in_the_subject_are_a_persons_answer(
        self, book: Database, letter: dict[str, Any]
    ) -> None:
        subject = f"Re: {letter['stop_subject']}"
        await receive(book, _stopping(letter, subject=subject, in_reply_to=letter["message_id"]))
        assert (await _only(book))["kind"] == "answer"
        assert await self._stops(book) == []


class TestAutomaticReplies:
    async def test_one_is_never_an_answer(self, book: Database, sent: list[dict[str, Any]]) -> None:
        text = "I am away until 14 December 2099."
        raw = mail(text, subject="Automatic reply: Training", in_reply_to=sent[0]["message_id"])
        await receive(book, raw)
        assert (await _letter(book, sent[0]["id"]))["answer"] == "auto_replied"
        assert await _facts(book, LetterAcknowledged) == []
        assert (await _only(book))["settled_at"] is not None

    async def test_a_hundred_of_them_change_nothing_more_and_are_never_answered(
        self, book: Database, sent: list[dict[str, Any]], mail: RecordingMailServer, send_due: SendAll
    ) -> None:
        before = len(mail.messages)
        for number in range(100):
            await receive(book, _auto(sent[0], f"Ticket {number}"))
        await send_due()
        assert len(await _mails(book)) == 100
        assert len(mail.messages) == before
        assert len([what for what in await _history(book, sent[0]["id"]) if "Automatic" in what]) == 1

    async def test_after_an_answer_it_changes_nothing(
        self, book: Database, sent: list[dict[str, Any]]
    ) -> None:
        await receive(book, mail(in_reply_to=sent[0]["message_id"]))
        await receive(book, _auto(sent[0], "Away"))
        assert (await _letter(book, sent[0]["id"]))["answer"] == "acknowledged"

    async def test_who_has_left_is_for_a_person_to_see(
        self, book: Database, sent: list[dict[str, Any]]
    ) -> None:
        await receive(book, _auto(sent[0], "Ann no longer works here. Write to ben@trust.example."))
        kept = await _only(book)
        assert (kept["moved_to"], kept["settled_at"]) == (["ben@trust.example"], None)


def _auto(letter: dict[str, Any], words: str) -> bytes:
    return mail(words, auto_submitted="auto-replied", in_reply_to=letter["message_id"])


class TestBounces:
    async def test_the_letter_that_came_back_is_bounced_and_no_other(
        self, book: Database, sent: list[dict[str, Any]]
    ) -> None:
        await receive(book, delivery_report(returned=sent[4]["message_id"]))
        assert {letter["id"] for letter in await letters(book) if letter["delivery"] == "bounced"} == {
            sent[4]["id"]
        }
        [fact] = await _facts(book, LetterBounced)
        assert (fact.data["letter_id"], fact.data["permanent"]) == (sent[4]["id"], True)
        assert "Came back: There is no such mailbox." in await _history(book, sent[4]["id"])

    async def test_a_second_report_announces_nothing_more(
        self, book: Database, sent: list[dict[str, Any]]
    ) -> None:
        for status in ("5.1.1", "5.2.1"):
            await receive(book, delivery_report(returned=sent[4]["message_id"], status=status))
        assert len(await _facts(book, LetterBounced)) == 1

    @pytest.mark.parametrize("action", ["delayed", "delivered"])
    async def test_one_that_is_late_or_arrived_changes_nothing(
        self, book: Database, sent: list[dict[str, Any]], action: str
    ) -> None:
        await receive(book, delivery_report(action=action, returned=sent[4]["message_id"]))
        letter = await _letter(book, sent[4]["id"])
        assert (letter["delivery"], letter["answer"]) == ("", "silent")

    async def test_a_report_on_somebody_elses_mail_changes_nothing(
        self, book: Database, sent: list[dict[str, Any]]
    ) -> None:
        await receive(book, delivery_report(returned="<other@x.example>"))
        await receive(
            book, b"To: " + reply_address(book.context, sent[0]["id"]).encode() + b"\r\n" + delivery_report()
        )
        assert {each["state"] for each in await _mails(book)} == {"held"}
        assert {letter["delivery"] for letter in await letters(book)} == {""}

    async def test_one_for_one_letter_that_brings_back_another_is_held(
        self, book: Database, sent: list[dict[str, Any]]
    ) -> None:
        to = f"Delivered-To: {reply_address(book.context, sent[0]['id'])}\r\n".encode()
        await receive(book, to + delivery_report(returned=sent[1]["message_id"]))
        assert (await _only(book))["reason"] == "It names more than one letter."

    async def test_nothing_comes_back_but_the_address_is_the_letters_own(
        self, book: Database, sent: list[dict[str, Any]]
    ) -> None:
        [contact] = await rows(book, "SELECT email FROM contacts WHERE id = $1", sent[0]["contact_id"])
        to = f"Delivered-To: {reply_address(book.context, sent[0]['id'])}\r\n".encode()
        raw = delivery_report(returned="").replace(b"Head@Trust.example", contact["email"].encode())
        await receive(book, to + raw)
        assert (await _letter(book, sent[0]["id"]))["delivery"] == "bounced"

    async def test_who_has_answered_has_the_letter(self, book: Database, sent: list[dict[str, Any]]) -> None:
        await receive(book, mail(in_reply_to=sent[0]["message_id"]))
        await receive(book, delivery_report(returned=sent[0]["message_id"]))
        assert (await _letter(book, sent[0]["id"]))["delivery"] == ""

    async def test_a_letter_of_which_nobody_knew_had_left(
        self, book: Database, sent: list[dict[str, Any]]
    ) -> None:
        async with book.transaction() as tx:
            await tx.execute(
                "UPDATE letters SET state = 'unknown', sent_at = NULL, claimed_at = now() WHERE id = $1",
                sent[0]["id"],
            )
        await receive(book, delivery_report(returned=sent[0]["message_id"]))
        letter = await _letter(book, sent[0]["id"])
        assert (letter["state"], letter["delivery"]) == ("sent", "bounced")
        left, came_back = (await _history(book, sent[0]["id"]))[-2:]
        assert (left, came_back[:10]) == ("Marked as sent: it had left", "Came back:")

    @pytest.mark.parametrize("words", ["We look into it.", "Automatic reply"])
    async def test_one_that_is_answered_while_it_is_being_sent_has_left_before(
        self, book: Database, sent: list[dict[str, Any]], words: str
    ) -> None:
        async with book.transaction() as tx:
            await tx.execute(
                "UPDATE letters SET state = 'sending', sent_at = NULL, claimed_at = now() WHERE id = $1",
                sent[0]["id"],
            )
        await receive(book, mail(words, subject=words, in_reply_to=sent[0]["message_id"]))
        assert (await _letter(book, sent[0]["id"]))["state"] == "sent"
        arrived, answered, *_ = (await _history(book, sent[0]["id"]))[3:]
        assert arrived == "Marked as sent: it arrived"
        assert answered.startswith(("Answered by e-mail", "Automatic reply"))


class TestByHand:
    async def test_a_person_says_which_letter(self, book: Database, sent: list[dict[str, Any]]) -> None:
        id = await receive(book, mail("We cannot help."))
        assert id is not None
        async with acting(book, WHO) as tx:
            await match_by_hand(tx, id, sent[2]["id"])
        kept = await _only(book)
        assert (kept["state"], kept["letter_id"], kept["reason"]) == ("matched", sent[2]["id"], "By hand.")
        assert (await _letter(book, sent[2]["id"]))["answer"] == "acknowledged"
        [noted] = await rows(book, "SELECT * FROM audit WHERE action = 'mail_matched'")
        assert noted["object"] == str(id)
        assert "trust.example" not in str(noted)

    async def test_two_people_at_once_and_one_of_them_has_it(
        self, book: Database, sent: list[dict[str, Any]]
    ) -> None:
        id = await receive(book, mail())
        assert id is not None

        async def act(letter: UUID) -> str:
            try:
                async with acting(book, WHO) as tx:
                    await match_by_hand(tx, id, letter)
            except Conflict:
                return "too late"
            return "matched"

        outcomes = await asyncio.gather(act(sent[0]["id"]), act(sent[1]["id"]))
        assert sorted(outcomes) == ["matched", "too late"]

    @pytest.mark.parametrize("kind", ["answer", "auto_reply", "bounce"])
    async def test_or_that_it_was_matched_by_mistake_and_what_followed_is_taken_back(
        self, book: Database, sent: list[dict[str, Any]], kind: str
    ) -> None:
        wrong, other = sent[0], sent[1]
        came = {
            "answer": mail(in_reply_to=wrong["message_id"]),
            "auto_reply": mail(in_reply_to=wrong["message_id"], auto_submitted="auto-replied"),
            "bounce": delivery_report(returned=wrong["message_id"]),
        }
        id = await receive(book, came[kind])
        assert id is not None
        changed = await _letter(book, wrong["id"])
        assert (changed["answer"], changed["delivery"]) != ("silent", "")
        async with acting(book, WHO) as tx:
            await unmatch(tx, id)
        kept = await _only(book)
        assert (kept["state"], kept["letter_id"], kept["settled_at"]) == ("held", None, None)
        back = await _letter(book, wrong["id"])
        assert (back["answer"], back["delivery"]) == ("silent", "")
        assert any("matched by mistake" in each for each in await _history(book, wrong["id"]))
        assert len(await rows(book, "SELECT FROM audit WHERE action = 'mail_unmatched'")) == 1
        with pytest.raises(NotFound):
            async with acting(book, WHO) as tx:
                await unmatch(tx, id)
        async with acting(book, WHO) as tx:
            await match_by_hand(tx, id, other["id"])
        right = await _letter(book, other["id"])
        assert (right["answer"], right["delivery"]) == (changed["answer"], changed["delivery"])

    async def test_what_another_mail_says_as_well_stands(
        self, book: Database, sent: list[dict[str, Any]]
    ) -> None:
        first = await receive(book, mail("Thank you.", in_reply_to=sent[0]["message_id"]))
        second = await receive(book, mail("We think about it.", in_reply_to=sent[0]["message_id"]))
        for id, answer in ((first, "acknowledged"), (second, "silent")):
            assert id is not None
            async with acting(book, WHO) as tx:
                await unmatch(tx, id)
            assert (await _letter(book, sent[0]["id"]))["answer"] == answer

    async def test_or_that_it_is_about_none(self, book: Database) -> None:
        id = await receive(book, mail())
        assert id is not None
        async with acting(book, WHO) as tx:
            await set_aside(tx, id)
        assert (await _only(book))["state"] == "aside"

    async def test_or_that_it_was_seen_to(self, book: Database, sent: list[dict[str, Any]]) -> None:
        id = await receive(book, mail(in_reply_to=sent[0]["message_id"]))
        assert id is not None
        async with acting(book, WHO) as tx:
            await settle_mail(tx, id)
        assert (await _only(book))["settled_at"] is not None
        with pytest.raises(Conflict):
            async with acting(book, WHO) as tx:
                await settle_mail(tx, id)


class TestHarm:
    @pytest.mark.parametrize(
        "raw",
        [
            mail("x" * (LARGEST_MAIL + 10)),
            b"\x00\xff\xfe broken",
            b"",
            b"Subject: lines\r\n" + b"\r\n" * (MOST_LINES + 1),
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 1_000,
        ],
    )
    async def test_nothing_is_thrown_away(self, book: Database, raw: bytes) -> None:
        assert await receive(book, raw) is not None
        kept = await _only(book)
        assert (kept["state"], kept["reason"] != "", kept["file_id"] is not None) == ("held", True, True)

    async def test_text_that_would_break_a_database_is_kept_as_text(
        self, book: Database, sent: list[dict[str, Any]]
    ) -> None:
        words = "Rob'); DROP TABLE letters;-- \u202eمرحبا Xin chào <script>{{ 7*7 }}</script> \x00 end"
        head = {"content_type": "text/plain; charset=utf-8", "in_reply_to": sent[0]["message_id"]}
        await receive(book, mail(words, **head))
        kept = await _only(book)
        assert kept["words"] == words.replace("\x00", "�")
        assert kept["state"] == "matched"

    async def test_one_that_cannot_be_matched_because_we_are_at_fault_is_held(
        self, book: Database, sent: list[dict[str, Any]]
    ) -> None:
        async with book.transaction() as tx:  # a letter of a kind that this code does not know
            await tx.execute("ALTER TABLE letters DROP CONSTRAINT letters_answer_check")
            await tx.execute("UPDATE letters SET answer = 'odd' WHERE id = $1", sent[0]["id"])
        await receive(book, mail(in_reply_to=sent[0]["message_id"]))
        assert (await _only(book))["reason"] == "It could not be matched by itself."

    async def test_no_word_of_a_mail_is_logged_or_announced(
        self, book: Database, sent: list[dict[str, Any]], logged: Callable[[], list[dict[str, Any]]]
    ) -> None:
        secret = "Xyzzy Person"
        for raw in (
            mail(secret, subject=secret, in_reply_to=sent[0]["message_id"]),
            mail(secret, **{"from": f"{secret} <xyzzy.person@trust.example>"}),
            b"\x00" + secret.encode(),
        ):
            await receive(book, raw)
        told = str(logged()) + str([event.data for event in await announced(book)])
        assert "yzzy" not in told


class TestRights:
    async def test_what_is_held_is_told_and_forgotten(
        self, book: Database, sent: list[dict[str, Any]]
    ) -> None:
        await receive(book, mail("To the letter", in_reply_to=sent[0]["message_id"]))
        await receive(book, mail("From the address", **{"from": "Zoë <Zoe@Trust.example>"}))
        await receive(book, mail("From another", **{"from": "other@trust.example"}))
        subject = Subject(ids=[sent[0]["contact_id"]], emails=["zoe@trust.example"], names=[])
        async with book.reading() as tx:
            found = [each async for each in held.gather(tx, subject)]
        told = b" ".join(each.content for each in found)
        assert b"To the letter" in told
        assert b"From the address" in told
        assert b"From another" not in told
        async with book.transaction() as tx:
            done = await held.forget(tx, subject)
        assert done.counts["mails that came"] == 2
        kept = await _mails(book)
        assert sorted(each["words"] for each in kept) == ["", "", "From another"]
        assert len(await rows(book, "SELECT FROM files")) == 1
        again = mail("From the address", **{"from": "Zoë <Zoe@Trust.example>"})
        assert await receive(book, again) is None  # the mailbox still has it; here it stays forgotten

    async def test_after_a_year_the_raw_mail_goes_and_what_stands_beside_a_letter_stays(
        self, book: Database, sent: list[dict[str, Any]]
    ) -> None:
        await receive(book, mail("Beside the letter", in_reply_to=sent[0]["message_id"]))
        await receive(book, mail("About nothing"))
        [term] = [each for each in held.TERMS if each.what == "incoming mail"]
        assert term.months == 12
        async with book.transaction() as tx:
            later = tx.now + timedelta(days=366)
            assert await term.scrub(tx, later, 500) == 2
        assert await rows(book, "SELECT FROM files") == []
        assert sorted(each["words"] for each in await _mails(book)) == ["", "Beside the letter"]


# a real mailbox


@pytest.fixture(scope="session")
def dovecot() -> Iterator[PrivateDovecot]:
    with PrivateDovecot() as server:
        yield server


class Box:
    """A mailbox that a test puts mails into."""

    def __init__(self, server: PrivateDovecot, user: str) -> None:
        self.url = server.url(user)
        self._server, self._user = server, user

    @contextlib.contextmanager
    def opened(self) -> Iterator[BaseMailBox]:
        box: BaseMailBox
        if self.url.startswith("imaps"):
            box = MailBox("localhost", self._server.port, ssl_context=ssl.create_default_context())
        else:
            box = MailBoxUnencrypted("127.0.0.1", self._server.port)
        with box.login(self._user, self._server.PASSWORD):
            yield box

    def put(self, *raws: bytes) -> None:
        with self.opened() as box:
            for raw in raws:
                box.append(raw, "INBOX")

    def count(self) -> int:
        with self.opened() as box:
            return len(box.uids())


@pytest.fixture
def box(dovecot: PrivateDovecot, tmp_path: Any) -> Box:
    return Box(dovecot, f"u{abs(hash(tmp_path))}")


def _reading(database: Database, box: Box) -> Collector:
    context = replace(database.context, settings=replace(database.context.settings, imap_url=box.url))
    database.context = context
    return Collector(database)


async def _collect(collector: Collector) -> None:
    while await collector.turn():
        pass


class TestMailbox:
    async def test_what_came_is_taken_in_once_and_stays_where_it_was(
        self, book: Database, sent: list[dict[str, Any]], box: Box
    ) -> None:
        box.put(mail("One", in_reply_to=sent[0]["message_id"]), mail("Two"))
        collector = _reading(book, box)
        await _collect(collector)
        await _collect(collector)
        assert [each["words"] for each in await _mails(book)] == ["One", "Two"]
        box.put(mail("Three"))
        await _collect(collector)
        assert len(await _mails(book)) == 3
        assert box.count() == 3
        with box.opened() as opened:
            assert not any("\\Seen" in each.flags for each in opened.fetch(mark_seen=False))

    async def test_over_tls_a_server_is_believed_whose_signer_is_named(
        self, book: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shown = Certificate.write(tmp_path / "tls", "localhost")
        with PrivateDovecot(tls=(shown.certificate, shown.key)) as server:
            box = Box(server, "u")
            assert await _reading(book, box).turn() is False  # it sees nothing of our password
            monkeypatch.setenv("SSL_CERT_FILE", str(shown.certificate))
            box.put(mail("Over TLS"))
            await _collect(_reading(book, box))
        assert (await _only(book))["words"] == "Over TLS"

    async def test_more_than_one_look_takes(self, book: Database, box: Box) -> None:
        box.put(*(mail(f"Mail {number}") for number in range(120)))
        await _collect(_reading(book, box))
        assert len(await _mails(book)) == 120

    async def test_numbers_that_mean_something_else_now(self, book: Database, box: Box) -> None:
        raws = [mail(f"Mail {number}") for number in range(3)]
        box.url = box.url.replace("INBOX", "Answers")
        for _ in range(2):
            with box.opened() as opened:
                opened.folder.create("Answers")
                for raw in raws:
                    opened.append(raw, "Answers")
            await _collect(_reading(book, box))
            with box.opened() as opened:
                opened.folder.delete("Answers")
        assert len(await _mails(book)) == 3

    async def test_the_largest_the_oddest_and_one_that_is_deleted(self, book: Database, box: Box) -> None:
        box.put(mail("x\r\n" * (LARGEST_MAIL // 3 + 10)), b"broken \xff\xfe", mail("Gone"), mail("Last"))
        with box.opened() as opened:
            opened.delete(opened.uids()[2])
        await _collect(_reading(book, box))
        kept = await _mails(book)
        assert [each["state"] for each in kept] == ["held"] * 3
        assert kept[0]["reason"].endswith("the whole is still in the mailbox that it came to.")
        assert kept[-1]["words"] == "Last"

    async def test_a_server_that_is_away_or_refuses_us_is_no_error(
        self, book: Database, box: Box, logged: Callable[[], list[dict[str, Any]]]
    ) -> None:
        for url in ("imap://u:secret@127.0.0.1:1/INBOX", box.url.replace("let", "wrong")):
            context = replace(book.context, settings=replace(book.context.settings, imap_url=url))
            book.context = context
            assert await Collector(book).turn() is False
        assert "secret" not in str(logged())


# in a process of its own


COLLECT = """
import asyncio
from chassis import failpoints
from chassis.config import Settings
from services.installation import Installation
from services.messages import opened
from services.notifications.collecting import Collector

async def main():
    settings = Settings.load()
    failpoints.arm(settings.failpoints)
    async with opened(Installation(settings), "notifications") as database:
        while await Collector(database).turn():
            pass

asyncio.run(main())
"""


def _runs(installation: Installation, *command: str, given: bytes = b"", **settings: str) -> int:
    """Run Python on an installation. How it ended."""
    environment = {**os.environ, **installation.settings.environment(), **settings}
    return subprocess.run(
        [sys.executable, *command], input=given, env=environment, capture_output=True, timeout=60, check=False
    ).returncode


def _kept(installation: Installation) -> list[str]:
    async def words() -> list[str]:
        async with database_of(installation, "notifications") as database:
            return [each["words"] for each in await _mails(database)]

    return asyncio.run(words())


PIPE = ("-m", "services", "mail", "receive")


class TestProcesses:
    def test_killed_before_a_mail_is_kept_it_loses_and_doubles_nothing(
        self, installation: Installation, box: Box
    ) -> None:
        box.put(*(mail(f"Mail {number}") for number in range(3)))
        collect = partial(_runs, installation, "-c", COLLECT, CONDUIT_IMAP_URL=box.url)
        assert collect(CONDUIT_FAILPOINTS="mail.taken_in=kill") == -signal.SIGKILL
        assert _kept(installation) == []
        assert collect() == 0
        assert collect() == 0
        assert _kept(installation) == ["Mail 0", "Mail 1", "Mail 2"]

    def test_a_pipe_says_that_it_has_a_mail_only_when_it_has(self, installation: Installation) -> None:
        away = replace(installation.settings, database_url="postgresql://nobody@127.0.0.1:1/{service}")
        assert _runs(Installation(away), *PIPE, given=mail("One")) == 75
        assert _runs(installation, *PIPE, given=mail("One")) == 0
        assert _runs(installation, *PIPE, given=mail("One")) == 0
        assert _kept(installation) == ["One"]
