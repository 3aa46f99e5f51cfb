"""Tokens for programs: shown once, good for one role, over when revoked, old or not trusted any more."""

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from starlette.types import ASGIApp

from chassis.access import NoSession, Standings, check_now, token_digest
from chassis.database import Database
from chassis.errors import Conflict
from contracts.access import ACCOUNT, PROVE, SIGN_IN
from contracts.partners import TokenIssued, TokenRevoked
from services.partners import people, tokens
from services.partners.signing_in import LATELY
from services.partners.snapshots import SNAPSHOTS
from services.partners.tokens import MOST
from services.partners.web import build
from services.sections import SECTIONS
from tests.access import EVERYTHING
from tests.conftest import announced, client
from tests.partners.browsing import (
    MOUNT,
    OpenBrowser,
    key_in,
    later,
    post,
    rows,
    sets_up,
    shown_after,
    signs_in,
)

API = f"{MOUNT}/api/v1/organisations"
TOKENS = f"{ACCOUNT}/tokens"


@pytest.fixture
async def browser(
    open_browser: OpenBrowser, register: Database, amina: UUID
) -> AsyncIterator[httpx.AsyncClient]:
    """Amina's, signed in."""
    async with open_browser() as visitor:
        await signs_in(visitor, register)
        yield visitor


@pytest.fixture
async def program(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    """Something without cookies."""
    async with client(app, MOUNT, None) as made:
        yield made


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def issue(register: Database, person: UUID, **changed: object) -> str:
    given = {"name": "figures", "role": "staff", "writes": False, "days": 30, **changed}
    async with register.transaction() as tx:
        return await tokens.issue(tx, person, **given)  # type: ignore[arg-type]


async def asks_anew(register: Database, token: str, path: str = API) -> int:
    """The status for a program a few seconds later, when what the service knows of tokens was read anew."""
    async with client(build(register), MOUNT, None) as program:
        return (await program.get(path, headers=bearer(token))).status_code


async def test_a_token_is_made_on_the_page_shown_once_and_used(
    browser: httpx.AsyncClient, register: Database
) -> None:
    answer = await post(browser, TOKENS, name="Marker figures", role="staff", days="30")
    shown = await shown_after(browser, answer)
    found = re.search(r'id="token">(conduit_[a-z2-7]{32})<', shown.text)
    assert found
    token = found.group(1)
    reloaded = await browser.get(answer.headers["location"])
    assert token not in reloaded.text
    assert "revoke it and make another one" in reloaded.text
    assert len(await rows(register, "SELECT * FROM issued_tokens")) == 1
    assert token not in str(await rows(register, "SELECT * FROM idempotency"))
    assert await asks_anew(register, token) == 200
    page = await browser.get(TOKENS)
    assert "Marker figures" in page.text
    assert "reads only" in page.text
    assert token not in page.text
    kept = str(await rows(register, "SELECT * FROM issued_tokens"))
    assert token not in kept + str(await announced(register))
    assert "Marker" not in str(await announced(register))


async def test_what_others_hear_of_it(register: Database, amina: UUID) -> None:
    token = await issue(register, amina)
    [made] = await rows(register, "SELECT id FROM issued_tokens")
    async with register.transaction() as tx:
        await tokens.revoke(tx, amina, made["id"])
        assert await SNAPSHOTS["tokens"](tx, None, 10)
    said = [e for e in await announced(register) if e.fact in (TokenIssued, TokenRevoked)]
    assert [(e.fact, e.sequence, e.data["revoked"], e.snapshot) for e in said] == [
        (TokenIssued, 1, False, False),
        (TokenRevoked, 2, True, False),
        (TokenIssued, 2, True, True),
    ]
    assert said[0].data["digest"] == token_digest(token)


async def test_it_does_what_its_one_role_may_and_no_more(register: Database, amina: UUID) -> None:
    """Amina may administer people; her program with the role of staff may not, and pages are not for it."""
    token = await issue(register, amina, writes=True)
    assert await asks_anew(register, token) == 200
    for path in (f"{MOUNT}/people", ACCOUNT, f"{MOUNT}/organisations"):
        assert await asks_anew(register, token, path) == 303, path
    blind = await issue(register, amina, role="ops")
    assert await asks_anew(register, blind) == 403


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer conduit_",
        "Bearer conduit_" + "a" * 32,
        "Basic abc",
        "Bearer x y",
        "Bearer " + "\u00e4" * 40,
        "Bearer " + "a" * 5_000,
    ],
)
async def test_what_is_no_token_opens_nothing(
    program: httpx.AsyncClient, header: str, logged: Callable[[], list[dict[str, Any]]]
) -> None:
    answer = await program.get(API, headers={b"authorization": header.encode("latin-1")})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"
    tried = header.startswith("Bearer")
    assert [line["reason"] for line in logged()] == ["invalid"] * tried


