"""Agreements: what is missing, versions, both signatures, what comes of them, and who is told."""

import asyncio
import html
import io
import re
import tomllib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from pypdf import PdfReader
from starlette.types import ASGIApp

from chassis.audit import verify
from chassis.database import Database
from chassis.errors import Conflict, NotFound
from chassis.keys import read_keys
from chassis.retention import scrub_old
from chassis.rights import Subject
from chassis.sealed import unseal
from contracts.access import Role
from contracts.envelope import Event
from contracts.partners import AgreementOffered, AgreementReviewDue, AgreementSigned, OutcomeMet
from contracts.topology import NOTIFICATIONS
from services.partners import agreements, held, outcomes, people, signing
from services.partners.agreements import Incomplete
from services.partners.examples import agree
from services.partners.held import NAME_GONE, TERMS
from services.partners.imports import import_partners
from services.partners.queries import AGREEMENTS, PEOPLE
from services.partners.signing import Signer
from services.partners.terms import (
    TEXTS,
    Kept,
    Outcome,
    Side,
    Standing,
    State,
    Terms,
    changes,
    digest_of,
    line_of,
    missing,
    standing,
    text_of,
    turn,
    window,
    word_by_word,
)
from tests.access import EVERYTHING
from tests.conftest import EXAMPLES, announced, client, move_to, summed_up
from tests.partners.browsing import MOUNT, key_in, post, rows
from tests.partners.conftest import OFFICER, SUCCESSOR, TRUST, Bring, line

TODAY = date(2026, 11, 26)
HOSTILE = "O’Neill's <script>alert(1)</script> {{ 7*7 }} #set page() عربي Nguyễn \u202egnirts"


def outcome(**changed: Any) -> Outcome:
    said: dict[str, Any] = {
        "id": uuid4(),
        "what": "Ten dentists sit their exam",
        "measure": "Ten certificates",
        "due_on": TODAY + timedelta(days=200),
        "side": Side.THEIRS,
        "owner_id": uuid4(),
    }
    return Outcome(**{**said, **changed})


def whole(*of: Outcome, **changed: Any) -> Terms:
    """Terms in which nothing is missing."""
    texts = {name: f"{label}: said." for name, label in TEXTS.items()}
    said: dict[str, Any] = {**texts, "outcomes": of, "reviews": (TODAY + timedelta(days=100),)}
    return Terms(**{**said, **changed})


# The rules


def test_nothing_is_missing_from_what_is_whole() -> None:
    one = outcome()
    assert missing(whole(one), {one.owner_id}) == []


@pytest.mark.parametrize("field", TEXTS)
def test_each_blank_text_is_missing_and_said_by_its_name(field: str) -> None:
    one = outcome()
    [lack] = missing(whole(one, **{field: ""}), {one.owner_id})
    assert (lack.field, lack.words) == (field, f"“{TEXTS[field]}” is blank.")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"what": ""}, "Outcome 2 does not say what will be achieved."),
        ({"measure": ""}, "Outcome 2 has no measure."),
        ({"due_on": None}, "Outcome 2 has no date."),
        ({"owner_id": None, "side": None}, "Outcome 2 has no owner."),
        ({"owner_id": UUID(int=7)}, "Outcome 2: its owner is no longer there."),
    ],
)
def test_each_outcome_needs_an_owner_a_measure_and_a_date(changed: dict[str, Any], words: str) -> None:
    first, second = outcome(), outcome(**changed)
    present = {first.owner_id, second.owner_id} - {UUID(int=7)}
    assert [each.words for each in missing(whole(first, second), present)] == [words]


def test_without_outcomes_or_reviews_nobody_signs() -> None:
    assert [each.words for each in missing(whole(reviews=()), set())] == [
        "There is no outcome yet.",
        "There is no review date yet.",
    ]


def test_terms_come_back_as_they_went_and_the_digest_does_not_hang_on_their_order() -> None:
    terms = whole(outcome(), outcome(due_on=None, side=None, owner_id=None), purpose=HOSTILE)
    assert Terms.of(terms.document()) == terms
    document = terms.document()
    assert digest_of(document) == digest_of(dict(reversed(document.items())))
    assert digest_of(document) != digest_of(replace(terms, purpose="x").document())


def test_the_difference_is_said_part_by_part_and_word_by_word() -> None:
    one = outcome()
    old, new = whole(one), whole(replace(one, measure="Nine certificates"), purpose="Purpose: changed here.")
    found = {each.label: each.pieces for each in changes(old, new, str)}
    assert set(found) == {"Purpose", "Outcome 1"}
    assert found["Purpose"] == [
        (Kept.SAME, "Purpose: "),
        (Kept.REMOVED, "said."),
        (Kept.ADDED, "changed here."),
    ]
    assert (Kept.REMOVED, "Ten ") in found["Outcome 1"]
    assert changes(old, old, str) == []


def test_an_outcome_that_was_left_out_is_all_gone_and_a_new_one_is_all_new() -> None:
    one, other = outcome(), outcome(what="A new one")
    kept = [{kept for kept, _ in each.pieces} for each in changes(whole(one), whole(other), str)]
    assert kept == [{Kept.REMOVED}, {Kept.ADDED}]


def test_both_texts_can_be_read_from_a_difference() -> None:
    for old, new in (("a b c", "a c d"), ("", "x"), ("x", ""), ("a\nb", "a b"), (HOSTILE, HOSTILE[::-1])):
        pieces = word_by_word(old, new)
        assert "".join(text for kept, text in pieces if kept is not Kept.REMOVED) == new
        assert {kept for kept, _ in pieces} <= set(Kept)


@pytest.mark.parametrize(
    ("state", "days", "stands"),
    [
        ("open", 31, Standing.ON_TRACK),
        ("open", 30, Standing.DUE),
        ("open", 0, Standing.DUE),
        ("open", -1, Standing.LATE),
        ("met", -1, Standing.MET),
        ("dropped", 31, Standing.DROPPED),
    ],
)
def test_where_an_outcome_stands_and_that_the_board_finds_it_there(
    state: str, days: int, stands: Standing
) -> None:
    due_on = TODAY + timedelta(days=days)
    assert standing(state, due_on, TODAY) is stands
    for each in Standing:
        asked = window(each, TODAY)
        inside = (asked.since or date.min) <= due_on <= (asked.until or date.max)
        assert (asked.state == state and inside) is (each is stands)


