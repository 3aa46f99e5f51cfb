"""The e-mail of a letter as a file: the very one, but with no way to the recipient's page, and to nobody."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from subprocess import run
from typing import Any

import httpx
import pytest

from chassis.config import Settings
from chassis.database import Database
from chassis.testing import RecordingMailServer
from services.notifications import web
from services.notifications.letters import HIDDEN, token_of
from services.notifications.rendering import SPECIMEN
from services.notifications.replies import letters_addressed
from services.notifications.stages import send_campaign
from tests.access import EVERYTHING, form_key
from tests.conftest import client
from tests.notifications.composing import (
    NO_ASK,
    WORDS,
    WORDS_WITHOUT_ASK,
    composed,
    hidden,
)
from tests.notifications.conftest import SendAll, approve, drafted, letters, released
from tests.notifications.test_chasing import BARNET, chasers, go, order, pass_working_days

#: What differs in a specimen, besides its words.
ITS_OWN = {"To", "Reply-To", "Subject", "Date", "Message-ID", "X-Unsent", "References", "In-Reply-To"}
UNSUBSCRIBING = {"List-Unsubscribe", "List-Unsubscribe-Post"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With an address of its own for the answers to each letter."""
    return replace(settings, reply_to="answer+{token}@forum.example")


@pytest.fixture
async def browser(book: Database) -> AsyncIterator[httpx.AsyncClient]:
    object.__setattr__(book.context, "wake", lambda timer: None)
    async with client(web.build(book), "/letters") as visitor:
        yield visitor


def read(answer: httpx.Response) -> EmailMessage:
    """The e-mail in a file, as a mail program reads it."""
    assert (answer.status_code, answer.headers["content-type"]) == (200, "message/rfc822"), answer.text
    found = message_from_bytes(answer.content, policy=SMTP)
    assert isinstance(found, EmailMessage)
    assert [part.defects for part in found.walk() if part.defects] == []
    return found


def names_of(message: EmailMessage) -> set[str]:
    return set(message.keys())


def printed(pdf: bytes) -> str:
    """What a PDF says, as pdftotext reads it."""
    found = run(["pdftotext", "-", "-"], input=pdf, capture_output=True, check=True, timeout=60)
    return " ".join(found.stdout.decode().split())


def said(message: EmailMessage) -> list[str]:
    """Everything that it says: its headers, each of its texts, and its PDF."""
    texts = [part for part in message.walk() if part.get_content_maintype() == "text"]
    [pdf] = message.iter_attachments()
    headers = "\n".join(f"{name}: {value}" for name, value in message.items())
    return [headers, *(part.get_content() for part in texts), printed(pdf.get_content())]


def without_link(text: str) -> str:
    """A text with the secret of its link left out, in lines that break nowhere."""
    return " ".join(re.sub(r"(/letters/r/)[^\s\"<]+", rf"\1{HIDDEN}", text).split())


def unmarked(specimen: EmailMessage) -> list[str]:
    """What a specimen says below the mark that each of its forms begins with."""
    text, page, pdf = map(without_link, said(specimen)[1:])
    begins, found, rest = page.partition(f"{SPECIMEN}</p> ")
    assert found
    assert re.search(r"<body[^>]*> <div[^>]*> <p[^>]*>$", begins), "on top of all that is read"
    for form in (text, pdf):
        assert form.startswith(f"{SPECIMEN} ")
    below = [text.removeprefix(f"{SPECIMEN} "), begins[: begins.rindex("<p")] + rest]
    return [*below, pdf.removeprefix(f"{SPECIMEN} ")]


async def change(database: Database, statement: str, *values: object) -> None:
    async with database.transaction() as tx:
        await tx.execute(statement, *values)


async def refuses_to_lead(database: Database, message: EmailMessage, raw: bytes) -> None:
    """Nothing in it opens a recipient's page, or reaches or names one of our letters."""
    everything = "\n".join(said(message))
    assert f"/letters/r/{HIDDEN}" in everything
    for letter in await letters(database):
        assert token_of(database.context, letter["id"]) not in everything
        assert letter["message_id"] not in everything
        assert letter["id"].hex not in everything
    assert letters_addressed(database.context, everything + raw.decode()) == set()
    assert message["To"].addresses[0].domain == message["Reply-To"].addresses[0].domain == "specimen.invalid"
    assert message["X-Unsent"] == "1"
    assert message["Subject"].startswith("Specimen: ")
    assert not names_of(message) & {*UNSUBSCRIBING, "Cc", "Bcc", "References", "In-Reply-To"}


