"""The figures: what was heard and what is kept, each with how it is counted, and nobody in them."""

import csv
import io
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chassis.database import Database
from contracts.access import Role
from contracts.envelope import Event, Fact
from contracts.notifications import LetterAnswered, LetterSent
from contracts.partners import OrganisationRegistered, OutcomeMet, ReferralClosed
from services.grants import ledger, web
from services.grants.handlers import SUBSCRIPTIONS
from services.grants.rounds import RoundState
from tests.access import EVERYTHING
from tests.conftest import client, take
from tests.grants.panelling import OFFICER, Panelled, a_panel, an_award, to_state

PAGE = "/grants/figures"
TRUSTEE = replace(EVERYTHING, roles=frozenset({Role.TRUSTEE}))


@pytest.fixture
async def officer(grants: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(web.build(grants), "/grants", OFFICER) as browser:
        yield browser


@pytest.fixture
async def trustee(grants: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(web.build(grants), "/grants", TRUSTEE) as browser:
        yield browser


def told(grants: Database, fact: type[Fact], subject: UUID, sequence: int = 1, **data: Any) -> Event:
    return Event(
        fact=fact,
        id=uuid4(),
        subject=str(subject),
        time=grants.context.clock.now(),
        data=data,
        sequence=sequence,
    )


def a_letter(grants: Database, body: UUID, *, ask: int | None = 300_000) -> Event:
    id = uuid4()
    said: dict[str, Any] = {
        "letter_id": id,
        "campaign_id": uuid4(),
        "campaign": "Trusts",
        "organisation_id": body,
    }
    said |= {"contact_id": uuid4(), "contact_role": "chief_executive"}
    money = None if ask is None else {"amount_pence": ask, "currency": "GBP"}
    return told(grants, LetterSent, id, **said, sent_at=grants.context.clock.now(), ask=money)


def an_answer(grants: Database, letter: Event) -> Event:
    said = {name: value for name, value in letter.data.items() if name not in ("sent_at", "ask")}
    now = grants.context.clock.now()
    id = letter.data["letter_id"]
    return told(grants, LetterAnswered, id, 2, **said, answered_at=now, answer="declined")


def a_referral(grants: Database, id: UUID, outcome: str, sequence: int = 2) -> Event:
    said: dict[str, Any] = {
        "referral_id": id,
        "organisation_id": uuid4(),
        "need": "housing",
        "outcome": outcome,
    }
    return told(grants, ReferralClosed, id, sequence, **said)


def an_outcome(grants: Database) -> Event:
    id, today = uuid4(), grants.context.clock.today()
    said: dict[str, Any] = {
        "outcome_id": id,
        "agreement_id": uuid4(),
        "organisation_id": uuid4(),
        "met_on": today,
    }
    return told(grants, OutcomeMet, id, **said)


def a_body(grants: Database, id: UUID, name: str, **more: Any) -> Event:
    said: dict[str, Any] = {"organisation_id": id, "name": name, "identifier": f"GB-X-{id.hex[:8]}"}
    said |= {"kinds": ["voluntary"], "areas": [], "closeness": "contact"}
    empty: dict[str, Any] = {
        "opened_on": None,
        "closed_on": None,
        "successor_id": None,
        "handed_over": [],
        "merged_into": None,
    }
    return told(grants, OrganisationRegistered, id, **(said | empty | more))


async def hear_all(grants: Database, events: Sequence[Event]) -> None:
    await take(grants, SUBSCRIPTIONS, *events)


async def the_figures(browser: httpx.AsyncClient) -> dict[str, str]:
    answer = await browser.get(f"{PAGE}.csv")
    assert answer.status_code == 200, answer.text
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    return {row["Figure"]: row["Value"] for row in rows}


async def test_bodies_are_counted_and_not_letters(grants: Database, officer: httpx.AsyncClient) -> None:
    one, other, third = uuid4(), uuid4(), uuid4()
    letters = [a_letter(grants, body) for body in (one, one, one, other)]
    school = a_letter(grants, third, ask=None)
    answers = [an_answer(grants, letters[0]), an_answer(grants, letters[1]), an_answer(grants, school)]
    await hear_all(grants, [*letters, school, *answers])
    said = await the_figures(officer)
    assert (said["Bodies asked"], said["Bodies that answered"]) == ("2", "1")


async def test_the_order_in_which_it_is_heard_makes_no_difference(
    grants: Database, officer: httpx.AsyncClient
) -> None:
    letter, referral = a_letter(grants, uuid4()), uuid4()
    closed = [a_referral(grants, referral, "not_helped", 3), a_referral(grants, referral, "not_known", 2)]
    for event in (an_answer(grants, letter), letter, *closed):
        await hear_all(grants, [event])
    said = await the_figures(officer)
    assert (said["Bodies asked"], said["Bodies that answered"]) == ("1", "1")
    assert said["Referrals closed"] == "1"
    await hear_all(grants, [a_referral(grants, referral, "taken_back", 4)])
    assert (await the_figures(officer))["Referrals closed"] == "0"


async def test_a_merged_body_counts_once(grants: Database, officer: httpx.AsyncClient) -> None:
    one, other = uuid4(), uuid4()
    await hear_all(grants, [a_body(grants, one, "One"), a_body(grants, other, "Other", merged_into=one)])
    await hear_all(grants, [a_letter(grants, one), a_letter(grants, other)])
    said = await the_figures(officer)
    assert (said["Bodies asked"], said["Organisations"]) == ("1", "1")


async def test_outcomes_are_counted_once_each(grants: Database, officer: httpx.AsyncClient) -> None:
    outcome = an_outcome(grants)
    await hear_all(grants, [outcome, an_outcome(grants)])
    await hear_all(grants, [replace(outcome, id=uuid4())])
    assert (await the_figures(officer))["Outcomes met"] == "2"


async def decided(grants: Database, awards: int, more: int = 0) -> Panelled:
    """A round whose decisions are published: so many awards, the first of them paid and passed."""
    at = await a_panel(grants, awards + more)
    for case in at.cases[:awards]:
        await an_award(grants, at, case, pence=10_000)
    for case in at.cases[awards:]:
        await to_state(grants, case.application_id, "declined")
    paid = at.cases[0].application_id
    async with grants.transaction() as tx:
        await ledger.pay(tx, at.fund, 10_000, award=paid, payment=uuid4(), on=tx.today)
        await tx.execute(
            "INSERT INTO outcomes (application_id, result, said_at, in_post)"
            " VALUES ($1, 'passed', $2, false)",
            paid,
            tx.now,
        )
    return at


async def test_grants_are_counted_from_the_decision_to_the_post(
    grants: Database, officer: httpx.AsyncClient
) -> None:
    await decided(grants, 6, more=1)
    said = await the_figures(officer)
    assert said["People applied"] == "7"
    assert (said["People awarded"], said["Awarded"]) == ("6", "£600")
    assert (said["People paid"], said["Paid"]) == ("1", "£100")
    assert (said["Passed their exam"], said["In post"]) == ("1", "0")
    assert said["Received"] == "£5,000"


async def test_a_trustee_sees_no_small_number_of_people(grants: Database, trustee: httpx.AsyncClient) -> None:
    await decided(grants, 6, more=1)
    await hear_all(grants, [an_outcome(grants), a_referral(grants, uuid4(), "helped")])
    said = await the_figures(trustee)
    assert said["People applied"] == "7"
    assert said["People paid"] == said["Passed their exam"] == said["Referrals closed"] == "fewer than five"
    assert said["In post"] == "0"
    assert said["Outcomes met"] == "1"
    page = (await trustee.get(PAGE)).text
    assert "A number of people from one to four is not shown." in page


async def test_until_publication_no_figure_tells_that_there_is_a_case(
    grants: Database, trustee: httpx.AsyncClient
) -> None:
    at = await a_panel(grants, 2)
    before = await the_figures(trustee)
    await an_award(grants, at, at.cases[0])
    async with grants.transaction() as tx:
        await tx.execute("UPDATE rounds SET state = $1 WHERE id = $2", RoundState.DECIDED.value, at.id)
        await tx.execute("DELETE FROM applications WHERE id = $1", at.cases[1].application_id)
    assert await the_figures(trustee) == before


async def test_each_figure_leads_to_how_it_is_counted(grants: Database, trustee: httpx.AsyncClient) -> None:
    await decided(grants, 6)
    page = (await trustee.get(PAGE)).text
    links = re.findall(r'href="#([a-z-]+)" aria-label', page)
    assert len(links) == len(set(links)) == 14
    for code in links:
        assert page.count(f'<tr id="{code}">') == 1
    assert page.count("Nothing was heard yet") == 4
    assert page.count('<svg class="bar') == 4 + 5
    assert "Marker" not in page


async def test_an_empty_house_has_figures_too(trustee: httpx.AsyncClient) -> None:
    said = await the_figures(trustee)
    assert set(said.values()) == {"0", "£0"}
    assert '<svg class="bar' not in (await trustee.get(PAGE)).text


async def test_the_page_takes_the_same_statements_whatever_there_is(
    grants: Database, officer: httpx.AsyncClient, statements: list[str]
) -> None:
    await officer.get(PAGE)
    statements.clear()
    await officer.get(PAGE)
    before = len(statements)
    await decided(grants, 6)
    statements.clear()
    await officer.get(PAGE)
    assert len(statements) == before <= 6