def test_whose_turn_it_is_is_always_said() -> None:
    said = {
        (state, tuple(signed)): turn(state, signed)
        for state in State
        for signed in ([], ["ours"], ["theirs"])
    }
    assert all(each.words for each in said.values())
    assert said[State.DRAFT, ()].whose == {Side.OURS}
    assert said[State.OFFERED, ()].whose == {Side.OURS, Side.THEIRS}
    assert said[State.OFFERED, ("ours",)].whose == {Side.THEIRS}
    assert said[State.OFFERED, ("theirs",)].whose == {Side.OURS}
    assert said[State.SIGNED, ()].whose == set()


def test_what_cannot_be_seen_is_not_kept() -> None:
    assert text_of("a\u202eb\x07\r\n\r\n\r\n\r\nc \u200bd") == "ab\n\nc d"
    assert line_of(" Zo\n\të  ") == "Zo ë"
    assert line_of("می‌خواهم") == "می‌خواهم", "a joiner belongs to the word"


# With a body


@pytest.fixture
async def trust(bring: Bring, register: Database) -> UUID:
    """A body with one contact who can be mailed and one who cannot."""
    by_post = {
        "contact_name": "Post Only",
        "contact_role": "general",
        "contact_channel": "post",
        "contact_email": "",
        "contact_address": "1 High Street",
        "contact_postcode": "W1 1AA",
    }
    await bring(line(SUCCESSOR), line(TRUST, OFFICER), line(TRUST, OFFICER, by_post))
    return await id_of(register, "GB-NHS-5LA")


async def id_of(register: Database, identifier: str) -> UUID:
    async with register.reading() as tx:
        found: UUID = await tx.fetchval("SELECT id FROM organisations WHERE identifier = $1", identifier)
    return found


async def contact(register: Database, name: str = "Marker Zzyzxova") -> UUID:
    async with register.reading() as tx:
        found: UUID = await tx.fetchval("SELECT id FROM contacts WHERE name = $1", name)
    return found


async def drafted(register: Database, trust: UUID, amina: UUID, **changed: Any) -> UUID:
    """A draft in which nothing is missing: one outcome of ours, one of theirs."""
    theirs = await contact(register)
    today = register.context.clock.today()
    said = whole(
        outcome(what="They send ten dentists", owner_id=theirs, due_on=today + timedelta(days=200)),
        outcome(what="We teach them", side=Side.OURS, owner_id=amina, due_on=today + timedelta(days=20)),
        reviews=(today + timedelta(days=100),),
        title="Teaching dentists together",
    )
    async with register.transaction() as tx:
        id = await agreements.begin(tx, trust, "Teaching dentists together", amina)
        locked = await agreements.lock(tx, id)
        await agreements.save(tx, locked, replace(said, **changed), amina)
    return id


async def offered(register: Database, id: UUID, to: UUID | None = None) -> str:
    """Offer a draft; the secret of the link."""
    async with register.transaction() as tx:
        locked = await agreements.lock(tx, id)
        number = await agreements.offer(tx, id, locked["revision"], to)
        return agreements.token_of(tx, id, number)


async def signed(register: Database, id: UUID, amina: UUID, to: UUID | None = None) -> str:
    token = await offered(register, id, to)
    async with register.transaction() as tx:
        newest = await AGREEMENTS.newest_version(tx, agreement_id=id)
        await signing.sign_ours(tx, id, newest["number"], amina, "Director")
        await signing.sign_theirs(tx, token, Signer(name="Maia Head", position="Chief executive"))
    return token


async def state(register: Database, id: UUID) -> str:
    async with register.reading() as tx:
        return str(await tx.fetchval("SELECT state FROM agreements WHERE id = $1", id))


async def said(register: Database, *facts: type[Any]) -> list[Event]:
    return [event for event in await announced(register) if event.fact in facts]


def browser(app: ASGIApp, id: UUID, *roles: Role) -> httpx.AsyncClient:
    return client(app, MOUNT, replace(EVERYTHING, id=id, roles=frozenset(roles or {Role.STAFF})))


def of(id: UUID) -> str:
    return f"/partners/agreements/{id}"


async def test_an_incomplete_draft_cannot_be_offered_and_it_is_said_why(
    register: Database, trust: UUID, amina: UUID
) -> None:
    id = await drafted(register, trust, amina, we_expect="")
    with pytest.raises(Incomplete) as refused:
        await offered(register, id)
    assert [each.field for each in refused.value.lacks] == ["we_expect"]
    assert "“What we expect of them” is blank." in refused.value.cure
    assert await state(register, id) == "draft"


async def test_both_sign_once_and_then_it_counts(register: Database, trust: UUID, amina: UUID) -> None:
    id = await drafted(register, trust, amina)
    token = await offered(register, id)
    signer = Signer(name="Maia Head", position="Chief executive")
    async with register.transaction() as tx:
        await signing.sign_theirs(tx, token, signer)
        await signing.sign_theirs(tx, token, Signer(name="Somebody Else", position="x"))
    assert await state(register, id) == "offered"
    async with register.transaction() as tx:
        await signing.sign_ours(tx, id, 1, amina, "Director")
    assert await state(register, id) == "signed"
    names = {row["name"] for row in await rows(register, "SELECT name FROM agreement_signatures")}
    assert names == {"Maia Head", "Amina Marker"}
    owned = await rows(register, "SELECT what, side, owner, gone_on FROM owned_outcomes ORDER BY what")
    assert [(row["side"], row["owner"], row["gone_on"]) for row in owned] == [
        ("theirs", "Marker Zzyzxova", None),
        ("ours", "Amina Marker", None),
    ]
    [event] = await said(register, AgreementSigned)
    assert (event.data["agreement_id"], event.data["version"], event.data["outcomes"]) == (id, 1, 2)
    assert b"Maia" not in b"".join(
        bytes(row["body"]) for row in await rows(register, "SELECT body FROM outbox")
    )
    kinds = {row["kind"] for row in await rows(register, "SELECT kind FROM timeline")}
    assert kinds == {"agreement_offered", "agreement_signed_by_one", "agreement_signed"}


