"""One mail read: kinds told apart, quotations folded, and bytes that were made to do harm."""

import base64
import time
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.notifications.reading.kinds import (
    LARGEST_MAIL,
    MOST_LINES,
    MOST_PARTS,
    Kind,
    Reading,
    digest_of,
    read,
)
from services.notifications.reading.phrases import is_automatic, moved_to, returns_on
from services.notifications.reading.quotes import fold, text_of

TODAY = date(2026, 11, 26)
OURS = "<letter-0135383fcdc0778cb8dde6e5fd29f054-1@forum.example>"


def mail(body: str = "Thank you.", **headers: str) -> bytes:
    """A mail as bytes; headers by name, with _ for -."""
    told = {"from": "Zoë Head <zoe@trust.example>", "to": "answers@forum.example", "subject": "Re: Training"}
    told |= {name.replace("_", "-"): value for name, value in headers.items()}
    return "\r\n".join([*(f"{name}: {value}" for name, value in told.items()), "", body]).encode()


def reads(raw: bytes, **options: Any) -> Reading:
    return read(raw, on=TODAY, **options)


def delivery_report(
    action: str = "failed",
    status: str = "5.1.1",
    returned: str = OURS,
    diagnosis: str = "smtp; 550 no such user",
) -> bytes:
    return mail(
        "\r\n".join(
            [
                "--b",
                "Content-Type: text/plain",
                "",
                "Your message could not be delivered.",
                "--b",
                "Content-Type: message/delivery-status",
                "",
                "Reporting-MTA: dns; mx.trust.example",
                "",
                "Final-Recipient: rfc822; Head@Trust.example",
                f"Action: {action}",
                f"Status: {status}",
                f"Diagnostic-Code: {diagnosis}",
                "",
                "--b",
                "Content-Type: text/rfc822-headers",
                "",
                f"Message-ID: {returned}",
                "Subject: Training",
                "",
                "--b--",
            ]
        ),
        **{
            "from": "MAILER-DAEMON@mx.trust.example",
            "subject": "Undelivered Mail Returned to Sender",
            "auto_submitted": "auto-replied",
            "content_type": 'multipart/report; report-type=delivery-status; boundary="b"',
        },
    )


class TestReports:
    def test_a_letter_that_did_not_arrive(self) -> None:
        reading = reads(delivery_report())
        assert reading.kind is Kind.BOUNCE
        assert (reading.hard, reading.failed, reading.follows) == (True, ("head@trust.example",), (OURS,))
        assert reading.why == "There is no such mailbox."

    @pytest.mark.parametrize(
        ("status", "hard", "why"),
        [
            ("5.2.2", False, "The mailbox is full."),
            ("5.7.1", False, "Their server refused it by its rules."),
            ("4.4.7", False, "Their server did not take it in time."),
            ("5.1.2", True, "There is no such domain."),
            ("5.9.9", True, "Their server did not deliver it."),
            ("nonsense", True, "Their server did not deliver it."),
        ],
    )
    def test_why_and_whether_the_address_is_bad(self, status: str, hard: bool, why: str) -> None:
        reading = reads(delivery_report(status=status, diagnosis="smtp; no"))
        assert (reading.kind, reading.hard, reading.why) == (Kind.BOUNCE, hard, why)

    def test_a_status_that_says_nothing_gives_way_to_what_the_server_said(self) -> None:
        reading = reads(delivery_report(status="5.0.0", diagnosis="smtp; 550 5.1.1 <head> unknown"))
        assert reading.why == "There is no such mailbox."

    @pytest.mark.parametrize("action", ["delayed", "delivered", "relayed", "expanded"])
    def test_late_or_arrived_is_no_bounce(self, action: str) -> None:
        assert reads(delivery_report(action=action)).kind is Kind.NOTICE

    def test_one_that_is_written_for_people_only(self) -> None:
        body = (
            "Hi. This is the qmail-send program at mx.trust.example.\n"
            "I'm afraid I wasn't able to deliver your message to the following addresses.\n"
            "This is a permanent error; I've given up. Sorry it didn't work out.\n\n"
            "<head@trust.example>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n"
            "--- Below this line is a copy of the message.\n\n"
            f"Return-Path: <answers@forum.example>\nMessage-ID: {OURS}\nSubject: Training\n\nDear Head\n"
        )
        reading = reads(mail(body, subject="failure notice", **{"from": "MAILER-DAEMON@mx.trust.example"}))
        assert (reading.kind, reading.hard, reading.follows) == (Kind.BOUNCE, True, (OURS,))
        assert reading.failed == ("head@trust.example",)

    def test_a_person_who_tells_of_a_failure_is_a_person(self) -> None:
        body = "Your letter was returned: <head@trust.example>: no such user. Please write to me."
        assert reads(mail(body, subject="Undelivered letter")).kind is Kind.ANSWER

    def test_that_it_was_opened_is_a_notice(self) -> None:
        report = "multipart/report; report-type=disposition-notification; boundary=b"
        assert reads(mail("--b\r\n\r\nRead\r\n--b--", content_type=report)).kind is Kind.NOTICE


