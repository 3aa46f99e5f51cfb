"""The response page in every way it can be used, answers that staff enter, and never writing again."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chassis.audit import acting, every_row
from chassis.database import Database
from chassis.errors import Conflict, Refused
from chassis.rights import Subject
from chassis.testing import RecordingMailServer
from contracts.access import Role
from contracts.envelope import Event
from contracts.notifications import (
    ContactSuggested,
    ContributionPledged,
    LetterAcknowledged,
    LetterAnswerCorrected,
    LetterAnswered,
)
from contracts.partners import ContactSuggestionSettled
from services.notifications import web
from services.notifications.answers import (
    Answer,
    Told,
    Way,
    confirm_pledge,
    correct_answer,
    record_answer,
)
from services.notifications.domain import AnswerKind, StopScope
from services.notifications.figures import figures
from services.notifications.held import forget, gather
from services.notifications.letters import letter_to_area, lock_letter, token_of
from services.notifications.preparing import prepare_letters
from services.notifications.stages import send_campaign
from services.notifications.stops import lift, stop, stopped
from tests.access import EVERYTHING, form_key
from tests.conftest import announced, client
from tests.crawling import contents
from tests.notifications.composing import OTHER
from tests.notifications.conftest import (
    AREAS,
    ROLES,
    SendAll,
    address_of,
    approve,
    contact,
    contact_of,
    drafted,
    example_plan,
    hear,
    letters,
    organisation,
    person,
    pledged,
    released,
    rows,
    told,
    trust_of,
    written_back,
)

AREA = "E09000020"
EVIL = ["O’Brien & <b>Söhne</b>", "أحمد الخطيب", "Nguyễn Thị Minh", "x" * 200, "{{ 7 * 7 }}", "=1+1"]
SAM = {"name": "Sam Okafor", "position": "Personal assistant"}
MAI = {
    "colleague_name": "Mai Nguyễn",
    "colleague_role": "Head of Dental Care",
    "colleague_email": "mai@trust.example",
}


@pytest.fixture
async def campaign(book: Database, send_due: SendAll) -> UUID:
    """A campaign that was sent, to people of whom no two are called the same."""
    others = [(area, role) for area in AREAS for role in ROLES if (area, role) != (AREA, "chief_executive")]
    await hear(book, *(somebody(book, area, role) for area, role in others))
    id = await released(book)
    await send_due()
    return id


@pytest.fixture
async def letter(book: Database, campaign: UUID) -> UUID:
    async with book.reading() as tx:
        return await letter_to_area(tx, campaign, AREA)


@pytest.fixture
def address(book: Database, letter: UUID) -> str:
    return f"/letters/r/{token_of(book.context, letter)}"


@pytest.fixture
async def visitor(book: Database) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody with the link and no account."""
    async with client(web.build(book), "/letters", None) as browser:
        yield browser


@pytest.fixture
async def staff(book: Database) -> AsyncIterator[httpx.AsyncClient]:
    person = replace(EVERYTHING, roles=frozenset({Role.STAFF}))
    async with client(web.build(book), "/letters", person) as browser:
        yield browser


def somebody(database: Database, area: str, role: str, sequence: int = 2, email: str = "") -> Event:
    """A contact with a name of their own."""
    id, email = contact_of(area, role), email or address_of(area, role)
    return contact(database, id, trust_of(area), sequence, role=role, name=f"{role} {area}", email=email)


async def key_of(browser: httpx.AsyncClient, address: str) -> str:
    found = re.search(r'name="key" value="([^"]+?)-[a-z_0-9]+"', (await browser.get(address)).text)
    assert found
    return found[1]


async def press(browser: httpx.AsyncClient, address: str, answer: str, **fields: str) -> httpx.Response:
    key = f"{await key_of(browser, address)}-{answer}"
    return await browser.post(address, data={"answer": answer, "key": key, **fields})


async def one(database: Database, statement: str, *values: Any) -> dict[str, Any]:
    [row] = await rows(database, statement, *values)
    return row


async def audited(database: Database) -> list[Any]:
    async with database.reading() as tx:
        return [row async for row in every_row(tx)]


async def facts(database: Database, *wanted: type) -> list[Any]:
    return [event for event in await announced(database) if event.fact in wanted]


# The page


@pytest.mark.parametrize(
    ("answer", "fields", "state"),
    [
        ("acknowledge", {}, "acknowledged"),
        ("in_place", SAM, "acknowledged"),
        ("pledge", {"amount": "1,500", **SAM}, "pledged"),
        ("meet", {"when": "A Tuesday"}, "will_meet"),
        ("decline", {"reason": "No means"}, "declined"),
        ("ask", {"question": "Who else gives?"}, "asked"),
        ("pass_on", MAI, "acknowledged"),
    ],
)
async def test_each_answer_takes_one_press_and_says_what_happens_next(
    visitor: httpx.AsyncClient,
    book: Database,
    letter: UUID,
    address: str,
    answer: str,
    fields: dict[str, str],
    state: str,
) -> None:
    sent = await press(visitor, address, answer, **fields)
    assert (sent.status_code, sent.headers["location"]) == (303, f"{address}/done")
    done = await visitor.get(f"{address}/done")
    assert "What happens next" in done.text
    assert (await one(book, "SELECT answer FROM letters WHERE id = $1", letter))["answer"] == state
    page = await visitor.get(address)
    assert "You have told us" in page.text
    assert "One press, and you are done." not in page.text