async def test_many_signatures_at_once_are_one_of_each_side(
    register: Database, trust: UUID, amina: UUID
) -> None:
    id = await drafted(register, trust, amina)
    token = await offered(register, id)

    async def theirs(number: int) -> None:
        async with register.transaction() as tx:
            await signing.sign_theirs(tx, token, Signer(name=f"Signer {number}", position="x"))

    async def ours() -> None:
        async with register.transaction() as tx:
            await signing.sign_ours(tx, id, 1, amina, "Director")

    found = await asyncio.gather(*map(theirs, range(4)), ours(), ours(), return_exceptions=True)
    assert all(each is None or isinstance(each, Conflict) for each in found)
    assert await state(register, id) == "signed"
    assert len(await rows(register, "SELECT * FROM agreement_signatures")) == 2
    assert len(await said(register, AgreementSigned)) == 1
    assert len(await rows(register, "SELECT * FROM agreement_outcomes")) == 2


async def test_what_was_taken_back_is_signed_by_nobody(register: Database, trust: UUID, amina: UUID) -> None:
    id = await drafted(register, trust, amina)
    token = await offered(register, id)
    async with register.transaction() as tx:
        await agreements.take_back(tx, id)
    async with register.transaction() as tx:
        with pytest.raises(Conflict, match="can no longer be signed"):
            await signing.sign_theirs(tx, token, Signer(name="Maia", position="x"))
        with pytest.raises(Conflict, match="Nothing is offered"):
            await signing.sign_ours(tx, id, 1, amina, "Director")
        with pytest.raises(NotFound):
            await signing.sign_theirs(tx, "0" * 26, Signer(name="Maia", position="x"))
    assert await offered(register, id) != token, "the next version has a link of its own"


async def test_a_word_that_is_longer_than_a_line_breaks_on_paper(
    register: Database, app: ASGIApp, trust: UUID, amina: UUID
) -> None:
    id = await drafted(register, trust, amina, purpose="x" * 300)
    await offered(register, id)
    async with browser(app, amina) as staff:
        pdf = await staff.get(f"{of(id)}/versions/1/pdf")
    text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf.content)).pages)
    parts = [line for line in text.replace("\u200b", "").splitlines() if set(line.strip()) == {"x"}]
    assert sum(len(part.strip()) for part in parts) == 300
    assert len(parts) > 2
    assert re.search("[0-9a-f]{64}", text)


async def test_a_signature_is_lost_only_when_that_is_said_and_nobody_is_told_that_it_counts(
    register: Database, app: ASGIApp, trust: UUID, amina: UUID
) -> None:
    id = await drafted(register, trust, amina)
    token = await offered(register, id)
    async with register.transaction() as tx:
        await signing.sign_theirs(tx, token, Signer(name="Maia Head", position="Chief executive"))
    async with browser(app, amina) as staff, client(app, MOUNT, None) as outsider:
        assert "Maia Head signed this version already." in (await staff.get(of(id))).text
        unasked = await post(staff, f"{of(id)}/take-back", of(id))
        assert unasked.status_code == 422
        assert "Somebody has signed this version." in unasked.text
        assert await state(register, id) == "offered"
        taken = await post(staff, f"{of(id)}/take-back", of(id), discard="yes")
        assert taken.headers["location"].endswith("done=taken_back")
        assert "Signed by" not in (await staff.get(of(id))).text
        page = (await outsider.get(f"/partners/agree/{token}")).text
        assert "This version can no longer be signed" in page
        assert "Your signature no longer counts." in page
        assert "We sign next" not in page


async def test_no_agreement_is_begun_with_a_closed_body(
    register: Database, app: ASGIApp, trust: UUID, amina: UUID
) -> None:
    async with browser(app, amina) as staff:
        new = f"/partners/organisations/{trust}/agreements/new"
        key = key_in(await staff.get(new))
        successor = await id_of(register, "GB-NHS-08Y")
        async with register.transaction() as tx:
            closing = "UPDATE organisations SET closed_on = '2013-03-31', successor_id = $2 WHERE id = $1"
            await tx.execute(closing, trust, successor)
        page = (await staff.get(new)).text
        assert "This organisation has closed" in page
        assert f'href="/partners/organisations/{successor}"' in page
        assert 'name="title"' not in page
        refused = await staff.post(new, data={"key": key, "title": "Teaching"})
        assert refused.status_code == 409
        assert "This organisation has closed" in refused.text


async def test_an_owner_who_leaves_between_offer_and_signature_stops_it(
    register: Database, trust: UUID, amina: UUID
) -> None:
    id = await drafted(register, trust, amina)
    token = await offered(register, id)
    await withdraw(register)
    async with register.transaction() as tx:
        with pytest.raises(Incomplete, match="not complete"):
            await signing.sign_theirs(tx, token, Signer(name="Maia", position="x"))


async def withdraw(register: Database) -> None:
    async with register.transaction() as tx:
        today = register.context.clock.today()
        await tx.execute("UPDATE contacts SET withdrawn_on = $1 WHERE name LIKE 'Marker%'", today)


