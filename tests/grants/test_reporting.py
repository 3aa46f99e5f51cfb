"""Reporting back: how the exam went, the receipt, an exam that was moved or not sat, and being asked."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import httpx
import pytest

from chassis.audit import acting
from chassis.database import Database
from chassis.errors import Conflict, Refused
from contracts.grants import PostAsked, ReportDue
from services.grants import reporting, web
from services.grants.awards import Paper
from services.grants.queries import MONEY
from services.grants.reporting import Result
from services.grants.states import State
from tests.conftest import announced, client
from tests.grants.applying import PNG, key_in, later, letters, state_of
from tests.grants.awarding import (
    OFFICER,
    a_paid,
    adds_paper,
    an_accepted,
    award,
    by,
    fresh,
    prepares,
    token_of,
)


@pytest.fixture
async def applicant(grants: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(web.build(grants), "/grants", None) as browser:
        yield browser


@pytest.fixture
async def officer(grants: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(web.build(grants), "/grants", OFFICER) as browser:
        yield browser


async def asked(grants: Database) -> int:
    """Let the clock ask, twice: the second finds nobody more."""
    async with grants.transaction() as tx:
        count = await reporting.ask(tx)
        assert await reporting.ask(tx) == 0
    return count


async def says(
    browser: httpx.AsyncClient, grants: Database, id: UUID, act: str, **fields: str
) -> httpx.Response:
    path = f"/grants/applying/{token_of(grants, id)}/award"
    form = {"key": fresh(await browser.get(path)), "act": act, **fields}
    return await browser.post(path, data=form)


async def does(browser: httpx.AsyncClient, id: UUID, what: str, **fields: str) -> httpx.Response:
    page = await browser.get(f"/grants/awards/{id}")
    return await browser.post(f"/grants/awards/{id}/{what}", data={"key": fresh(page), **fields})


async def test_it_is_reported_with_a_receipt_and_not_without(
    grants: Database, applicant: httpx.AsyncClient
) -> None:
    id, _ = await a_paid(grants)
    path = f"/grants/applying/{token_of(grants, id)}/award"
    assert (await says(applicant, grants, id, "report", result="passed", in_post="")).status_code == 303
    assert await state_of(grants, id) == State.PAID
    key = key_in(await applicant.get(path), "-receipt")
    files = {"file": ("receipt.png", PNG, "image/png")}
    data = {"key": key, "act": "add", "kind": "receipt"}
    assert (await applicant.post(path, data=data, files=files)).status_code == 303
    assert await state_of(grants, id) == State.REPORTED
    assert (await says(applicant, grants, id, "report", result="not_passed")).status_code == 409
    assert (await says(applicant, grants, id, "post", in_post="yes")).status_code == 303
    async with grants.reading() as tx:
        outcome = await MONEY.outcome_of(tx, application_id=id)
    assert (outcome["result"], outcome["in_post"], outcome["said_by"]) == ("passed", True, None)
    assert "That is good news" in (await applicant.get(path)).text


async def test_the_receipt_may_come_first_and_be_seen_on_paper(
    grants: Database, officer: httpx.AsyncClient
) -> None:
    id, _ = await a_paid(grants)
    assert (await does(officer, id, "receipt")).status_code == 422
    assert (await does(officer, id, "receipt", seen="yes")).status_code == 303
    assert await state_of(grants, id) == State.PAID
    assert (await does(officer, id, "outcome", result="")).status_code == 422
    assert (await does(officer, id, "outcome", result="not_passed", in_post="no")).status_code == 303
    assert await state_of(grants, id) == State.REPORTED
    page = (await officer.get(f"/grants/awards/{id}")).text
    assert "Not passed" in page
    assert "A receipt was seen on paper" in page


async def test_nothing_is_reported_before_it_is_paid(grants: Database, applicant: httpx.AsyncClient) -> None:
    id = await an_accepted(grants)
    assert (await says(applicant, grants, id, "report", result="passed")).status_code == 409
    assert (await says(applicant, grants, id, "post", in_post="yes")).status_code == 409
    with pytest.raises(Conflict):
        async with grants.transaction() as tx:
            await reporting.confirm_receipt(tx, id, OFFICER.id)


async def test_somebody_is_asked_after_the_exam_and_twice_more(grants: Database) -> None:
    exam_on = grants.context.clock.today() + timedelta(days=50)
    id, _ = await a_paid(grants, exam_on=exam_on)
    found = []
    for days in (50, 1, 13, 1, 13, 1, 14, 100):
        later(grants, days=days)
        found.append(await asked(grants))
    assert found == [0, 1, 0, 1, 0, 1, 0, 0]
    told = [event for event in await announced(grants) if event.fact is ReportDue]
    assert [event.data["asked_before"] for event in told] == [0, 1, 2]
    assert told[0].data["due_on"] == exam_on + timedelta(days=15)
    assert (await award(grants, id)).asked == 3


async def test_without_a_day_somebody_is_asked_60_days_after_the_payment(grants: Database) -> None:
    await a_paid(grants)
    later(grants, days=60)
    assert await asked(grants) == 0
    later(grants, days=1)
    assert await asked(grants) == 1


async def test_nobody_is_asked_for_what_is_there_or_was_not_sat(grants: Database) -> None:
    done, _ = await a_paid(grants)
    missed, _ = await a_paid(grants, email="minh@mail.example")
    half, _ = await a_paid(grants, email="amina@mail.example")
    await adds_paper(grants, done, Paper.RECEIPT)
    async with grants.transaction() as tx:
        await reporting.report(tx, token_of(grants, done), Result.PASSED, None)
        await reporting.report(tx, token_of(grants, missed), Result.NOT_SAT, None)
        await reporting.report(tx, token_of(grants, half), Result.PASSED, None)
    later(grants, days=61)
    assert await asked(grants) == 1, "of the third the receipt is missing"


async def test_whoever_passed_and_has_no_post_is_asked_once_more_half_a_year_later(
    grants: Database, applicant: httpx.AsyncClient, officer: httpx.AsyncClient
) -> None:
    said = {"passed": (Result.PASSED, False), "silent": (Result.PASSED, None)}
    said |= {"works": (Result.PASSED, True), "failed": (Result.NOT_PASSED, False)}
    ids = {name: (await a_paid(grants, email=f"{name}@mail.example"))[0] for name in said}
    for name, (result, in_post) in said.items():
        await adds_paper(grants, ids[name], Paper.RECEIPT)
        async with grants.transaction() as tx:
            await reporting.report(tx, token_of(grants, ids[name]), result, in_post)

    async def asks(**more: timedelta) -> set[UUID]:
        async with grants.transaction() as tx:
            count = await reporting.ask_post(tx, **more)
            assert await reporting.ask_post(tx, **more) == 0
        told = [event for event in await announced(grants) if event.fact is PostAsked]
        return {event.data["application_id"] for event in told[len(told) - count :]}

    later(grants, days=100)
    await says(applicant, grants, ids["silent"], "post", in_post="no")
    later(grants, days=81)
    assert await asks() == set()
    later(grants, days=1)
    assert await asks() == {ids["passed"]}
    assert await asks(after=timedelta(days=82)) == {ids["silent"]}, "sooner where it is so set"
    later(grants, days=400)
    assert await asks() == set(), "once"
    [first, *_] = await letters(grants, PostAsked)
    path = f"/grants/applying/{token_of(grants, ids['passed'])}/award"
    assert first["link"].endswith(path.removesuffix("/award"))
    assert "that you do not yet" in (await applicant.get(path)).text
    assert (await says(applicant, grants, ids["passed"], "post", in_post="yes")).status_code == 303
    assert "Works in the profession" in (await officer.get(f"/grants/awards/{ids['passed']}")).text


async def test_an_exam_that_was_moved_is_asked_about_anew(
    grants: Database, applicant: httpx.AsyncClient, officer: httpx.AsyncClient
) -> None:
    id, _ = await a_paid(grants)
    later(grants, days=61)
    assert await asked(grants) == 1
    today = grants.context.clock.today()
    await says(applicant, grants, id, "report", result="not_sat", in_post="yes")
    theirs = (await applicant.get(f"/grants/applying/{token_of(grants, id)}/award")).text
    assert "we need no receipt now" in theirs
    assert 'type="file"' not in theirs
    assert '<option value="yes" selected' in theirs
    past = await says(applicant, grants, id, "move", exam_on=today.isoformat(), moved="ill")
    assert past.status_code == 422
    assert "This day is over" in past.text
    day = today + timedelta(days=30)
    said = {"exam_on": day.isoformat(), "moved": "I was ill – أنا مريض"}
    assert (await says(applicant, grants, id, "move", **said)).status_code == 303
    page = (await officer.get(f"/grants/awards/{id}")).text
    assert "The exam was moved" in page
    assert "أنا مريض" in page
    found = await award(grants, id)
    assert (found.exam_on, found.asked, found.state) == (day, 0, State.PAID)
    later(grants, days=30)
    assert await asked(grants) == 0
    later(grants, days=1)
    assert await asked(grants) == 1
    further = {"exam_on": (day + timedelta(days=60)).isoformat(), "moved": "The centre closed."}
    assert (await does(officer, id, "exam", **further)).status_code == 303


async def test_an_exam_that_was_not_sat_is_waived_with_a_reason(
    grants: Database, applicant: httpx.AsyncClient, officer: httpx.AsyncClient
) -> None:
    id, _ = await a_paid(grants)
    await adds_paper(grants, id, Paper.RECEIPT)
    assert (await does(officer, id, "waive", waived="Ill.")).status_code == 409, "nobody has said so"
    await says(applicant, grants, id, "report", result="not_sat")
    assert await state_of(grants, id) == State.PAID
    assert "exam that was not sat" in (await officer.get("/grants/")).text
    assert "Not sat: decide" in (await officer.get("/grants/payments?state=report")).text
    assert (await does(officer, id, "waive", waived="")).status_code == 422
    assert (await does(officer, id, "waive", waived="Was ill: a doctor’s note.")).status_code == 303
    assert await state_of(grants, id) == State.REPORTED
    assert "The money is not asked back" in (await officer.get(f"/grants/awards/{id}")).text
    assert (await award(grants, id)).paid_pence == 14_500


async def test_a_moved_exam_before_the_payment_does_not_stop_it(grants: Database) -> None:
    id = await an_accepted(grants)
    day = grants.context.clock.today() + timedelta(days=9)
    with pytest.raises(Refused):
        async with grants.transaction() as tx:
            await reporting.move_exam(tx, token_of(grants, id), grants.context.clock.today(), "x")
    async with acting(grants, by(OFFICER.id)) as tx:
        await reporting.record_move(tx, id, OFFICER.id, day, "They rang.")
    await prepares(grants, id, 14_500)
    assert (await award(grants, id)).exam_on == day
