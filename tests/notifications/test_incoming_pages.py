"""The pages of mail that came, as a browser meets them."""

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest

from chassis.config import Settings
from chassis.database import Database
from services.notifications import web
from services.notifications.receiving import receive
from tests.access import form_key
from tests.conftest import client
from tests.notifications.conftest import rows
from tests.notifications.test_reading_mail import delivery_report, mail

HTML = "<p>Hello</p><script>alert(1)</script><img src=https://evil.example/x.png>"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, reply_to="answers+{token}@forum.example")


@pytest.fixture
async def browser(book: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(web.build(book), "/letters") as visitor:
        yield visitor


def with_files() -> bytes:
    """A mail with a page and three files, of which one is what it says."""
    pdf, exe = (base64.b64encode(content).decode() for content in (b"%PDF-1.7 x", b"MZ\x90\x00"))
    parts = [
        ("text/plain", "", "Hello"),
        ("text/html", "", HTML),
        ("application/pdf", "report.pdf", pdf),
        ("application/pdf", "liar.pdf", exe),
        ("application/x-msdownload", "run.exe", exe),
    ]
    lines = []
    for kind, name, content in parts:
        lines += ["--b", f"Content-Type: {kind}"]
        if name:
            lines += [
                f'Content-Disposition: attachment; filename="{name}"',
                "Content-Transfer-Encoding: base64",
            ]
        lines += ["", content]
    return mail("\r\n".join([*lines, "--b--"]), content_type="multipart/mixed; boundary=b")


async def _come(database: Database, raw: bytes) -> str:
    return f"/letters/incoming/{await receive(database, raw)}"


async def test_before_anything_came_each_list_says_so(browser: httpx.AsyncClient) -> None:
    for show, words in (("held", "Nothing to match"), ("turn", "nobody’s turn"), ("all", "No mail yet")):
        page = await browser.get(f"/letters/incoming?show={show}")
        assert (page.status_code, words in page.text) == (200, True)
    assert (await browser.get("/letters/incoming?show=else")).status_code == 400
    assert (await browser.get("/letters/incoming?after=x")).status_code == 400


async def test_a_held_mail_is_matched_by_hand_to_what_is_suggested(
    book: Database, sent: list[dict[str, Any]], browser: httpx.AsyncClient
) -> None:
    [contact] = await rows(book, "SELECT email FROM contacts WHERE id = $1", sent[4]["contact_id"])
    here = await _come(book, mail("We have decided.", **{"from": contact["email"]}))
    page = (await browser.get(here)).text
    assert "It was written to the address that this mail is from." in page
    assert page.index(str(sent[4]["id"])) > 0
    listed = (await browser.get("/letters/incoming")).text
    assert "To be matched (1)" in listed
    nothing = await browser.post(f"{here}/match", data={"key": form_key()})
    assert nothing.status_code == 422
    assert "No letter is chosen." in nothing.text
    form = {"letter": str(sent[4]["id"]), "key": form_key()}
    done = await browser.post(f"{here}/match", data=form)
    assert done.status_code == 303
    again = await browser.post(
        f"{here}/match", data={**form, "letter": str(sent[5]["id"]), "key": form_key()}
    )
    assert again.status_code == 409
    assert "Our turn (1)" in (await browser.get("/letters/incoming?show=turn")).text
    letter = (await browser.get(f"/letters/letters/{sent[4]['id']}")).text
    assert "Mail that came for it" in letter
    assert "sender not verified" in letter
    settled = await browser.post(f"{here}/settle", data={"key": form_key()})
    assert settled.status_code == 303
    assert "Our turn (0)" in (await browser.get("/letters/incoming")).text


async def test_letters_are_suggested_by_reference_body_and_domain_and_found_by_hand(
    book: Database, sent: list[dict[str, Any]], browser: httpx.AsyncClient
) -> None:
    by_reference = (await browser.get(await _come(book, mail(f"About {sent[7]['reference']}")))).text
    assert "Its reference stands in the mail." in by_reference
    assert str(sent[7]["id"]) in by_reference
    named = await _come(book, mail(f"From the {sent[0]['body_name']}.", **{"from": "x@elsewhere.example"}))
    assert "The mail names this body." in (await browser.get(named)).text
    found = (await browser.get(f"{named}?q={sent[3]['reference'].lower()}")).text
    assert "Found by what you typed." in found
    assert "No letter was found" in (await browser.get(f"{named}?q=%25_%5C")).text


async def test_one_about_no_letter_is_set_aside_and_kept(book: Database, browser: httpx.AsyncClient) -> None:
    here = await _come(book, mail("Buy now"))
    assert (await browser.post(f"{here}/aside", data={"key": form_key()})).status_code == 303
    assert "To be matched (0)" in (await browser.get("/letters/incoming")).text
    assert here in (await browser.get("/letters/incoming?show=all")).text
    assert "It is about no letter." in (await browser.get(here)).text


async def test_what_others_wrote_cannot_act(book: Database, browser: httpx.AsyncClient) -> None:
    here = await _come(book, with_files())
    page = (await browser.get(here)).text
    assert "<script>alert" not in page
    html = await browser.get(f"{here}/html")
    policy = html.headers["content-security-policy"]
    assert policy.startswith("sandbox;")
    assert "allow-" not in policy
    assert "default-src 'none'" in policy
    assert "https:" not in policy
    raw = await browser.get(f"{here}/raw")
    assert raw.content == with_files()
    assert raw.headers["content-disposition"].startswith("attachment")
    assert raw.headers["content-type"] == "application/octet-stream"


async def test_only_files_that_are_what_they_say_are_given_out(
    book: Database, browser: httpx.AsyncClient
) -> None:
    here = await _come(book, with_files())
    page = (await browser.get(here)).text
    assert page.count(f"{here}/files/") == 1
    assert page.count("Not given out") == 2
    given = await browser.get(f"{here}/files/1")
    assert (given.content, given.headers["content-type"]) == (b"%PDF-1.7 x", "application/pdf")
    assert given.headers["content-disposition"].startswith("attachment")
    for number in ("2", "3", "4", "0", "x", "99"):
        assert (await browser.get(f"{here}/files/{number}")).status_code == 404


async def test_a_letter_that_came_back_says_so(
    book: Database, sent: list[dict[str, Any]], browser: httpx.AsyncClient
) -> None:
    await _come(book, delivery_report(returned=sent[0]["message_id"]))
    page = (await browser.get(f"/letters/letters/{sent[0]['id']}")).text
    assert "Came back by e-mail" in page
    assert "There is no such mailbox." in page


async def test_hostile_words_come_out_as_text(book: Database, browser: httpx.AsyncClient) -> None:
    words = "<b>x</b> {{ 7*7 }} \u202e Nguyễn O'Brien"
    raw = mail(words, subject="<script>1</script>" + "x" * 300, content_type="text/plain; charset=utf-8")
    page = (await browser.get(await _come(book, raw))).text
    assert "<b>x</b>" not in page
    assert "<script>1" not in page
    assert "Nguyễn" in page


async def test_an_unknown_mail_is_like_any_other_that_is_not_there(browser: httpx.AsyncClient) -> None:
    for rest in ("", "/html", "/raw", "/files/1"):
        for id in (UUID(int=7), "x"):
            assert (await browser.get(f"/letters/incoming/{id}{rest}")).status_code == 404


async def test_many_are_shown_a_page_at_a_time(book: Database, browser: httpx.AsyncClient) -> None:
    for number in range(60):
        await receive(book, mail(f"Mail {number}", subject=f"No {number}."))
    first = (await browser.get("/letters/incoming")).text
    assert "No 0." in first
    assert "No 50." not in first
    next_href = first.split('href="?show=held&amp;after=')[1].split('"')[0]
    second = (await browser.get(f"/letters/incoming?show=held&after={next_href}")).text
    assert "No 50." in second
    assert "No 0." not in second
