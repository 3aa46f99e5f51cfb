"""Referrals: our reference alone, the partner's answer by a link or by telephone, figures, and time."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chassis.access import Person
from chassis.audit import acting
from chassis.database import Database
from chassis.errors import Conflict, Refused
from chassis.keys import read_keys
from chassis.retention import scrub_old
from chassis.sealed import unseal
from contracts.access import Role
from contracts.envelope import Event
from contracts.partners import ReferralAnswered, ReferralClosed, ReferralMade, ReferralReminded
from contracts.topology import NOTIFICATIONS
from services.partners import held, people, referrals, rights
from services.partners.referrals import ANSWERS, STAGES, Figures, State, check_reference
from services.partners.web import build
from tests.access import EVERYTHING
from tests.conftest import announced, client, move_to
from tests.partners.browsing import MOUNT, key_in, rows
from tests.partners.conftest import OFFICER, SUCCESSOR, TRUST, Bring, line

BY_POST = {
    "contact_name": "Post Only",
    "contact_role": "general",
    "contact_channel": "post",
    "contact_email": "",
    "contact_address": "1 Road",
    "contact_postcode": "W10 0XX",
}


@pytest.fixture
async def trust(bring: Bring, register: Database) -> UUID:
    await bring(line(TRUST, OFFICER), line(SUCCESSOR))
    return await id_of(register, "GB-NHS-5LA")


async def id_of(register: Database, identifier: str) -> UUID:
    async with register.reading() as tx:
        found: UUID = await tx.fetchval("SELECT id FROM organisations WHERE identifier = $1", identifier)
    return found


@pytest.fixture
async def by(register: Database) -> UUID:
    """A member of staff."""
    async with register.transaction() as tx:
        return await people.invite(tx, name="Amina Marker", email="a@forum.example", roles=[Role.STAFF])


@pytest.fixture
async def staff(register: Database, by: UUID) -> AsyncIterator[httpx.AsyncClient]:
    person: Person = replace(EVERYTHING, id=by, roles=frozenset({Role.STAFF}))
    async with client(build(register), MOUNT, person) as browser:
        yield browser


@pytest.fixture
async def partner(register: Database) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without an account."""
    async with client(build(register), MOUNT, None) as browser:
        yield browser


async def contact(register: Database) -> UUID:
    [row] = await rows(register, "SELECT id FROM contacts WHERE email IS NOT NULL")
    return UUID(str(row["id"]))


async def makes(register: Database, trust: UUID, by: UUID, **said: Any) -> UUID:
    asked: dict[str, Any] = {"reference": "SG-00417", "need": "housing", "contact_id": None, **said}
    async with acting(register) as tx:
        return await referrals.make(tx, trust, **asked, by=by, another=True)


async def says(register: Database, id: UUID, state: State, **said: Any) -> None:
    async with acting(register) as tx:
        await referrals.answer(tx, id, state, **said)


async def state_of(register: Database, id: UUID) -> State:
    async with register.reading() as tx:
        return State(await tx.fetchval("SELECT state FROM referrals WHERE id = $1", id))


def path_of(register: Database, id: UUID) -> str:
    return str(httpx.URL(referrals.link_of(register.context, id)).path)


async def presses(browser: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    """Send one of the forms of a page to the page itself."""
    return await browser.post(path, data={"key": key_in(await browser.get(path)), **fields})


async def told_of(register: Database, *facts: Any) -> list[Event]:
    return [event for event in await announced(register) if event.fact in facts]


# Our reference


@pytest.mark.parametrize("text", ["SG-00417", "0417", "MRCF/2012/014", "2012.7", "a1"])
def test_a_reference_of_ours(text: str) -> None:
    assert check_reference(text) == text


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("Amina Yusuf", "a name"),
        ("amina", "a name"),
        ("Yusuf-1980", "a name"),
        ("O'Brien 7", "a name"),
        ("فاطمة", "a name"),
        ("Nguyễn7", "a name"),
        ("a.yusuf7@forum.example", "an e-mail address"),
        ("020 7946 0000", "a telephone number"),
        ("07946000000", "a telephone number"),
        ("+442079460000", "a telephone number"),
        ("943 476 5919", "an NHS number"),
        ("NHS9434765919", "an NHS number"),
        ("12/03/1980", "a date of birth"),
        ("1980-03-12", "a date of birth"),
        ("A\u202e17", "reference"),
        ("AB 17", "reference"),
        ("-17", "reference"),
        ("1" * 25, "reference"),
        ("", "reference"),
    ],
)
def test_whatever_could_tell_who_it_is_is_refused(text: str, what: str) -> None:
    with pytest.raises(Refused, match=what) as refused:
        check_reference(text)
    assert refused.value.field == "reference"
    assert "SG-00417" in refused.value.cure