async def test_their_page_says_which_of_their_answers_holds(
    staff: httpx.AsyncClient, visitor: httpx.AsyncClient, book: Database, address: str
) -> None:
    async def told() -> list[str]:
        """What the page says they told us, oldest first, without the moments."""
        found = re.findall(
            r'<li class="told">.*?<span>(.*?) <span class="quiet">', (await visitor.get(address)).text
        )
        return [re.sub("<[^>]+>", "", each) for each in found]

    for amount in ("2,000", "300"):
        await press(visitor, address, "pledge", amount=amount, **SAM)
        book.context.clock.advance(timedelta(minutes=1))
    replaced = "Your later answer has taken its place."
    assert await told() == [f"You pledged £2,000. {replaced}", "You pledged £300."]
    newest = await one(book, "SELECT id FROM answers WHERE pledge_pence = 30000")
    await staff.post(f"/letters/pledges/{newest['id']}/confirm", data={"key": form_key()})
    await press(visitor, address, "decline")
    assert await told() == [
        f"You pledged £2,000. {replaced}",
        "You pledged £300. We have confirmed this with you.",
        "You told us that you cannot contribute.",
    ]


async def test_a_letter_is_not_passed_on_to_where_it_went(
    visitor: httpx.AsyncClient, book: Database, address: str
) -> None:
    own = address_of(AREA, "chief_executive").upper()
    refused = await press(visitor, address, "pass_on", **MAI | {"colleague_email": own})
    assert refused.status_code == 422
    assert "Our letter went to this address." in refused.text
    assert await rows(book, "SELECT FROM answers") == []


async def test_thanks_for_a_pledge_say_how_much_it_is(visitor: httpx.AsyncClient, address: str) -> None:
    assert "One press, and you are done." in (await visitor.get(address)).text
    await press(visitor, address, "pledge", amount="33,000", **SAM)
    assert "We have recorded that you pledge £33,000." in (await visitor.get(f"{address}/done")).text


async def test_opened_fifty_times_by_scanners_nothing_changes(
    visitor: httpx.AsyncClient, book: Database, address: str
) -> None:
    before = await contents(book)
    for path in ("", "/stop", "/pdf", "/done"):
        answers = await asyncio.gather(*(visitor.get(address + path) for _ in range(50)))
        assert {each.status_code for each in answers} == {303 if path == "/done" else 200}
        await visitor.request("HEAD", address + path)
    assert await contents(book) == before


async def test_a_link_that_is_cut_wrong_or_past_leads_to_whom_to_ring(
    visitor: httpx.AsyncClient, book: Database, letter: UUID, address: str
) -> None:
    wrong = [
        address[:-1],
        f"{address}0",
        "/letters/r/x",
        "/letters/r/" + "0" * 26,
        "/letters/r/%00",
        "/letters/r/%FF",
    ]
    async with book.transaction() as tx:
        await forget(tx, Subject(ids=[contact_of(AREA, "chief_executive")]))
    for each in [*wrong, address]:
        for path in ("", "/stop", "/pdf", "/done"):
            page = await visitor.get(each + path)
            assert page.status_code in (400, 404), each + path
        for path, body in (("", {"answer": "acknowledge", "key": form_key()}), ("/stop", {"whom": "person"})):
            assert (await visitor.post(each + path, data=body)).status_code in (400, 404)
    assert await rows(book, "SELECT FROM answers") == []


@pytest.mark.parametrize("behind", [".", ")", "%3E", ",", "/"])
async def test_the_link_works_with_what_stood_behind_it(
    visitor: httpx.AsyncClient, book: Database, letter: UUID, address: str, behind: str
) -> None:
    page = await visitor.get(address + behind, follow_redirects=True)
    assert (page.status_code, "We have received the letter" in page.text) == (200, True)
    if behind != "/":
        assert (await press(visitor, address + behind, "acknowledge")).status_code == 303
        assert (await one(book, "SELECT answer FROM letters WHERE id = $1", letter))[
            "answer"
        ] == "acknowledged"


async def test_a_colleague_is_not_taken_for_the_recipient(
    staff: httpx.AsyncClient, visitor: httpx.AsyncClient, book: Database, letter: UUID, address: str
) -> None:
    theirs = "You are signed in, so you are not the recipient"
    assert theirs not in (await visitor.get(address)).text
    assert theirs not in (await visitor.get(f"{address}/stop")).text
    page = (await staff.get(address)).text
    assert theirs in page
    assert f'href="/letters/letters/{letter}"' in page
    assert theirs in (await staff.get(f"{address}/stop")).text
    await press(staff, address, "acknowledge")
    assert (await one(book, "SELECT entered_by FROM answers"))["entered_by"] == EVERYTHING.id
    history = await rows(book, "SELECT who FROM letter_history WHERE what = 'Acknowledged'")
    assert history == [{"who": "a colleague of ours, on the recipient’s page"}]
    assert (
        "pressed by a member of staff, on the recipient’s page"
        in (await staff.get(f"/letters/letters/{letter}")).text
    )


async def test_a_colleague_who_presses_stop_has_not_read_the_letter_for_them(
    staff: httpx.AsyncClient, book: Database, letter: UUID, address: str
) -> None:
    key = await key_of(staff, address)
    await staff.post(f"{address}/stop", data={"whom": "person", "key": f"{key}-stop"})
    assert await rows(book, "SELECT FROM answers") == []
    noted = await one(book, "SELECT who FROM letter_history WHERE what LIKE '%never%'")
    assert noted["who"] == "a colleague of ours, on the recipient’s page"


async def test_answers_at_the_same_moment_are_each_recorded_once(
    visitor: httpx.AsyncClient, book: Database, letter: UUID, address: str
) -> None:
    key = await key_of(visitor, address)
    double = [
        visitor.post(address, data={"answer": "meet", "key": f"{key}-meet", "when": ""}) for _ in range(4)
    ]
    others = [press(visitor, address, kind) for kind in ("acknowledge", "decline", "acknowledge")]
    assert {answer.status_code for answer in await asyncio.gather(*double, *others)} == {303}
    kinds = sorted(row["kind"] for row in await rows(book, "SELECT kind FROM answers"))
    assert kinds in (["decline", "meet"], ["acknowledge", "decline", "meet"])
    sequences = [event.sequence for event in await announced(book) if event.subject == str(letter)]
    assert len(sequences) == len(set(sequences))