async def test_a_new_version_replaces_the_signed_one_only_when_both_have_signed_it(
    register: Database, trust: UUID, amina: UUID
) -> None:
    id = await drafted(register, trust, amina)
    await signed(register, id, amina)
    async with register.transaction() as tx:
        await agreements.amend(tx, id)
        locked = await agreements.lock(tx, id)
        terms = Terms.of(locked["terms"])
        kept = replace(terms.outcomes[0], what="They send twelve dentists")
        await agreements.save(tx, locked, replace(terms, outcomes=(kept,), purpose="Changed."), amina)
    query = "SELECT state FROM agreement_versions ORDER BY number"
    whats = "SELECT what, state FROM agreement_outcomes ORDER BY what"
    assert [row["state"] for row in await rows(register, query)] == ["signed"]
    await offered(register, id)
    assert {row["state"] for row in await rows(register, whats)} == {"open"}
    async with register.transaction() as tx:
        await signing.sign_ours(tx, id, 2, amina, "Director")
        token = agreements.token_of(tx, id, 2)
        await signing.sign_theirs(tx, token, Signer(name="Maia", position="x"))
    assert [row["state"] for row in await rows(register, query)] == ["replaced", "signed"]
    assert [tuple(row.values()) for row in await rows(register, whats)] == [
        ("They send twelve dentists", "open"),
        ("We teach them", "dropped"),
    ]
    frozen = await rows(register, "SELECT content, digest FROM agreement_versions ORDER BY number")
    assert all(digest_of(row["content"]) == bytes(row["digest"]) for row in frozen)


async def test_changes_that_are_given_up_leave_the_signed_version(
    register: Database, trust: UUID, amina: UUID
) -> None:
    id = await drafted(register, trust, amina)
    await signed(register, id, amina)
    before = await rows(register, "SELECT terms FROM agreements")
    async with register.transaction() as tx:
        await agreements.amend(tx, id)
        locked = await agreements.lock(tx, id)
        await agreements.save(tx, locked, replace(Terms.of(locked["terms"]), purpose="Other."), amina)
        await agreements.give_up(tx, id)
    assert await rows(register, "SELECT terms FROM agreements") == before
    assert await state(register, id) == "signed"


# By the pages


async def test_an_agreement_is_drafted_offered_and_signed_by_the_pages(
    register: Database, app: ASGIApp, trust: UUID, amina: UUID
) -> None:
    today, theirs = register.context.clock.today(), await contact(register)
    async with browser(app, amina) as staff, client(app, MOUNT, None) as outsider:
        body = f"/partners/organisations/{trust}"
        assert "No agreement yet" in (await staff.get(body)).text
        begun = await post(staff, f"{body}/agreements/new", title="  Teaching\tdentists ")
        draft = begun.headers["location"]
        page = await staff.get(draft)
        assert "“Purpose” is blank." in page.text
        fields = {name: f"Words of {label}" for name, label in TEXTS.items()}
        fields |= {
            "revision": "1",
            "outcome-1-what": HOSTILE,
            "outcome-1-measure": "Ten",
            "outcome-1-due_on": (today + timedelta(days=9)).isoformat(),
            "outcome-1-owner_id": f"theirs:{theirs}",
            "review-1": (today + timedelta(days=90)).isoformat(),
            "kept_by": f"ours:{amina}",
        }
        kept = await post(staff, draft, **fields)
        assert kept.status_code == 303, kept.text
        assert "Nothing is missing" in (await staff.get(draft)).text
        one = draft.removesuffix("/draft")
        page = await staff.get(one)
        done = await post(staff, f"{one}/offer", one, revision="2", contact=str(theirs))
        assert done.headers["location"] == f"{one}?done=offered"
        [event] = await said(register, AgreementOffered)
        notice = opened(register, event)
        assert (notice["email"], notice["title"]) == (
            OFFICER["contact_email"],
            "Words of Name of the agreement",
        )
        secret = str(httpx.URL(notice["link"]).path)
        page = await outsider.get(secret)
        assert "Opening this page commits you to nothing" in page.text
        assert "&lt;script&gt;alert(1)" in page.text
        assert "<script>alert" not in page.text
        assert "\u202e" not in page.text
        assert "7*7" in page.text
        assert page.headers["referrer-policy"] == "strict-origin"
        assert "Sign in" not in page.text
        wrong = await post(outsider, secret, name="Maia Head", position="", confirm="yes")
        assert wrong.status_code == 422
        assert "The position is missing." in wrong.text
        assert 'value="Maia Head"' in wrong.text
        unticked = await post(outsider, secret, name="Maia Head", position="Chief")
        assert "You have not said that you may sign." in unticked.text
        key = key_in(await outsider.get(secret))
        form = {"key": key, "name": "Maia “O'Neill” Nguyễn", "position": "Chief", "confirm": "yes"}
        answers = [await outsider.post(secret, data=form) for _ in range(2)]
        assert {each.status_code for each in answers} == {303}
        page = await outsider.get(secret)
        assert "You have signed" in page.text
        assert "Maia “O&#39;Neill” Nguyễn" in page.text
        assert "We sign next." in page.text
        assert "Our turn: they have signed, we have not" in (await staff.get(one)).text
        assert "Our turn: they have signed" in (await staff.get(body)).text
        done = await post(staff, f"{one}/sign", one, version="1", position="Director", confirm="yes")
        assert done.headers["location"].endswith("done=signed"), done.text
        assert "Nobody’s turn: both have signed" in (await staff.get(one)).text
        shown = (await staff.get(body)).text
        assert "Owned by <b>Marker Zzyzxova</b>" in shown
        for address in (f"{one}/versions/1/pdf", f"{secret}/pdf"):
            pdf = await (staff if "versions" in address else outsider).get(address)
            assert pdf.content.startswith(b"%PDF-")
            assert "sandbox" in pdf.headers["content-security-policy"]
        assert "The first version." in (await staff.get(f"{one}/history")).text


def opened(register: Database, event: Event) -> dict[str, Any]:
    keys = read_keys(register.context.settings.keys_folder, NOTIFICATIONS)
    return unseal(keys, event.fact, "notice", event.data["notice"])


