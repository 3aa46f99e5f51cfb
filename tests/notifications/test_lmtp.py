"""Mail handed over by LMTP: taken in as by the other ways, with a reply for each recipient."""

import asyncio
import os
import signal
import smtplib
import socket
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chassis.config import Settings, SettingsError
from chassis.database import Database
from chassis.embedded import EmbeddedPostgres
from chassis.files import file_content
from chassis.house import read_house
from chassis.metrics import REGISTRY
from chassis.testing import LOOPBACK, free_port
from services.installation import Installation
from services.messages import opened as database_of
from services.notifications import lmtp
from services.notifications.lmtp import MOST_CONNECTIONS, CannotListen, LmtpServer
from services.notifications.reading.kinds import LARGEST_MAIL
from services.notifications.receiving import is_for_us, receive
from services.notifications.replies import reply_address
from tests.conftest import EXAMPLES
from tests.faults.world import eventually
from tests.journeys.running import Running, conduit
from tests.notifications.conftest import letters, rows
from tests.notifications.test_reading_mail import delivery_report, mail

KEPT, LATER, TOO_LARGE, NOBODY = (
    (250, "2.0.0 Kept"),
    (451, "4.3.0 It could not be kept now; try again later"),
    (552, "5.3.4 It is larger than 10 MB."),
    (550, "5.1.1 Nobody here has this address"),
)
SENDER = "zoe@trust.example"
Reply = tuple[int, str]


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    return replace(settings, reply_to="answers+{token}@forum.example", lmtp=str(tmp_path / "lmtp"))


@asynccontextmanager
async def serving(database: Database) -> AsyncIterator[str]:
    """The place at which mails are taken."""
    server = LmtpServer(database)
    await server.start()
    try:
        yield database.context.settings.lmtp
    finally:
        await server.stop()


@pytest.fixture
async def place(book: Database) -> AsyncIterator[str]:
    async with serving(book) as place:
        yield place


@contextmanager
def connected(place: str) -> Iterator[smtplib.LMTP]:
    host, _, port = place.rpartition(":")
    with smtplib.LMTP(host or port, int(port) if host else 0, "localhost", timeout=60) as client:
        client.ehlo()
        yield client


def said(reply: tuple[int, bytes]) -> Reply:
    return reply[0], reply[1].decode()


def hand_over(place: str, raw: bytes, *recipients: str, sender: str = SENDER) -> list[Reply]:
    """Hand over one mail. The last word on each recipient."""
    with connected(place) as client:
        return tell(client, raw, *recipients, sender=sender)