async def test_the_form_says_what_is_wrong_and_loses_nothing(
    staff: httpx.AsyncClient, trust: UUID, register: Database
) -> None:
    path = f"{MOUNT}/organisations/{trust}/referrals/new"
    said = {"reference": "Amina Yusuf", "need": "housing", "contact": "by_hand"}
    refused = await presses(staff, path, **said)
    assert refused.status_code == 422
    assert "This looks like a name." in refused.text
    assert 'value="Amina Yusuf"' in refused.text
    assert '<option value="housing" selected>' in refused.text
    for field, bad in (("need", "x"), ("contact", ""), ("contact", "x")):
        refused = await presses(staff, path, **{**said, "reference": "SG-1", field: bad})
        assert refused.status_code == 422
        assert f'id="{field}-fault"' in refused.text
    other = {**said, "reference": "SG-1", "contact": str(uuid4())}
    assert (await presses(staff, path, **other)).status_code == 404
    assert await rows(register, "SELECT 1 FROM referrals") == []


# Making one


async def test_a_contact_is_written_to_with_the_link_sealed(
    staff: httpx.AsyncClient, trust: UUID, register: Database
) -> None:
    path = f"{MOUNT}/organisations/{trust}/referrals/new"
    said = {"reference": "SG-00417", "need": "housing", "contact": str(await contact(register))}
    made = await presses(staff, path, **said)
    assert made.headers["location"].endswith("?done=made")
    [event] = await told_of(register, ReferralMade)
    keys = read_keys(register.context.settings.keys_folder, NOTIFICATIONS)
    letter = unseal(keys, ReferralMade, "letter", event.data["letter"])
    id = event.data["referral_id"]
    assert letter == {
        "name": "Marker Zzyzxova",
        "email": "marker.zzyzxova@trust.example",
        "organisation": TRUST["name"],
        "reference": "SG-00417",
        "need": "Housing",
        "link": referrals.link_of(register.context, id),
    }
    assert event.data["need"] == "housing"
    tables = await rows(register, "SELECT to_jsonb(r)::text AS said FROM referrals AS r")
    bodies = await rows(register, "SELECT convert_from(body, 'UTF8') AS said FROM outbox")
    audit = await rows(register, "SELECT to_jsonb(a)::text AS said FROM audit AS a")
    for row in [*tables, *bodies, *audit]:
        assert referrals.token_of(register.context, id) not in row["said"]
    for row in [*bodies, *audit]:
        assert "SG-00417" not in row["said"]


async def test_by_hand_nobody_is_written_to(trust: UUID, register: Database, by: UUID) -> None:
    await makes(register, trust, by)
    [event] = await told_of(register, ReferralMade)
    assert (event.data["letter"], event.data["contact_id"]) == (None, None)


async def test_a_contact_without_an_address_is_not_offered(
    bring: Bring, staff: httpx.AsyncClient, register: Database
) -> None:
    await bring(line(TRUST, OFFICER, BY_POST))
    trust = await id_of(register, "GB-NHS-5LA")
    page = (await staff.get(f"{MOUNT}/organisations/{trust}/referrals/new")).text
    assert "Post Only" not in page


async def test_nobody_is_sent_to_a_closed_body(
    bring: Bring, staff: httpx.AsyncClient, register: Database, by: UUID
) -> None:
    await bring(line(TRUST, closed_on="2013-03-31", successor="GB-NHS-08Y"), line(SUCCESSOR))
    trust = await id_of(register, "GB-NHS-5LA")
    page = (await staff.get(f"{MOUNT}/organisations/{trust}/referrals/new")).text
    assert "This organisation has closed" in page
    assert f'href="{MOUNT}/organisations/{await id_of(register, "GB-NHS-08Y")}"' in page
    assert "Make the referral" not in page
    with pytest.raises(Refused, match="has closed"):
        await makes(register, trust, by)