@pytest.mark.parametrize("words", EVIL)
async def test_whatever_is_typed_comes_out_as_text(
    visitor: httpx.AsyncClient, staff: httpx.AsyncClient, letter: UUID, address: str, words: str
) -> None:
    sent = await press(visitor, address, "meet", when=words + "x" * 300, name=words, position=words)
    assert sent.status_code == 303
    page = (await staff.get(f"/letters/letters/{letter}")).text
    assert "<b>Söhne" not in page
    assert "49" not in re.findall(r"<bdi>([^<]*)</bdi>", page)
    assert page.count("<bdi>") >= 3


async def test_what_somebody_wrote_leaves_our_words_around_it_as_they_are(
    visitor: httpx.AsyncClient, staff: httpx.AsyncClient, campaign: UUID, address: str
) -> None:
    question = "\u200fמי עוד?\nWho else?"  # marks of direction are no fault, and no harm
    assert (await press(visitor, address, "ask", question=question)).status_code == 303
    board = (await staff.get(f"/letters/campaigns/{campaign}")).text
    assert f"Asks: <bdi>“{question}”</bdi> <span" in board
    assert f"Question: <bdi>“{question}”</bdi>" in board


@pytest.mark.parametrize(
    ("answer", "fields", "faulty"),
    [
        ("in_place", {}, "in_place-name"),
        ("in_place", {"name": "Sam"}, "in_place-position"),
        ("decline", {"name": "x" * 201}, "decline-name"),
        ("meet", {"when": "x" * 4_001}, "meet-when"),
        ("meet", {"name": "Sam\u202eevil"}, "meet-name"),
        ("ask", {"question": "Who gives?\n\u202eWho else?"}, "ask-question"),
        ("decline", {"reason": "No \u2067means"}, "decline-reason"),
        ("meet", {"when": "May\u202c"}, "meet-when"),
        ("pass_on", {**MAI, "colleague_name": ""}, "pass_on-colleague_name"),
        ("pass_on", {**MAI, "colleague_email": "mai@"}, "pass_on-colleague_email"),
        ("pass_on", {**MAI, "colleague_email": "a@b.example\r\nBcc: c@d.example"}, "pass_on-colleague_email"),
        ("pass_on", {**MAI, "colleague_role": "x" * 201}, "pass_on-colleague_role"),
        ("ask", {}, "ask-question"),
    ],
)
async def test_a_fault_opens_its_form_again_with_everything_typed(
    visitor: httpx.AsyncClient,
    book: Database,
    address: str,
    answer: str,
    fields: dict[str, str],
    faulty: str,
) -> None:
    page = await press(visitor, address, answer, **fields)
    assert page.status_code == 422
    assert f'id="{faulty}-fault"' in page.text
    assert f'href="#{faulty}"' in page.text
    assert re.search(rf'id="{answer}" open>', page.text)
    assert await rows(book, "SELECT FROM answers") == []
    assert len(re.findall(r' id="([^"]+)"', page.text)) == len(set(re.findall(r' id="([^"]+)"', page.text)))


async def test_who_answers_for_somebody_is_kept_beside_the_answer(
    visitor: httpx.AsyncClient, staff: httpx.AsyncClient, letter: UUID, address: str
) -> None:
    done = await press(visitor, address, "in_place", **SAM)
    thanks = (await visitor.get(done.headers["location"])).text
    assert "We have recorded that you answer for <bdi>Zuzana Marková</bdi>." in thanks
    told = (await visitor.get(address)).text
    assert "You told us that you answer for <bdi>Zuzana Marková</bdi>." in told
    assert "the letter arrived." not in thanks + told
    page = (await staff.get(f"/letters/letters/{letter}")).text
    assert "<bdi>Sam Okafor</bdi>, <bdi>Personal assistant</bdi>, for <bdi>Zuzana Marková</bdi>" in page


async def test_a_meeting_waits_for_us_until_a_day_is_agreed_on(
    visitor: httpx.AsyncClient,
    staff: httpx.AsyncClient,
    book: Database,
    campaign: UUID,
    letter: UUID,
    address: str,
) -> None:
    await press(visitor, address, "meet", when="A Tuesday in May")
    board = (await staff.get(f"/letters/campaigns/{campaign}")).text
    assert "They will meet" in board
    assert "A Tuesday in May" in board
    page = (await staff.get(f"/letters/letters/{letter}")).text
    settle = re.search(r'action="(/letters/answers/[^"]+/settle)"', page)
    assert settle
    assert "We have agreed on a day" in page
    done = await staff.post(settle[1], data={"key": form_key()})
    assert done.status_code == 303
    assert "A day to meet was agreed on" in (await staff.get(f"/letters/letters/{letter}")).text
    assert "Agree on a day with them" not in (await staff.get(f"/letters/campaigns/{campaign}")).text
    [event] = await facts(book, LetterAnswered)
    assert event.data["answer"] == "will_meet"


async def test_nobodys_words_stand_in_events_audit_or_logs(
    visitor: httpx.AsyncClient,
    staff: httpx.AsyncClient,
    book: Database,
    letter: UUID,
    address: str,
    logged: Any,
) -> None:
    secret = "Zzyzxova"
    mai = {**MAI, "colleague_name": secret, "colleague_email": "zzyzxova@trust.example"}
    await press(visitor, address, "pass_on", **mai, name=secret)
    await press(visitor, address, "meet", when=secret)
    await enters(staff, letter, answer="decline", detail=secret, name=secret)
    said = await rows(book, "SELECT convert_from(body, 'UTF8') AS body FROM outbox")
    noted = await rows(book, "SELECT what, who FROM letter_history")
    acts = await audited(book)
    assert acts
    assert secret.lower() not in f"{said} {noted} {acts} {logged()}".lower()


# Passed on


async def settles(database: Database, contact_id: UUID | None, **data: Any) -> UUID:
    """Partners has decided on the only suggestion. Its id."""
    found = await one(database, "SELECT id, letter_id FROM suggestions")
    event = told(
        ContactSuggestionSettled,
        found["id"],
        suggestion_id=found["id"],
        letter_id=found["letter_id"],
        organisation_id=trust_of(AREA),
        contact_id=contact_id,
        **data,
    )
    await hear(database, event)
    id: UUID = found["id"]
    return id


