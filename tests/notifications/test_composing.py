"""A campaign is composed in steps by one person and approved by another; then it goes, pauses, stops."""

import asyncio
import html
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chassis.clock import LOCAL
from chassis.database import Database, Transaction
from chassis.errors import Conflict
from chassis.testing import NO_SUCH_MAILBOX, RecordingMailServer
from contracts.access import Role
from contracts.notifications import LetterSent
from services.notifications import composing, stages, web
from services.notifications.answers import Answer, confirm_pledge, record_answer
from services.notifications.domain import (
    CAMPAIGN_STAGES,
    AnswerKind,
    CampaignState,
    LetterState,
    StopScope,
    can,
)
from services.notifications.figures import figures
from services.notifications.letters import body_of, lock_letter, token_of
from services.notifications.outgoing import Claimed, Letters
from services.notifications.preparing import prepare_letters
from services.notifications.queries import COMPOSING, QUERIES
from services.notifications.sending import Sender
from services.notifications.settling import Settlement
from services.notifications.stops import stop
from tests.access import EVERYTHING, form_key
from tests.conftest import announced, client, move_to
from tests.notifications.composing import (
    NO_ASK,
    OTHER,
    PURPOSE,
    WHO,
    WORDS,
    WORDS_WITHOUT_ASK,
    approves,
    composed,
    field_on,
    hidden,
    saves,
)
from tests.notifications.conftest import (
    READER,
    WRITER,
    SendAll,
    address_of,
    approved,
    contact,
    contact_of,
    counted,
    drafted,
    example_document,
    example_plan,
    hear,
    letters,
    organisation,
    person,
    released,
    rows,
    trust_of,
    written_back,
)

NEW = "/letters/campaigns/new"


@pytest.fixture
async def browser(book: Database) -> AsyncIterator[httpx.AsyncClient]:
    """A browser of whoever writes."""
    object.__setattr__(book.context, "wake", lambda timer: None)
    async with client(web.build(book), "/letters") as visitor:
        yield visitor