async def test_the_same_is_made_twice_only_when_it_is_said_to_be_another(
    trust: UUID, staff: httpx.AsyncClient, register: Database
) -> None:
    new = f"{MOUNT}/organisations/{trust}/referrals/new"
    fields = {"reference": "SG-777", "need": "housing", "contact": "by_hand"}
    assert (await presses(staff, new, **fields)).status_code == 303
    again = await presses(staff, new, **fields | {"reference": "sg-777"})
    assert again.status_code == 409
    assert "You referred sg-777 there today." in again.text
    assert "It is another one" in again.text
    assert (await presses(staff, new, **fields | {"need": "health"})).status_code == 303
    assert (await presses(staff, new, **fields, another="yes")).status_code == 303
    register.context.clock.advance(timedelta(days=1))
    assert (await presses(staff, new, **fields)).status_code == 303
    assert len(await rows(register, "SELECT id FROM referrals")) == 4


async def test_the_slip_carries_the_reference_and_the_link_and_leaves_their_side_empty(
    staff: httpx.AsyncClient, trust: UUID, register: Database, by: UUID
) -> None:
    id = await makes(register, trust, by)
    page = (await staff.get(f"{MOUNT}/referrals/{id}/slip")).text
    for words in (
        "SG-00417",
        "Housing",
        referrals.link_of(register.context, id),
        "Your name",
        "data:image/svg",
    ):
        assert words in page
    auditor = replace(EVERYTHING, roles=frozenset({Role.AUDITOR}))
    async with client(build(register), MOUNT, auditor) as browser:
        assert (await browser.get(f"{MOUNT}/referrals/{id}")).status_code == 200
        assert (await browser.get(f"{MOUNT}/referrals/{id}/slip")).status_code == 403
        assert (await browser.post(f"{MOUNT}/referrals/{id}/answer")).status_code == 403


# The link


async def test_a_partner_answers_by_the_link_and_later_says_what_came_of_it(
    partner: httpx.AsyncClient, staff: httpx.AsyncClient, trust: UUID, register: Database, by: UUID
) -> None:
    id = await makes(register, trust, by)
    path = path_of(register, id)
    before = await rows(register, "SELECT * FROM referrals")
    page = await partner.get(path)
    assert "Can you help them?" in page.text
    assert "Amina" not in page.text
    assert page.headers["referrer-policy"] == "strict-origin"
    assert await rows(register, "SELECT * FROM referrals") == before, "looking is no answer"
    accepted = await presses(partner, path, answer="accepted")
    assert accepted.headers["location"] == f"{path}?done=recorded"
    assert "Thank you" in (await partner.get(accepted.headers["location"])).text
    assert await state_of(register, id) is State.ACCEPTED
    assert (await presses(partner, path, answer="helped")).status_code == 303
    assert await state_of(register, id) is State.HELPED
    assert "If this is not right" in (await partner.get(path)).text
    facts = [
        (event.fact.NAME, event.data.get("answer") or event.data.get("outcome"), event.sequence)
        for event in await told_of(register, ReferralAnswered, ReferralClosed)
    ]
    assert facts == [("referral_answered", "accepted", 2), ("referral_closed", "helped", 3)]
    shown = (await staff.get(f"{MOUNT}/organisations/{trust}")).text
    assert "Referral: it helped" in shown
    assert "Told us by them, by the link" in shown
    assert "Entered by Amina Marker" in shown


async def test_a_refusal_needs_a_reason_and_keeps_what_was_typed(
    partner: httpx.AsyncClient, staff: httpx.AsyncClient, trust: UUID, register: Database, by: UUID
) -> None:
    id = await makes(register, trust, by)
    path = path_of(register, id)
    refused = await presses(partner, path, answer="declined", reason="x")
    assert refused.status_code == 422
    assert 'value="x"' in refused.text
    assert "Say why in 3 to 300 characters." in refused.text
    long = await presses(partner, path, answer="declined", reason="é" * 301)
    assert long.status_code == 422
    assert "The reason is too long." in long.text
    assert await state_of(register, id) is State.MADE
    hostile = "Full \u202euntil\nMay <b>, عام كامل"
    assert (await presses(partner, path, answer="declined", reason=hostile)).status_code == 303
    page = (await staff.get(f"{MOUNT}/referrals/{id}")).text
    assert "Full until May &lt;b&gt;, عام كامل" in page
    events = await rows(register, "SELECT convert_from(body, 'UTF8') AS said FROM outbox")
    assert not [row for row in events if "Full" in row["said"]]