async def test_a_token_in_the_wrong_case_or_cut_opens_nothing(register: Database, amina: UUID) -> None:
    token = await issue(register, amina)
    for wrong in (token.upper(), token[:-1], token + "a", token.removeprefix("conduit_")):
        assert await asks_anew(register, wrong) == 401


async def test_it_ends(register: Database, amina: UUID) -> None:
    token = await issue(register, amina, days=1)
    later(register, hours=23)
    assert await asks_anew(register, token) == 200
    later(register, hours=2)
    assert await asks_anew(register, token) == 401


async def test_it_ends_for_a_service_that_has_it_in_mind(
    program: httpx.AsyncClient, register: Database, amina: UUID
) -> None:
    token = await issue(register, amina, days=1)
    assert (await program.get(API, headers=bearer(token))).status_code == 200
    later(register, days=2)
    assert (await program.get(API, headers=bearer(token))).status_code == 401


async def test_it_is_over_when_its_person_is_not_trusted_any_more(register: Database, amina: UUID) -> None:
    token = await issue(register, amina)
    async with register.transaction() as tx:
        await people.invite(tx, name="Bo", email="bo@forum.example", roles=["ops"])
        await people.change_roles(tx, amina, ["outreach"])
    assert await asks_anew(register, token) == 401
    async with register.transaction() as tx:
        await people.change_roles(tx, amina, ["staff"])
    assert await asks_anew(register, token) == 200
    async with register.transaction() as tx:
        await people.bar(tx, amina)
    assert await asks_anew(register, token) == 401


async def test_it_is_revoked_by_whoever_it_is_of_and_by_nobody_else(
    browser: httpx.AsyncClient, register: Database, amina: UUID, open_browser: OpenBrowser
) -> None:
    token = await issue(register, amina)
    async with register.transaction() as tx:
        await people.invite(tx, name="Bo", email="bo@forum.example", roles=["staff"])
    [made] = await rows(register, "SELECT id FROM issued_tokens")
    async with open_browser() as theirs:
        await signs_in(theirs, register, email="bo@forum.example")
        for id in (made["id"], UUID(int=7)):
            assert (await post(theirs, f"{TOKENS}/{id}/revoke", on=TOKENS)).status_code == 404
    assert await asks_anew(register, token) == 200
    answer = await post(browser, f"{TOKENS}/{made['id']}/revoke", on=TOKENS)
    assert answer.headers["location"] == f"{TOKENS}?done=revoked"
    assert await asks_anew(register, token) == 401


async def test_a_token_page_opened_without_one_says_what_is_true(browser: httpx.AsyncClient) -> None:
    assert "There is no new token to show" in (await browser.get(f"{TOKENS}/new")).text


async def test_nothing_is_made_for_somebody_barred(register: Database, amina: UUID) -> None:
    async with register.transaction() as tx:
        await people.invite(tx, name="Bo", email="bo@forum.example", roles=["ops"])
        await people.bar(tx, amina)
    with pytest.raises(Conflict, match="They are barred"):
        await issue(register, amina)


async def test_a_token_that_only_reads_says_so_when_it_is_to_write(register: Database, amina: UUID) -> None:
    token = await issue(register, amina)
    async with client(build(register), MOUNT, None) as program:
        answer = await program.post(API, headers=bearer(token), json={})
    assert answer.status_code == 403
    assert "This token only reads." in answer.text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": " "}, "It has no name."),
        ({"name": "x" * 300}, "The name is too long: 300 characters."),
        ({"name": "a\u202eb"}, "The name has a character that cannot be seen."),
        ({"role": "auditor"}, "This is not one of your roles."),
        ({"days": "0"}, "It cannot last so long."),
        ({"days": "367"}, "It cannot last so long."),
        ({"days": "-1"}, "It cannot last so long."),
        ({"days": "many"}, "It cannot last so long."),
    ],
)
async def test_what_cannot_be_made_is_said(
    browser: httpx.AsyncClient, register: Database, changed: dict[str, str], said: str
) -> None:
    answer = await post(browser, TOKENS, **{"name": "figures", "role": "staff", "days": "30", **changed})
    assert answer.status_code == 422
    assert said in answer.text
    assert await rows(register, "SELECT * FROM issued_tokens") == []