async def test_the_second_of_two_who_write_sees_what_the_first_wrote_and_loses_nothing(
    register: Database, app: ASGIApp, trust: UUID, amina: UUID
) -> None:
    id = await drafted(register, trust, amina)
    async with browser(app, amina) as first, browser(app, amina) as second:
        fields = fields_in(await first.get(f"{of(id)}/draft"))
        other = fields_in(await second.get(f"{of(id)}/draft"))
        saved = await first.post(f"{of(id)}/draft", data={**fields, "purpose": "From the first."})
        assert saved.status_code == 303
        late = await second.post(f"{of(id)}/draft", data={**other, "our_agenda": "From the second."})
        assert late.status_code == 409
        assert "You have changed this meanwhile, in another window" in late.text
        assert "From the first." in late.text
        assert "From the second." in late.text
        again = {**fields_in(late), "our_agenda": "From the second.", "purpose": "From the first."}
        assert (await second.post(f"{of(id)}/draft", data=again)).status_code == 303
    [row] = await rows(register, "SELECT terms FROM agreements")
    assert (row["terms"]["purpose"], row["terms"]["our_agenda"]) == ("From the first.", "From the second.")
    assert len(row["terms"]["outcomes"]) == 2


def fields_in(page: httpx.Response) -> dict[str, str]:
    """What a browser would send back of the draft's form."""
    text = page.text
    found = dict(re.findall(r'<input [^>]*name="([\w-]+)" value="([^"]*)"', text))
    found |= dict(re.findall(r'<textarea [^>]*name="([\w-]+)"[^>]*>([^<]*)</textarea>', text))
    for name, options in re.findall(r'<select [^>]*name="([\w-]+)"[^>]*>(.*?)</select>', text, re.DOTALL):
        chosen = re.findall(r'value="([^"]*)" selected', options)
        found[name] = chosen[0] if chosen else ""
    return {name: html.unescape(value) for name, value in found.items()}


async def test_every_fault_of_a_draft_is_said_where_it_is(
    register: Database, app: ASGIApp, trust: UUID, amina: UUID
) -> None:
    id = await drafted(register, trust, amina)
    async with browser(app, amina) as staff:
        fields = fields_in(await staff.get(f"{of(id)}/draft"))
        wrong = {
            **fields,
            "purpose": "x" * 2_001,
            "outcome-1-due_on": "soon",
            "outcome-2-owner_id": f"theirs:{uuid4()}",
            "review-1": "2026-02-30",
        }
        answer = await staff.post(f"{of(id)}/draft", data=wrong)
    assert answer.status_code == 422
    for field in ("purpose", "outcome-1-due_on", "outcome-2-owner_id", "review-1"):
        assert f'id="{field}-fault"' in answer.text, field
        assert f'href="#{field}"' in answer.text
    named = [each.partition(": ")[0] for each in summed_up(answer.text)]
    assert sorted(named) == ["Outcome 1, By when", "Outcome 2, Who owns it", "Purpose", "Review 1"]
    assert 'value="soon"' in answer.text
    [row] = await rows(register, "SELECT revision FROM agreements")
    assert row["revision"] == 2, "nothing was saved"


async def test_what_was_changed_since_it_was_read_is_not_offered(
    register: Database, app: ASGIApp, trust: UUID, amina: UUID
) -> None:
    id = await drafted(register, trust, amina)
    async with browser(app, amina) as staff:
        late = await post(staff, f"{of(id)}/offer", of(id), revision="1")
        assert late.status_code == 409
        by_post = str(await contact(register, "Post Only"))
        refused = await post(staff, f"{of(id)}/offer", of(id), revision="2", contact=by_post)
        assert refused.status_code == 422
        assert "This contact has no e-mail address." in refused.text
    assert await state(register, id) == "draft"


async def test_a_copy_that_both_signed_on_paper_is_attached_and_given_back(
    register: Database, app: ASGIApp, trust: UUID, amina: UUID
) -> None:
    id = await drafted(register, trust, amina)
    await offered(register, id)
    async with browser(app, amina) as staff:

        async def attach(name: str, content: bytes) -> httpx.Response:
            key = key_in(await staff.get(of(id)))
            data = {"key": key, "version": "1", "their_name": "Maia Head", "their_position": "Chief"}
            return await staff.post(f"{of(id)}/copy", data=data, files={"copy": (name, content)})

        wrong = await attach("x.pdf", b"<html>")
        assert (wrong.status_code, "This file cannot be used." in wrong.text) == (422, True)
        assert 'id="copy-fault"' in wrong.text
        assert await rows(register, "SELECT * FROM files") == []
        assert (await attach("signed copy.pdf", b"%PDF-1.7 signed")).status_code == 303
        assert await state(register, id) == "signed"
        given = await staff.get(f"{of(id)}/versions/1/copy")
        assert given.content == b"%PDF-1.7 signed"
        assert "sandbox" in given.headers["content-security-policy"]
        assert "signed copy.pdf" in (await staff.get(f"{of(id)}/history")).text
        assert (await staff.get(f"{of(id)}/versions/2/copy")).status_code == 404


async def test_the_history_shows_what_changed(
    register: Database, app: ASGIApp, trust: UUID, amina: UUID
) -> None:
    id = await drafted(register, trust, amina)
    await signed(register, id, amina)
    async with register.transaction() as tx:
        await agreements.amend(tx, id)
        locked = await agreements.lock(tx, id)
        await agreements.save(tx, locked, replace(Terms.of(locked["terms"]), purpose="Purpose: new."), amina)
    await offered(register, id)
    async with browser(app, amina) as staff:
        page = (await staff.get(f"{of(id)}/history")).text
    assert "Changed since version 1" in page
    assert '<ins><span class="aside">(added:) </span>new.</ins>' in page
    assert '<del><span class="aside">(left out:) </span>said.</del>' in page
    assert "changed behind our back" not in page
    async with register.transaction() as tx:
        await tx.execute("UPDATE agreement_versions SET content = content || '{\"x\": 1}' WHERE number = 1")
    async with browser(app, amina) as staff:
        assert "changed behind our back" in (await staff.get(f"{of(id)}/history")).text