async def test_what_cannot_be_said_any_more_is_refused_kindly(
    partner: httpx.AsyncClient, trust: UUID, register: Database, by: UUID
) -> None:
    id = await makes(register, trust, by)
    path = path_of(register, id)
    key = key_in(await partner.get(path))
    async with acting(register) as tx:
        await referrals.take_back(tx, id, by)
    late = await partner.post(path, data={"key": key, "answer": "accepted"})
    assert late.status_code == 409
    assert "We have taken this back." in late.text
    for nonsense in ("", "taken_back", "ended", "made", "x"):
        answer = await partner.post(path, data={"key": key, "answer": nonsense})
        assert answer.status_code in (409, 422), nonsense
    assert await state_of(register, id) is State.TAKEN_BACK


async def test_an_unknown_link_is_told_what_to_do_and_a_bad_key_changes_nothing(
    partner: httpx.AsyncClient, trust: UUID, register: Database, by: UUID
) -> None:
    id = await makes(register, trust, by)
    for token in ("x", "0" * 26, "é" * 300):
        for answer in (
            await partner.get(f"{MOUNT}/referred/{token}"),
            await partner.post(f"{MOUNT}/referred/{token}", data={"answer": "accepted"}),
        ):
            assert answer.status_code == 404
            assert "We do not recognise this link" in answer.text
            assert 'href="/partners"' not in answer.text
    path = path_of(register, id)
    assert (await partner.post(path, data={"answer": "accepted"})).status_code == 400
    typed = path.replace(path[-26:], path[-26:].upper())
    assert (await partner.get(typed)).status_code == 200, "however it was typed from paper"
    assert await state_of(register, id) is State.MADE


# By telephone


async def test_staff_record_an_answer_and_put_it_right(
    staff: httpx.AsyncClient, trust: UUID, register: Database, by: UUID
) -> None:
    id = await makes(register, trust, by)
    page = f"{MOUNT}/referrals/{id}"

    async def records(**fields: str) -> httpx.Response:
        key = key_in(await staff.get(page))
        return await staff.post(f"{page}/answer", data={"key": key, **fields})

    assert (await records(answer="declined", reason="")).status_code == 422
    assert (await records(answer="declined", reason="No room")).status_code == 303
    assert (await records(answer="accepted")).status_code == 303
    assert (await records(answer="not_helped")).status_code == 303
    assert (await records(answer="helped")).status_code == 303
    assert (await records(answer="taken_back")).status_code == 409
    assert (await records(answer="")).status_code == 400
    assert await state_of(register, id) is State.HELPED
    assert "said by Amina Marker" in (await staff.get(page)).text
    outcomes = [event.data["outcome"] for event in await told_of(register, ReferralClosed)]
    assert outcomes == ["not_helped", "helped"]


async def test_two_answers_at_once_leave_one(trust: UUID, register: Database, by: UUID) -> None:
    id = await makes(register, trust, by)
    await says(register, id, State.ACCEPTED)
    both = (says(register, id, State.HELPED), says(register, id, State.DECLINED, reason="Too late"))
    came = await asyncio.gather(*both, return_exceptions=True)
    assert [type(each) for each in came if each is not None] == [Conflict]
    facts = await told_of(register, ReferralAnswered, ReferralClosed)
    assert len(facts) == 2
    assert await state_of(register, id) in (State.HELPED, State.DECLINED)


def test_the_table_of_states_leads_nowhere_unknown() -> None:
    assert set(STAGES) == set(State)
    for stage in STAGES.values():
        assert stage.then <= ANSWERS
        assert stage.ours <= ANSWERS | {State.TAKEN_BACK}


# Time


async def due(register: Database, on: date) -> list[tuple[str, date]]:
    async with register.reading() as tx:
        found = await referrals.needed(tx, on, 10)
    return [(each.kind, each.due_on) for each in found]


