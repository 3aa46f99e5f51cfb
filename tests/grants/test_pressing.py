"""A button that is pressed in a second window, after oneself or somebody else: who did what, and when."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from chassis.database import Database
from contracts.access import Role
from services.grants import applying, awards, colleagues, contributions, web
from services.grants.contributions import Pledge
from tests.access import EVERYTHING
from tests.conftest import client
from tests.grants.applying import an_application
from tests.grants.awarding import a_prepared, an_accepted, token_of
from tests.grants.filling import a_fund, a_round, money_comes, post
from tests.grants.panelling import a_colleague, a_conflict, a_meeting, a_panel
from tests.grants.test_handlers import CAMDEN, ORGANISATION, receive


@dataclass
class Two:
    """Two people at the same page, who have both opened it before either pressed."""

    me: httpx.AsyncClient
    hana: httpx.AsyncClient
    hana_id: UUID

    async def press(self, path: str, fields: dict[str, Any]) -> tuple[httpx.Response, httpx.Response]:
        """What Hana is answered, and then what I am."""
        first = await post(self.hana, path, fields)
        assert first.status_code == 303, first.text
        return first, await post(self.me, path, fields)


async def acts_once(two: Two, path: str, fields: dict[str, Any], did: str, why: str, page: str) -> None:
    """I am told that Hana was faster; she, who presses again, is answered as before."""
    first, second = await two.press(path, fields)
    says(second, did, why, page)
    assert (await post(two.hana, path, fields)).headers["location"] == first.headers["location"]


@pytest.fixture
async def two(grants: Database) -> AsyncIterator[Two]:
    await receive(grants, *ORGANISATION[:2])
    roles = EVERYTHING.roles
    me, hana = [
        replace(await a_colleague(grants, name, role=Role.GRANTS_OFFICER), roles=roles)
        for name in ("Leyla Demir", "Hana <b> Tesfaye")
    ]
    site = web.build(grants)
    async with client(site, "/grants", me) as mine, client(site, "/grants", hana) as hers:
        yield Two(mine, hers, hana.id)


def says(answer: httpx.Response, did: str, why: str, back: str = "") -> None:
    """It came too late, and says who did what before; and leads to where one sees it."""
    assert answer.status_code == 409, answer.text
    assert why in answer.text
    assert f"{did} by Hana &lt;b&gt; Tesfaye, " in answer.text
    assert f'href="{back}"' in answer.text


async def test_a_fund_is_closed_once_and_opened_once(grants: Database, two: Two) -> None:
    page = f"/grants/funds/{await a_fund(grants)}"
    confirmed = {"confirm": "yes"}
    await acts_once(two, f"{page}/close", confirmed, "It was closed", "This fund was closed before.", page)
    await acts_once(two, f"{page}/open", {}, "It was opened again", "This fund is open.", page)


async def test_who_has_no_account_any_more_is_a_former_colleague(grants: Database, two: Two) -> None:
    path = f"/grants/funds/{await a_fund(grants)}/close"
    assert (await post(two.hana, path, {"confirm": "yes"})).status_code == 303
    async with grants.transaction() as tx:
        await colleagues.forget(tx, [two.hana_id])
    assert "It was closed by a former colleague, " in (await post(two.me, path, {"confirm": "yes"})).text


async def test_what_has_another_reason_names_nobody(grants: Database, two: Two) -> None:
    fund = await a_fund(grants)
    path = f"/grants/funds/{fund}"
    for what in ("close", "open"):
        await post(two.hana, f"{path}/{what}", {"confirm": "yes"})
    await money_comes(grants, fund)
    await a_round(grants, fund, opened=True)
    refused = await post(two.me, f"{path}/close", {"confirm": "yes"})
    assert (refused.status_code, "A round of this fund is under way." in refused.text) == (409, True)
    assert "Tesfaye" not in refused.text


async def test_a_round_moves_on_once(grants: Database, two: Two) -> None:
    fund = await a_fund(grants)
    await money_comes(grants, fund)
    page = f"/grants/rounds/{await a_round(grants, fund)}"
    for what, did in (("open", "It was opened"), ("close", "It was closed")):
        why = "This round has moved on meanwhile."
        await acts_once(two, f"{page}/{what}", {"confirm": "yes"}, did, why, page)


async def test_a_draft_that_one_has_deleted_is_deleted(grants: Database, two: Two) -> None:
    path = f"/grants/rounds/{await a_round(grants, await a_fund(grants))}/remove"
    first, second = await two.press(path, {"confirm": "yes"})
    assert second.status_code == 404
    again = await post(two.hana, path, {"confirm": "yes"})
    assert again.headers["location"] == first.headers["location"] == "/grants/rounds?done=removed"


async def test_a_round_is_published_once(grants: Database, two: Two) -> None:
    page = f"/grants/rounds/{(await a_panel(grants, 0)).id}"
    did, why = "The decisions were published", "It is published already."
    await acts_once(two, f"{page}/publish", {"confirm": "yes"}, did, why, page)


async def test_a_meeting_ends_once(grants: Database, two: Two) -> None:
    at = await a_panel(grants, 1)
    page = f"/grants/meetings/{await a_meeting(grants, at)}"
    did, why = "It was ended", "This meeting is over."
    await acts_once(two, f"{page}/end", {"confirm": "yes"}, did, why, page)
    says(await post(two.me, f"{page}/open", {"case": str(at.cases[0].application_id)}), did, why, page)


async def test_a_pledge_is_written_back_once_or_its_money_came(grants: Database, two: Two) -> None:
    today = grants.context.clock.today()
    fund = await a_fund(grants)
    async with grants.transaction() as tx:
        said = Pledge(organisation_id=CAMDEN, amount_pence=50_000, pledged_on=today)
        pledges = [await contributions.enter_pledge(tx, fund, said) for _ in range(2)]
    first, other = (f"/grants/pledges/{id}" for id in pledges)
    _, second = await two.press(f"{first}/write-back", {"reason": "They said so."})
    says(second, "It was written back", "Nothing of this pledge is still to come.", first)
    _, second = await two.press(f"{first}/expect-again", {"why_again": "They said otherwise."})
    says(second, "It was expected again", "Nothing of this pledge is written back.", first)
    came = {"pledge": str(pledges[1]), "body": "", "received_on": today.isoformat(), "amount": "500"}
    assert (
        await post(two.hana, f"/grants/funds/{fund}/receive", {**came, "bank_reference": "FP 1"})
    ).status_code == 303
    late = await post(two.me, f"{other}/write-back", {"reason": "They said so."})
    says(late, "Money was entered as received", "Nothing of this pledge is still to come.", other)


async def test_a_tie_is_settled_once(grants: Database, two: Two) -> None:
    at = await a_panel(grants, 1)
    id = await a_conflict(grants, at.cases[0].application_id, at.members[0], tie=None, state="suggested")
    page = f"/grants/conflicts/{id}"
    seen = {"seen": "suggested"}
    _, second = await two.press(f"{page}/dismiss", {**seen, "words": "Another of that name."})
    says(second, "It was dismissed", "Somebody else has settled this meanwhile.", page)


async def test_an_application_is_judged_once_and_no_colleague_did_what_its_applicant_did(
    grants: Database, two: Two
) -> None:
    fund = await a_fund(grants)
    await money_comes(grants, fund)
    round = await a_round(grants, fund, opened=True, eligibility=("profession",))
    id = await an_application(grants, round)
    path = f"/grants/applications/{id}/return"
    async with grants.reading() as tx:
        version = await tx.fetchval("SELECT version FROM applications WHERE id = $1", id)
    _, second = await two.press(path, {"revision": version, "more": "Your booking."})
    says(
        second,
        "“Returned for more” was entered",
        "This application has moved on.",
        f"/grants/applications/{id}",
    )
    async with grants.transaction() as tx:
        await applying.withdraw(tx, token_of(grants, id))
    late = await post(two.me, path, {"revision": version, "more": "Your booking."})
    assert (late.status_code, "This application has moved on." in late.text) == (409, True)
    assert "Tesfaye" not in late.text


async def test_a_payment_is_settled_once(grants: Database, two: Two) -> None:
    award, payment = await a_prepared(grants)
    page = f"/grants/payments/{payment}"
    _, second = await two.press(f"{page}/cancel", {"cancelled": "Too early."})
    says(second, "The payment was cancelled", "This payment has moved on.", page)
    page = f"/grants/awards/{award}"
    _, second = await two.press(f"{page}/payments", {"amount": "145", "follows": "1"})
    says(second, "A payment was prepared", "This award has moved on.", page)


async def test_an_award_is_given_up_by_whoever_gave_it_up(grants: Database, two: Two) -> None:
    ours, theirs = await an_accepted(grants), await an_accepted(grants, email="other@people.example")
    page = f"/grants/awards/{ours}"
    _, second = await two.press(f"{page}/give-up", {"given_up": "They telephoned."})
    says(second, "“Withdrawn” was entered", "This application has moved on.", page)
    soon = (grants.context.clock.today() + timedelta(days=30)).isoformat()
    await post(two.hana, f"/grants/awards/{theirs}/exam", {"exam_on": soon, "moved": "They said so."})
    async with grants.transaction() as tx:
        await awards.withdraw(tx, token_of(grants, theirs))
    late = await post(two.me, f"/grants/awards/{theirs}/payments", {"amount": "145", "follows": "0"})
    assert (late.status_code, "This award has moved on." in late.text) == (409, True)
    assert "Tesfaye" not in late.text