class TestAutomaticReplies:
    @pytest.mark.parametrize(
        "headers",
        [
            {"auto_submitted": "auto-replied"},
            {"auto_submitted": "auto-generated; by=x"},
            {"x_autoreply": "yes"},
            {"x_autorespond": "Training"},
            {"precedence": "bulk"},
            {"precedence": "auto_reply"},
            {"x_autogenerated": "Reply"},
            {"subject": "Automatic reply: Training"},
            {"subject": "=?utf-8?q?R=C3=A9ponse_automatique_=3A_Training?="},
            {"subject": "=?utf-8?b?" + base64.b64encode("رد تلقائي: تدريب".encode()).decode() + "?="},
        ],
    )
    def test_programs_say_so_in_many_ways(self, headers: dict[str, str]) -> None:
        assert reads(mail(**headers)).kind is Kind.AUTO_REPLY

    @pytest.mark.parametrize(
        "headers",
        [
            {"auto_submitted": "no"},
            {"precedence": "list"},
            {"x_autoreply": "no"},
            {"subject": "Re: Out of office"},
        ],
    )
    def test_people_are_people(self, headers: dict[str, str]) -> None:
        assert reads(mail(**headers)).kind is Kind.ANSWER

    @pytest.mark.parametrize(
        "subject",
        [
            *(
                "Out of Office: Training",
                "Abwesenheitsnotiz",
                "Respuesta automática: x",
                "Automatisch antwoord: x",
            ),
            *("Trả lời tự động: x", "自动回复: x", "Автоответ: x", "[Autoreply] x"),
        ],
    )
    def test_in_many_languages(self, subject: str) -> None:
        assert is_automatic(subject)

    @pytest.mark.parametrize(
        ("text", "day"),
        [
            ("I am away until Monday 14 December 2026.", date(2026, 12, 14)),
            ("I am away from 1st December and will be back on 7th December.", date(2026, 12, 7)),
            ("I will return on 4 January.", date(2027, 1, 4)),
            ("Back on 04/01/2027", date(2027, 1, 4)),
            ("Ich bin bis 3. Dezember nicht da.", date(2026, 12, 3)),
            ("Je serai de retour le 5 janvier 2027.", date(2027, 1, 5)),
            ("Vuelvo el 9 de diciembre de 2026", date(2026, 12, 9)),
            ("I am away until 31 February 2027.", None),
            ("I have been here since 4 January 1999 and will be back.", None),
            ("The meeting is on 14 December 2026", None),
        ],
    )
    def test_when_they_are_back(self, text: str, day: date | None) -> None:
        assert returns_on(text, TODAY) == day

    @pytest.mark.parametrize(
        ("text", "others"),
        [
            (
                "Ann Lee no longer works here. Please write to j.smith@trust.example.",
                ("j.smith@trust.example",),
            ),
            ("Dr Lee has retired; contact HEAD@trust.example or ann@trust.example", ("head@trust.example",)),
            ("Frau Lee arbeitet nicht mehr hier: neu@trust.example", ("neu@trust.example",)),
            ("I am away. In urgent cases write to j.smith@trust.example.", ()),
            ("She has left the trust.", ()),
        ],
    )
    def test_whom_to_write_to_instead(self, text: str, others: tuple[str, ...]) -> None:
        assert moved_to(text, {"ann@trust.example"}) == others