async def test_a_letter_that_is_passed_on_goes_to_the_colleague_once_they_are_entered(
    visitor: httpx.AsyncClient,
    staff: httpx.AsyncClient,
    book: Database,
    campaign: UUID,
    letter: UUID,
    address: str,
    mail: RecordingMailServer,
    send_due: SendAll,
) -> None:
    await press(visitor, address, "pass_on", **MAI, **SAM)
    [suggested] = await facts(book, ContactSuggested)
    assert len(await facts(book, LetterAcknowledged)) == 1
    id = suggested.data["suggestion_id"]
    assert "Passed our letter on to a colleague" in (await staff.get(f"/letters/campaigns/{campaign}")).text
    before = len(mail.messages)
    await send_due()
    assert len(mail.messages) == before  # nobody has looked at it yet
    await hear(
        book,
        contact(book, id, trust_of(AREA), role="dental_care", name="Mai Nguyễn", email="mai@trust.example"),
    )
    await settles(book, id)
    await settles(book, id)  # twice is once
    await send_due()
    [sent] = mail.messages[before:]
    assert sent.recipients == ("mai@trust.example",)
    made = await one(book, "SELECT * FROM letters WHERE contact_id = $1", id)
    old = await one(book, "SELECT * FROM letters WHERE id = $1", letter)
    assert made["state"] == "sent"
    assert (made["ask_pence"], made["count"]) == (old["ask_pence"], old["count"])
    assert made["token_digest"] != old["token_digest"]
    told = made["frozen"]["values"]
    assert (told["contact_name"], told["contact_role"]) == ("Mai Nguyễn", "Dental care")
    assert told["contact_role_in_text"] == "the lead for dental care"
    assert (await one(book, "SELECT name, email FROM suggestions")) == {"name": "", "email": ""}
    assert (await one(book, "SELECT state FROM campaigns"))["state"] == "sent"
    theirs = await visitor.get(f"/letters/r/{token_of(book.context, made['id'])}")
    assert "Mai Nguyễn" in theirs.text
    page = (await staff.get(f"/letters/letters/{made['id']}")).text
    assert f"letter {old['reference']}" in page


async def test_the_same_colleague_is_passed_on_to_once_and_a_second_one_besides(
    visitor: httpx.AsyncClient, staff: httpx.AsyncClient, book: Database, letter: UUID, address: str
) -> None:
    """As from two tabs, each with a key of its own."""
    for colleague in (MAI, MAI | {"colleague_email": MAI["colleague_email"].upper()}):
        done = await press(visitor, address, "pass_on", **colleague)
        assert "to whom you passed the letter on" in (await visitor.get(done.headers["location"])).text
    assert len(await facts(book, ContactSuggested)) == len(await rows(book, "SELECT FROM answers")) == 1
    entered = await enters(staff, letter, answer="pass_on", **MAI)
    assert (entered.status_code, "passed on to them before" in entered.text) == (422, True)
    id = (await one(book, "SELECT id FROM suggestions"))["id"]
    await hear(book, contact(book, id, trust_of(AREA), role="dental_care", email=MAI["colleague_email"]))
    await settles(book, id)
    await press(visitor, address, "pass_on", **MAI)
    assert len(await facts(book, ContactSuggested)) == 1, "they have a letter by now"
    await press(visitor, address, "pass_on", **MAI | {"colleague_email": "ben@trust.example"})
    assert len(await facts(book, ContactSuggested)) == 2


async def test_a_colleague_who_was_left_out_may_be_named_again(
    visitor: httpx.AsyncClient, book: Database, address: str
) -> None:
    await press(visitor, address, "pass_on", **MAI)
    await settles(book, None)
    await press(visitor, address, "pass_on", **MAI)
    assert len(await facts(book, ContactSuggested)) == 2


async def test_the_letter_waits_until_the_address_book_knows_the_colleague(
    visitor: httpx.AsyncClient, book: Database, address: str
) -> None:
    await press(visitor, address, "pass_on", **MAI)
    id = await settles(book, uuid4())
    assert await rows(book, "SELECT reason FROM parked") == [{"reason": "not_yet_known"}]
    assert (await one(book, "SELECT settled_at FROM suggestions WHERE id = $1", id))["settled_at"] is None


async def test_a_colleague_who_is_left_out_gets_nothing(
    visitor: httpx.AsyncClient, staff: httpx.AsyncClient, book: Database, letter: UUID, address: str
) -> None:
    count = len(await letters(book))
    await press(visitor, address, "pass_on", **MAI)
    await hear(book, person(book, EVERYTHING.id, "Amina Marker"))
    await settles(book, None, settled_by=EVERYTHING.id)
    assert len(await letters(book)) == count
    page = (await staff.get(f"/letters/letters/{letter}")).text
    assert "The colleague was left out" in page
    assert "· Amina Marker</p>" in page
    assert "Mai Nguyễn" not in page


async def test_a_colleague_who_wants_no_letters_gets_none(
    visitor: httpx.AsyncClient, book: Database, letter: UUID, address: str
) -> None:
    await press(visitor, address, "pass_on", **MAI)
    await stops(book, letter, StopScope.BODY)
    id = (await one(book, "SELECT id FROM suggestions"))["id"]
    await hear(book, contact(book, id, trust_of(AREA), email="mai@trust.example"))
    await settles(book, id)
    made = await one(book, "SELECT state, reason FROM letters WHERE contact_id = $1", id)
    assert made == {"state": "blocked", "reason": "stopped"}


# Never again


async def stops(database: Database, letter: UUID, scope: StopScope = StopScope.PERSON) -> bool:
    async with database.transaction() as tx:
        return await stop(tx, await lock_letter(tx, letter), scope, way="page", who="the recipient")


async def may_not(database: Database, *contacts: UUID) -> dict[UUID, StopScope]:
    async with database.reading() as tx:
        return dict(await stopped(tx, contacts))