async def test_who_only_reads_has_nothing_to_press(
    register: Database, app: ASGIApp, trust: UUID, amina: UUID
) -> None:
    id = await drafted(register, trust, amina)
    await signed(register, id, amina)
    [row] = await rows(register, "SELECT id FROM agreement_outcomes LIMIT 1")
    async with browser(app, amina, Role.AUDITOR) as auditor:
        for path in (of(id), f"/partners/outcomes/{row['id']}", f"/partners/organisations/{trust}"):
            page = await auditor.get(path)
            assert page.status_code == 200
            assert "<form" not in page.text, path
        refused = await auditor.post(f"{of(id)}/end", data={"why": "x"})
        assert refused.status_code == 403


async def test_what_is_not_there_is_not_found(app: ASGIApp, amina: UUID, trust: UUID) -> None:
    async with browser(app, amina) as staff:
        for path in ("agreements", "outcomes"):
            for id in (str(uuid4()), "x", str(trust)):
                assert (await staff.get(f"/partners/{path}/{id}")).status_code == 404
        assert (await staff.get("/partners/outcomes?owner=x")).status_code == 400
        unknown = await staff.get("/partners/agree/nothing")
        assert unknown.status_code == 404
        assert "We do not recognise this link" in unknown.text


@pytest.mark.usefixtures("asked_once")
async def test_pages_ask_as_many_questions_however_much_there_is(
    register: Database, app: ASGIApp, trust: UUID, amina: UUID
) -> None:
    asked: list[str] = []
    for glancing in (False, True):  # the two that the pages use, one after the other
        async with register.connection(glancing=glancing) as connection:
            connection.add_query_logger(lambda record: asked.append(record.query))

    async def counted(staff: httpx.AsyncClient, path: str) -> int:
        asked.clear()
        assert (await staff.get(path)).status_code == 200
        return len(asked)

    one = await drafted(register, trust, amina)
    await signed(register, one, amina)
    paths = (
        "/partners/agreements",
        "/partners/outcomes",
        f"/partners/organisations/{trust}",
        of(one),
        f"{of(one)}/history",
    )
    async with browser(app, amina) as staff:
        for path in (paths[0], paths[2]):  # the first also ask who this is, and for the types of rows
            await counted(staff, path)
        few = [await counted(staff, path) for path in paths]
        for _ in range(4):
            await signed(register, await drafted(register, trust, amina), amina)
        async with register.transaction() as tx:
            await agreements.amend(tx, one)
        await signed(register, one, amina)
        assert [await counted(staff, path) for path in paths] == few
    assert all(few), "nothing was counted"


# Outcomes


async def test_the_board_shows_outcomes_of_all_bodies_and_finds_them(
    register: Database, app: ASGIApp, trust: UUID, amina: UUID
) -> None:
    await signed(register, await drafted(register, trust, amina), amina)
    async with browser(app, amina) as staff:
        board = "/partners/outcomes"
        page = (await staff.get(board)).text
        assert "They send ten dentists" in page
        assert "Due within 30 days" in page
        for query, ours, theirs in (
            ("state=due", True, False),
            ("state=on_track", False, True),
            (f"owner={amina}", True, False),
            (f"organisation={trust}", True, True),
            ("state=late", False, False),
            ("state=unowned", False, False),
            ("state=nonsense", True, True),
        ):
            found = (await staff.get(f"{board}?{query}")).text
            assert ("We teach them" in found, "They send ten dentists" in found) == (ours, theirs), query
        register.context.clock.advance(timedelta(days=40))
        assert "We teach them" in (await staff.get(f"{board}?state=late")).text


#: It is the next day in London already.
FIRST_HOUR_OF_A_SUMMER_DAY = datetime(2027, 6, 30, 23, 30, tzinfo=UTC)


async def test_an_owner_who_has_left_leaves_an_outcome_that_nobody_owns(
    register: Database, app: ASGIApp, trust: UUID, amina: UUID
) -> None:
    move_to(register, FIRST_HOUR_OF_A_SUMMER_DAY)
    await signed(register, await drafted(register, trust, amina), amina)
    async with register.transaction() as tx:
        ops = await people.invite(tx, name="Ops", email="ops@forum.example", roles=["ops", "staff"])
    await withdraw(register)
    async with register.transaction() as tx:
        await people.bar(tx, amina)
    async with browser(app, ops) as staff:
        page = (await staff.get("/partners/outcomes?state=unowned")).text
        assert page.count("Nobody any more") == 2
    today = register.context.clock.today()
    async with register.reading() as tx:
        waiting = [each for each in await outcomes.needed(tx, today, 10) if each.kind == "outcome_unowned"]
    assert [each.due_on for each in waiting] == [today, today]
    assert {each.organisation for each in waiting} == {TRUST["name"]}
    [ours] = [each.href.partition("#")[0] for each in waiting if "We teach them" in each.what]
    async with browser(app, ops) as staff:
        assert "Nobody owns this any more" in (await staff.get(ours)).text
        post_only = str(await contact(register, "Post Only"))
        wrong = await post(staff, f"{ours}/owner", ours, owner=post_only)
        assert (wrong.status_code, "This owner is not there." in wrong.text) == (422, True)
        assert (await post(staff, f"{ours}/owner", ours, owner=str(ops))).status_code == 303
        assert "Nobody owns this any more" not in (await staff.get(ours)).text