class TestWords:
    @pytest.mark.parametrize(
        "quotation",
        [
            "On Mon, 6 Feb 2012 at 09:00, The Forum <office@forum.example> wrote:\n> Dear Head\n> Help?",
            "On Mon, 6 Feb 2012 at 09:00, The Forum\n<office@forum.example> wrote:\n> Dear Head",
            "Am 06.02.2012 um 09:00 schrieb The Forum:\n> Dear Head",
            "Le lun. 6 févr. 2012 à 09:00, The Forum a écrit :\nDear Head",
            "-----Original Message-----\nFrom: The Forum\nDear Head",
            "From: The Forum\nSent: 6 February 2012\nTo: Head\n\nDear Head",
            "________________________________\nFrom: The Forum\nDear Head",
            "-- \nZoë Head\n020 7946 0000",
        ],
    )
    def test_what_was_quoted_and_the_signature_are_folded_away(self, quotation: str) -> None:
        folded = fold(f"We shall pay £500.\n\n{quotation}")
        assert folded.shown == "We shall pay £500."
        assert "Head" in folded.folded

    def test_an_answer_between_quoted_lines_stays(self) -> None:
        text = "On Monday The Forum wrote:\n> Will you pay?\nYes.\n> When?\nIn May."
        assert fold(text).shown == "Yes.\nIn May."

    def test_an_ordinary_letter_is_left_whole(self) -> None:
        text = "On Monday we met.\nWhat they wrote: nothing.\n\nDa: this is not a heading."
        assert fold(text).shown == text

    def test_a_page_becomes_text(self) -> None:
        page = "<style>p{}</style><p>We&nbsp;shall <b>pay</b>.<br>Yes</p><script>x</script>"
        page += "<blockquote>Dear</blockquote>"
        assert text_of(page) == "We shall pay.\nYes\n\n> Dear"


class TestSenders:
    CHECKED = "mx.forum.example; spf=pass; dmarc=pass (p=reject) header.from=trust.example"

    def test_our_own_server_is_believed(self) -> None:
        raw = mail(authentication_results=self.CHECKED)
        assert reads(raw, checked_by="mx.forum.example").verified

    @pytest.mark.parametrize(
        ("raw", "by"),
        [
            (mail(authentication_results=CHECKED), ""),
            (mail(authentication_results=CHECKED), "mx.other.example"),
            (mail(authentication_results=CHECKED.replace("dmarc=pass", "dmarc=fail")), "mx.forum.example"),
            (
                mail(authentication_results=CHECKED.replace("trust.example", "evil.example")),
                "mx.forum.example",
            ),
            (
                b"Authentication-Results: mx.evil.example; none\r\n" + mail(authentication_results=CHECKED),
                "mx.forum.example",
            ),
            (mail(), "mx.forum.example"),
        ],
    )
    def test_nobody_else_is(self, raw: bytes, by: str) -> None:
        assert not reads(raw, checked_by=by).verified

    def test_two_senders_are_none(self) -> None:
        reading = reads(mail(**{"from": "a@trust.example, b@evil.example"}))
        assert reading.sender == ""

    def test_a_comma_in_encoded_words_makes_no_second_address(self) -> None:
        reading = reads(mail(**{"from": "=?utf-8?q?Head=2C_evil=40x=2Eexample?= <zoe@trust.example>"}))
        assert (reading.sender, reading.sender_name) == ("zoe@trust.example", "Head, evil@x.example")


def _parts(count: int) -> bytes:
    parts = "".join(f"--b\r\nContent-Type: text/plain\r\n\r\npart {number}\r\n" for number in range(count))
    return mail(f"{parts}--b--", content_type="multipart/mixed; boundary=b")


def _nested(depth: int) -> bytes:
    inner = b"Content-Type: text/plain\r\n\r\nat last"
    for level in range(depth):
        head = f"Content-Type: multipart/mixed; boundary=b{level}x\r\n\r\n--b{level}x\r\n".encode()
        inner = head + inner + f"\r\n--b{level}x--\r\n".encode()
    return b"From: a@b.example\r\n" + inner


class TestNothing:
    @pytest.mark.parametrize(
        ("raw", "why"),
        [
            (b"From: a@b.example\r\n\r\n \r\n", "Nothing is written in it."),
            (bytes(range(256)) * 4, "It does not say whom it is from."),
            (b"Subject: Yes\r\n\r\nWe will.", "It does not say whom it is from."),
        ],
    )
    def test_what_nobody_says_is_no_answer(self, raw: bytes, why: str) -> None:
        reading = reads(raw)
        assert (reading.kind, reading.why) == (Kind.UNREADABLE, why)

    @pytest.mark.parametrize(
        "raw",
        [
            b"From: a@b.example\r\nSubject: It has arrived\r\n\r\n",
            b"From: a@b.example\r\nContent-Type: application/pdf\r\n\r\n%PDF",
        ],
    )
    def test_a_subject_or_a_file_alone_is_an_answer(self, raw: bytes) -> None:
        assert reads(raw).kind is Kind.ANSWER