async def test_a_stop_is_asked_for_once_more_and_then_holds_for_every_campaign(
    visitor: httpx.AsyncClient, book: Database, letter: UUID, address: str
) -> None:
    assert f'href="{address}/stop">Never write to me again' in (await visitor.get(address)).text
    key = await key_of(visitor, f"{address}/stop")
    pressed = await visitor.post(f"{address}/stop", data={"whom": "person", "key": f"{key}-person"})
    assert (pressed.status_code, pressed.headers["location"]) == (303, f"{address}/stop")
    page = (await visitor.get(f"{address}/stop")).text
    assert "We will not write again" in page
    ours, other = contact_of(AREA, "chief_executive"), contact_of(AREA, "dental_care")
    assert await may_not(book, ours, other) == {ours: StopScope.PERSON}
    # Whoever presses it has read the letter, which they have not said.
    assert (await one(book, "SELECT answer FROM letters WHERE id = $1", letter))["answer"] == "acknowledged"
    told = (await visitor.get(address)).text
    assert "You told us never to write to you again." in told
    assert "You told us that the letter arrived." not in told
    assert (await visitor.get(f"{address}/done")).headers["location"] == address
    second = await drafted(book, example_plan(name="Another campaign"))
    blocked = await rows(
        book, "SELECT contact_id, reason FROM letters WHERE campaign_id = $1 AND state = 'blocked'", second
    )
    assert blocked == [{"contact_id": ours, "reason": "stopped"}]


async def test_whoever_stopped_us_by_mistake_takes_it_back(
    visitor: httpx.AsyncClient, staff: httpx.AsyncClient, book: Database, letter: UUID, address: str
) -> None:
    key = await key_of(visitor, f"{address}/stop")
    for whom in StopScope:
        await visitor.post(f"{address}/stop", data={"whom": whom.value, "key": f"{key}-{whom}"})
    assert "Write to me again after all" in (await visitor.get(f"{address}/stop")).text
    back = await visitor.post(f"{address}/stop/take-back", data={"key": f"{key}-back"})
    assert (back.status_code, back.headers["location"]) == (303, f"{address}/stop?done=taken_back")
    page = (await visitor.get(back.headers["location"])).text
    assert "We may write to you again" in page
    assert "Never write to me again" not in page
    assert await may_not(book, contact_of(AREA, "chief_executive")) == {}
    stops = (await staff.get("/letters/stops")).text
    assert re.search(r"Lifted by the recipient, .*: <bdi>They took it back on the letter’s page\.", stops)


async def test_a_letter_that_was_waiting_says_first_that_they_stopped_us(
    book: Database, letter: UUID
) -> None:
    async with book.transaction() as tx:
        await tx.execute("UPDATE letters SET state = 'ready', sent_at = NULL WHERE id = $1", letter)
    await stops(book, letter)
    history = await rows(book, "SELECT what FROM letter_history WHERE letter_id = $1 ORDER BY id", letter)
    assert [row["what"] for row in history][-2:] == [
        "They asked us never to write to them again",
        "Set aside: they want no letter any more",
    ]


async def test_what_they_told_a_person_is_not_taken_back_on_the_page(
    visitor: httpx.AsyncClient, staff: httpx.AsyncClient, book: Database, letter: UUID, address: str
) -> None:
    await enters(staff, letter, answer="stop_person")
    assert "take-back" not in (await visitor.get(f"{address}/stop")).text
    key = await key_of(visitor, f"{address}/stop")
    await visitor.post(f"{address}/stop/take-back", data={"key": f"{key}-back"})
    ours = contact_of(AREA, "chief_executive")
    assert await may_not(book, ours) == {ours: StopScope.PERSON}


async def test_one_click_in_a_mail_program_stops_without_a_page(
    visitor: httpx.AsyncClient, book: Database, letter: UUID, mail: RecordingMailServer, address: str
) -> None:
    [message] = [m for m in mail.messages if address_of(AREA, "chief_executive") in m.recipients]
    header = message.parsed["List-Unsubscribe"]
    assert f"<https://forum.example{address}/stop>" in header
    assert message.parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    clicks = [visitor.post(f"{address}/stop", data={"List-Unsubscribe": "One-Click"}) for _ in range(5)]
    assert {each.status_code for each in await asyncio.gather(*clicks)} == {200}
    multipart = await visitor.post(f"{address}/stop", files={"List-Unsubscribe": (None, "One-Click")})
    assert multipart.status_code == 200
    assert await rows(book, "SELECT way, scope FROM stops") == [{"way": "one_click", "scope": "person"}]
    # A program may have done it: that is no answer.
    assert (await one(book, "SELECT answer FROM letters WHERE id = $1", letter))["answer"] == "silent"
    refused = await visitor.post(f"{address}/stop", data={"List-Unsubscribe": "Two-Clicks"})
    assert refused.status_code == 422


async def test_a_stop_beats_what_is_released_already(
    book: Database, letter: UUID, mail: RecordingMailServer, send_due: SendAll
) -> None:
    await released(book, example_plan(name="Another campaign"))
    await stops(book, letter)
    before = len(mail.messages)
    await send_due()
    recipients = [each for message in mail.messages[before:] for each in message.recipients]
    assert address_of(AREA, "chief_executive") not in recipients
    assert len(recipients) == len(await letters(book)) // 2 - 1


async def test_what_the_letters_do_not_show_is_looked_at_again_when_one_is_claimed(
    book: Database, letter: UUID, mail: RecordingMailServer, send_due: SendAll
) -> None:
    """Another contact gets the address after the stop, in a letter that was made before it."""
    second = await released(book, example_plan(name="Another campaign"))
    await stops(book, letter)
    other = contact_of(AREA, "dental_care")
    email = address_of(AREA, "chief_executive").upper()
    await hear(book, somebody(book, AREA, "dental_care", 3, email))
    before = len(mail.messages)
    await send_due()
    recipients = [each.lower() for message in mail.messages[before:] for each in message.recipients]
    assert recipients
    assert address_of(AREA, "chief_executive").lower() not in recipients
    set_aside = "SELECT state, reason FROM letters WHERE campaign_id = $1 AND contact_id = $2"
    found = await one(book, set_aside, second, other)
    assert found == {"state": "blocked", "reason": "stopped"}
    assert (await one(book, "SELECT state FROM campaigns WHERE id = $1", second))["state"] == "sent"