async def test_an_outcome_is_met_once_and_it_is_announced_without_words(
    register: Database, app: ASGIApp, trust: UUID, amina: UUID
) -> None:
    await signed(register, await drafted(register, trust, amina), amina)
    [row] = await rows(register, "SELECT id FROM agreement_outcomes WHERE what = 'We teach them'")
    href, today = f"/partners/outcomes/{row['id']}", register.context.clock.today()
    async with browser(app, amina) as staff:
        tomorrow = (today + timedelta(days=1)).isoformat()
        for fields, fault in (
            ({"met_on": tomorrow, "achieved": "x"}, "This day is still to come."),
            ({"met_on": "then", "achieved": "x"}, "This is not a day."),
            ({"met_on": today.isoformat(), "achieved": " "}, "There are no words yet."),
        ):
            answer = await post(staff, f"{href}/met", href, **fields)
            assert (answer.status_code, fault in answer.text) == (422, True), fault
        both = {"met_on": today.isoformat(), "achieved": f"All of them passed. {HOSTILE}"}
        key = key_in(await staff.get(href))
        answers = await asyncio.gather(
            staff.post(f"{href}/met", data={"key": key, **both}),
            staff.post(f"{href}/met", data={"key": key, **both}),
            staff.post(f"{href}/dropped", data={"key": f"{key}-drop", "why": "x"}),
        )
        assert sorted(each.status_code for each in answers) in ([303, 303, 409], [303, 409, 409])
        stands = await rows(
            register, "SELECT state, note FROM agreement_outcomes WHERE closed_on IS NOT NULL"
        )
        assert len(stands) == 1
    events = await said(register, OutcomeMet)
    assert len(events) == (stands[0]["state"] == "met")
    for event in events:
        assert set(event.data) == {"outcome_id", "agreement_id", "organisation_id", "met_on"}


async def test_a_dropped_outcome_has_its_reason(register: Database, trust: UUID, amina: UUID) -> None:
    await signed(register, await drafted(register, trust, amina), amina)
    [row] = await rows(register, "SELECT id FROM agreement_outcomes WHERE what = 'We teach them'")
    async with register.transaction() as tx:
        await outcomes.drop(tx, row["id"], "The funder left.")
        with pytest.raises(Conflict):
            await outcomes.meet(tx, row["id"], register.context.clock.today(), "x")
    [entry] = await rows(register, "SELECT what, detail FROM timeline WHERE kind = 'outcome_dropped'")
    assert entry == {"what": "Outcome dropped: “We teach them”", "detail": "The funder left."}


# Reviews


async def test_both_sides_are_reminded_of_a_review_once_and_two_weeks_before(
    register: Database, trust: UUID, amina: UUID
) -> None:
    id = await drafted(register, trust, amina)
    token = await signed(register, id, amina, to=await contact(register))
    await outcomes.remind(register)
    register.context.clock.advance(timedelta(days=85))
    await outcomes.remind(register)
    assert await said(register, AgreementReviewDue) == []
    register.context.clock.advance(timedelta(days=1))
    await asyncio.gather(*(outcomes.remind(register) for _ in range(3)))
    events = await said(register, AgreementReviewDue)
    assert {event.data["recipient_id"] for event in events} == {amina, await contact(register)}
    assert len(events) == 2
    links = {opened(register, event)["name"]: opened(register, event)["link"] for event in events}
    assert links["Amina Marker"].endswith(of(id))
    assert links["Marker Zzyzxova"].endswith(f"/partners/agree/{token}")
    today = register.context.clock.today()
    async with register.reading() as tx:
        kinds = [each.kind for each in await outcomes.needed(tx, today, 10)]
    assert "review_due" in kinds
    [row] = await rows(register, "SELECT review_on FROM agreement_reviews")
    async with register.transaction() as tx:
        await outcomes.review(tx, id, row["review_on"], "It goes well.")
        with pytest.raises(Conflict):
            await outcomes.review(tx, id, row["review_on"], "Again.")
    async with register.reading() as tx:
        assert "review_due" not in [each.kind for each in await outcomes.needed(tx, today, 10)]


async def test_whoever_has_left_is_not_reminded(register: Database, trust: UUID, amina: UUID) -> None:
    await signed(register, await drafted(register, trust, amina), amina, to=await contact(register))
    await withdraw(register)
    register.context.clock.advance(timedelta(days=90))
    await outcomes.remind(register)
    assert [event.data["recipient_id"] for event in await said(register, AgreementReviewDue)] == [amina]


async def test_our_signature_waits_in_todays_work(register: Database, trust: UUID, amina: UUID) -> None:
    id = await drafted(register, trust, amina)
    await offered(register, id)
    today = register.context.clock.today()
    async with register.reading() as tx:
        [waiting] = await outcomes.needed(tx, today, 10)
    assert (waiting.kind, waiting.href) == ("signature_waiting", f"{of(id)}#sign-title")
    assert waiting.due_on == today
    assert waiting.what == "Sign for us: “Teaching dentists together”"


# Bodies that are merged, or close


async def test_a_successor_takes_over_what_has_not_ended(
    register: Database, trust: UUID, amina: UUID
) -> None:
    in_force, waiting = await drafted(register, trust, amina), await drafted(register, trust, amina)
    await signed(register, in_force, amina)
    token = await offered(register, waiting)
    successor = await id_of(register, "GB-NHS-08Y")
    async with register.transaction() as tx:
        assert await agreements.open_agreements(tx, trust) == 2
        await agreements.hand_over_agreements(tx, trust, successor)
        assert await agreements.open_agreements(tx, trust) == 0
        assert await agreements.open_agreements(tx, successor) == 2
    assert [await state(register, id) for id in (in_force, waiting)] == ["signed", "draft"]
    async with register.transaction() as tx:
        with pytest.raises(Conflict):
            await signing.sign_theirs(tx, token, Signer(name="Maia", position="x"))
    found = await rows(register, "SELECT side, gone_on IS NOT NULL AS gone FROM owned_outcomes ORDER BY side")
    assert [tuple(row.values()) for row in found] == [("ours", False), ("theirs", True)]


async def test_what_nobody_takes_over_ends(register: Database, trust: UUID, amina: UUID) -> None:
    in_force, waiting = await drafted(register, trust, amina), await drafted(register, trust, amina)
    await signed(register, in_force, amina)
    await offered(register, waiting)
    async with register.transaction() as tx:
        await agreements.end_agreements(tx, trust)
    assert {row["state"] for row in await rows(register, "SELECT state FROM agreements")} == {"ended"}
    assert {row["state"] for row in await rows(register, "SELECT state FROM agreement_outcomes")} == {
        "dropped"
    }
    versions = await rows(register, "SELECT state FROM agreement_versions WHERE state = 'offered'")
    assert versions == []


