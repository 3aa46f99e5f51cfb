"""Applications as the officer has them: states, rules, the list, each one's page, time, forgetting."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise, product
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chassis.audit import acting
from chassis.database import Database
from chassis.errors import Conflict
from chassis.retention import rehearse, scrub_old
from chassis.rights import Subject
from chassis.web import FILE_POLICY
from contracts.access import Role
from contracts.grants import (
    ApplicationRefused,
    ApplicationReminded,
    ApplicationReopened,
    ApplicationReturned,
    ApplicationSubmitted,
    ApplicationWithdrawn,
)
from services.grants import applying, held, web
from services.grants.applicants import Applicant
from services.grants.applying import Asked, before_meeting, lacking, new_reference
from services.grants.eligibility import ALWAYS, EVERY_RULE, RULES, Known, Outcome, check
from services.grants.imports import import_registrations
from services.grants.states import COUNTING, ENDED, STAGES, Mover, State, check_move, may_move
from services.grants.today import needed
from services.grants.web.applications import GROUPS, PAGE
from services.grants.web.looks import LOOKS
from tests.access import EVERYTHING
from tests.conftest import announced, client
from tests.grants.applying import (
    ASKED,
    EMAIL,
    PDF,
    PNG,
    WHO,
    YOU,
    adds,
    an_application,
    begins,
    key_in,
    later,
    letters,
    path_of,
    sends,
    state_of,
    writes,
)
from tests.grants.filling import a_fund, a_plan, a_round, post
from tests.grants.panelling import a_colleague

OFFICER = replace(EVERYTHING, roles=frozenset({Role.GRANTS_OFFICER}))


@pytest.fixture
async def round(grants: Database) -> UUID:
    rules = ("profession", "exam_ahead", "once_in_a_round")
    return await a_round(grants, await a_fund(grants), opened=True, eligibility=rules)


@pytest.fixture
async def officer(grants: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(web.build(grants), "/grants", OFFICER) as browser:
        yield browser


@pytest.fixture
async def applicant(grants: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(web.build(grants), "/grants", None) as browser:
        yield browser


async def judge(browser: httpx.AsyncClient, id: UUID, what: str, **fields: str) -> httpx.Response:
    """Say something of an application, as its page does."""
    page = await browser.get(f"/grants/applications/{id}")
    key = key_in(page).rpartition("-")[0] + f"-{what}"
    found = re.search(r'name="revision" value="(\d+)"', page.text)
    said = {"key": key, "revision": found[1] if found else "1", **fields}
    return await browser.post(f"/grants/applications/{id}/{what}", data=said)


async def accepts(browser: httpx.AsyncClient, id: UUID) -> httpx.Response:
    return await judge(browser, id, "accept", looked="yes")


# States


def test_the_table_speaks_of_every_state_and_ends() -> None:
    assert set(STAGES) == set(State)
    assert {state for state in State if not STAGES[state].moves} == ENDED - {State.INELIGIBLE, State.DECLINED}
    reached = {to for stage in STAGES.values() for to in stage.moves}
    assert reached == set(State) - {State.DRAFT}
    assert all(stage.staff and stage.public and stage.next for stage in STAGES.values())
    assert set(LOOKS) == set(State) - {State.DRAFT}
    in_groups = [state for _, states in GROUPS.values() for state in states]
    assert sorted(in_groups) == sorted(set(State) - {State.DRAFT}), "each is in one group"
    assert State.WITHDRAWN not in COUNTING


def test_nothing_moves_but_as_the_table_says() -> None:
    for state, to, mover in product(State, State, Mover):
        if may_move(state, to, mover):
            check_move(state, to, mover)
        else:
            with pytest.raises(Conflict):
                check_move(state, to, mover)
    assert not may_move(State.DRAFT, State.ELIGIBLE, Mover.OFFICER)
    assert not may_move(State.SUBMITTED, State.ELIGIBLE, Mover.APPLICANT)
    assert not may_move(State.PAID, State.WITHDRAWN, Mover.APPLICANT)


async def test_the_database_knows_the_same_states(grants: Database, round: UUID) -> None:
    id = await an_application(grants, round, sent=False)
    async with grants.transaction() as tx:
        for state in State:
            await tx.execute("UPDATE applications SET state = $1 WHERE id = $2", state.value, id)


def test_a_reference_tells_nothing() -> None:
    some = {new_reference() for _ in range(500)}
    assert len(some) == 500
    assert all(len(each) == 9 and each[4] == "-" and not set(each) & set("AEIOU01L") for each in some)
    assert sorted(some) != list(some)


# What is missing


def test_what_is_missing_is_named_with_its_step() -> None:
    none = lacking(Asked(), Applicant(email=EMAIL), tuple(RULES))
    assert [(it.step, it.field) for it in none] == [
        ("you", "name"),
        ("you", "telephone"),
        ("you", "area"),
        ("work", "profession"),
        ("work", "qualified_abroad"),
        ("exam", "purpose"),
        ("exam", "amount"),
        ("exam", "exam_passed"),
        ("exam", "status_met"),
        ("exam", "words"),
    ]
    assert len(lacking(Asked(), Applicant(email=EMAIL), ())) == 6
    assert lacking(ASKED, WHO, ("profession", "exam_ahead", "qualified_abroad")) == []
    said_no = replace(ASKED, status_met=False, exam_passed=True, qualified_abroad=False, area="E09000020")
    assert lacking(said_no, WHO, tuple(RULES)) == [], "no is an answer"


async def test_an_exam_on_the_day_of_the_meeting_is_early(grants: Database) -> None:
    plan = a_plan(grants, uuid4())
    assert plan.meets_on
    days = (-1, 0, 1)
    found = [before_meeting(Asked(exam_on=plan.meets_on + timedelta(days=n)), plan) for n in days]
    assert found == [True, True, False]
    assert not before_meeting(Asked(), plan)


# Rules

KNOWN = Known(
    profession="doctor",
    qualified_abroad=True,
    area="E09000020",
    purpose="plab_1",
    amount_pence=14_500,
    exam_on=date(2012, 6, 1),
    exam_passed=False,
    status_met=True,
    professions=("doctor",),
    purposes=("ielts", "plab_1"),
    most_pence=43_000,
    meets_on=date(2012, 5, 14),
    terms_on_status=True,
    areas=frozenset({"E09000020"}),
    registered=True,
)


@pytest.mark.parametrize(
    ("rule", "change", "outcome"),
    [
        ("purpose", {"purpose": "ore_1"}, Outcome.NOT_MET),
        ("purpose", {"fund_purposes": frozenset({"ielts"})}, Outcome.NOT_MET),
        ("amount", {"amount_pence": 43_000}, Outcome.MET),
        ("amount", {"amount_pence": 43_001}, Outcome.NOT_MET),
        ("amount", {"amount_pence": None}, Outcome.NOT_MET),
        ("exam_date", {"exam_on": date(2012, 5, 14)}, Outcome.UNCLEAR),
        ("exam_date", {"exam_on": None}, Outcome.UNCLEAR),
        ("profession", {"profession": "nurse"}, Outcome.NOT_MET),
        ("profession", {"fund_professions": frozenset()}, Outcome.NOT_MET),
        ("qualified_abroad", {"qualified_abroad": False}, Outcome.NOT_MET),
        ("qualified_abroad", {"qualified_abroad": None}, Outcome.UNCLEAR),
        ("area", {"area": "E09000099"}, Outcome.NOT_MET),
        ("area", {"area": None}, Outcome.UNCLEAR),
        ("exam_ahead", {"exam_passed": True}, Outcome.NOT_MET),
        ("exam_ahead", {"exam_passed": None}, Outcome.UNCLEAR),
        ("first_time", {"awards": 1}, Outcome.NOT_MET),
        ("once_in_a_round", {"same_in_round": 1}, Outcome.NOT_MET),
        ("once_in_a_round", {"alike_in_round": 1}, Outcome.UNCLEAR),
        ("registered", {"registered": False}, Outcome.NOT_MET),
        ("registered", {"registered": None}, Outcome.UNCLEAR),
        ("status", {"status_met": False}, Outcome.NOT_MET),
        ("status", {"status_met": False, "terms_on_status": False}, Outcome.UNCLEAR),
    ],
)
def test_each_rule_says_what_it_finds(rule: str, change: dict[str, Any], outcome: Outcome) -> None:
    every = tuple(RULES)
    assert {each.outcome for each in check(every, KNOWN)} == {Outcome.MET}
    findings = {each.rule: each for each in check(every, replace(KNOWN, **change))}
    assert set(findings) == set(EVERY_RULE)
    assert findings[rule].outcome is outcome
    assert findings[rule].found.endswith(".")
    assert findings[rule].asks == EVERY_RULE[rule].asks
    others = {each.outcome for name, each in findings.items() if name != rule}
    assert others == {Outcome.MET}


def test_a_round_goes_by_its_own_rules_and_by_those_of_all() -> None:
    assert [each.rule for each in check((), KNOWN)] == list(ALWAYS)
    assert [each.rule for each in check(("profession",), KNOWN)] == [*ALWAYS, "profession"]
    [status] = [each for each in check(("status",), KNOWN) if each.rule == "status"]
    assert status.found == "Met.", "only met or not met is seen"


# The list


async def test_the_list_shows_what_was_sent_in_its_order_with_counts(
    grants: Database, round: UUID, officer: httpx.AsyncClient
) -> None:
    empty = (await officer.get(f"/grants/rounds/{round}/applications")).text
    assert "Nobody has applied yet" in empty
    first = await an_application(grants, round, papers=1)
    later(grants, minutes=5)
    other = Applicant(email="other@mail.example", name="Other Marker", telephone="020 7946 0999")
    second = await an_application(grants, round, who=other, asked=replace(ASKED, amount_pence=10_050))
    await an_application(
        grants, round, who=replace(other, email="draft@mail.example", name="Draft"), sent=False
    )
    page = (await officer.get(f"/grants/rounds/{round}/applications")).text
    assert "2 were sent, 1 draft not yet" in page
    assert "£245.50 together" in page
    assert page.index(str(first)) < page.index(str(second))
    assert "Draft</td>" not in page
    assert f"http://127.0.0.1:8000/grants/apply/{round}" in page or f"/grants/apply/{round}" in page
    assert (await accepts(officer, second)).status_code == 303
    checked = (await officer.get(f"/grants/rounds/{round}/applications?state=check")).text
    assert str(first) in checked
    assert str(second) not in checked
    nobody = (await officer.get(f"/grants/rounds/{round}/applications?state=decided")).text
    assert "Choose another group above." in nobody
    for query in ("state=gone", "after=x"):
        assert (await officer.get(f"/grants/rounds/{round}/applications?{query}")).status_code == 400
    assert (await officer.get(f"/grants/rounds/{uuid4()}/applications")).status_code == 404
    assert "2 were sent, 1 waits to be checked." in (await officer.get(f"/grants/rounds/{round}")).text


async def test_a_long_list_has_pages_and_pages_take_the_same_number_of_statements(
    grants: Database, round: UUID, officer: httpx.AsyncClient, statements: list[str]
) -> None:
    ids = [await an_application(grants, round)]
    href = f"/grants/rounds/{round}/applications"
    paths = (href, f"/grants/applications/{ids[0]}", f"/grants/rounds/{round}", "/grants/")
    await officer.get(href)
    counts = []
    for _ in range(2):
        found = []
        for path in paths:
            statements.clear()
            assert (await officer.get(path)).status_code == 200
            found.append(len(statements))
        counts.append(found)
        for number in range(PAGE + 4):
            later(grants, minutes=1)
            who = replace(WHO, email=f"{len(ids)}.{number}@mail.example")
            ids.append(await an_application(grants, round, who=who))
    assert counts[0] == counts[1]
    first = (await officer.get(href)).text
    shown = [id for id in ids if str(id) in first]
    assert shown[:PAGE] == ids[:PAGE]
    rest = (await officer.get(f"{href}?after={ids[PAGE - 1]}")).text
    assert str(ids[PAGE - 1]) not in rest
    assert str(ids[PAGE]) in rest


async def test_only_the_officer_and_the_auditor_see_who_applies(grants: Database, round: UUID) -> None:
    id = await an_application(grants, round, papers=1)
    async with grants.reading() as tx:
        file = await tx.fetchval("SELECT file_id FROM evidence")
    paths = (f"/grants/rounds/{round}/applications", f"/grants/applications/{id}", f"/grants/evidence/{file}")
    for role in Role:
        async with client(
            web.build(grants), "/grants", replace(EVERYTHING, roles=frozenset({role}))
        ) as browser:
            for path in paths:
                may = role in (Role.GRANTS_OFFICER, Role.AUDITOR)
                assert (await browser.get(path)).status_code == (200 if may else 403), f"{role} {path}"
    async with client(
        web.build(grants), "/grants", replace(EVERYTHING, roles=frozenset({Role.AUDITOR}))
    ) as browser:
        assert "What do you say?" not in (await browser.get(paths[1])).text
        assert (await post(browser, f"{paths[1]}/accept", {"looked": "yes"})).status_code == 403


async def test_drafts_and_what_does_not_exist_are_the_same_to_the_officer(
    grants: Database, round: UUID, officer: httpx.AsyncClient
) -> None:
    draft = await an_application(grants, round, sent=False, papers=1)
    async with grants.reading() as tx:
        file = await tx.fetchval("SELECT file_id FROM evidence")
    for path in (f"applications/{draft}", f"applications/{uuid4()}", "applications/x", f"evidence/{file}"):
        assert (await officer.get(f"/grants/{path}")).status_code == 404, path
    for what in ("accept", "refuse", "return"):
        fields = {"looked": "yes", "rule": "profession", "more": "x", "revision": "1"}
        assert (await post(officer, f"/grants/applications/{draft}/{what}", fields)).status_code in (404, 409)
    assert await state_of(grants, draft) == "draft"


# One application


async def test_the_page_shows_everything_and_the_rules(
    grants: Database, round: UUID, officer: httpx.AsyncClient
) -> None:
    hostile = replace(ASKED, words="<script>alert(1)</script>\nO'Brien شكرا")
    id = await an_application(grants, round, asked=hostile, papers=2)
    page = (await officer.get(f"/grants/applications/{id}")).text
    for said in (
        "Zyta Zzyzxová-O&#39;Brien",
        EMAIL,
        "1 Zzyzx Road",
        "PLAB 1",
        "£145",
        "paper.pdf",
        "photo.png",
    ):
        assert said in page, said
    assert "<script>alert" not in page
    for rule in (*ALWAYS, "profession", "exam_ahead", "once_in_a_round"):
        assert EVERY_RULE[rule].asks in page, rule
    assert EVERY_RULE["area"].asks not in page


async def test_papers_are_given_so_that_nothing_in_them_acts(
    grants: Database, round: UUID, officer: httpx.AsyncClient, applicant: httpx.AsyncClient
) -> None:
    polyglot = PNG + b"<script>alert(1)</script>PK\x03\x04"
    path = await begins(applicant, round)
    await writes(applicant, path)
    for name, content in (("a'\"b.pdf", PDF + b"PK\x03\x04<script>"), ("both.png", polyglot)):
        assert (await adds(applicant, path, name, content)).status_code == 303
    await sends(applicant, path)
    async with grants.reading() as tx:
        rows = await tx.fetch(
            "SELECT file_id, name FROM evidence JOIN files ON id = file_id ORDER BY added_at"
        )
    given = [await officer.get(f"/grants/evidence/{row['file_id']}") for row in rows]
    for answer, kind, shown in zip(
        given, ("application/pdf", "image/png"), ("attachment", "inline"), strict=True
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"] == kind
        assert answer.headers["content-security-policy"] == FILE_POLICY
        assert answer.headers["content-disposition"].startswith(f"{shown};")
    assert given[1].content == polyglot


async def test_repeat_applicants_and_likely_duplicates_are_shown(
    grants: Database, round: UUID, officer: httpx.AsyncClient
) -> None:
    before = await a_round(grants, await a_fund(grants, "Earlier"), opened=True, name="Winter")
    earlier = await an_application(grants, before)
    first = await an_application(grants, round)
    later(grants, minutes=16)
    second = await an_application(grants, round, who=replace(WHO, name=WHO.name.upper()))
    shared = await an_application(grants, round, who=replace(WHO, name="Brother", telephone="020 7946 0888"))
    stranger = Applicant(email="s@mail.example", name="Stranger", telephone="020 7946 0777")
    await an_application(grants, round, who=stranger)
    page = (await officer.get(f"/grants/applications/{first}")).text
    for other in (earlier, second, shared):
        assert f"/grants/applications/{other}" in page
    assert page.count("(the same person)") == 2
    assert "Others of theirs in this round: 1." in page
    listed = (await officer.get(f"/grants/rounds/{round}/applications")).text
    assert listed.count("Perhaps sent twice") == 3
    assert (await accepts(officer, first)).status_code == 409
    refused = await judge(officer, second, "refuse", rule="once_in_a_round", words="We keep the first.")
    assert refused.status_code == 303
    page = (await officer.get(f"/grants/applications/{first}")).text
    assert "Others in this round that may be theirs: 1." in page
    assert (await accepts(officer, first)).status_code == 303


async def test_a_number_with_us_is_looked_up_by_its_digest(
    grants: Database, officer: httpx.AsyncClient
) -> None:
    head = "reference,registered_on,profession,area,country,exam_stage,lawful_basis"
    row = "SG-00417,2011-10-03,doctor,E09000020,IQ,plab_1,consent"
    await import_registrations(grants, f"{head}\n{row}".encode())
    rules = ("profession", "registered")
    round = await a_round(grants, await a_fund(grants), opened=True, eligibility=rules)
    found = {}
    for number, reference in enumerate(("sg-00417 ", "SG-99999", "")):
        who = Applicant(
            email=f"{number}@mail.example", name=f"N{number}", telephone="1", registration=reference
        )
        id = await an_application(grants, round, who=replace(who, telephone=f"020 7946 09{number:02}"))
        found[reference] = (await officer.get(f"/grants/applications/{id}")).text
    assert "Their reference is one of ours." in found["sg-00417 "]
    assert "Nobody is registered under the reference that they gave." in found["SG-99999"]
    assert "They gave no reference." in found[""]


async def test_accepted_only_by_whoever_has_looked_and_only_once(
    grants: Database, round: UUID, officer: httpx.AsyncClient
) -> None:
    id = await an_application(grants, round)
    await a_colleague(grants, "Rosa <b> Quispe", role=Role.GRANTS_OFFICER, id=OFFICER.id)
    assert (await judge(officer, id, "accept")).status_code == 422
    assert (await accepts(officer, id)).status_code == 303
    assert await state_of(grants, id) == "eligible"
    page = (await officer.get(f"/grants/applications/{id}?done=accepted")).text
    assert "It may go to the panel." in page
    assert "By Rosa &lt;b&gt; Quispe" in page, "colleagues read who did what"
    again = {"looked": "yes", "revision": "1"}
    assert (await post(officer, f"/grants/applications/{id}/accept", again)).status_code == 409


async def test_a_refusal_names_its_rule_in_the_letter_and_on_the_page(
    grants: Database, round: UUID, officer: httpx.AsyncClient, applicant: httpx.AsyncClient
) -> None:
    id = await an_application(grants, round, asked=replace(ASKED, profession="nurse"))
    page = (await officer.get(f"/grants/applications/{id}")).text
    assert "Not while a rule is not met." in page
    for rule in ("", "exam_date", "area", "status", "nonsense", "amount", "exam_ahead"):
        answer = await judge(officer, id, "refuse", rule=rule, words="kept as typed")
        assert answer.status_code == 422, rule
        assert "It is not said by which rule." in answer.text
        assert "kept as typed" in answer.text
    answer = await judge(officer, id, "refuse", rule="profession", words="A round for nurses opens in May.")
    assert answer.status_code == 303
    [letter] = await letters(grants, ApplicationRefused)
    assert letter["words"] == f"{RULES['profession'].refusal}\n\nA round for nurses opens in May."
    [event] = [event for event in await announced(grants) if event.fact is ApplicationRefused]
    assert event.data["rule"] == "profession"
    theirs = (await applicant.get(path_of(letter))).text
    assert RULES["profession"].refusal in theirs
    assert "May." in theirs
    assert "Take my application back" not in theirs


async def test_a_refusal_can_be_put_right_by_a_new_decision(
    grants: Database, round: UUID, officer: httpx.AsyncClient
) -> None:
    id = await an_application(grants, round)
    double = await an_application(grants, round, who=replace(WHO, email="other@mail.example"))
    refused = await judge(officer, id, "refuse", rule="once_in_a_round", words="")
    assert refused.status_code == 303
    async with grants.transaction() as tx:
        await tx.execute("UPDATE applications SET state = 'withdrawn' WHERE id = $1", double)
    assert (await accepts(officer, id)).status_code == 303
    async with grants.reading() as tx:
        steps = await tx.fetch(
            "SELECT state FROM application_steps WHERE application_id = $1 ORDER BY number", id
        )
    assert [row["state"] for row in steps] == ["submitted", "ineligible", "eligible"]
    assert len(await letters(grants, ApplicationReopened)) == 1, "the refusal is not the last they hear"


async def test_of_two_officers_the_second_sees_what_the_first_has_said(
    grants: Database, round: UUID, officer: httpx.AsyncClient
) -> None:
    id = await an_application(grants, round)
    async with client(web.build(grants), "/grants", replace(OFFICER, id=uuid4())) as colleague:
        page = await colleague.get(f"/grants/applications/{id}")
        assert (await accepts(officer, id)).status_code == 303
        said = {"revision": re.search(r'name="revision" value="(\d+)"', page.text)[1]}  # type: ignore[index]
        stale = await colleague.post(
            f"/grants/applications/{id}/return",
            data={"key": key_in(page, "-return"), "more": "Typed <before>", **said},
        )
    assert stale.status_code == 409
    assert "has changed since you looked at it" in stale.text
    assert "Typed &lt;before&gt;" in stale.text
    assert "By a former colleague" in stale.text
    assert await state_of(grants, id) == "eligible"


async def test_what_meets_every_rule_cannot_be_refused(
    grants: Database, round: UUID, officer: httpx.AsyncClient
) -> None:
    id = await an_application(grants, round)
    assert "It cannot be refused" in (await officer.get(f"/grants/applications/{id}")).text
    assert (await judge(officer, id, "refuse", rule="profession", words="")).status_code == 422
    assert await letters(grants, ApplicationRefused) == []


async def test_returned_for_more_then_put_right_and_sent_again(
    grants: Database, round: UUID, officer: httpx.AsyncClient, applicant: httpx.AsyncClient
) -> None:
    id = await an_application(grants, round)
    assert (await judge(officer, id, "return", more="")).status_code == 422
    missing = "Please add a copy of your booking.\nThank you!"
    assert (await judge(officer, id, "return", more=missing)).status_code == 303
    [letter] = await letters(grants, ApplicationReturned)
    assert letter["words"] == missing
    path = path_of(letter)
    page = (await applicant.get(path)).text
    assert "We need more from you" in page
    assert "Please add a copy of your booking." in page
    assert "Please add a copy" in (await applicant.get(f"{path}/evidence")).text
    later(grants, days=30)
    assert (await adds(applicant, path)).status_code == 303, "also when the round has closed"
    assert (await sends(applicant, path)).status_code == 303
    assert await state_of(grants, id) == "submitted"
    assert len(await letters(grants, ApplicationSubmitted)) == 2
    versions = [event.sequence for event in await announced(grants) if event.subject == str(id)]
    assert versions == sorted(set(versions))


async def test_nothing_is_returned_when_there_is_no_time_left(
    grants: Database, round: UUID, officer: httpx.AsyncClient
) -> None:
    id = await an_application(grants, round)
    later(grants, days=42)
    answer = await judge(officer, id, "return", more="More, please.")
    assert answer.status_code == 409
    assert await state_of(grants, id) == "submitted"


async def test_accepted_refused_and_withdrawn_in_the_same_moment_is_one_of_them(
    grants: Database, round: UUID, officer: httpx.AsyncClient, applicant: httpx.AsyncClient
) -> None:
    id = await an_application(grants, round)
    [letter] = await letters(grants, ApplicationSubmitted)
    await an_application(grants, round, who=replace(WHO, name="Brother", telephone="020 7946 0888"))
    withdraw = {"act": "withdraw", "confirm": "yes"}
    key = key_in(await applicant.get(path_of(letter)), "-withdraw")
    answers = await asyncio.gather(
        *(accepts(officer, id) for _ in range(3)),
        *(judge(officer, id, "refuse", rule="once_in_a_round", words="") for _ in range(3)),
        *(applicant.post(path_of(letter), data={"key": key, **withdraw}) for _ in range(3)),
    )
    assert {answer.status_code for answer in answers} <= {303, 404, 409}
    async with grants.reading() as tx:
        found = await tx.fetch(
            "SELECT state FROM application_steps WHERE application_id = $1 ORDER BY number", id
        )
    steps = [row["state"] for row in found]
    assert steps[0] == "submitted"
    assert len(steps) == len(set(steps)), "nothing is decided twice"
    for before, after in pairwise(steps):
        assert any(may_move(State(before), State(after), mover) for mover in Mover)


async def test_the_audit_names_nobody(
    grants: Database, round: UUID, officer: httpx.AsyncClient, applicant: httpx.AsyncClient
) -> None:
    id = await an_application(grants, round)
    await judge(officer, id, "return", more="Zyta, please send more.")
    async with grants.reading() as tx:
        rows = await tx.fetch("SELECT * FROM audit")
    said = json.dumps([dict(row) for row in rows], default=str)
    assert "application_returned" in said
    assert str(OFFICER.id) in said
    assert "Zyta" not in said
    assert EMAIL not in said


async def test_what_waits_to_be_checked_is_the_work_of_today(grants: Database, round: UUID) -> None:
    await an_application(grants, round)
    async with grants.reading() as tx:
        first = (await needed(tx, grants.context.clock.today(), 5))[0]
    assert first.what.startswith("Check an application for")
    assert first.href == f"/grants/rounds/{round}/applications?state=check"


# Time


async def see_to_drafts(grants: Database) -> tuple[int, int]:
    async with grants.transaction() as tx:
        return await applying.remind(tx), await applying.lapse(tx)


async def test_whoever_has_not_sent_it_is_told_once_and_then_it_lapses(
    grants: Database, round: UUID, applicant: httpx.AsyncClient
) -> None:
    draft = await an_application(grants, round, sent=False)
    sent = await an_application(grants, round, who=replace(WHO, email="sent@mail.example"))
    later(grants, days=24)
    assert await see_to_drafts(grants) == (0, 0)
    later(grants, days=1)
    assert await see_to_drafts(grants) == (1, 0)
    assert await see_to_drafts(grants) == (0, 0)
    [letter] = await letters(grants, ApplicationReminded)
    assert letter["email"] == EMAIL
    late = await an_application(grants, round, who=replace(WHO, email="late@mail.example"), sent=False)
    assert await see_to_drafts(grants) == (0, 0), "whoever began today knows"
    later(grants, days=3)
    assert (await see_to_drafts(grants))[1] == 0, "the last day counts"
    later(grants, days=1)
    assert await see_to_drafts(grants) == (0, 2)
    assert {await state_of(grants, id) for id in (draft, late)} == {"lapsed"}
    assert await state_of(grants, sent) == "submitted"
    assert "The last day is over" in (await applicant.get(path_of(letter))).text


async def test_what_was_returned_lapses_when_the_panel_meets(
    grants: Database, round: UUID, officer: httpx.AsyncClient
) -> None:
    id = await an_application(grants, round)
    await judge(officer, id, "return", more="More, please.")
    later(grants, days=41)
    assert await see_to_drafts(grants) == (0, 0)
    later(grants, days=1)
    assert await see_to_drafts(grants) == (0, 1)
    assert await state_of(grants, id) == "lapsed"


# Forgetting

SUBJECT = Subject(emails=(EMAIL,))


async def test_everything_that_is_held_on_somebody_is_told(
    grants: Database, round: UUID, officer: httpx.AsyncClient
) -> None:
    id = await an_application(grants, round, papers=2)
    await an_application(grants, round, who=replace(WHO, email="other@mail.example", name="Other"))
    await judge(officer, id, "return", more="Add your booking.")
    async with grants.reading() as tx:
        found = [each async for each in held.gather(tx, SUBJECT)]
    assert len(found) == 3
    told = json.loads(found[0].content)
    assert told["who"]["name"] == YOU["name"]
    assert told["words"] == ASKED.words
    assert told["what came of it"][-1]["told"] == "Add your booking."
    assert [found[1].content, found[2].content] == [PDF, PNG]
    assert all("Zyta" not in each.path + each.title for each in found)


async def test_somebody_who_is_forgotten_is_withdrawn_and_scrubbed(
    grants: Database, round: UUID, officer: httpx.AsyncClient, applicant: httpx.AsyncClient
) -> None:
    sent = await an_application(grants, round, papers=2)
    draft = await an_application(grants, round, sent=False, papers=1)
    other = await an_application(grants, round, who=replace(WHO, email="other@mail.example", name="Other"))
    [link, *_] = await letters(grants, ApplicationSubmitted)
    async with acting(grants) as tx:
        await tx.execute("UPDATE outbox SET published_at = now()")
        assert await held.objection(tx, SUBJECT) is None
        done = await held.forget(tx, SUBJECT)
    assert {what: count for what, count in done.counts.items() if count} == {"applications": 2}
    assert done.kept
    assert await state_of(grants, sent) == "withdrawn"
    assert await state_of(grants, other) == "submitted"
    async with grants.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM applications WHERE id = $1", draft) == 0
        assert await tx.fetchval("SELECT count(*) FROM applicants") == 1
        assert await tx.fetchval("SELECT count(*) FROM files") == 0
        [row] = await tx.fetch("SELECT * FROM applications WHERE id = $1", sent)
    assert (row["words"], row["amount_pence"], row["purpose"]) == ("", 14_500, "plab_1")
    assert (await applicant.get(path_of(link))).status_code == 404
    events = [event for event in await announced(grants) if event.subject in (str(sent), str(draft))]
    assert all(event.data["letter"] is None for event in events)
    assert events[-1].fact is ApplicationWithdrawn
    page = await officer.get(f"/grants/applications/{sent}")
    assert "Who it was is no longer kept." in page.text
    assert "No longer kept" in (await officer.get(f"/grants/rounds/{round}/applications")).text
    async with acting(grants) as tx:
        assert not any((await held.forget(tx, SUBJECT)).counts.values())


async def test_drafts_go_after_a_month_and_the_refused_after_two_years(
    grants: Database, round: UUID, officer: httpx.AsyncClient
) -> None:
    def who(name: str) -> Applicant:
        return Applicant(email=f"{name}@mail.example", name=name, telephone="020 7946 0123")

    nurse = replace(ASKED, profession="nurse")
    draft = await an_application(grants, round, who=who("draft"), sent=False, papers=1)
    refused = await an_application(grants, round, who=who("refused"), asked=nurse, papers=1)
    stands = await an_application(grants, round, who=who("stands"), papers=1)
    await judge(officer, refused, "refuse", rule="profession", words="Refused, Zyta")
    async with grants.transaction() as tx:
        await tx.execute("UPDATE applications SET state = 'paid' WHERE id = $1", stands)

    async def goes() -> dict[str, int]:
        said = await rehearse(grants, held.TERMS)
        done = await scrub_old(grants, held.TERMS)
        assert said == done
        return {what: count for what, count in done.items() if count}

    later(grants, days=28 + 27)
    assert await goes() == {}
    later(grants, days=6)
    assert await goes() == {"drafts": 1}
    later(grants, days=365 * 2 - 32)
    assert await goes() == {}
    later(grants, days=6)
    assert await goes() == {"applications": 1}
    assert await goes() == {}
    async with grants.reading() as tx:
        left = {row["id"] for row in await tx.fetch("SELECT id FROM applications")}
        named = {row["application_id"] for row in await tx.fetch("SELECT application_id FROM applicants")}
        words = await tx.fetchval("SELECT string_agg(words, '') FROM application_steps")
    assert (left, named, words) == ({refused, stands}, {stands}, "")
    assert draft not in left


async def test_whoever_looks_at_what_was_said_of_a_status_leaves_a_trace(
    grants: Database, round: UUID, officer: httpx.AsyncClient
) -> None:
    said, unsaid = await an_application(grants, round), await an_application(grants, round, sent=False)
    async with grants.transaction() as tx:
        await tx.execute("UPDATE applications SET status_met = true WHERE id = $1", said)
    for id in (said, unsaid):
        await officer.get(f"/grants/applications/{id}")
    async with grants.reading() as tx:
        rows = await tx.fetch(
            "SELECT object, person_id, before, after FROM audit WHERE action = 'status_looked_at'"
        )
    assert [(row["object"], row["before"], row["after"]) for row in rows] == [(str(said), None, None)]
    assert rows[0]["person_id"] is not None