async def test_no_answer_after_five_working_days_and_no_outcome_after_twenty(
    trust: UUID, register: Database, by: UUID
) -> None:
    """Over Easter and the two bank holidays of May 2012."""
    move_to(register, datetime(2012, 4, 3, 9, tzinfo=UTC))  # Tuesday; Friday and Monday are holidays
    id = await makes(register, trust, by)
    assert await due(register, date(2012, 4, 12)) == []
    assert await due(register, date(2012, 4, 13)) == [("referral_unanswered", date(2012, 4, 13))]
    move_to(register, datetime(2012, 4, 16, 9, tzinfo=UTC))
    await says(register, id, State.ACCEPTED)
    assert await due(register, date(2012, 5, 15)) == []
    assert await due(register, date(2012, 5, 16)) == [("outcome_missing", date(2012, 5, 16))]
    await says(register, id, State.NOT_KNOWN, by=by)
    assert await due(register, date(2022, 1, 1)) == []


async def test_asking_again_writes_the_same_link_and_gives_time(
    staff: httpx.AsyncClient, trust: UUID, register: Database, by: UUID
) -> None:
    move_to(register, datetime(2026, 6, 1, 9, tzinfo=UTC))
    written = await makes(register, trust, by, contact_id=await contact(register))
    rung = await makes(register, trust, by, reference="SG-2")
    move_to(register, datetime(2026, 6, 12, 9, tzinfo=UTC))
    assert len(await due(register, date(2026, 6, 12))) == 2
    for id, done in ((written, "written"), (rung, "asked")):
        page = f"{MOUNT}/referrals/{id}"
        answer = await staff.post(f"{page}/remind", data={"key": key_in(await staff.get(page))})
        assert answer.headers["location"] == f"{page}?done={done}"
    assert await due(register, date(2026, 6, 12)) == []
    assert len(await due(register, date(2026, 6, 22))) == 2
    first, second = await told_of(register, ReferralReminded)
    keys = read_keys(register.context.settings.keys_folder, NOTIFICATIONS)
    letter = unseal(keys, ReferralReminded, "letter", first.data["letter"])
    assert letter["link"] == referrals.link_of(register.context, written)
    assert (first.data["wanted"], second.data["letter"]) == ("answer", None)
    async with acting(register) as tx:
        await referrals.take_back(tx, rung, by)
    with pytest.raises(Conflict):
        async with acting(register) as tx:
            await referrals.remind(tx, rung, by)


# Figures


async def test_a_loop_is_closed_when_it_is_known_whether_it_helped(
    staff: httpx.AsyncClient, trust: UUID, register: Database, by: UUID
) -> None:
    other = await id_of(register, "GB-NHS-08Y")
    ways: list[tuple[State, ...]] = [
        (),
        (State.ACCEPTED,),
        (State.ACCEPTED, State.HELPED),
        (State.ACCEPTED, State.NOT_HELPED),
        (State.ACCEPTED, State.NOT_KNOWN),
        (State.DECLINED,),
    ]
    for number, way in enumerate(ways):
        id = await makes(register, trust, by, reference=f"SG-{number}")
        for state in way:
            await says(register, id, state, reason="No room")
    async with acting(register) as tx:
        back = await referrals.make(tx, other, reference="SG-9", need="health", contact_id=None, by=by)
        await referrals.take_back(tx, back, by)
    page = (await staff.get(f"{MOUNT}/referrals")).text
    text = " ".join(re.sub(r"<[^>]*>", " ", page).split())
    assert "40% of loops are closed: 2 of 5" in text
    assert "Housing 6 1 2 of 5 40%" in text
    assert f"{TRUST['name']} 6 1 2 of 5 40%" in text
    assert "Health 1 0 0 of 0 —" in text
    listed = (await staff.get(f"{MOUNT}/referrals?state=closed")).text
    assert set(re.findall(r">(SG-\d)<", listed)) == {"SG-2", "SG-3"}
    needed = (await staff.get(f"{MOUNT}/referrals?need=health")).text
    assert set(re.findall(r">(SG-\d)<", needed)) == {"SG-9"}
    one = (await staff.get(f"{MOUNT}/organisations/{trust}")).text
    assert "40%" in one
    assert (await staff.get(f"{MOUNT}/referrals?state=x")).status_code == 400
    assert (await staff.get(f"{MOUNT}/referrals?after=x")).status_code == 400