async def test_the_file_of_a_letter_is_its_e_mail_without_what_is_its_readers_alone(
    browser: httpx.AsyncClient, book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    campaign = await drafted(book)
    letter = (await letters(book))[0]
    page = f"/letters/letters/{letter['id']}"
    assert f'href="{page}/mail">See it in your own mail program' in (await browser.get(page)).text
    answer = await browser.get(f"{page}/mail")
    specimen = read(answer)
    assert answer.headers["content-disposition"].startswith(
        f'attachment; filename="letter-{letter["reference"]}.eml"'
    )
    await refuses_to_lead(book, specimen, answer.content)
    async with book.transaction() as tx:
        await approve(tx, campaign)
        await send_campaign(tx, campaign)
    await send_due()
    [real] = [each.parsed for each in mail.messages if each.parsed["Message-ID"] == letter["message_id"]]
    assert isinstance(real, EmailMessage)
    assert unmarked(specimen) == list(map(without_link, said(real)[1:]))
    assert specimen["Subject"] == f"Specimen: {real['Subject']}"
    assert specimen["To"].addresses[0].display_name == real["To"].addresses[0].display_name
    same = names_of(real) - ITS_OWN - UNSUBSCRIBING - {"Received", "Return-Path"}
    assert {name: specimen[name] for name in same} == {name: real[name] for name in same}
    assert names_of(specimen) <= names_of(real) | {"X-Unsent"}
    [attached] = specimen.iter_attachments()
    [sent] = real.iter_attachments()
    assert attached.get_filename() == sent.get_filename()


async def test_two_files_of_a_letter_are_two_mails_to_a_mail_program(
    browser: httpx.AsyncClient, book: Database
) -> None:
    await drafted(book)
    page = f"/letters/letters/{(await letters(book))[0]['id']}/mail"
    one, other = [read(await browser.get(page))["Message-ID"] for _ in range(2)]
    assert one != other


async def test_whoever_sees_the_preview_has_the_file_and_nobody_has_the_link_in_it(
    book: Database, sent: list[dict[str, Any]]
) -> None:
    page = f"/letters/letters/{sent[0]['id']}/mail"
    for role, status in (("staff", 200), ("auditor", 200), ("panel", 403)):
        visitor = replace(EVERYTHING, roles=frozenset({role}))
        async with client(web.build(book), "/letters", visitor) as reader:
            answer = await reader.get(page)
            shown = await reader.get(page.removesuffix("/mail"))
        assert (answer.status_code, shown.status_code) == (status, status)
        assert token_of(book.context, sent[0]["id"]) not in answer.text
        if status == 200:
            await refuses_to_lead(book, read(answer), answer.content)


async def test_what_is_typed_is_in_the_file_before_it_is_saved(
    browser: httpx.AsyncClient, book: Database
) -> None:
    page = await composed(browser, submit=False)
    before = await letters(book)
    own = f"/letters/letters/{before[0]['id']}"
    typed = {"subject": "For {body_name}", "body": "Dear {contact_name},\n\nDo come: {response_url}"}
    for address in (page, own):
        form = await hidden(browser, f"{address}/words") | typed | {"signatory": "director"}
        shown = await browser.post(f"{address}/words/check", data=form)
        assert re.search(
            rf'form="words" formaction="{address}/words/mail" formnovalidate data-file>', shown.text
        )
        answer = await browser.post(f"{address}/words/mail", data=form)
        specimen = read(answer)
        assert specimen["Subject"] == f"Specimen: For {before[0]['body_name']}"
        assert all("Do come:" in each for each in said(specimen)[1:])
        await refuses_to_lead(book, specimen, answer.content)
    assert await letters(book) == before


async def test_words_that_cannot_be_sent_are_shown_with_what_is_wrong_instead(
    browser: httpx.AsyncClient, book: Database
) -> None:
    page = await composed(browser, submit=False)
    own = f"/letters/letters/{(await letters(book))[0]['id']}"
    for address in (page, own):
        form = await hidden(browser, f"{address}/words") | WORDS | {"body": "Dear {nobody}"}
        answer = await browser.post(f"{address}/words/mail", data=form)
        assert "There is no field {nobody}." in answer.text
        assert f'action="{address}/words" id="words"' in answer.text, "so that it is saved where it belongs"
        assert "your own mail program" not in answer.text
    chasing = await browser.post(
        f"{page}/chasing/mail", data={"words": "{nobody}", "most": "1", "every": "5"}
    )
    assert "There is no field {nobody}." in chasing.text


async def test_before_there_are_letters_the_file_describes_what_differs(
    browser: httpx.AsyncClient, book: Database
) -> None:
    made = await browser.post("/letters/campaigns/new", data=NO_ASK | {"key": form_key()})
    page = made.headers["location"].removesuffix("/who")
    form = await hidden(browser, f"{page}/words") | WORDS_WITHOUT_ASK
    answer = await browser.post(f"{page}/words/mail", data=form)
    specimen = read(answer)
    assert "Dear [the person we write to]," in said(specimen)[1]
    assert 'filename="letter-preview.eml"' in answer.headers["content-disposition"]
    assert [part.get_filename() for part in specimen.iter_attachments()] == ["letter-preview.pdf"]
    chaser = await browser.get(f"{page}/chasing/mail")
    assert 'filename="chaser-preview.eml"' in chaser.headers["content-disposition"]
    assert await letters(book) == []


async def test_a_chaser_is_a_file_with_its_letter_attached_before_it_is_approved_and_as_it_is_typed(
    browser: httpx.AsyncClient, book: Database
) -> None:
    await drafted(book)
    [campaign] = {letter["campaign_id"] for letter in await letters(book)}
    page = f"/letters/campaigns/{campaign}"
    for place in ("check", "approve"):
        shown = (await browser.get(f"{page}/{place}")).text
        assert f'href="{page}/chasing/mail">See it in your own mail program' in shown
    assert f'form="chasing" formaction="{page}/chasing/mail"' in (await browser.get(f"{page}/chasing")).text
    saved = await browser.get(f"{page}/chasing/mail")
    form = {"words": "Have you seen it, {contact_name}?", "most": "1", "every": "5", "key": form_key()}
    typed = await browser.post(f"{page}/chasing/mail", data=form)
    reference = (await letters(book))[0]["reference"]
    for answer, words in ((saved, "We have not heard from you yet."), (typed, "Have you seen it, ")):
        specimen = read(answer)
        assert f'filename="chaser-{reference}.eml"' in answer.headers["content-disposition"]
        _, text, page_of_it, pdf = said(specimen)
        assert words in " ".join(text.split())
        assert words in page_of_it
        assert words not in pdf
        assert "How we worked out the sum" in pdf
        assert specimen["Subject"].startswith("Specimen: Re: ")
        await refuses_to_lead(book, specimen, answer.content)


async def test_the_file_of_a_chaser_that_went_bears_the_day_on_which_it_went(
    browser: httpx.AsyncClient, book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    pass_working_days(book, 1)
    campaign = await released(book)
    await send_due()
    pass_working_days(book, 21)
    await order(book, campaign, BARNET)
    mail.forget()
    await go(book, send_due)
    day = book.context.clock.today()
    pass_working_days(book, 3)
    chaser = (await chasers(book))[0]
    real = next(each.parsed for each in mail.messages if each.parsed["Message-ID"] == chaser["message_id"])
    page = (await browser.get(f"/letters/letters/{chaser['letter_id']}")).text
    assert f'href="/letters/chasers/{chaser["id"]}/mail"' in page
    answer = await browser.get(f"/letters/chasers/{chaser['id']}/mail")
    specimen = read(answer)
    [reference] = re.findall("Our reference: (.+)", said(specimen)[1])
    assert f'filename="chaser-{reference.strip()}-1.eml"' in answer.headers["content-disposition"]
    assert f"{day.day} {day:%B %Y}" in said(specimen)[1]
    assert unmarked(specimen) == list(map(without_link, said(real)[1:]))
    await refuses_to_lead(book, specimen, answer.content)
    assert chaser["message_id"] not in answer.text


@pytest.mark.parametrize(
    "name", ["Trust\r\nBcc: someone@else.example", "=?utf-8?q?=0ABcc=3A_someone=40else.example?="]
)
@pytest.mark.parametrize("field", ["contact_name", "body_name"])
async def test_what_would_be_a_header_makes_no_file(
    browser: httpx.AsyncClient, book: Database, name: str, field: str
) -> None:
    page = await composed(browser, submit=False)
    letter = (await letters(book))[0]["id"]
    statement = (
        "UPDATE letters SET frozen = jsonb_set(frozen, ARRAY['values', $2], to_jsonb($3::text)) WHERE id = $1"
    )
    await change(book, statement, letter, field, name)
    form = await hidden(browser, f"{page}/words") | WORDS
    for answer in (
        await browser.get(f"/letters/letters/{letter}/mail"),
        await browser.post(f"{page}/words/mail", data=form),
    ):
        assert answer.status_code == 409
        assert "holds characters that cannot stand in a header" in answer.text
        assert "content-disposition" not in answer.headers


async def test_a_name_stays_a_name_and_never_becomes_an_address(
    browser: httpx.AsyncClient, book: Database
) -> None:
    await drafted(book)
    letter = (await letters(book))[0]["id"]
    name = 'Ann, "x" <someone@else.example>; B'
    statement = (
        "UPDATE letters SET reference = $3, "
        "frozen = jsonb_set(frozen, '{values,contact_name}', to_jsonb($2::text)) WHERE id = $1"
    )
    await change(book, statement, letter, name, '../../C1"\\;x=')
    answer = await browser.get(f"/letters/letters/{letter}/mail")
    specimen = read(answer)
    assert [each.addr_spec for each in specimen["To"].addresses] == ["nobody@specimen.invalid"]
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"letter-C1-x.eml\"; filename*=UTF-8''letter-C1-x.eml"
    )