async def test_a_stop_and_a_claim_at_the_same_moment_come_one_after_the_other(
    book: Database, letter: UUID, mail: RecordingMailServer, send_due: SendAll
) -> None:
    for number in range(6):
        name = f"Campaign {number}"
        second = await released(book, example_plan(name=name))
        before = len(mail.messages)
        async with book.transaction() as tx:
            await tx.execute(
                "UPDATE stops SET lifted_at = now(), lifted_because = 'test' WHERE lifted_at IS NULL"
            )
        await asyncio.gather(send_due(), stops(book, letter))
        await send_due()
        theirs = await one(
            book,
            "SELECT state FROM letters WHERE campaign_id = $1 AND contact_id = $2",
            second,
            contact_of(AREA, "chief_executive"),
        )
        reached = address_of(AREA, "chief_executive") in [
            each for message in mail.messages[before:] for each in message.recipients
        ]
        assert theirs["state"] == ("sent" if reached else "blocked")


async def test_a_stop_outlives_erasure_and_the_same_address_entered_anew(
    book: Database, letter: UUID
) -> None:
    ours = contact_of(AREA, "chief_executive")
    await stops(book, letter)
    async with book.transaction() as tx:
        done = await forget(tx, Subject(ids=[ours], emails=[address_of(AREA, "chief_executive").lower()]))
    assert any("never to write to this address again" in each for each in done.kept)
    kept = str(await rows(book, "SELECT * FROM stops"))
    assert address_of(AREA, "chief_executive") not in kept
    new, email = uuid4(), address_of(AREA, "chief_executive").upper()
    await hear(book, contact(book, new, trust_of(AREA), role="chair", name="Somebody New", email=email))
    assert await may_not(book, new) == {new: StopScope.PERSON}


async def test_a_body_that_wants_none_stays_so_when_it_is_merged(book: Database, letter: UUID) -> None:
    await stops(book, letter, StopScope.BODY)
    other = trust_of("E09000033")
    theirs = contact_of("E09000033", "dental_care")
    assert await may_not(book, theirs) == {}
    await hear(book, organisation(trust_of(AREA), "Trust", [AREA], 2, merged_into=other))
    assert await may_not(book, theirs, contact_of(AREA, "dental_care")) == {
        theirs: StopScope.BODY,
        contact_of(AREA, "dental_care"): StopScope.BODY,
    }


async def test_by_post_somebody_is_known_by_name_and_postcode(book: Database, letter: UUID) -> None:
    await stops(book, letter)
    new = uuid4()
    await hear(book, contact(book, new, trust_of("E09000007"), role="chair", channel="post", email=None))
    assert await may_not(book, new) == {new: StopScope.PERSON}


async def test_staff_see_stops_and_lift_one_with_a_reason_alone(
    staff: httpx.AsyncClient, book: Database, letter: UUID
) -> None:
    await stops(book, letter)
    page = (await staff.get("/letters/stops")).text
    assert "Zuzana Marková" in page
    href = re.search(r'action="(/letters/stops/[^"]+/lift)"', page)
    assert href
    without = await staff.post(href[1], data={"key": form_key(), "because": "  "})
    assert without.status_code == 422
    assert "There is no reason yet." in without.text
    lifted = await staff.post(href[1], data={"key": form_key(), "because": "She rang on 3 May."})
    assert lifted.status_code == 303
    assert "She rang on 3 May." in (await staff.get("/letters/stops")).text
    assert await may_not(book, contact_of(AREA, "chief_executive")) == {}
    again = await staff.post(href[1], data={"key": form_key(), "because": "Twice."})
    assert again.status_code == 409
    assert "It was lifted by you, " in again.text
    assert '<a class="button" href="/letters/stops">See it as it is now</a>' in again.text
    await hear(book, person(book, EVERYTHING.id, "Leyla Demir"))
    async with client(web.build(book), "/letters", OTHER) as colleague:
        late = await colleague.post(href[1], data={"key": form_key(), "because": "She rang on 3 May."})
    assert (late.status_code, "It was lifted by Leyla Demir, " in late.text) == (409, True)
    assert (
        await staff.post(f"/letters/stops/{uuid4()}/lift", data={"key": form_key(), "because": "x"})
    ).status_code == 404
    [note] = [row for row in await audited(book) if row["action"] == "stop_lifted"]
    assert "May" not in str(note)


async def test_the_list_of_stops_goes_on_over_pages(
    staff: httpx.AsyncClient, book: Database, campaign: UUID
) -> None:
    ids = [row["id"] for row in await letters(book) if row["state"] == "sent"]
    for _ in range(10):
        for id in ids:
            await stops(book, id)
            async with book.transaction() as tx:
                await tx.execute(
                    "UPDATE stops SET lifted_at = now(), lifted_because = '' WHERE lifted_at IS NULL"
                )
    first = (await staff.get("/letters/stops")).text
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older
    second = (await staff.get(older[1].replace("&amp;", "&"))).text
    assert first.count(">Lifted<") + second.count(">Lifted<") == 10 * len(ids)
    for hostile in ("x", "2026-01-01_", "2026-01-01T00:00:00_zz", "%00"):
        assert (await staff.get(f"/letters/stops?before={hostile}")).status_code in (200, 400)


# Entered by staff


async def enters(browser: httpx.AsyncClient, letter: UUID, **fields: str) -> httpx.Response:
    today = re.search(
        r'name="told_on" value="([^"]+)"', (await browser.get(f"/letters/letters/{letter}/answers/new")).text
    )
    assert today
    form = {"way": "telephone", "told_on": today[1], "key": form_key(replace(EVERYTHING)), **fields}
    return await browser.post(f"/letters/letters/{letter}/answers/new", data=form)