class TestHarm:
    @pytest.mark.parametrize(
        ("raw", "why"),
        [
            (mail("x" * LARGEST_MAIL), "larger than 10 MB"),
            (_parts(1_000), f"more than {MOST_PARTS} parts"),
            (_nested(1_000), "mails within mails"),
            (b"X: y\r\n" * 5_000 + b"\r\nhello", "lines of headers"),
            (mail("\r\n" * (MOST_LINES + 1)), "more than 500,000 lines"),
            (mail("\r" * (MOST_LINES + 1)), "more than 500,000 lines"),
        ],
    )
    def test_too_much_is_held_with_the_reason(self, raw: bytes, why: str) -> None:
        reading = reads(raw)
        assert reading.kind is Kind.UNREADABLE
        assert why in reading.why

    def test_a_few_hundred_parts_are_read(self) -> None:
        assert reads(_parts(400)).kind is Kind.ANSWER

    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"\x00\xff\xfe\x00",
            b"no headers at all",
            b"Content-Type: multipart/mixed\r\n\r\nno boundary",
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nnever closed",
            b"Content-Type: text/plain; charset=punycode\r\n\r\n" + b"a" * 200_000 + b"-zzz",
            b"Content-Type: text/plain; charset=zip\r\n\r\nx\x9c\x03\x00",
            b"Content-Type: text/plain; charset=no-such-thing\r\n\r\nhello",
            b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!not base64!!!",
            b"Subject: =?idna?q?" + b"a" * 50_000 + b"?=\r\n\r\nhello",
            b"Subject: =?utf-8?b?AAAA\r\nFrom: =?x?y?z?=\r\n\r\nhello",
            b"From: " + b"<" * 50_000 + b"\r\n\r\nhello",
            b"From: " + b"a@b.example," * 50_000 + b"\r\n\r\nhello",
            b"References: " + b"<a@b> " * 100_000 + b"\r\n\r\nhello",
            b"Content-Type: text/html\r\n\r\n" + b"<" * 400_000,
            b"Content-Type: text/html\r\n\r\n" + b"<script>" * 60_000,
            b"Content-Type: text/html\r\n\r\n" + b"<!--" * 100_000,
            mail("on a " * 40_000),
            mail("On x\n" * 40_000),
            mail("from: \n" * 40_000),
            mail("until " * 40_000),
            mail("a@" * 100_000 + " no longer works"),
            mail("x" * 300_000, subject="Automatic reply: " + "1 " * 10_000),
            mail("message-id: " * 20_000, **{"from": "mailer-daemon@x.example"}),
            b"Content-Type: message/delivery-status\r\n\r\n" + b"Action: failed\r\n\r\n" * 5_000,
        ],
    )
    def test_whatever_the_bytes_are_they_are_read_in_no_time(self, raw: bytes) -> None:
        began = time.process_time()
        reading = reads(raw)
        assert time.process_time() - began < 5
        for text in (reading.subject, reading.words, reading.folded, reading.sender_name, reading.sender):
            assert "\x00" not in text
            text.encode()

    def test_no_line_break_comes_out_of_a_header(self) -> None:
        reading = reads(mail(subject="=?utf-8?q?Hello=0D=0ABcc=3A_all=40x=2Eexample?="))
        assert "\n" not in reading.subject
        assert "\r" not in reading.subject

    def test_text_that_runs_from_right_to_left_stays_text(self) -> None:
        assert "مرحبا" in reads(mail("مرحبا\u202e abc", content_type="text/plain; charset=utf-8")).words

    @settings(max_examples=200)
    @given(raw=st.binary(max_size=2_000))
    def test_any_bytes(self, raw: bytes) -> None:
        assert reads(raw).kind in Kind
        assert len(digest_of(raw, b"key")) == 32


class TestDigests:
    def test_servers_on_the_way_change_nothing(self) -> None:
        raw = mail(message_id="<1@trust.example>")
        trail = b"Received: from x by y\r\n\tfor z\r\nDelivered-To: answers@forum.example\r\n"
        assert digest_of(raw, b"key") == digest_of(trail + raw.replace(b"\r\n", b"\n"), b"key")

    def test_other_words_under_the_same_id_are_another_mail(self) -> None:
        one, two = (mail(words, message_id="<1@trust.example>") for words in ("Yes", "No"))
        assert digest_of(one, b"key") != digest_of(two, b"key")

    def test_a_mail_without_an_id_has_one_all_the_same(self) -> None:
        assert digest_of(mail(), b"key") != digest_of(mail("Other words"), b"key")