@pytest.fixture
async def colleague(book: Database, browser: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """A browser of somebody else."""
    async with client(web.build(book), "/letters", OTHER) as visitor:
        yield visitor


async def claim(tx: Transaction) -> Claimed | None:
    """The next letter, as the sender takes and claims it."""
    taken = await Letters().take(tx, await Letters().due(tx, 1))
    return await Letters().claim(tx, taken[0]) if taken else None


async def presses(browser: httpx.AsyncClient, address: str, **fields: str) -> httpx.Response:
    return await browser.post(address, data={"key": form_key(), "confirm": "yes", **fields})


async def state_of(database: Database, page: str) -> str:
    id = UUID(page.rpartition("/")[2])
    [campaign] = await rows(database, "SELECT state FROM campaigns WHERE id = $1", id)
    return str(campaign["state"])


# The steps


async def test_a_campaign_is_composed_approved_and_sent_in_the_browser(
    browser: httpx.AsyncClient,
    colleague: httpx.AsyncClient,
    book: Database,
    mail: RecordingMailServer,
    send_due: SendAll,
) -> None:
    page = await composed(browser)
    own = await browser.get(f"{page}/approve")
    assert "You have written, changed or submitted this campaign" in own.text
    theirs = await colleague.get(f"{page}/approve")
    assert "6 letters" in theirs.text
    assert "£13,300 in all, £3,500 to £5,000 each" in re.sub(r"</?b>", "", theirs.text)
    preview = re.search(r'href="(/letters/letters/[^"]+)"', theirs.text)
    assert preview
    letter = await colleague.get(preview[1])
    assert "Dear Zuzana Marková" in letter.text
    await approves(colleague, f"{page}/approve")
    assert "Send 6 letters to 3 bodies" in (await browser.get(f"{page}/send")).text
    assert (await presses(browser, f"{page}/send")).status_code == 303
    await send_due()
    assert len(mail.messages) == 6
    board = await browser.get(page)
    assert re.search(r"<b>3</b> of 3 have not acknowledged", board.text)


async def test_one_can_leave_after_each_step_and_is_led_on_from_there(
    browser: httpx.AsyncClient, colleague: httpx.AsyncClient, book: Database
) -> None:
    made = await browser.post(NEW, data=PURPOSE | {"key": form_key()})
    assert made.headers["location"].endswith("/who")
    page = made.headers["location"].removesuffix("/who")

    async def goes_on_at() -> str:
        board = await browser.get(page)
        assert board.status_code == 200
        found = re.search(rf'<a class="button" href="{page}/(\w+)">Go on', board.text)
        assert found
        return found[1]

    assert await goes_on_at() == "who"
    await saves(browser, f"{page}/who", WHO)
    assert await goes_on_at() == "words"
    assert await letters(book) == []
    await saves(browser, f"{page}/words", WORDS)
    assert await goes_on_at() == "check"
    assert len(await letters(book)) == 6
    await presses(browser, f"{page}/submit")
    assert await goes_on_at() == "approve"
    await approves(colleague, f"{page}/approve")
    assert await goes_on_at() == "send"
    for step in ("purpose", "who", "words"):
        away = await browser.get(f"{page}/{step}")
        assert (away.status_code, away.headers["location"]) == (303, f"{page}/check")


def faults_on(answer: httpx.Response) -> list[str]:
    """What the page that comes back sums up, line by line."""
    assert answer.status_code == 422
    return re.findall(r'<li><a href="#[^"]+">([^<]+)</a>', html.unescape(answer.text))


@pytest.mark.parametrize(
    ("step", "typed", "fields"),
    [
        ("new", {"name": "", "ask_each": "-3", "profession": "juggler"}, ("name", "ask_each", "profession")),
        ("new", {"asks": "perhaps"}, ("asks",)),
        ("new", {"ask_least": "3,050"}, ("ask_least",)),
        ("new", {"fund": ""}, ("fund",)),
        ("new", {"name": "Turned \u202eround"}, ("name",)),
        ("new", {"purpose": "x" * 501}, ("purpose",)),
        ("who", {"kind": "circus", "roles": []}, ("kind", "roles")),
        ("who", {"areas": ["E00"], "in_turn": ""}, ("areas", "in_turn")),
        ("who", {"roles": ["juggler"]}, ("roles",)),
        ("words", {"subject": "", "body": "Dear {contact_nme}", "signatory": "x"}, ("subject", "signatory")),
        ("words", {"body": "Dear {contact_nme}"}, ("body",)),
        ("words", {"body": "x" * 20_001}, ("body",)),
    ],
)
async def test_a_step_comes_back_with_every_fault_and_with_what_was_typed(
    browser: httpx.AsyncClient, book: Database, step: str, typed: dict[str, Any], fields: tuple[str, ...]
) -> None:
    whole: dict[str, dict[str, Any]] = {"new": PURPOSE, "who": WHO, "words": WORDS}
    if step == "new":
        answer = await browser.post(NEW, data=whole[step] | typed | {"key": form_key()})
    else:
        page = await composed(browser, submit=False)
        answer = await saves(browser, f"{page}/{step}", whole[step] | typed)
    assert answer.status_code == 422
    assert ("For each person: This is not an amount." in answer.text) is ("ask_each" in fields)
    for field in fields:
        assert f'id="{field}-fault"' in answer.text, field
    kept = [text for text in typed.values() if isinstance(text, str) and text and "\u202e" not in text]
    assert all(text in answer.text for text in kept if len(text) > 7)
    assert len(await rows(book, "SELECT FROM campaigns")) == (0 if step == "new" else 1)


async def test_who_does_not_say_whether_it_asks_for_money_is_asked_that_and_no_sums(
    browser: httpx.AsyncClient,
) -> None:
    page = await browser.get(NEW)
    assert not re.search(r'name="asks"[^>]* checked', page.text)
    typed = {"name": "Open day", "purpose": "That schools know us.", "fund": "", "ask_least": ""}
    answer = await browser.post(NEW, data=typed | {"key": form_key()})
    assert faults_on(answer) == ["Does it ask for money? Nothing is chosen here."]


async def test_an_unknown_field_is_refused_with_its_name_and_its_place(browser: httpx.AsyncClient) -> None:
    page = await composed(browser, submit=False)
    typed = WORDS | {"body": "Hello,\n\ndear {contact_nme}"}
    answer = await saves(browser, f"{page}/words", typed)
    assert "There is no field {contact_nme}. Did you mean {contact_name}?" in answer.text
    assert "Line 3, character 6." in answer.text
    assert "dear {contact_nme}</textarea>" in answer.text


async def test_words_are_checked_as_one_types_and_nothing_is_kept(
    browser: httpx.AsyncClient, book: Database
) -> None:
    page = await composed(browser, submit=False)
    address = f"{page}/words"
    before = await rows(book, "SELECT version, body FROM campaigns")
    carried = await hidden(browser, address)
    typed = WORDS | {"body": "{if areas}In {areas}{else}Hello{end}, <b>dear</b> {contact_name}"}
    good = await browser.post(f"{address}/check", data=carried | typed)
    assert good.status_code == 200
    assert 'data-say="The words can be used."' in good.text
    assert re.search(r"In [A-Z][a-z]+, &lt;b&gt;dear&lt;/b&gt; Zuzana Marková", good.text)
    bad = await browser.post(f"{address}/check", data=carried | WORDS | {"body": "{if areas} {if ask} {x}"})
    assert 'data-say="There are 3 things to mend."' in bad.text
    assert "cannot stand inside another" in bad.text
    assert "{if areas} {if ask} {x}</textarea>" in bad.text
    assert await rows(book, "SELECT version, body FROM campaigns") == before


async def test_what_other_programs_fill_in_is_doubted_as_one_types_and_on_check(
    browser: httpx.AsyncClient,
) -> None:
    page = await composed(browser, submit=False)
    body = "Dear ((name)), *|FNAME|*, <<name>>, [Name]: **now** \U0001fae8"
    typed = WORDS | {"body": body}
    carried = await hidden(browser, f"{page}/words")
    checked = html.unescape((await browser.post(f"{page}/words/check", data=carried | typed)).text)
    assert 'data-say="The words can be used. Look at 6 things once more."' in checked
    await saves(browser, f"{page}/words", typed)
    shown = html.unescape((await browser.get(f"{page}/check")).text)
    for field in ("((name))", "*|FNAME|*", "<<name>>", "[Name]"):
        for said in (checked, shown):
            assert f"“{field}” goes out as it stands." in said
    assert "“**now**” goes out with its marks" in shown
    assert "No font here has \U0001fae8: on paper there is an empty box instead." in shown


async def a_letter(database: Database, id: UUID) -> Any:
    """A letter with its words."""
    async with database.reading() as tx:
        return await QUERIES.letter(tx, id=id)


async def test_a_role_within_a_sentence_is_doubted_and_one_in_an_address_is_not(
    browser: httpx.AsyncClient,
) -> None:
    page = await composed(browser, submit=False)
    carried = await hidden(browser, f"{page}/words")

    async def checked(body: str) -> str:
        typed = carried | WORDS | {"body": body}
        return html.unescape((await browser.post(f"{page}/words/check", data=typed)).text)

    doubt = "“{contact_role}” becomes the name of a role in our list"
    assert doubt in await checked("As {contact_role} of {body_name} you know this. {ask} {response_url}")
    assert doubt not in await checked("{contact_name}, {contact_role}\n\nPlease give {ask}. {response_url}")
    cured = await checked("You are {contact_role_in_text} of {body_name}. {ask} {response_url}")
    assert "You are the chief executive of " in cured
    assert 'data-say="The words can be used."' in cured


async def test_a_role_reads_within_a_sentence_as_the_house_file_says_and_else_as_its_name(
    browser: httpx.AsyncClient, book: Database
) -> None:
    house = book.context.house
    roles = house.lists["contact_roles"]
    silent = {**roles, "dental_care": replace(roles["dental_care"], attributes={})}
    changed = replace(house, lists={**house.lists, "contact_roles": silent})
    object.__setattr__(book.context, "house", changed)
    words = WORDS | {"body": "You are {contact_role_in_text}. {response_url}"}
    page = await composed(browser, words=words, submit=False)
    made = [await a_letter(book, each["id"]) for each in await letters(book)]
    said = {each["role"]: body_of(book.context, each) for each in made}
    assert said["chief_executive"].startswith("You are the chief executive. ")
    assert said["dental_care"].startswith("You are dental care. ")
    doubt = "The house file does not say how Dental care reads within a sentence: “dental care” stands there."
    for place in ("words", "check"):
        shown = html.unescape((await browser.get(f"{page}/{place}")).text)
        assert doubt in shown
        assert "how Chief executive reads" not in shown
    await saves(browser, f"{page}/words", WORDS)
    assert doubt not in html.unescape((await browser.get(f"{page}/words")).text)


async def test_a_letter_from_before_roles_were_put_into_sentences_names_the_role(book: Database) -> None:
    await drafted(book)
    async with book.transaction() as tx:
        await tx.execute("UPDATE letters SET frozen = frozen #- '{values,contact_role_in_text}'")
    letter = await a_letter(book, (await letters(book))[0]["id"])
    own = {**letter, "body": "As {contact_role_in_text} of {body_name}"}
    assert body_of(book.context, own).startswith("As Chief executive of ")


async def test_everything_that_is_wrong_with_words_stands_on_top_with_the_name_of_its_field(
    browser: httpx.AsyncClient,
) -> None:
    page = await composed(browser, submit=False)
    carried = await hidden(browser, f"{page}/words")
    typed = {"subject": "{four}", "body": "{one} {two}\n{three}", "signatory": "nobody"}
    saved = await browser.post(f"{page}/words", data=carried | typed | {"key": form_key()})
    assert saved.status_code == 422
    shown = html.unescape(saved.text)
    [summary] = re.findall(r'id="faults">(.*?)</div>', shown, re.DOTALL)
    [below] = re.findall(r'id="words-check"(.*?)</ul>', shown, re.DOTALL)
    named = re.findall(r'href="#([a-z]+)">([^:<]+):', summary)
    assert (named[0], named[-1]) == (("subject", "Subject"), ("signatory", "Who signs it"))
    assert named[1:-1] == [("body", "Text")] * (len(named) - 2)
    for name in ("{one}", "{two}", "{three}"):
        assert name in summary
        assert name in below
        assert name in shown.split('id="body-fault"')[1].split("<textarea")[0]


async def test_an_empty_form_says_which_fields_are_empty(browser: httpx.AsyncClient) -> None:
    typed = {"name": "", "purpose": "", "fund": "", "asks": "yes", "key": form_key()}
    page = html.unescape((await browser.post("/letters/campaigns/new", data=typed)).text)
    [summary] = re.findall(r'id="faults">(.*?)</div>', page, re.DOTALL)
    for name in ("Name", "Purpose", "Fund"):
        assert f"{name}: This is empty." in summary
    assert ">This is empty." not in summary
    assert "Whom we count: Nothing is chosen here." in summary
    for name in ("The least", "For each person", "In steps of", "The most"):
        assert f"{name}: There is no amount yet." in summary


async def test_a_draft_without_letters_does_not_say_that_nobody_was_counted(
    browser: httpx.AsyncClient,
) -> None:
    began = await browser.post("/letters/campaigns/new", data=PURPOSE | {"key": form_key()})
    shown = (await browser.get(began.headers["location"].removesuffix("/who"))).text
    assert "Evidence: taken when the letters are made." in shown
    assert "no registration has been counted" not in shown
    assert "Letters are made once both the words and those who receive them are there" in shown
    for untrue in ("bodies to ask", "To ask in all", "No body yet."):
        assert untrue not in shown


async def test_check_names_addresses_that_are_squeezed_into_the_window(
    browser: httpx.AsyncClient, book: Database
) -> None:
    page = await composed(browser, submit=False)
    async with book.transaction() as tx:
        await tx.execute(
            "UPDATE letters SET channel = 'post', frozen = frozen || "
            """'{"recipient_address": ["1", "2", "3", "4", "5", "6"]}' """
            "WHERE id = (SELECT id FROM letters WHERE campaign_id = $1 AND state <> 'blocked' LIMIT 1)",
            UUID(page.rsplit("/", 1)[1]),
        )
    check = await browser.get(f"{page}/check")
    assert "has an address of so many lines" in check.text
    listed = await browser.get(f"{page}/letters?which=squeezed")
    assert listed.text.count("/letters/letters/") == 1


async def test_a_first_step_sent_twice_makes_one_campaign(browser: httpx.AsyncClient, book: Database) -> None:
    form = PURPOSE | {"key": form_key()}
    answers = await asyncio.gather(*(browser.post(NEW, data=form) for _ in range(4)))
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert len(await rows(book, "SELECT FROM campaigns")) == 1


# Without an ask


async def test_a_campaign_without_an_ask_needs_no_count(
    browser: httpx.AsyncClient,
    colleague: httpx.AsyncClient,
    book: Database,
    mail: RecordingMailServer,
    send_due: SendAll,
) -> None:
    other = uuid4()
    await hear(
        book,
        organisation(other, "Trường Phổ thông “مدرسة” & O'Brien", []),
        contact(book, uuid4(), other, name="Nguyễn O'Brien"),
    )
    page = await composed(browser, NO_ASK, WHO, WORDS_WITHOUT_ASK)
    check = await browser.get(f"{page}/check")
    assert "7 letters" in check.text
    assert "for no money" in check.text
    await approves(colleague, f"{page}/approve")
    await presses(browser, f"{page}/send")
    await send_due()
    assert len(mail.messages) == 7
    for message in mail.messages:
        text = message.parsed.get_body(("plain",))
        assert text
        assert "pledge" not in text.get_content()
    sent = await letters(book)
    frozen = {name for letter in sent for name in letter["frozen"]["values"]}
    assert {(letter["ask_pence"], letter["count"], letter["formula_version"]) for letter in sent} == {
        (None, None, None)
    }
    assert "ask" not in frozen
    assert {event.data["ask"] for event in await announced(book) if event.fact is LetterSent} == {None}
    board = await browser.get(page)
    assert "How the ask is worked out" not in board.text
    assert "Asked in all" not in board.text
    for letter in sent:
        assert (await browser.get(f"/letters/letters/{letter['id']}")).status_code == 200
        assert (await browser.get(f"/letters/letters/{letter['id']}/pdf")).content[:5] == b"%PDF-"
    told = (await browser.get(page.replace("/campaigns", "/api/v1/campaigns"))).json()
    assert told["asks_pence"] == {"min": 0, "max": 0, "total": 0}
    assert (told["asked"], told["fund"]) == (4, "")
    download = await browser.get(f"{page}.csv")
    assert download.status_code == 200


async def test_without_an_ask_there_is_no_field_for_one(browser: httpx.AsyncClient) -> None:
    made = await browser.post(NEW, data=NO_ASK | {"key": form_key()})
    page = made.headers["location"].removesuffix("/who")
    await saves(browser, f"{page}/who", WHO)
    form = await browser.get(f"{page}/words")
    assert "{registered}" not in form.text
    assert "{contact_name}" in form.text
    refused = await saves(browser, f"{page}/words", WORDS | {"body": "{if ask}x{end}"})
    assert refused.status_code == 422
    assert "This campaign asks for no money, so there is nothing for {ask}." in refused.text


async def test_an_ask_cannot_be_taken_away_from_words_that_name_it(browser: httpx.AsyncClient) -> None:
    page = await composed(browser, submit=False)
    refused = await saves(browser, f"{page}/purpose", NO_ASK)
    assert refused.status_code == 409
    assert "Change the words first" in refused.text
    await saves(browser, f"{page}/words", WORDS_WITHOUT_ASK)
    assert (await saves(browser, f"{page}/purpose", NO_ASK)).status_code == 303


async def test_a_recipient_of_a_campaign_without_an_ask_is_not_asked_for_money(
    browser: httpx.AsyncClient, colleague: httpx.AsyncClient, book: Database, send_due: SendAll
) -> None:
    page = await composed(browser, NO_ASK, WHO, WORDS_WITHOUT_ASK)
    await approves(colleague, f"{page}/approve")
    await presses(browser, f"{page}/send")
    await send_due()
    address = f"/letters/r/{token_of(book.context, (await letters(book))[0]['id'])}"
    shown = await browser.get(address)
    assert "We would like to contribute" not in shown.text
    assert "We have received the letter" in shown.text
    pledge = {"answer": "pledge", "amount": "5", "name": "x", "position": "y"}
    form = pledge | {"key": field_on(shown.text, "key")}
    assert (await browser.post(address, data=form)).status_code == 422


async def test_a_program_makes_a_campaign_without_an_ask(browser: httpx.AsyncClient, book: Database) -> None:
    document = example_document()
    for part in ("ask", "profession", "fund"):
        document.pop(part)
    document |= {"subject": "Our open day", "body": "Dear {contact_name},\n\nplease come."}
    document["recipients"] |= {"areas": ["E09000020"], "in_turn": True}
    headers = {"idempotency-key": form_key()}
    made = await browser.post("/letters/api/v1/campaigns", json=document, headers=headers)
    assert (made.status_code, made.json()["letters"]) == (201, 1)
    asking = document | {"body": "Please give {ask}."}
    headers = {"idempotency-key": form_key()}
    refused = await browser.post("/letters/api/v1/campaigns", json=asking, headers=headers)
    assert (refused.status_code, refused.json()["field"]) == (422, "body")


# Who


async def test_areas_and_turns_choose_who_receives_it(book: Database) -> None:
    await hear(
        book, contact(book, contact_of("E09000033", "chief_executive"), trust_of("E09000033"), 2, email=None)
    )
    await drafted(book, example_plan(in_turn=True, areas=("E09000020", "E09000033")))
    found = {(letter["organisation_id"], letter["role"], letter["state"]) for letter in await letters(book)}
    roles = example_plan().roles
    assert found == {
        (trust_of("E09000020"), roles[0], "draft"),
        (trust_of("E09000033"), next(role for role in roles if role != "chief_executive"), "draft"),
    }


async def test_in_turn_a_body_that_nobody_can_reach_is_still_shown(book: Database) -> None:
    for role in example_plan().roles:
        id = contact_of("E09000033", role)
        await hear(book, contact(book, id, trust_of("E09000033"), 2, role=role, email=None))
    await drafted(book, example_plan(in_turn=True, areas=("E09000033",)))
    [letter] = await letters(book)
    assert (letter["state"], letter["reason"]) == ("blocked", "no_email")


# Two people at one draft


async def test_two_people_at_one_step_lose_nothing(
    browser: httpx.AsyncClient, colleague: httpx.AsyncClient, book: Database
) -> None:
    page = await composed(browser, submit=False)
    address = f"{page}/words"
    carried = await hidden(browser, address)
    await saves(colleague, address, WORDS | {"body": "Theirs: {contact_name}"})
    second = await browser.post(address, data=carried | WORDS | {"body": "Mine: {contact_name}"})
    assert second.status_code == 409
    assert "Somebody else has changed this meanwhile" in second.text
    assert "Theirs: {contact_name}" in second.text
    assert "Mine: {contact_name}</textarea>" in second.text
    again = {name: field_on(second.text, name) for name in ("revision", "base")} | {"key": form_key()}
    assert (
        await browser.post(address, data=again | WORDS | {"body": "Mine: {contact_name}"})
    ).status_code == 303
    [campaign] = await rows(book, "SELECT body, hands FROM campaigns")
    assert campaign["body"] == "Mine: {contact_name}"
    assert set(campaign["hands"]) == {EVERYTHING.id, OTHER.id}


async def test_one_person_in_two_windows_is_told_that_it_was_them(
    browser: httpx.AsyncClient, colleague: httpx.AsyncClient, book: Database
) -> None:
    page = await composed(browser, submit=False)
    address = f"{page}/words"
    await saves(colleague, f"{page}/who", WHO)
    carried = await hidden(browser, address)
    await saves(browser, address, WORDS | {"body": "In one window: {contact_name}"})
    await saves(colleague, f"{page}/who", WHO | {"roles": ["dental_care"]})
    second = await browser.post(address, data=carried | WORDS | {"body": "In the other: {contact_name}"})
    assert second.status_code == 409
    assert "You have changed this meanwhile, in another window" in second.text
    assert "Somebody else" not in second.text


async def test_two_people_at_different_steps_do_not_meet(
    browser: httpx.AsyncClient, colleague: httpx.AsyncClient, book: Database
) -> None:
    page = await composed(browser, submit=False)
    carried = await hidden(browser, f"{page}/words")
    await saves(colleague, f"{page}/who", WHO | {"roles": ["dental_care"]})
    typed = WORDS | {"body": "Mine: {contact_name}"}
    assert (await browser.post(f"{page}/words", data=carried | typed)).status_code == 303
    assert {letter["role"] for letter in await letters(book)} == {"dental_care"}


# Versions, and letters that say something else


async def test_words_have_versions_and_letters_say_which(
    browser: httpx.AsyncClient, colleague: httpx.AsyncClient, book: Database
) -> None:
    await hear(book, person(book, EVERYTHING.id, "Amina Writer"), person(book, OTHER.id, "Tekle Reader"))
    page = await composed(browser, submit=False)
    await saves(browser, f"{page}/words", WORDS)  # the same again is no version
    await saves(colleague, f"{page}/words", WORDS | {"body": "Dear {contact_name},\n\n<i>Please</i> come."})
    found = await browser.get(f"{page}/words/versions")
    assert re.findall(r"Version (\d+)</p>", found.text) == ["2", "1"]
    assert "written by Tekle Reader" in found.text
    assert "written by Amina Writer" in found.text
    put_in = re.findall(r"<ins>.*?</span>(.*?)</ins>", found.text)
    assert put_in[0] == "&lt;i&gt;Please&lt;/i&gt; come."
    assert re.findall(r"<del>.*?</span>(.*?)</del>", found.text) == ["Please answer at {response_url}."]
    assert {letter["words_version"] for letter in await letters(book)} == {2}
    letter = (await letters(book))[0]["id"]
    assert "Version 2" in (await browser.get(f"/letters/letters/{letter}")).text


async def test_one_letter_may_say_something_else(
    browser: httpx.AsyncClient,
    colleague: httpx.AsyncClient,
    book: Database,
    mail: RecordingMailServer,
    send_due: SendAll,
) -> None:
    page = await composed(browser, submit=False)
    one = (await letters(book))[0]
    address = f"/letters/letters/{one['id']}/words"
    typed = {"subject": "Just for {body_name}", "body": "Dear friend,\n\n{if areas}this is yours alone.{end}"}
    wrong = await saves(browser, address, typed | {"body": "Dear {frend}"})
    assert wrong.status_code == 422
    assert "There is no field {frend}." in wrong.text
    saved = await saves(browser, address, typed)
    shown = await browser.get(saved.headers["location"])
    assert "Words of its own" in shown.text
    assert "this is yours alone." in shown.text
    assert "has words of its own" in (await browser.get(f"{page}/check")).text
    listed = await browser.get(f"{page}/letters?which=own")
    assert re.findall(r">(C\d+-\d+)</a>", listed.text) == [one["reference"]]

    kept = await saves(browser, f"{page}/words", WORDS | {"subject": "Again: {ask}"})
    assert "kept=1" in kept.headers["location"]
    assert (
        "1 letter had words of its own: they were kept." in (await browser.get(kept.headers["location"])).text
    )
    await presses(browser, f"{page}/submit")
    await approves(colleague, f"{page}/approve")
    await presses(browser, f"{page}/send")
    await send_due()
    subjects = sorted(str(message.parsed["subject"]) for message in mail.messages)
    assert sum(subject.startswith("Just for Trust") for subject in subjects) == 1
    assert sum(subject.startswith("Again: £") for subject in subjects) == 5


async def test_letters_made_anew_keep_their_own_words_or_drop_them_and_say_which(
    browser: httpx.AsyncClient, book: Database
) -> None:
    page = await composed(browser, submit=False)
    own = {"subject": "Own", "body": "Own words"}
    for letter in (await letters(book))[:2]:
        await saves(browser, f"/letters/letters/{letter['id']}/words", own)
    kept = await presses(browser, f"{page}/letters", own="keep")
    assert kept.headers["location"].endswith("?done=written&kept=2")
    one = next(letter for letter in await letters(book) if letter["own_body"])
    common = await saves(browser, f"/letters/letters/{one['id']}/words", own | {"common": "yes"})
    assert common.headers["location"].endswith("?done=common")
    dropped = await presses(browser, f"{page}/letters", own="drop")
    assert dropped.headers["location"].endswith("?done=written&dropped=1")
    assert "they were thrown away" in (await browser.get(dropped.headers["location"])).text
    assert [letter for letter in await letters(book) if letter["own_body"]] == []


async def test_two_people_at_one_letter_lose_nothing(
    browser: httpx.AsyncClient, colleague: httpx.AsyncClient, book: Database
) -> None:
    await composed(browser, submit=False)
    address = f"/letters/letters/{(await letters(book))[0]['id']}/words"
    carried = await hidden(browser, address)
    await saves(colleague, address, {"subject": "Theirs", "body": "Theirs"})
    second = await browser.post(address, data=carried | {"subject": "Mine", "body": "Mine"})
    assert second.status_code == 409
    assert "Mine</textarea>" in second.text
    assert [letter["own_body"] for letter in await letters(book) if letter["own_body"]] == ["Theirs"]


async def test_words_of_a_letter_are_fixed_with_its_submission(
    browser: httpx.AsyncClient, book: Database
) -> None:
    await composed(browser, submit=False)
    address = f"/letters/letters/{(await letters(book))[0]['id']}/words"
    carried = await hidden(browser, address)
    [campaign] = await rows(book, "SELECT id FROM campaigns")
    await presses(browser, f"/letters/campaigns/{campaign['id']}/submit")
    late = await browser.post(address, data=carried | {"subject": "Mine", "body": "Mine"})
    assert late.status_code == 409
    assert (await browser.get(address)).status_code == 303


async def test_one_pages_through_all_letters_and_jumps(browser: httpx.AsyncClient, book: Database) -> None:
    page = await composed(browser, submit=False)
    made = await letters(book)
    addresses = [f"/letters/letters/{letter['id']}" for letter in made]

    async def leads(address: str) -> dict[str, str]:
        text = (await browser.get(address)).text
        nav = text[text.index('aria-label="Letters of this campaign"') :].partition("</nav>")[0]
        return {words: href for href, words in re.findall(r'href="([^"]+)">([^<]+)</a>', nav)}

    assert await leads(addresses[0]) == {"Letter after →": addresses[1]}
    assert await leads(addresses[2]) == {
        "First": addresses[0],
        "← Letter before": addresses[1],
        "Letter after →": addresses[3],
    }
    assert "Letter after →" not in await leads(addresses[-1])
    for number, place in (("4", 3), ("0", 0), ("999", 5), ("x", 0), ("99999999999", 0), ("-1", 0)):
        jumped = await browser.get(f"{page}/letter?number={number}")
        assert (jumped.status_code, jumped.headers["location"]) == (303, addresses[place]), number


# The check list


async def test_the_check_list_names_what_cannot_go_and_leads_there(
    browser: httpx.AsyncClient, book: Database
) -> None:
    closed, posted = uuid4(), uuid4()
    await hear(
        book,
        counted("E09000020", 0, sequence=2),
        organisation(closed, "Closed", ["E09000033"], closed_on=date(2011, 1, 1)),
        contact(book, uuid4(), closed),
        organisation(posted, "By post", ["E09000033"]),
        contact(book, uuid4(), posted, channel="post"),
        contact(book, uuid4(), posted, email=None),
    )
    page = await composed(browser, submit=False)
    check = (await browser.get(f"{page}/check")).text
    lines = dict(re.findall(r'href="([^"]+which=\w+)">(\d+) letters?</a>', check))
    assert {address.rpartition("=")[2]: int(count) for address, count in lines.items()} == {
        "email": 4,
        "no_registrations": 2,
        "body_closed": 1,
        "post": 1,
        "no_email": 1,
    }
    for address, count in lines.items():
        assert len(re.findall(r'th scope="row"', (await browser.get(address)).text)) == int(count), address
    assert len(re.findall(r'th scope="row"', (await browser.get(f"{page}/letters")).text)) == 9
    for unknown in ("x", "'; DROP TABLE letters"):
        assert (await browser.get(f"{page}/letters", params={"which": unknown})).status_code == 404


async def test_who_receives_it_says_at_once_how_many_that_is(
    browser: httpx.AsyncClient, book: Database
) -> None:
    made = await browser.post("/letters/campaigns/new", data=PURPOSE | {"key": form_key()})
    page = made.headers["location"].removesuffix("/who")
    assert "Choose a kind of body" in (await browser.get(f"{page}/who")).text
    form = await hidden(browser, f"{page}/who")

    async def say(**chosen: Any) -> str:
        shown = (await browser.post(f"{page}/who/check", data=form | WHO | chosen)).text
        assert f'<form method="post" action="{page}/who"' in shown, "so that it is saved where it belongs"
        found = re.search(r'data-say="([^"]*)"', shown)
        assert found
        assert ("Dental care" in shown, "Chief executive: 3" in shown) == (True, "areas" not in chosen)
        return found[1]

    assert await say() == "6 letters to 3 bodies"
    assert await say(in_turn="yes") == "3 letters to 3 bodies"
    assert await say(areas=["E09000020"]) == "2 letters to 1 body"
    assert await say(roles=[]) == "0 letters to 0 bodies"
    assert "6 letters to 3 bodies" not in (await browser.get(f"{page}/who")).text
    await saves(browser, f"{page}/who", WHO)
    assert len(await letters(book)) == 0
    assert "6 letters to 3 bodies" in (await browser.get(f"{page}/who")).text


async def test_what_came_of_asking_for_the_same_fund_before_is_named(
    browser: httpx.AsyncClient, book: Database, send_due: SendAll
) -> None:
    """Whatever its words are: one has pledged, one has declined, one has not decided."""
    await released(book, example_plan(roles=("dental_care",)))
    await send_due()
    pledge = Answer(kind=AnswerKind.PLEDGE, name="Zuzana", position="Chair", pledge_pence=100_000)
    said = {"E09000020": pledge, "E09000033": Answer(kind=AnswerKind.DECLINE)}
    async with book.transaction() as tx:
        for letter in await letters(book):
            if answer := said.get(letter["areas"][0]):
                await record_answer(tx, letter["id"], answer)
    page = await composed(browser, submit=False)
    check = (await browser.get(f"{page}/check")).text
    for which, area, words in (
        ("pledged", "E09000020", "go to bodies that have pledged for the training scheme"),
        ("declined", "E09000033", "go to bodies that have declined the training scheme"),
        ("open", "E09000007", "were asked for the training scheme before and have not decided yet"),
    ):
        assert words in check
        listed = (await browser.get(f"{page}/letters?which={which}")).text
        assert re.findall(r"Trust (E\d+)", listed) == [area] * 2, which
    [promise] = await rows(book, "SELECT id FROM answers WHERE kind = 'pledge'")
    async with book.transaction() as tx:
        await confirm_pledge(tx, promise["id"])
    await hear(book, written_back(promise["id"], 100_000))
    check = (await browser.get(f"{page}/check")).text
    assert "go to bodies that have pledged for the training scheme, which will not come" in check
    listed = (await browser.get(f"{page}/letters?which=written_back")).text
    assert re.findall(r"Trust (E\d+)", listed) == ["E09000020"] * 2
    assert "which=pledged" not in check
    await saves(browser, f"{page}/purpose", PURPOSE | {"fund": "exam fund"})
    assert "training scheme before" not in (await browser.get(f"{page}/check")).text


async def test_whoever_wants_no_letters_is_named_so_and_not_as_a_stopped_campaign(
    browser: httpx.AsyncClient, book: Database, send_due: SendAll
) -> None:
    await released(book, example_plan(roles=("dental_care",), areas=("E09000020",)))
    await send_due()
    [letter] = await letters(book)
    async with book.transaction() as tx:
        await stop(tx, await lock_letter(tx, letter["id"]), StopScope.BODY, way="page", who="them")
    page = await composed(browser, submit=False)
    assert "cannot go: they want no letters from us" in (await browser.get(f"{page}/check")).text
    listed = (await browser.get(f"{page}/letters?which=stopped")).text
    assert "<h1>They want no letters from us</h1>" in listed
    assert "The campaign was stopped" not in listed


async def test_whoever_reads_a_draft_finds_its_letters_again_when_it_is_saved_meanwhile(
    browser: httpx.AsyncClient, book: Database
) -> None:
    page = await composed(browser, submit=False)
    before = {letter["id"]: letter["version"] for letter in await letters(book)}
    reading = f"/letters/letters/{next(iter(before))}"
    form = await hidden(browser, f"{reading}/words")
    changed = WORDS | {"body": "Dear {contact_name},\n\nPlease do answer at {response_url}."}
    assert (await saves(browser, f"{page}/words", changed)).status_code == 303
    assert "Please do answer" in (await browser.get(reading)).text
    assert {letter["id"]: letter["version"] - 1 for letter in await letters(book)} == before
    stale = {"subject": "Mine", "body": "Dear {contact_name}: {response_url}"}
    assert (await browser.post(f"{reading}/words", data=form | stale)).status_code == 409


async def test_the_same_words_to_the_same_body_within_90_days_are_named(
    browser: httpx.AsyncClient, book: Database, send_due: SendAll
) -> None:
    await released(book, example_plan(roles=("dental_care",), areas=("E09000020",)))
    await send_due()
    await drafted(book, example_plan(roles=("chief_executive",)))
    [draft] = await rows(book, "SELECT id FROM campaigns WHERE state = 'draft'")

    async def twice() -> list[str]:
        page = f"/letters/campaigns/{draft['id']}"
        listed = await browser.get(f"{page}/letters?which=twice")
        found: list[str] = re.findall(r"Trust (E\d+)", listed.text)
        check = await browser.get(f"{page}/check")
        assert ("in the last 90 days" in check.text) is bool(found)
        return found

    assert await twice() == ["E09000020"]
    book.context.clock.advance(timedelta(days=89))
    assert await twice() == ["E09000020"]
    book.context.clock.advance(timedelta(days=2))
    assert await twice() == []
    book.context.clock.advance(timedelta(days=-91))
    async with book.transaction() as tx:
        words = example_plan(body="Something new.")
        await composing.change_words(tx, draft["id"], words, WRITER, lambda draft: None)
    assert await twice() == []


# The second person


async def approve_as(database: Database, id: UUID, by: UUID) -> None:
    async with database.transaction() as tx:
        campaign = await QUERIES.campaign(tx, id=id)
        await stages.approve_campaign(tx, id, by, campaign["version"])


async def test_nobody_approves_what_they_wrote_changed_or_submitted(book: Database) -> None:
    changed, edited, wrote_anew, submitted = uuid4(), uuid4(), uuid4(), uuid4()
    id = await drafted(book)
    letter = (await letters(book))[0]["id"]
    async with book.transaction() as tx:
        await composing.change_words(tx, id, example_plan(body="Hello"), changed, lambda draft: None)
    async with book.transaction() as tx:
        letter = await tx.fetchval("SELECT id FROM letters ORDER BY number LIMIT 1")
        await composing.give_own_words(tx, letter, ("Own", "Own"), edited, lambda letter: None)
        await composing.write_anew(tx, id, wrote_anew, keep_own=False)
        await stages.submit_campaign(tx, id, submitted)
    for hand in (WRITER, changed, edited, wrote_anew, submitted):
        with pytest.raises(stages.SecondPersonNeeded):
            await approve_as(book, id, hand)
    async with book.transaction() as tx:
        await stages.take_back(tx, id)
        await stages.submit_campaign(tx, id, WRITER)
    with pytest.raises(stages.SecondPersonNeeded):
        await approve_as(book, id, submitted)
    await approve_as(book, id, READER)


async def test_what_a_browser_sends_is_refused_to_whoever_wrote_it(
    browser: httpx.AsyncClient, book: Database
) -> None:
    page = await composed(browser)
    [campaign] = await rows(book, "SELECT version FROM campaigns")
    for address in (f"{page}/approve", f"{page}/send-back"):
        refused = await presses(browser, address, revision=str(campaign["version"]), because="x")
        assert refused.status_code == 403
    assert await state_of(book, page) == "submitted"


async def test_it_is_sent_back_with_a_reason_and_submitted_again(
    browser: httpx.AsyncClient, colleague: httpx.AsyncClient, book: Database
) -> None:
    await hear(book, person(book, OTHER.id, "Tekle Reader"))
    page = await composed(browser)
    revision = field_on((await colleague.get(f"{page}/approve")).text, "revision")
    empty = await presses(colleague, f"{page}/send-back", revision=revision, because=" ")
    assert empty.status_code == 422
    assert 'id="because-fault"' in empty.text
    long = await presses(colleague, f"{page}/send-back", revision=revision, because="ش" * 2_001)
    assert (long.status_code, "ش" * 2_001 in long.text) == (422, True)
    because = "O'Brien <b>is</b> named wrongly."
    back = await presses(colleague, f"{page}/send-back", revision=revision, because=because)
    assert back.status_code == 303
    check = await browser.get(f"{page}/check")
    assert "O&#39;Brien &lt;b&gt;is&lt;/b&gt; named wrongly." in check.text
    assert "By Tekle Reader." in check.text
    assert await state_of(book, page) == "draft"
    await presses(browser, f"{page}/submit")
    assert "named wrongly" not in (await colleague.get(f"{page}/approve")).text
    await approves(colleague, f"{page}/approve")


async def test_an_approval_counts_for_what_was_read(
    browser: httpx.AsyncClient, colleague: httpx.AsyncClient, book: Database
) -> None:
    page = await composed(browser)
    revision = field_on((await colleague.get(f"{page}/approve")).text, "revision")
    await presses(browser, f"{page}/take-back")
    await saves(browser, f"{page}/words", WORDS | {"body": "Something else"})
    await presses(browser, f"{page}/submit")
    late = await presses(colleague, f"{page}/approve", revision=revision)
    assert late.status_code == 409
    assert await state_of(book, page) == "submitted"


async def test_to_approve_one_says_that_one_has_read(
    browser: httpx.AsyncClient, colleague: httpx.AsyncClient, book: Database
) -> None:
    page = await composed(browser)
    revision = field_on((await colleague.get(f"{page}/approve")).text, "revision")
    form = {"key": form_key(), "revision": revision}
    assert (await colleague.post(f"{page}/approve", data=form)).status_code == 422
    assert await state_of(book, page) == "submitted"


async def test_of_an_approval_and_a_change_in_the_same_moment_one_happens(book: Database) -> None:
    for _ in range(5):
        id = await drafted(book, example_plan(roles=("dental_care",)))
        async with book.transaction() as tx:
            await stages.submit_campaign(tx, id, WRITER)

        async def take_back_and_change(id: UUID = id) -> None:
            async with book.transaction() as tx:
                await stages.take_back(tx, id)
                await composing.change_words(tx, id, example_plan(body="Else"), WRITER, lambda draft: None)

        both = (approve_as(book, id, READER), take_back_and_change())
        outcomes = await asyncio.gather(*both, return_exceptions=True)
        async with book.reading() as tx:
            campaign = await QUERIES.campaign(tx, id=id)
        # Whoever approved first was then taken back from; whoever came second approved nothing.
        assert (campaign["state"], campaign["body"]) == ("draft", "Else")
        assert outcomes[1] is None
        assert outcomes[0] is None or isinstance(outcomes[0], Conflict)


@pytest.mark.parametrize("presses_at_once", [5])
async def test_many_approvals_are_one(book: Database, presses_at_once: int) -> None:
    id = await drafted(book)
    async with book.transaction() as tx:
        await stages.submit_campaign(tx, id, WRITER)
    acts = (approve_as(book, id, uuid4()) for _ in range(presses_at_once))
    outcomes = await asyncio.gather(*acts, return_exceptions=True)
    assert outcomes.count(None) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == presses_at_once - 1


@pytest.mark.parametrize("role", [Role.GRANTS_OFFICER, Role.AUDITOR])
async def test_who_only_reads_sees_the_steps_and_presses_nothing(
    browser: httpx.AsyncClient, book: Database, role: Role
) -> None:
    page = await composed(browser)
    who = replace(OTHER, roles=frozenset({role}))
    async with client(web.build(book), "/letters", who) as reader:
        for step in ("check", "approve", "send", "letters", "words/versions"):
            shown = await reader.get(f"{page}/{step}")
            assert shown.status_code == 200
            assert '<form method="post"' not in shown.text, step
        for step in ("approve", "send-back", "send", "schedule", "pause", "stop", "submit", "take-back"):
            assert (await presses(reader, f"{page}/{step}", revision="1")).status_code == 403


# States


def test_states_follow_each_other_as_the_table_says() -> None:
    assert set(CAMPAIGN_STAGES) == set(CampaignState)
    ends = {state for state, stage in CAMPAIGN_STAGES.items() if not stage.then}
    assert ends == {CampaignState.SENT, CampaignState.STOPPED}
    assert not can(CampaignState.DRAFT, CampaignState.APPROVED)
    assert not can(CampaignState.SUBMITTED, CampaignState.SENDING)
    before = [state for state, stage in CAMPAIGN_STAGES.items() if CampaignState.SENDING in stage.then]
    assert before == [CampaignState.APPROVED, CampaignState.PAUSED]
    assert len({stage.staff for stage in CAMPAIGN_STAGES.values()}) == len(CampaignState)


class Undone(Exception):
    """Ends a transaction so that the next begins from the same."""


ACTS: dict[str, Callable[[Any, UUID], Awaitable[Any]]] = {
    "submit": lambda tx, it: stages.submit_campaign(tx, it, WRITER),
    "take_back": stages.take_back,
    "approve": lambda tx, it: stages.approve_campaign(tx, it, READER, 1),
    "send_back": lambda tx, it: stages.send_back(tx, it, READER, 1, "why"),
    "send": stages.send_campaign,
    "schedule": lambda tx, it: stages.schedule_campaign(tx, it, None),
    "pause": stages.pause_campaign,
    "resume": stages.resume_campaign,
    "stop": stages.stop_campaign,
    "change": lambda tx, it: composing.change_recipients(tx, it, example_plan(), WRITER, lambda draft: None),
    "prepare": prepare_letters,
}
ALLOWED = {
    "draft": {"submit", "change", "prepare"},
    "submitted": {"take_back", "approve", "send_back"},
    "approved": {"take_back", "send", "schedule"},
    "sending": {"pause", "stop"},
    "paused": {"resume", "stop"},
    "sent": set[str](),
    "stopped": set[str](),
}


@pytest.mark.parametrize("state", ALLOWED)
async def test_every_act_in_every_state_does_what_the_table_says(book: Database, state: str) -> None:
    id = await drafted(book)
    done = set()
    for name, act in ACTS.items():
        try:
            async with book.transaction() as tx:
                await tx.execute(f"UPDATE campaigns SET state = '{state}', version = 1, send_at = NULL")
                await act(tx, id)
                done.add(name)
                raise Undone
        except (Conflict, Undone):
            pass
    assert done == ALLOWED[state]


# Sending: at a time, with a pause, to a stop


async def test_it_goes_by_itself_at_its_time_and_once(
    browser: httpx.AsyncClient, colleague: httpx.AsyncClient, book: Database, mail: RecordingMailServer
) -> None:
    page = await composed(browser)
    await approves(colleague, f"{page}/approve")
    soon = (datetime.now(UTC) + timedelta(days=3)).astimezone(LOCAL)
    on = {"send_on": soon.date().isoformat(), "send_at": "09:30"}
    assert (await presses(browser, f"{page}/schedule", **on)).status_code == 303
    assert "It goes by itself" in (await browser.get(f"{page}/send")).text
    for shown in ("/letters/", page):
        assert "Approved: goes by itself on" in (await browser.get(shown)).text
    [campaign] = await rows(book, "SELECT send_at FROM campaigns")
    assert campaign["send_at"].astimezone(LOCAL).isoformat()[:16] == f"{on['send_on']}T09:30"
    await Sender(book).turn()
    assert mail.messages == []
    book.context.clock.advance(timedelta(days=4))
    await asyncio.gather(*(Sender(book).turn() for _ in range(3)))
    assert len(mail.messages) == 6
    assert await state_of(book, page) == "sent"
    assert len({letter["dated"] for letter in await letters(book)}) == 1


async def test_a_time_can_be_taken_away_and_goes_with_the_approval(
    browser: httpx.AsyncClient, colleague: httpx.AsyncClient, book: Database, mail: RecordingMailServer
) -> None:
    page = await composed(browser)
    await approves(colleague, f"{page}/approve")
    on = {"send_on": (datetime.now(UTC) + timedelta(days=3)).date().isoformat(), "send_at": "09:30"}
    await presses(browser, f"{page}/schedule", **on)
    off = await presses(browser, f"{page}/schedule", off="yes")
    assert "It waits for somebody to send it." in (await browser.get(off.headers["location"])).text
    await presses(browser, f"{page}/schedule", **on)
    await presses(browser, f"{page}/take-back")
    book.context.clock.advance(timedelta(days=4))
    await Sender(book).turn()
    assert mail.messages == []
    assert await state_of(book, page) == "draft"


async def test_a_time_when_nobody_is_there_is_pointed_out(
    browser: httpx.AsyncClient, colleague: httpx.AsyncClient, book: Database
) -> None:
    move_to(book, datetime(2026, 12, 1, 12, tzinfo=LOCAL))
    page = await composed(browser)
    await approves(colleague, f"{page}/approve")
    for on, at, words in (
        ("2026-12-25", "03:00", "a bank holiday"),
        ("2026-12-05", "10:00", "a weekend"),
        ("2026-12-08", "03:00", "at night"),
        ("2026-12-08", "09:00", ""),
    ):
        answer = await presses(browser, f"{page}/schedule", send_on=on, send_at=at)
        shown = (await browser.get(answer.headers["location"])).text
        assert ("nobody may be there" in shown) is bool(words), on
        assert f"That is {words}" in shown or not words


@pytest.mark.parametrize(
    ("on", "at", "field"),
    [
        ("", "09:00", "send_on"),
        ("2012-02-30", "09:00", "send_on"),
        ("2012-01-01", "09:00", "send_on"),
        ("2199-01-01", "09:00", "send_on"),
        ("next week", "09:00", "send_on"),
        ("2027-03-28", "25:00", "send_at"),
        ("2027-03-28", "", "send_at"),
        ("2027-03-28", "01:30", "send_at"),
        ("2027-03-28", "09:00+02:00", "send_at"),
    ],
)
async def test_a_time_that_cannot_be_used_is_shown_with_its_cure(
    browser: httpx.AsyncClient, colleague: httpx.AsyncClient, book: Database, on: str, at: str, field: str
) -> None:
    page = await composed(browser)
    await approves(colleague, f"{page}/approve")
    refused = await presses(browser, f"{page}/schedule", send_on=on, send_at=at)
    assert refused.status_code == 422
    assert f'id="{field}-fault"' in refused.text


async def test_a_button_pressed_in_a_second_window_reads_as_what_one_has_done(
    browser: httpx.AsyncClient, colleague: httpx.AsyncClient, book: Database
) -> None:
    page = await composed(browser)
    assert (await presses(browser, f"{page}/submit")).headers["location"].endswith("?done=submitted")
    revision = field_on((await colleague.get(f"{page}/approve")).text, "revision")
    for _ in range(2):
        approved = await presses(colleague, f"{page}/approve", revision=revision)
        assert approved.headers["location"] == f"{page}/send?done=approved"
    for act, done in (("send", "sending"), ("pause", "paused"), ("resume", "resumed"), ("stop", "stopped")):
        for _ in range(2):
            pressed = await presses(browser, f"{page}/{act}")
            assert pressed.headers["location"] == f"{page}?done={done}", act
    noted = await rows(book, "SELECT action FROM audit WHERE action LIKE 'campaign_%' ORDER BY number")
    assert [row["action"] for row in noted][-5:] == [
        *("campaign_approved", "campaign_sent", "campaign_paused", "campaign_resumed", "campaign_stopped")
    ]


async def test_a_button_that_somebody_else_has_pressed_says_who_did_what_and_leads_back(
    browser: httpx.AsyncClient, colleague: httpx.AsyncClient, book: Database
) -> None:
    await hear(book, person(book, EVERYTHING.id, "Leyla Demir"))
    page = f"/letters/campaigns/{await released(book)}"
    await presses(browser, f"{page}/pause")
    late = await presses(colleague, f"{page}/pause")
    assert late.status_code == 409
    assert "The campaign is at: Paused." in late.text
    assert "It was paused by Leyla Demir, " in late.text
    assert f'<a class="button" href="{page}">See it as it is now</a>' in late.text
    assert "Error 409" not in late.text
    await presses(browser, f"{page}/stop")
    stopped = await presses(browser, f"{page}/resume")
    assert (stopped.status_code, "It was stopped by you, " in stopped.text) == (409, True)


async def test_a_paused_campaign_waits_and_goes_on(
    browser: httpx.AsyncClient, book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    page = f"/letters/campaigns/{await released(book)}"
    assert (await presses(browser, f"{page}/pause")).status_code == 303
    board = await browser.get(page)
    assert "Let it go on" in board.text
    await send_due()
    book.context.clock.advance(timedelta(days=1))
    await send_due()
    assert mail.messages == []
    assert await state_of(book, page) == "paused"
    await presses(browser, f"{page}/resume")
    await send_due()
    assert len(mail.messages) == 9
    assert await state_of(book, page) == "sent"


async def test_what_is_being_handed_over_finishes_and_the_rest_waits(
    book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    """A letter that was claimed before the pause is settled after it."""
    id = await released(book)
    async with book.transaction() as tx:
        claimed = await claim(tx)
    assert claimed is not None
    async with book.transaction() as tx:
        assert await stages.pause_campaign(tx, id) == 8
    async with book.transaction() as tx:
        assert await claim(tx) is None
    settled = Settlement(state=LetterState.READY, what="Not taken yet").values()
    async with book.transaction() as tx:
        later = {"id": claimed.id, "claimed_at": claimed.claimed_at, "now": tx.now, "next_try": tx.now}
        await QUERIES.settle_letter(tx, **settled | later)
    await send_due()
    assert mail.messages == []
    async with book.transaction() as tx:
        await stages.resume_campaign(tx, id)
    await send_due()
    assert len(mail.messages) == 9


async def test_a_stopped_campaign_sets_aside_what_has_not_gone_for_good(
    browser: httpx.AsyncClient, book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    id = await released(book)
    page = f"/letters/campaigns/{id}"
    async with book.transaction() as tx:
        claimed = await claim(tx)
    assert claimed is not None
    assert "nobody is ever chased for this campaign again" in (await browser.get(page)).text
    form = {"key": form_key()}
    assert (await browser.post(f"{page}/stop", data=form)).status_code == 422, "nobody said so"
    assert (await presses(browser, f"{page}/stop")).status_code == 303
    states = [(letter["state"], letter["reason"]) for letter in await letters(book)]
    assert sorted(states, key=str) == [("blocked", "stopped")] * 8 + [("sending", None)]
    async with book.transaction() as tx:
        settled = Settlement(state=LetterState.READY, what="Not taken yet").values()
        later = {"id": claimed.id, "claimed_at": claimed.claimed_at, "now": tx.now, "next_try": tx.now}
        await QUERIES.settle_letter(tx, **settled | later)
    await send_due()
    assert mail.messages == []
    assert {letter["reason"] for letter in await letters(book)} == {"stopped"}
    board = await browser.get(page)
    assert "Needs you" not in board.text
    assert "Not written to" in board.text
    assert "Nobody is chased</h2>" in board.text
    assert "Nobody to chase today" not in board.text
    assert "0 of 9 letters" in (await browser.get("/letters/")).text
    async with book.reading() as tx:
        found = await figures(tx, id)
    assert (found.state, found.asked) == ("stopped", 0)


async def test_a_letter_of_a_stopped_campaign_is_not_sent_again(
    browser: httpx.AsyncClient, book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    mail.treat(NO_SUCH_MAILBOX, address_of("E09000020", "chief_executive"))
    id = await released(book)
    await send_due()
    [failed] = await rows(book, "SELECT id FROM letters WHERE state = 'failed'")
    async with book.transaction() as tx:
        await tx.execute(f"UPDATE campaigns SET state = 'stopped' WHERE id = '{id}'")
    assert (await presses(browser, f"/letters/letters/{failed['id']}/again")).status_code == 409


async def test_many_pauses_stops_and_senders_at_once_send_no_letter_twice(
    book: Database, mail: RecordingMailServer
) -> None:
    id = await released(book)

    async def moves() -> None:
        for act in (stages.pause_campaign, stages.resume_campaign) * 3:
            try:
                async with book.transaction() as tx:
                    await act(tx, id)
            except Conflict:
                pass

    await asyncio.gather(*(Sender(book).turn() for _ in range(3)), moves(), moves())
    async with book.transaction() as tx:
        if (await QUERIES.campaign(tx, id=id))["state"] == "paused":
            await stages.resume_campaign(tx, id)
    while await Sender(book).turn():
        pass
    assert len(mail.messages) == 9
    assert len({message.parsed["message-id"] for message in mail.messages}) == 9


async def test_a_draft_that_was_taken_back_can_be_changed(browser: httpx.AsyncClient, book: Database) -> None:
    page = await composed(browser)
    back = await presses(browser, f"{page}/take-back")
    assert "It is a draft again" in (await browser.get(back.headers["location"])).text
    assert (await saves(browser, f"{page}/who", WHO | {"roles": ["dental_care"]})).status_code == 303
    assert len(await letters(book)) == 3


async def test_a_submitted_campaign_cannot_be_thrown_away(browser: httpx.AsyncClient, book: Database) -> None:
    page = await composed(browser)
    assert (await presses(browser, f"{page}/discard")).status_code == 409
    assert "Throw this draft away" not in (await browser.get(page)).text
    assert await state_of(book, page) == "submitted"


@pytest.mark.parametrize("step", ["check", "approve", "send", "purpose", "who", "words", "letters", "letter"])
async def test_what_is_not_there_is_404(browser: httpx.AsyncClient, step: str) -> None:
    for id in ("no-id", UUID(int=0)):
        assert (await browser.get(f"/letters/campaigns/{id}/{step}")).status_code == 404


async def test_nothing_that_people_wrote_is_in_the_audit(
    browser: httpx.AsyncClient, colleague: httpx.AsyncClient, book: Database
) -> None:
    page = await composed(browser, PURPOSE | {"name": "Marker name"}, words=WORDS | {"body": "Marker body"})
    revision = field_on((await colleague.get(f"{page}/approve")).text, "revision")
    await presses(colleague, f"{page}/send-back", revision=revision, because="Marker reason")
    letter = (await letters(book))[0]["id"]
    await saves(browser, f"/letters/letters/{letter}/words", {"subject": "Marker own", "body": "Marker own"})
    said = await rows(book, "SELECT * FROM audit")
    assert {"campaign_sent_back", "letter_words_changed"} <= {row["action"] for row in said}
    assert "Marker" not in str(said)


async def test_own_words_go_with_whoever_is_forgotten(book: Database) -> None:
    await drafted(book)
    async with book.transaction() as tx:
        letter = await tx.fetchval("SELECT id FROM letters ORDER BY number LIMIT 1")
        await composing.give_own_words(tx, letter, ("Own", "About Marker"), WRITER, lambda letter: None)
        await QUERIES.scrub_letters(tx, ids=[letter], name="gone", now=tx.now)
    assert "Marker" not in str(await letters(book))


async def test_the_newest_versions_are_shown_however_many_there_are(book: Database) -> None:
    id = await drafted(book)
    for number in range(3):
        async with book.transaction() as tx:
            await composing.change_words(tx, id, example_plan(body=f"{number}"), WRITER, lambda draft: None)
    async with book.reading() as tx:
        found = [row["number"] async for row in COMPOSING.versions_of(tx, campaign_id=id, most=2)]
    assert found == [4, 3]


async def test_a_campaign_that_is_approved_is_as_it_was_read(book: Database) -> None:
    id = await approved(book)
    with pytest.raises(Conflict):
        async with book.transaction() as tx:
            await composing.change_words(tx, id, example_plan(body="Else"), WRITER, lambda draft: None)
    with pytest.raises(Conflict):
        async with book.transaction() as tx:
            await composing.write_anew(tx, id, WRITER, keep_own=True)
    assert {letter["state"] for letter in await letters(book)} == {"draft"}