async def test_when_two_bodies_are_one_everything_is_with_the_one_that_stays(
    register: Database, trust: UUID, amina: UUID
) -> None:
    await signed(register, await drafted(register, trust, amina), amina)
    surviving = await id_of(register, "GB-NHS-08Y")
    async with register.transaction() as tx:
        await agreements.move_agreements(tx, trust, surviving)
        await tx.execute("UPDATE contacts SET organisation_id = $1", surviving)
    found = await rows(register, "SELECT organisation_id, gone_on FROM owned_outcomes")
    assert {(row["organisation_id"], row["gone_on"]) for row in found} == {(surviving, None)}


async def test_the_example_says_who_owns_what_was_agreed_with_westminster(
    register: Database, app: ASGIApp
) -> None:
    await import_partners(register, EXAMPLES / "partners.csv", dry_run=False)
    said = {
        name: tomllib.loads((EXAMPLES / f"{name}.toml").read_text("utf-8"))[name]
        for name in ("people", "agreements")
    }
    for _ in range(2):  # the second start finds everything there
        async with register.transaction() as tx:
            for person in said["people"]:
                if await PEOPLE.person_by_email(tx, email_key=person["email"].casefold()) is None:
                    leyla = await people.invite(tx, **person)
            for each in said["agreements"]:
                await agree(tx, each)
    states = await rows(register, "SELECT state FROM agreements ORDER BY state")
    assert [row["state"] for row in states] == ["draft", "offered", "signed"]
    async with browser(app, leyla) as staff:
        found = await staff.get(f"/partners/organisations/{await id_of(register, 'GB-NHS-5LC')}")
        assert "Owned by <b>Ioana Țurcanu</b>, Westminster Primary Care Trust" in found.text


# Rights and the record


async def test_what_somebody_owns_and_signed_is_told_and_forgotten(
    register: Database, trust: UUID, amina: UUID
) -> None:
    id, theirs = await drafted(register, trust, amina), await contact(register)
    await signed(register, id, amina, to=theirs)
    subject = Subject(ids=(theirs,), emails=(OFFICER["contact_email"],), names=("Marker Zzyzxova",))
    by_name = Subject(ids=(uuid4(),), names=("maia head",))
    async with register.transaction() as tx:
        told = {each.path: each.content.decode() async for each in held.gather(tx, subject)}
        assert "They send ten dentists" in told["agreements.json"]
        assert "Maia Head" in told["agreements.json"], "it came by their link"
        told = {each.path: each.content.decode() async for each in held.gather(tx, by_name)}
        assert set(told) == {"signatures-by-name.json"}
        done = await held.forget(tx, subject)
    assert done.counts["signatures"] == 1
    names = await rows(register, "SELECT side, name, position FROM agreement_signatures ORDER BY side")
    assert [tuple(row.values()) for row in names] == [
        ("ours", "Amina Marker", "Director"),
        ("theirs", NAME_GONE, ""),
    ]
    assert await state(register, id) == "signed"
    today = register.context.clock.today()
    async with register.reading() as tx:
        kinds = [each.kind for each in await outcomes.needed(tx, today, 10)]
        assert "Zzyzxova" not in str([dict(row) for row in await outcomes.listed(tx, most=10)])
    assert kinds == ["outcome_unowned"]


async def test_the_six_years_end_with_the_day_where_the_users_are(
    register: Database, trust: UUID, amina: UUID
) -> None:
    id = await drafted(register, trust, amina)
    await signed(register, id, amina)
    async with register.transaction() as tx:
        await agreements.end(tx, id, "It is done.")
        await tx.execute("UPDATE agreements SET ended_on = '2026-07-02'")
    move_to(register, datetime(2032, 7, 2, 23, 30, tzinfo=UTC))  # a summer's day, half past midnight
    done = await scrub_old(register, [each for each in TERMS if each.what == "agreements"])
    assert done == {"agreements": 1}


async def test_six_years_after_its_end_nobody_knows_who_signed(
    register: Database, app: ASGIApp, trust: UUID, amina: UUID
) -> None:
    id = await drafted(register, trust, amina)
    await offered(register, id)
    async with browser(app, amina) as staff:
        fields = {
            "key": key_in(await staff.get(of(id))),
            "version": "1",
            "their_name": "Maia",
            "their_position": "x",
        }
        await staff.post(f"{of(id)}/copy", data=fields, files={"copy": ("a.pdf", b"%PDF-1.7")})
    async with register.transaction() as tx:
        await agreements.end(tx, id, "It is done.")
    agreed = [each for each in TERMS if each.what == "agreements"]
    register.context.clock.advance(timedelta(days=6 * 365))
    await scrub_old(register, agreed)
    assert len(await rows(register, "SELECT * FROM files")) == 1
    register.context.clock.advance(timedelta(days=10))
    await scrub_old(register, agreed)
    assert await rows(register, "SELECT * FROM files") == []
    assert {row["name"] for row in await rows(register, "SELECT name FROM agreement_signatures")} == {
        NAME_GONE
    }


async def test_each_step_stands_in_the_record_and_nobodys_words_do(
    register: Database, app: ASGIApp, trust: UUID, amina: UUID
) -> None:
    id = await drafted(register, trust, amina)
    async with browser(app, amina) as staff:
        theirs = str(await contact(register))
        await post(staff, f"{of(id)}/offer", of(id), revision="2", contact=theirs)
        await post(staff, f"{of(id)}/sign", of(id), version="1", position="Director", confirm="yes")
        await post(staff, f"{of(id)}/take-back", of(id), discard="yes")
        await post(staff, f"{of(id)}/end", of(id), why="A Secret Reason")
    written = await rows(register, "SELECT action, object, before, after FROM audit ORDER BY number")
    assert [row["action"] for row in written] == [
        "agreement_offered",
        "agreement_sent",
        "agreement_signed_ours",
        "agreement_taken_back",
        "agreement_ended",
    ]
    assert {row["object"] for row in written} == {str(id)}
    assert not any(word in str(written) for word in ("Secret", "Teaching", "Marker", "Amina"))
    async with register.reading() as tx:
        assert (await verify(tx)).broken_at is None