@pytest.mark.parametrize("way", ["email", "post", "telephone", "person"])
async def test_an_answer_that_came_another_way_counts_the_same(
    staff: httpx.AsyncClient, book: Database, letter: UUID, way: str
) -> None:
    done = await enters(staff, letter, answer="decline", way=way, detail="No means", **SAM)
    assert done.status_code == 303
    page = (await staff.get(done.headers["location"])).text
    assert "The answer is entered." in page
    assert "Declined: told us " in page
    assert "· entered by a member of staff, " in page
    assert "<bdi>Sam Okafor</bdi>" in page
    [event] = await facts(book, LetterAnswered)
    assert event.data["answer"] == "declined"
    kept = await one(book, "SELECT way, entered_by FROM answers")
    assert kept == {"way": way, "entered_by": EVERYTHING.id}
    assert "answer_entered" in [row["action"] for row in await audited(book)]


@pytest.mark.parametrize("fields", [{"answer": "acknowledge"}, {"answer": "pledge", "amount": "100", **SAM}])
async def test_what_else_they_said_is_kept_whatever_they_answered(
    staff: httpx.AsyncClient, letter: UUID, fields: dict[str, str]
) -> None:
    done = await enters(staff, letter, detail="She said ring back in May", **fields)
    assert "She said ring back in May" in (await staff.get(done.headers["location"])).text
    too_long = await enters(staff, letter, **{**fields, "detail": "x" * 4_001})
    assert too_long.status_code == 422
    assert 'id="detail-fault"' in too_long.text


@pytest.mark.parametrize(
    ("fields", "faulty"),
    [
        ({"answer": ""}, "answer"),
        ({"answer": "nothing", "way": "pigeon"}, "way"),
        ({"answer": "acknowledge", "told_on": "yesterday"}, "told_on"),
        ({"answer": "acknowledge", "told_on": "2999-01-01"}, "told_on"),
        ({"answer": "acknowledge", "told_on": "2001-01-01"}, "told_on"),
        ({"answer": "pledge", "amount": "lots", **SAM}, "amount"),
        ({"answer": "pledge", "amount": "100"}, "name"),
        ({"answer": "ask"}, "detail"),
        ({"answer": "pass_on", **MAI, "colleague_email": "x"}, "colleague_email"),
    ],
)
async def test_what_is_entered_wrongly_comes_back_with_its_cure(
    staff: httpx.AsyncClient, book: Database, letter: UUID, fields: dict[str, str], faulty: str
) -> None:
    page = await enters(staff, letter, **fields)
    assert page.status_code == 422
    assert f'id="{faulty}-fault"' in page.text
    assert await rows(book, "SELECT FROM answers") == []


async def test_staff_enter_that_somebody_wants_no_letters(
    staff: httpx.AsyncClient, book: Database, letter: UUID
) -> None:
    assert (await enters(staff, letter, answer="stop_person")).status_code == 303
    again = await enters(staff, letter, answer="stop_person")
    assert "stopped_before" in again.headers["location"]
    assert await rows(book, "SELECT way FROM stops") == [{"way": "telephone"}]
    assert "told us never to write to them again" in (await staff.get(f"/letters/letters/{letter}")).text


async def test_a_wrong_entry_is_put_right_and_stays_in_the_history(
    staff: httpx.AsyncClient, book: Database, letter: UUID
) -> None:
    await enters(staff, letter, answer="decline", detail="Wrong letter")
    wrong = await one(book, "SELECT id FROM answers")
    form = await staff.get(f"/letters/letters/{letter}/answers/new?corrects={wrong['id']}")
    assert "was entered wrongly" in form.text
    assert "Wrong letter" in form.text
    done = await enters(staff, letter, answer="acknowledge", corrects=str(wrong["id"]))
    assert done.status_code == 303
    page = (await staff.get(f"/letters/letters/{letter}")).text
    assert "<s>Declined</s>" in page
    assert "entered by mistake: counts no more" in page
    assert (await one(book, "SELECT answer FROM letters WHERE id = $1", letter))["answer"] == "acknowledged"
    [event] = await facts(book, LetterAnswerCorrected)
    assert event.data["answer"] == "acknowledged"
    twice = await enters(staff, letter, answer="acknowledge", corrects=str(wrong["id"]))
    assert twice.status_code == 404


async def test_what_was_no_answer_leaves_the_letter_silent(
    staff: httpx.AsyncClient, visitor: httpx.AsyncClient, book: Database, letter: UUID, address: str
) -> None:
    await enters(staff, letter, answer="decline")
    wrong = await one(book, "SELECT id FROM answers")
    done = await enters(staff, letter, answer="nothing", corrects=str(wrong["id"]))
    assert done.status_code == 303
    assert (await one(book, "SELECT answer FROM letters WHERE id = $1", letter))["answer"] == "silent"
    assert "You have told us" not in (await visitor.get(address)).text


async def test_a_confirmed_pledge_is_not_put_right_here(book: Database, letter: UUID) -> None:
    pledge = Answer(kind=AnswerKind.PLEDGE, pledge_pence=100_000, name="Sam", position="Finance")
    async with acting(book) as tx:
        told_today = Told(way=Way.POST, on=tx.today, by=EVERYTHING.id)
        await record_answer(tx, letter, pledge, "a member of staff", told_today)
    id = (await one(book, "SELECT id FROM answers"))["id"]
    async with acting(book) as tx:
        await confirm_pledge(tx, id)
    with pytest.raises(Conflict):
        async with acting(book) as tx:
            await correct_answer(tx, id, None, told_today)