def test_there_is_no_rate_where_nothing_is_to_be_closed() -> None:
    assert Figures(made=2, declined=1, taken_back=1, helped=0, not_helped=0).percent is None
    assert Figures(made=3, declined=0, taken_back=0, helped=1, not_helped=1).percent == 67


async def test_a_long_list_goes_on_until_every_referral_was_shown_once(
    staff: httpx.AsyncClient, trust: UUID, register: Database, by: UUID
) -> None:
    async with acting(register) as tx:
        for number in range(110):
            reference = f"SG-{number:03}"
            await referrals.make(tx, trust, reference=reference, need="housing", contact_id=None, by=by)
    href: str | None = f"{MOUNT}/referrals?state=waiting"
    seen: list[str] = []
    while href:
        page = (await staff.get(href)).text
        seen += re.findall(r">(SG-\d{3})<", page)
        found = re.search(r'rel="next" href="([^"]+)"', page)
        href = found[1].replace("&amp;", "&") if found else None
    assert len(seen) == len(set(seen)) == 110


# Merging and closing


async def test_a_successor_takes_over_what_is_open_and_the_link_stays_good(
    partner: httpx.AsyncClient, trust: UUID, register: Database, by: UUID
) -> None:
    open_one, over = await makes(register, trust, by), await makes(register, trust, by, reference="SG-2")
    await says(register, over, State.DECLINED, reason="No room")
    other = await id_of(register, "GB-NHS-08Y")
    async with acting(register) as tx:
        assert await referrals.open_of(tx, trust) == 1
        await referrals.hand_over(tx, trust, other)
        assert await referrals.open_of(tx, trust) == 0
        assert await referrals.open_of(tx, other) == 1
    assert SUCCESSOR["name"] in (await partner.get(path_of(register, open_one))).text
    async with acting(register) as tx:
        await referrals.move(tx, trust, other)
    assert await rows(register, f"SELECT 1 FROM referrals WHERE organisation_id = '{trust}'") == []


async def test_what_nobody_takes_over_ends_and_is_announced(
    partner: httpx.AsyncClient, trust: UUID, register: Database, by: UUID
) -> None:
    id = await makes(register, trust, by)
    async with acting(register) as tx:
        await referrals.end(tx, trust)
    assert await state_of(register, id) is State.ENDED
    [event] = await told_of(register, ReferralClosed)
    assert (event.data["outcome"], event.sequence) == ("ended", 2)
    assert await due(register, date(2100, 1, 1)) == []
    assert "This has ended." in (await partner.get(path_of(register, id))).text


# Rights


async def test_a_reference_is_told_and_forgotten(trust: UUID, register: Database, by: UUID) -> None:
    one = await makes(register, trust, by)
    two = await makes(register, trust, by, reference="SG-2")
    await says(register, two, State.DECLINED, reason="Ask Marker Zzyzxova")
    who = await contact(register)
    async with register.transaction() as tx:
        subject = await rights.subject_of(tx, [who], ["SG-00417"])
        found = [each async for each in held.gather(tx, subject) if each.path.startswith("referral-")]
        assert len(found) == 2
        assert b"SG-00417" in found[0].content
        done = await held.forget(tx, subject)
    assert done.counts["referrals"] == 2
    left = await rows(register, "SELECT id, reference, reason FROM referrals ORDER BY made_at")
    assert left == [
        {"id": one, "reference": "", "reason": ""},
        {"id": two, "reference": "SG-2", "reason": "Ask [somebody who was erased]"},
    ]


async def test_references_go_two_years_after_the_last_word(
    staff: httpx.AsyncClient, trust: UUID, register: Database, by: UUID
) -> None:
    over, waits = await makes(register, trust, by), await makes(register, trust, by, reference="SG-2")
    await says(register, over, State.DECLINED, reason="No room")
    register.context.clock.advance(timedelta(days=740))
    assert (await scrub_old(register, held.TERMS))["referrals"] == 1
    left = await rows(register, "SELECT reference, reason FROM referrals ORDER BY reference")
    assert left == [{"reference": "", "reason": ""}, {"reference": "SG-2", "reason": ""}]
    assert "reference no longer kept" in (await staff.get(f"{MOUNT}/referrals/{over}")).text
    assert await state_of(register, waits) is State.MADE