def tell(client: smtplib.LMTP, raw: bytes, *recipients: str, sender: str = SENDER) -> list[Reply]:
    """The same over a connection that there is; the standard library reads one reply for all of them."""
    client.docmd(f"MAIL FROM:<{sender}>")
    replies = {each: said(client.docmd(f"RCPT TO:<{each}>")) for each in recipients}
    taken = [each for each in recipients if replies[each][0] == 250]
    if taken:
        assert client.docmd("DATA")[0] == 354
        whole = raw if raw.endswith(b"\r\n") else raw + b"\r\n"
        client.send((b"\r\n" + whole).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n")
        replies |= {each: said(client.getreply()) for each in taken}
    return list(replies.values())


async def _mails(database: Database) -> list[dict[str, Any]]:
    return await rows(database, "SELECT * FROM incoming ORDER BY id")


def counted(kind: str) -> float:
    return REGISTRY.get_sample_value("conduit_incoming_mails_total", {"kind": kind}) or 0


def handed_over(result: str) -> float:
    return REGISTRY.get_sample_value("conduit_lmtp_mails_total", {"result": result}) or 0


class TestTaking:
    async def test_one_is_kept_as_it_is_and_matched_by_whom_it_is_handed_over_for(
        self, book: Database, sent: list[dict[str, Any]], place: str
    ) -> None:
        """As a blind copy is: the address stands in no header."""
        address = reply_address(book.context, sent[2]["id"])
        raw = mail("We shall think about it.\r\n.\r\n..two\r\n")
        assert await asyncio.to_thread(hand_over, place, raw, address.upper()) == [KEPT]
        [kept] = await _mails(book)
        assert (kept["state"], kept["letter_id"], kept["kind"]) == ("matched", sent[2]["id"], "answer")
        async with book.reading() as tx:
            assert await file_content(tx, kept["file_id"]) == raw
        [letter] = [each for each in await letters(book) if each["id"] == sent[2]["id"]]
        assert letter["answer"] == "acknowledged"

    async def test_a_bounce_comes_from_nobody(
        self, book: Database, sent: list[dict[str, Any]], place: str
    ) -> None:
        address = reply_address(book.context, sent[4]["id"])
        raw = delivery_report(returned=sent[4]["message_id"])
        assert await asyncio.to_thread(hand_over, place, raw, address, sender="") == [KEPT]
        [kept] = await _mails(book)
        assert (kept["kind"], kept["letter_id"]) == ("bounce", sent[4]["id"])

    async def test_each_recipient_has_a_reply_of_their_own(
        self, book: Database, sent: list[dict[str, Any]], place: str
    ) -> None:
        ours = [reply_address(book.context, letter["id"]) for letter in sent[:2]]
        told = await asyncio.to_thread(hand_over, place, mail(), ours[0], "clerk@forum.example", ours[1])
        assert told == [KEPT, NOBODY, KEPT]
        [kept] = await _mails(book)
        assert (kept["state"], kept["reason"]) == ("held", "It names more than one letter.")

    async def test_for_nobody_of_ours_it_is_not_even_heard(self, book: Database, place: str) -> None:
        def attempt() -> tuple[list[Reply], Reply]:
            with connected(place) as client:
                return tell(client, mail(), "clerk@forum.example"), said(client.docmd("DATA"))

        assert await asyncio.to_thread(attempt) == ([NOBODY], (503, "5.5.1 There is no recipient"))
        assert await _mails(book) == []

    async def test_a_hundred_recipients_and_no_more(self, book: Database, place: str) -> None:
        everybody = [f"answers+{number}@forum.example" for number in range(101)]
        told = await asyncio.to_thread(hand_over, place, mail(), *everybody)
        assert told == [KEPT] * 100 + [(452, "4.5.3 Too many recipients; send it again for the others")]
        assert len(await _mails(book)) == 1

    async def test_what_comes_again_or_by_another_way_is_kept_once(self, book: Database, place: str) -> None:
        raw = mail(message_id="<1@trust.example>")
        address = book.context.house.email
        before = [counted(kind) for kind in ("answer", "again")]
        for _ in range(2):
            assert await asyncio.to_thread(hand_over, place, raw, address) == [KEPT]
        assert [counted(kind) for kind in ("answer", "again")] == [number + 1 for number in before]
        assert await receive(book, b"Delivered-To: x@forum.example\r\n" + raw) is None
        assert len(await _mails(book)) == 1

    async def test_many_over_one_connection_and_over_many(self, book: Database, place: str) -> None:
        address = book.context.house.email

        def several(first: int) -> list[Reply]:
            with connected(place) as client:
                return [
                    reply
                    for number in range(first, first + 10)
                    for reply in tell(client, mail(f"Mail {number}"), address)
                ]

        told = await asyncio.gather(*(asyncio.to_thread(several, 10 * each) for each in range(3)))
        assert told == [[KEPT] * 10] * 3
        assert {each["words"] for each in await _mails(book)} == {f"Mail {number}" for number in range(30)}

    async def test_no_word_of_a_mail_and_no_address_is_logged(
        self, book: Database, place: str, logged: Callable[[], list[dict[str, Any]]]
    ) -> None:
        for address in (book.context.house.email, "xyzzy@forum.example"):
            await asyncio.to_thread(
                hand_over, place, mail("Xyzzy"), address, sender="xyzzy.person@trust.example"
            )
        assert "yzzy" not in str(logged())


class TestWhoseMail:
    @pytest.mark.parametrize(
        ("reply_to", "address", "ours"),
        [
            ("answers+{token}@forum.example", "Answers+ABC@forum.example", True),
            ("answers+{token}@forum.example", "answers@forum.example", True),
            ("answers+{token}@forum.example", "answers2@forum.example", False),
            ("answers+{token}@forum.example", "answers+abc@other.example", False),
            ("{token}@answers.forum.example", "whatever@answers.forum.example", True),
            ("{token}@answers.forum.example", "@answers.forum.example", False),
            ("", "answers@forum.example", False),
        ],
    )
    async def test_what_is_written_like_an_address_of_a_letter_is_for_us(
        self, book: Database, reply_to: str, address: str, ours: bool
    ) -> None:
        context = replace(
            book.context, settings=replace(book.context.settings, reply_to=reply_to, mail_from="us@x.example")
        )
        assert is_for_us(context, address) == ours
        assert is_for_us(context, context.house.email.upper())
        assert is_for_us(context, "us@x.example")


class TestSpeaking:
    async def test_it_says_what_it_can_and_knows_no_other_greeting(self, place: str) -> None:
        def look() -> tuple[dict[str, str], set[Reply]]:
            with connected(place) as client:
                greetings = {said(client.docmd(verb, "localhost"))[0] for verb in ("EHLO", "HELO")}
                assert greetings == {500}
                others = {said(client.docmd(each)) for each in ("NOOP", "RSET")}
                return client.esmtp_features, others

        features, others = await asyncio.to_thread(look)
        assert features == {
            "pipelining": "",
            "enhancedstatuscodes": "",
            "8bitmime": "",
            "smtputf8": "",
            "size": str(LARGEST_MAIL),
        }
        assert others == {(250, "2.0.0 OK")}

    async def test_everything_in_one_piece_is_answered_in_order(self, book: Database, place: str) -> None:
        """As a mail server may that heard of PIPELINING: the next mail begins behind the dot of the last."""
        address = book.context.house.email.encode()
        one = b"MAIL FROM:<>\r\nRCPT TO:<%b>\r\nRCPT TO:<x@y.example>\r\nDATA\r\n" % address

        def speak() -> list[bytes]:
            with socket.socket(socket.AF_UNIX) as client, client.makefile("rb") as replies:
                client.settimeout(20)
                client.connect(place)
                client.sendall(b"LHLO x\r\n" + one)
                until = [replies.readline() for _ in range(11)]
                client.sendall(mail("One") + b"\r\n.\r\n" + one)
                until += [replies.readline() for _ in range(5)]
                client.sendall(b".\r\nQUIT\r\n")
                return [line[:3] for line in [*until, *replies.readlines()]][7:]

        once = [b"250", b"250", b"550", b"354", b"250"]
        assert await asyncio.to_thread(speak) == [*once, *once, b"221"]
        assert [each["words"] for each in await _mails(book)] == ["One", ""]

    @pytest.mark.parametrize("options", ["", f" SIZE={LARGEST_MAIL + 1}"])
    async def test_one_that_is_too_large_is_refused_whole_and_said_so_for_each(
        self, book: Database, place: str, options: str
    ) -> None:
        raw = b"Subject: x\r\n\r\n" + b"x" * 998 * 3 + b"\r\n" + b"y\r\n" * (LARGEST_MAIL // 3)
        both = ["answers+1@forum.example", "answers+2@forum.example"]

        def attempt() -> list[Reply]:
            with connected(place) as client:
                if options:
                    return [said(client.docmd(f"MAIL FROM:<{SENDER}>{options}"))]
                told = tell(client, raw, *both)
                return told + tell(client, mail("The next"), *both)

        before = handed_over("too_large")
        told = await asyncio.to_thread(attempt)
        assert told == ([TOO_LARGE] if options else [TOO_LARGE] * 2 + [KEPT] * 2)
        assert handed_over("too_large") == before + 1
        assert [each["words"] for each in await _mails(book)] == ([] if options else ["The next"])

    async def test_the_largest_is_taken_whole(self, book: Database, place: str) -> None:
        head = b"Subject: x\r\n\r\n"
        raw = head + b"x" * (LARGEST_MAIL - len(head) - 2) + b"\r\n"
        assert await asyncio.to_thread(hand_over, place, raw, book.context.house.email) == [KEPT]
        [kept] = await _mails(book)
        async with book.reading() as tx:
            assert await file_content(tx, kept["file_id"]) == raw

    async def test_a_line_without_end_fills_no_memory(
        self, place: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Ten times as much as a mail may be, in one line: it is read, let go and refused."""

        def speak() -> Reply:
            with connected(place) as client:
                for line in (f"MAIL FROM:<{SENDER}>", "RCPT TO:<answers+1@forum.example>", "DATA"):
                    client.docmd(line)
                piece = b"x" * 1024 * 1024
                tracemalloc.start()
                for _ in range(10 * LARGEST_MAIL // len(piece)):
                    client.send(piece)
                client.send(b"\r\n.\r\n")
                return said(client.getreply())

        assert await asyncio.to_thread(speak) == TOO_LARGE
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 3 * LARGEST_MAIL

    @pytest.mark.parametrize(
        ("raw", "state"),
        [
            (b"Subject: bare\n\nline\n.\nends\n", "held"),
            (b"Subject: old\r\rMac\r", "held"),
            (b"\x00\xff\xfe broken", "held"),
            (b"", "held"),
            (b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 1_000, "held"),
        ],
    )
    async def test_odd_ones_are_kept_as_by_the_other_ways(
        self, book: Database, place: str, raw: bytes, state: str
    ) -> None:
        assert await asyncio.to_thread(hand_over, place, raw, book.context.house.email) == [KEPT]
        assert await receive(book, raw) is None, "the same mail through the pipe is the same mail"
        [kept] = await _mails(book)
        async with book.reading() as tx:
            whole = await file_content(tx, kept["file_id"])
        assert (kept["state"], whole.rstrip(b"\r\n")) == (state, raw.rstrip(b"\r\n"))

    async def test_who_is_one_too_many_comes_again(self, place: str) -> None:
        def crowd() -> tuple[int, str | bytes, Reply]:
            with ExitStack() as everybody:
                first = everybody.enter_context(connected(place))
                for _ in range(MOST_CONNECTIONS - 1):
                    everybody.enter_context(connected(place))
                with pytest.raises(smtplib.SMTPConnectError) as refused:
                    smtplib.LMTP(place, 0, "localhost", timeout=20)
                return refused.value.smtp_code, refused.value.smtp_error, said(first.noop())

        sent_away = (421, b"4.3.2 Too many connections; try again later")
        assert await asyncio.to_thread(crowd) == (*sent_away, (250, "2.0.0 OK"))

    async def test_who_says_nothing_for_too_long_is_hung_up_on(
        self, book: Database, place: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In the middle of mails, as many as are taken in at once: whoever waits behind them is heard."""
        monkeypatch.setattr(lmtp, "_PATIENCE", 0.5)
        address = book.context.house.email

        def stall() -> bytes:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(20)
                client.connect(place)
                client.sendall(b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<%b>\r\nDATA\r\n" % address.encode())
                heard = b""
                while piece := client.recv(1000):
                    heard += piece
                return heard[-2:]

        stalled = [asyncio.to_thread(stall) for _ in range(lmtp.MOST_MAILS)]
        assert await asyncio.gather(*stalled) == [b"\r\n"] * lmtp.MOST_MAILS
        monkeypatch.setattr(lmtp, "_PATIENCE", 20.0)
        assert await asyncio.to_thread(hand_over, place, mail("Next"), address) == [KEPT]
        assert [each["words"] for each in await _mails(book)] == ["Next"]


class TestPlaces:
    @pytest.mark.parametrize(
        "place",
        [
            *("0.0.0.0:2424", "10.0.0.1:2424", "mail.forum.example:2424", "127.0.0.1", "127.0.0.1:0"),
            *("lmtp://127.0.0.1:2424", "u:p@127.0.0.1:2424", "run/lmtp", f"/{'x' * 110}", "127.0.0.1:x"),
        ],
    )
    def test_nobody_from_elsewhere_may_hand_over_mail(self, place: str) -> None:
        with pytest.raises(SettingsError, match="CONDUIT_LMTP must be an address of this computer alone"):
            Settings.load({"CONDUIT_LMTP": place})

    @pytest.mark.parametrize("place", ["127.0.0.1:2424", "[::1]:2424", "localhost:2424", "/run/conduit/lmtp"])
    def test_this_computer_may(self, place: str) -> None:
        assert Settings.load({"CONDUIT_LMTP": place}).lmtp == place

    async def test_a_socket_is_opened_by_its_user_and_group_and_taken_over_from_a_dead_one(
        self, book: Database
    ) -> None:
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(book.context.settings.lmtp)
        async with serving(book) as place:
            mode = await asyncio.to_thread(lambda: Path(place).stat().st_mode)
            assert mode & 0o777 == 0o660
            assert await asyncio.to_thread(hand_over, place, mail(), book.context.house.email) == [KEPT]

    async def test_one_that_cannot_be_used_is_said(
        self, book: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("services.notifications.lmtp.HELD", 0.5)
        with socket.create_server((LOOPBACK, 0)) as taken:
            for place, why in (
                (f"{LOOPBACK}:{taken.getsockname()[1]}", "Address already in use"),
                (str(tmp_path / "nowhere" / "lmtp"), "No such file or directory"),
            ):
                book.context = replace(book.context, settings=replace(book.context.settings, lmtp=place))
                with pytest.raises(CannotListen) as told:
                    await LmtpServer(book).start()
                words = f"Nobody can listen at {place} ({why}). Free it, or correct CONDUIT_LMTP."
                assert str(told.value) == words

    async def test_one_that_is_still_held_is_waited_for(self, book: Database) -> None:
        """What is left of a killed process holds its place for a moment; nobody has to start anew by hand."""
        with socket.create_server((LOOPBACK, 0)) as held:
            place = f"{LOOPBACK}:{held.getsockname()[1]}"
            book.context = replace(book.context, settings=replace(book.context.settings, lmtp=place))
            server = LmtpServer(book)
            starting = asyncio.create_task(server.start())
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(starting), 0.1)
        await starting
        try:
            assert await asyncio.to_thread(hand_over, place, mail(), book.context.house.email) == [KEPT]
        finally:
            await server.stop()

    async def test_where_none_is_named_nobody_listens(self, book: Database) -> None:
        book.context = replace(book.context, settings=replace(book.context.settings, lmtp=""))
        server = LmtpServer(book)
        await server.start()
        await server.stop()


class TestAway:
    async def test_while_the_database_is_away_a_mail_has_to_come_again(
        self, book: Database, place: str
    ) -> None:
        both = ["answers+1@forum.example", "answers+2@forum.example"]
        before = handed_over("put_off"), handed_over("kept")
        await book.close()
        assert await asyncio.to_thread(hand_over, place, mail("One"), *both) == [LATER] * 2
        assert (handed_over("put_off"), handed_over("kept")) == (before[0] + 1, before[1])
        await book.open()
        assert await _mails(book) == []
        assert await asyncio.to_thread(hand_over, place, mail("One"), *both) == [KEPT] * 2
        assert (handed_over("put_off"), handed_over("kept")) == (before[0] + 1, before[1] + 1)
        assert [each["words"] for each in await _mails(book)] == ["One"]

    async def test_or_while_somebody_is_in_the_way(self, book: Database, settings: Settings) -> None:
        hurried = Database(book._url, replace(book.context, settings=replace(settings, database_timeout=1.0)))
        await hurried.open()
        try:
            async with serving(hurried) as place:
                async with book.transaction() as tx:
                    await tx.execute("LOCK TABLE incoming")
                    told = await asyncio.to_thread(hand_over, place, mail("One"), book.context.house.email)
                assert told == [LATER]
                assert await _mails(book) == []
        finally:
            await hurried.close()


# in a process of its own


@contextmanager
def served(installation: Installation, **settings: str) -> Iterator["subprocess.Popen[str]"]:
    """`conduit serve notifications`, as a container has it, once it takes mails or has ended."""
    place = Path(installation.settings.lmtp)
    place.unlink(missing_ok=True)
    ports = {"CONDUIT_PORT": str(free_port()), "CONDUIT_METRICS_PORT": str(free_port())}
    environment = {**os.environ, **installation.settings.environment(), **ports, **settings}
    with subprocess.Popen(
        [sys.executable, "-m", "services", "serve", "notifications"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            eventually(lambda: place.exists() or process.poll() is not None, lambda: "it takes no mail")
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def kept(installation: Installation) -> list[str]:
    async def words() -> list[str]:
        async with database_of(installation, "notifications") as database:
            return [each["words"] for each in await _mails(database)]

    return asyncio.run(words())


class TestProcesses:
    @pytest.mark.parametrize(("at", "before"), [("mail.taken_in", []), ("mail.kept", ["One"])])
    def test_killed_at_any_moment_it_loses_and_doubles_nothing(
        self, installation: Installation, at: str, before: list[str]
    ) -> None:
        """Before the mail is kept, and between that and the reply: the mail server comes again."""
        place = installation.settings.lmtp
        address = installation.house().email
        with served(installation, CONDUIT_FAILPOINTS=f"{at}=kill") as process:
            with pytest.raises(smtplib.SMTPServerDisconnected):
                hand_over(place, mail("One"), address)
            assert process.wait(30) == -signal.SIGKILL
        assert kept(installation) == before
        with served(installation) as process:
            assert hand_over(place, mail("One"), address) == [KEPT]
            assert hand_over(place, mail("Two"), address) == [KEPT]
        assert process.returncode == 0
        assert kept(installation) == ["One", "Two"]

    def test_with_everything_in_one_process_its_database_may_die_and_come_back(
        self, home: Path, settings: Settings
    ) -> None:
        """`conduit up` as a small charity has it: mails come again while it mends itself."""
        place, address = f"{LOOPBACK}:{free_port()}", read_house(EXAMPLES / "house.toml").email
        variables = {"CONDUIT_LMTP": place, "CONDUIT_HOUSE_FILE": str(EXAMPLES / "house.toml")}
        away = conduit("check", home=home, **variables)
        with Running(home, **variables) as running:
            # It is ready with its first section, which need not be the one that takes mails.
            eventually(lambda: comes_through(place, mail("Before"), address), running.log.read_text)
            found = conduit("check", home=home, **variables)
            server = EmbeddedPostgres(home).pid
            assert server
            os.kill(server, signal.SIGKILL)
            eventually(lambda: comes_through(place, mail("After"), address), running.log.read_text)
            installed = replace(settings, home=home, house_file=EXAMPLES / "house.toml")
            assert kept(Installation(installed)) == ["Before", "After"]
        assert f"BAD  mail by LMTP: our own at {place} takes no connections" in away.stdout
        assert f"ok   mail by LMTP: mail is taken at {place}" in found.stdout


def comes_through(place: str, raw: bytes, address: str) -> bool:
    """As a mail server has it: whatever else is said or not said, the mail comes again."""
    try:
        return hand_over(place, raw, address) == [KEPT]
    except (OSError, smtplib.SMTPException):
        return False