async def test_a_session_that_was_left_open_makes_none_and_loses_nothing(
    browser: httpx.AsyncClient, register: Database
) -> None:
    later(register, seconds=LATELY.total_seconds() + 1)
    await browser.get("/partners/renew")
    answer = await post(browser, TOKENS, name="Marker figures", role="staff", days="30")
    assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, SIGN_IN)
    assert await rows(register, "SELECT * FROM issued_tokens") == []
    answer = await signs_in(browser, register, next=f"{MOUNT}/kept")
    kept = await browser.get(answer.headers["location"])
    assert "Marker figures" in kept.text
    form = {"key": key_in(kept), "name": "Marker figures", "role": "staff", "days": "30"}
    assert "conduit_" in (await shown_after(browser, await browser.post(TOKENS, data=form))).text


async def test_nobody_has_hundreds(browser: httpx.AsyncClient, register: Database, amina: UUID) -> None:
    for _ in range(MOST):
        await issue(register, amina)
    answer = await post(browser, TOKENS, name="one more", role="staff", days="30")
    assert answer.status_code == 409


async def test_whoever_has_a_second_factor_shows_it_first(
    browser: httpx.AsyncClient, register: Database
) -> None:
    await sets_up(browser, register)
    key = key_in(await browser.get(TOKENS))
    register.context.clock.advance(timedelta(minutes=11))
    assert (await browser.get(TOKENS)).headers["location"].startswith(f"{PROVE}/first")
    form = {"key": key, "name": "x", "role": "staff", "days": "3"}
    answer = await browser.post(TOKENS, data=form)
    assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (307, f"{PROVE}/first")
    assert await rows(register, "SELECT * FROM issued_tokens") == []


async def test_a_parameter_that_nobody_knows_is_named(
    program: httpx.AsyncClient, register: Database, amina: UUID
) -> None:
    """A slip must not look like an answer to what was asked."""
    token = await issue(register, amina)
    answer = await program.get(f"{API}?q=trust&colour=red", headers=bearer(token))
    assert (answer.status_code, answer.json()["title"], answer.json()["detail"]) == (
        400,
        "There is no parameter 'colour' here.",
        "Use one of: after, area, closeness, contact, kind, q, state, tag.",
    )
    assert (await program.get(f"{API}?colour=red")).status_code == 401
    assert (await program.get(f"{API}?q=trust", headers=bearer(token))).status_code == 200


async def test_a_way_that_is_not_known_is_said_in_words(program: httpx.AsyncClient) -> None:
    answer = await program.delete(API)
    assert (answer.status_code, answer.json()["title"]) == (405, "DELETE is not known at this address.")
    assert answer.json()["detail"] == "Use GET or HEAD or POST."


async def test_the_page_says_what_each_section_offers_to_programs(register: Database, amina: UUID) -> None:
    register.context = replace(register.context, sections=SECTIONS)
    async with client(build(register), MOUNT, replace(EVERYTHING, id=amina)) as browser:
        page = await browser.get(TOKENS)
    for mount in ("/partners", "/grants", "/letters"):
        assert f'href="{mount}/api/v1/openapi.json"' in page.text


async def test_a_program_does_nothing_with_a_token_that_was_revoked_a_moment_ago(
    register: Database, amina: UUID
) -> None:
    """In the transaction of an act, which waits for nothing that was read before."""
    secret = await issue(register, amina, writes=True)
    person = await Standings(register).of_token(secret, register.context.clock.now())
    async with register.transaction() as tx:
        await check_now(tx, person)
        await people.change_roles(tx, amina, ["staff", "ops", "outreach"])
        await check_now(tx, person)
        await people.change_roles(tx, amina, ["outreach", "ops"])
        with pytest.raises(NoSession, match="revoked"):
            await check_now(tx, person)
        await people.change_roles(tx, amina, ["staff", "ops"])
        await tokens.revoke(tx, amina, person.session)
        with pytest.raises(NoSession, match="revoked"):
            await check_now(tx, person)