@pytest.mark.parametrize(("instead", "pence"), [("yes", 20_000), ("no", 220_000)])
async def test_a_pledge_comes_instead_of_one_that_was_confirmed_or_besides_it(
    staff: httpx.AsyncClient, book: Database, campaign: UUID, letter: UUID, instead: str, pence: int
) -> None:
    async def confirms(id: UUID, **fields: str) -> httpx.Response:
        return await staff.post(f"/letters/pledges/{id}/confirm", data={"key": form_key(), **fields})

    await enters(staff, letter, answer="pledge", amount="2,000", **SAM)
    first = (await one(book, "SELECT id FROM answers"))["id"]
    await confirms(first)
    page = (await staff.get(f"/letters/letters/{letter}")).text
    assert "enter what they pledge now as another answer" in page
    assert f'href="/grants/pledges/{first}"' in page
    await enters(staff, letter, answer="pledge", amount="200", **SAM)
    second = (await one(book, "SELECT id FROM answers WHERE confirmed_at IS NULL"))["id"]
    asked = (await staff.get(f"/letters/letters/{letter}")).text
    assert "A pledge of £2,000 was confirmed before. Does this come" in asked
    unsaid = await confirms(second)
    assert (unsaid.status_code, "instead of it, or besides it" in unsaid.text) == (422, True)
    assert (await confirms(second, instead=instead)).status_code == 303
    if instead == "yes":
        page = (await staff.get(f"/letters/letters/{letter}")).text
        assert "replaced by another pledge: what came of it counts" in page
        await hear(book, written_back(first, 200_000))
    async with book.reading() as tx:
        found = await figures(tx, campaign)
    assert (found.pledged_pence, found.pledged_bodies) == (pence, 1)
    replaced = [first] if instead == "yes" else []
    assert [event.data["replaces"] for event in await facts(book, ContributionPledged)] == [[], replaced]
    page = (await staff.get(f"/letters/letters/{letter}")).text
    assert ("replaced by another pledge: counts no more" in page) is bool(replaced)
    assert (await one(book, "SELECT answer FROM letters WHERE id = $1", letter))["answer"] == "pledged"


async def test_the_letter_says_what_will_not_come_and_no_longer_how_to_change_it(
    staff: httpx.AsyncClient, book: Database, campaign: UUID, letter: UUID
) -> None:
    pledge, href = await pledged(book, letter, 200_000), f"/letters/letters/{letter}"
    page = (await staff.get(href)).text
    assert f'<a href="/grants/pledges/{pledge}">in Grants</a>, and counts here no more' in page
    await hear(book, written_back(pledge, 50_000))
    page = (await staff.get(href)).text
    assert "confirmed by us, but £500 of it will not come" in page
    assert "£500 of what was pledged will not come" in page
    assert "· Grants" in page
    await enters(staff, letter, answer="pledge", amount="200", **SAM)
    assert "A pledge of £1,500 was confirmed before." in (await staff.get(href)).text
    second = (await one(book, "SELECT id FROM answers WHERE confirmed_at IS NULL"))["id"]
    await staff.post(f"/letters/pledges/{second}/confirm", data={"key": form_key(), "instead": "no"})
    await hear(book, written_back(second, 20_000))
    page = (await staff.get(href)).text
    assert "confirmed by us, but it will not come: counts no more" in page
    assert f'It was written back <a href="/grants/pledges/{second}">in Grants</a>' in page


async def test_an_entry_of_another_letter_is_not_put_right_from_here(
    staff: httpx.AsyncClient, book: Database, campaign: UUID, letter: UUID
) -> None:
    await enters(staff, letter, answer="decline")
    wrong = (await one(book, "SELECT id FROM answers"))["id"]
    [other] = [row["id"] for row in await letters(book) if row["id"] != letter][:1]
    for id in (wrong, uuid4(), "x"):
        address = f"/letters/letters/{other}/answers/new?corrects={id}"
        assert (await staff.get(address)).status_code == 404
        assert (await enters(staff, other, answer="nothing", corrects=str(id))).status_code == 404


async def test_a_day_before_the_letter_was_sent_is_refused(book: Database, letter: UUID) -> None:
    async with acting(book) as tx:
        before = Told(way=Way.POST, on=tx.today - timedelta(days=1), by=EVERYTHING.id)
        with pytest.raises(Refused) as refused:
            await record_answer(tx, letter, Answer(kind=AnswerKind.ACKNOWLEDGE), told=before)
    assert refused.value.field == "told_on"


# People's rights


async def test_whoever_is_named_is_told_and_forgotten(
    visitor: httpx.AsyncClient, book: Database, letter: UUID, address: str
) -> None:
    await press(visitor, address, "pass_on", **MAI, name="Sam Okafor")
    await stops(book, letter)
    mai = Subject(emails=["mai@trust.example"], names=["Mai Nguyễn"])
    sam = Subject(names=["sam okafor"])
    async with book.reading() as tx:
        assert [held.path for each in (mai,) async for held in gather(tx, each)] == ["suggested.json"]
        assert [held.path async for held in gather(tx, sam)] == ["answers-by-name.json"]
        ours = [held.path async for held in gather(tx, Subject(ids=[contact_of(AREA, "chief_executive")]))]
    assert "stops.json" in ours
    async with book.transaction() as tx:
        assert (await forget(tx, mai)).counts["suggestions"] == 1
        assert (await forget(tx, sam)).counts["answers"] == 1
    left = await rows(
        book, "SELECT name, email FROM suggestions UNION ALL SELECT name, position FROM answers"
    )
    assert "Mai" not in str(left)
    assert "Sam" not in str(left)


async def test_a_draft_made_before_a_stop_is_set_aside_too(book: Database, letter: UUID) -> None:
    second = await drafted(book, example_plan(name="Another campaign"))
    await stops(book, letter)
    async with book.transaction() as tx:
        await approve(tx, second)
        released_now = await send_campaign(tx, second)
    assert released_now == len(await letters(book)) // 2 - 1
    async with book.transaction() as tx:
        found = await tx.fetchval("SELECT id FROM stops")
        await lift(tx, found, "She rang.")
    third = await drafted(book, example_plan(name="A third"))
    async with book.transaction() as tx:
        assert (await prepare_letters(tx, third)).letters
    blocked = await rows(book, "SELECT FROM letters WHERE campaign_id = $1 AND state = 'blocked'", third)
    assert blocked == []
