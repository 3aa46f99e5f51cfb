"""The built-in mail box: what a sender was told is kept is kept, and nothing that it holds can do harm."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import aiosmtplib
import httpx
import pytest

from chassis import mailbox as module
from chassis.config import Settings
from chassis.errors import NotFound
from chassis.house import House
from chassis.mailbox import MailBox, pages
from chassis.message import Mail
from chassis.web import FILE_POLICY, Section
from contracts.access import Action, Role
from tests.access import EVERYTHING, cookies
from tests.conftest import client

Send = Callable[..., Awaitable[None]]

ID = "01321009500000000000-0123456789ab"
SECTIONS = (Section(title="Mail", href="/mail", purpose="Reading.", action=Action.BE_PUBLIC),)


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[MailBox]:
    made = MailBox(tmp_path / "mail")
    yield made
    await made.stop()


@pytest.fixture
async def send(box: MailBox) -> Send:
    """Sends one message to the box."""
    port = await box.start()

    async def send(
        message: EmailMessage | bytes,
        *,
        sender: str = "office@house.example",
        to: str | list[str] = "someone@body.example",
    ) -> None:
        raw = message if isinstance(message, bytes) else message.as_bytes(policy=SMTP)
        recipients = [to] if isinstance(to, str) else to
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as smtp:
            await smtp.sendmail(sender, recipients, raw)

    return send


@pytest.fixture
async def browser(box: MailBox, settings: Settings, house: House) -> AsyncIterator[httpx.AsyncClient]:
    async with client(pages(box, settings, house, SECTIONS), "/mail") as browser:
        yield browser


def a_mail(subject: str = "Training", text: str = "Dear colleague,\n.\nGoodbye\n") -> EmailMessage:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = (
        subject,
        "office@house.example",
        "someone@body.example",
    )
    message.set_content(text)
    return message


def a_full_mail(html: str = "<p>As a page</p>", name: str = "page.pdf") -> EmailMessage:
    message = a_mail()
    message.add_alternative(html, subtype="html")
    message.add_attachment(b"%PDF-1.7 not really", maintype="application", subtype="pdf", filename=name)
    return message


def only_file(box: MailBox) -> Path:
    [path] = box.folder.iterdir()
    return path


async def only_address(browser: httpx.AsyncClient) -> str:
    """The address of the only message in the list."""
    page = await browser.get("/mail/")
    [address] = re.findall(r'href="(/mail/[^"/]{30,})"', page.text)
    return str(address)


async def test_whoever_has_signed_in_reads_it_only_with_a_role_that_may(
    box: MailBox, settings: Settings, house: House, send: Send
) -> None:
    await send(a_mail())
    app = pages(box, settings, house, SECTIONS)
    async with client(app, "/mail", None) as nobody:  # the links to sign in with are here
        address = await only_address(nobody)
    for roles, status in (({Role.PANEL_MEMBER}, 403), ({Role.TRUSTEE}, 403), ({Role.STAFF}, 200)):
        async with client(app, "/mail") as browser:
            browser.cookies.update(cookies(settings.keys_folder, replace(EVERYTHING, roles=frozenset(roles))))
            for path in ("/mail/", address):
                answer = await browser.get(path)
                assert answer.status_code == status, roles
                assert ("someone@body.example" in answer.text) is (status == 200)


async def test_a_message_that_was_accepted_is_a_file_with_every_byte(box: MailBox, send: Send) -> None:
    message = a_mail()
    await send(message, to=["one@body.example", "two@body.example"])
    stored = only_file(box).read_bytes()
    assert stored == (
        b"Return-Path: <office@house.example>\r\n"
        b"Delivered-To: one@body.example\r\n"
        b"Delivered-To: two@body.example\r\n"
    ) + message.as_bytes(policy=SMTP)
    assert only_file(box).stat().st_mode & 0o777 == 0o600


async def test_many_at_once_are_all_kept(box: MailBox, send: Send) -> None:
    await asyncio.gather(*(send(a_mail(f"Number {number}")) for number in range(40)))
    assert len(list(box.folder.glob("*.eml"))) == 40
    assert list(box.folder.glob("*.new")) == []


async def test_a_message_over_the_limit_is_refused_for_good(
    box: MailBox, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SIZE_LIMIT", 2000)
    with pytest.raises(aiosmtplib.SMTPResponseException) as refused:
        await send(a_mail(text="long " * 1000))
    assert refused.value.code == 552
    assert list(box.folder.iterdir()) == []


async def test_a_full_disk_is_a_reason_to_try_again_later(
    box: MailBox, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(aiosmtplib.SMTPResponseException) as refused:
        await send(a_mail())
    assert refused.value.code == 452
    assert list(box.folder.glob("*.eml")) == []


async def test_what_a_crash_left_half_written_is_gone_after_a_start(box: MailBox) -> None:
    box.folder.mkdir()
    (box.folder / f"{ID}.new").write_bytes(b"half")
    await box.start()
    assert list(box.folder.iterdir()) == []


async def test_stopping_ends_a_sender_who_only_waits(box: MailBox) -> None:
    port = await box.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert (await reader.readline()).startswith(b"220 ")
    async with asyncio.timeout(20):
        await box.stop()
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_the_list_shows_the_newest_first_and_pages_both_ways(
    box: MailBox, send: Send, browser: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "No mail yet" in (await browser.get("/mail/")).text
    for number in range(7):
        await send(a_mail(f"Number {number}"))

    def numbers(page: httpx.Response) -> list[str]:
        return re.findall(r"Number (\d)", page.text)

    def link(page: httpx.Response, rel: str) -> str | None:
        found = re.search(rf'rel="{rel}" href="([^"]+)"', page.text)
        return found[1].replace("&amp;", "&") if found else None

    monkeypatch.setattr(MailBox.page, "__kwdefaults__", {"before": "", "after": "", "most": 3})
    first = await browser.get("/mail/")
    assert numbers(first) == ["6", "5", "4"]
    assert "7 mails" in first.text
    assert link(first, "prev") is None
    second = await browser.get(link(first, "next") or "")
    assert numbers(second) == ["3", "2", "1"]
    third = await browser.get(link(second, "next") or "")
    assert numbers(third) == ["0"]
    assert link(third, "next") is None
    assert numbers(await browser.get(link(third, "prev") or "")) == ["3", "2", "1"]
    assert numbers(await browser.get(link(second, "prev") or "")) == ["6", "5", "4"]


async def test_a_message_was_sent_when_it_says_so(send: Send, browser: httpx.AsyncClient) -> None:
    message = a_mail()
    message["Date"] = datetime(2012, 7, 1, 11, 30, tzinfo=UTC)
    await send(message)
    for address in ("/mail/", await only_address(browser)):
        shown = (await browser.get(address)).text
        assert "1 July 2012, 12:30" in shown
        assert "Received" not in shown


@pytest.mark.parametrize(
    "date",
    [
        b"",
        b"yesterday",
        b"=?utf-8?B?AAAA?=",
        b"Sun, 99 Jul 2012 11:30:00 +0000",
        b"Sun, 1 Jul 0101 00:00:00 +0000",
        b"Fri, 31 Dec 9999 23:59:59 -2359",
        b"Sun, 1 Jul 2012 11:30:00 +9999",
        b"Sun, 1 Jul 2012 11:30:00 +" + b"9" * 5000,
        b"Sun, 1 Jul " + b"9" * 400 + b" 11:30:00 +0000",
    ],
)
async def test_a_time_that_cannot_be_read_is_none(
    send: Send, browser: httpx.AsyncClient, date: bytes
) -> None:
    await send(b"Date: " + date + b"\r\nSubject: x\r\n\r\nx\r\n")
    for address in ("/mail/", await only_address(browser)):
        answer = await browser.get(address)
        assert answer.status_code == 200
        assert "<time" not in answer.text


async def test_a_message_is_shown_with_its_text_and_its_file(send: Send, browser: httpx.AsyncClient) -> None:
    message = a_full_mail(name="Lettre à la mairie.pdf")
    del message["Subject"]
    message["Subject"] = "Für Željka – <b>now</b>"
    await send(message)
    address = await only_address(browser)
    page = await browser.get(address)
    assert page.status_code == 200
    assert "Für Željka – &lt;b&gt;now&lt;/b&gt;" in page.text
    assert "Dear colleague" in page.text
    assert f'src="{address}/html"' in page.text
    file = await browser.get(f"{address}/attachments/1")
    assert file.content == b"%PDF-1.7 not really"
    assert file.headers["content-type"] == "application/pdf"
    assert file.headers["x-content-type-options"] == "nosniff"
    assert file.headers["content-security-policy"] == FILE_POLICY
    assert file.headers["content-disposition"] == (
        "attachment; filename=\"Lettre _ la mairie.pdf\"; filename*=UTF-8''Lettre%20%C3%A0%20la%20mairie.pdf"
    )


HOSTILE = """<!DOCTYPE html><html><head><base target="_self">
<meta http-equiv="refresh" content="0; url=https://bad.example">
<script>parent.document.title = "mine"</script></head>
<body onload="alert(1)"><img src="https://bad.example/pixel.gif">
<form action="https://bad.example"><input name="a"></form>
<a target="_top" href="https://bad.example">look</a></body></html>"""


async def test_hostile_html_stays_in_the_sandbox(send: Send, browser: httpx.AsyncClient) -> None:
    await send(a_full_mail(HOSTILE))
    address = await only_address(browser)
    page = await browser.get(f"{address}/html")
    policy = {
        part.split()[0]: part.split()[1:] for part in page.headers["content-security-policy"].split(";")
    }
    assert policy == {
        "sandbox": ["allow-popups", "allow-popups-to-escape-sandbox"],
        "default-src": ["'none'"],
        "style-src": ["'unsafe-inline'"],
        "img-src": ["data:"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        "frame-ancestors": ["'self'"],
    }
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.text.startswith('<!DOCTYPE html><base target="_blank"><html>')
    around = await browser.get(address)
    assert "bad.example" not in around.text
    assert '<iframe sandbox="' in around.text


async def test_a_file_that_a_browser_would_run_is_only_bytes(send: Send, browser: httpx.AsyncClient) -> None:
    message = a_mail()
    message.add_attachment(
        b"<script>alert(1)</script>", maintype="text", subtype="html", filename='../../e"vil\u202e.html'
    )
    await send(message)
    address = await only_address(browser)
    file = await browser.get(f"{address}/attachments/1")
    assert file.headers["content-type"] == "application/octet-stream"
    assert file.headers["content-disposition"].startswith('attachment; filename="e_vil.html";')
    assert (await browser.get(f"{address}/html")).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/mail/x",
        f"/mail/{ID}",
        f"/mail/{ID}/html",
        f"/mail/{ID}/attachments/1",
        "/mail/..%2f..%2fsecret",
        "/mail/%2e%2e/html",
        "/mail/?before=x",
        "/mail/?after=../..",
        "/mail/" + "9" * 400,
    ],
)
async def test_an_address_of_nothing_is_not_found(browser: httpx.AsyncClient, path: str) -> None:
    assert (await browser.get(path)).status_code == 404


@pytest.mark.parametrize("number", ["0", "2", "-1", "1.0", "x", "99999999999", "%31%00"])
async def test_a_file_that_a_message_does_not_have_is_not_found(
    send: Send, browser: httpx.AsyncClient, number: str
) -> None:
    await send(a_full_mail())
    address = await only_address(browser)
    assert (await browser.get(f"{address}/attachments/{number}")).status_code == 404


async def test_pages_cannot_change_anything(send: Send, browser: httpx.AsyncClient) -> None:
    await send(a_full_mail())
    address = await only_address(browser)
    assert (await browser.post(address)).status_code == 405
    assert (await browser.delete(address)).status_code == 405


def test_an_id_never_leaves_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.eml").write_bytes(b"Subject: secret\r\n\r\n")
    box = MailBox(tmp_path / "mail")
    for id in ("../secret", "..", "", ID + "\n", "/etc/passwd", "\0"):
        with pytest.raises(NotFound):
            box.read(id)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\xff\xfe",
        b"no header at all",
        b"Subject: =?bogus?B?AAAA?=\r\n\r\nx",
        b"Subject: =?utf-8?B?\xff\xff?=\r\nFrom: =?utf-8?Q?=00=0A?=\r\n\r\nx",
        b"Content-Type: text/plain; charset=rot13\r\n\r\nx",
        b'Content-Type: text/html; charset="u\x00tf"\r\n\r\nx',
        b"Content-Type: multipart/mixed\r\n\r\nno boundary",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!\r\n",
        b"Content-Type: application/x; name*=bogus''%ff%00\r\nContent-Disposition: attachment\r\n\r\nx",
        b"Content-Type: message/rfc822\r\n\r\n",
        b"Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 x\n!!\nend\n",
        b"".join(
            b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (depth, depth)
            for depth in range(3000)
        ),
    ],
)
def test_no_message_is_too_broken_to_show(raw: bytes) -> None:
    mail = Mail(raw, ID)
    assert mail.sent_at is None
    for words in (mail.subject, mail.sender, mail.to):
        assert words.isprintable()
    (mail.text + mail.html).encode()
    for attachment in mail.attachments:
        assert attachment.name.isprintable()
