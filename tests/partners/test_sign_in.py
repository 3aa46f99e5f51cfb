"""Signing in as a browser meets it: links, codes, guesses, sessions that end, forms that come too late."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest

from chassis.audit import every_row
from chassis.database import Database
from contracts.access import ACCOUNT, RENEW, SIGN_IN
from contracts.partners import SignInRequested
from services.partners import people
from services.partners.signing_in import (
    ASKS,
    ASKS_FOR_ADDRESS,
    ASKS_OF_SOURCE,
    GOOD_FOR,
    GUESSES,
    GUESSES_AN_HOUR,
    KEPT_OF_SOURCE,
    READY_FOR,
    agent_words,
    new_browser,
    ready_link,
)
from services.partners.web import build
from tests.conftest import MakeDatabase, announced, client
from tests.partners.browsing import (
    EMAIL,
    FIREFOX,
    MOUNT,
    PEOPLE,
    OpenBrowser,
    asks,
    is_signed_in,
    key_in,
    later,
    mailed,
    path_of,
    post,
    proves,
    rows,
    sets_up,
    signs_in,
)


@pytest.fixture
async def browser(open_browser: OpenBrowser) -> AsyncIterator[httpx.AsyncClient]:
    async with open_browser() as visitor:
        yield visitor


# The link and the code


@pytest.mark.usefixtures("amina")
async def test_a_link_signs_in_the_browser_that_asked(browser: httpx.AsyncClient, register: Database) -> None:
    answer = await signs_in(browser, register, next="/letters/?q=1")
    assert answer.headers["location"] == "/letters/?q=1"
    account = await browser.get(ACCOUNT)
    assert "Amina Marker" in account.text
    assert "this browser" in account.text


@pytest.mark.usefixtures("amina")
async def test_a_code_does_the_same_however_it_is_typed(
    browser: httpx.AsyncClient, register: Database
) -> None:
    await asks(browser)
    code = (await mailed(register))["code"]
    answer = await post(
        browser, f"{SIGN_IN}/code", on=f"{SIGN_IN}/sent", code=f" {code[:2]} {code[2:4]}-{code[4:]}"
    )
    assert answer.status_code == 303
    assert await is_signed_in(browser)


@pytest.mark.usefixtures("amina")
async def test_a_link_and_a_code_work_once(
    browser: httpx.AsyncClient, register: Database, open_browser: OpenBrowser
) -> None:
    await asks(browser)
    keys = await mailed(register)
    page = await browser.get(path_of(keys))
    form = {"key": key_in(page)}
    assert (await browser.post(path_of(keys), data=form)).status_code == 303
    again = await browser.post(path_of(keys), data=form)
    assert again.status_code == 422
    assert "opens nothing any more" in again.text
    assert (await browser.get(path_of(keys))).status_code == 422
    code = await post(browser, f"{SIGN_IN}/code", on=f"{SIGN_IN}/sent", code=keys["code"])
    assert code.status_code == 422
    assert len(await rows(register, "SELECT * FROM sessions")) == 1


@pytest.mark.usefixtures("amina")
async def test_a_button_pressed_many_times_at_once_begins_one_session(
    browser: httpx.AsyncClient, register: Database
) -> None:
    await asks(browser)
    path = path_of(await mailed(register))
    form, headers = {"key": key_in(await browser.get(path))}, {"cookie": _all(browser)}
    async with client(build(register), MOUNT, None) as hasty:
        answers = await asyncio.gather(*(hasty.post(path, data=form, headers=headers) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [303] + [422] * 7
    assert len(await rows(register, "SELECT * FROM sessions")) == 1


def _all(browser: httpx.AsyncClient) -> str:
    return "; ".join(f"{each.name}={each.value}" for each in browser.cookies.jar)


@pytest.mark.usefixtures("amina")
async def test_one_mail_used_makes_the_older_ones_useless(
    browser: httpx.AsyncClient, register: Database
) -> None:
    await asks(browser)
    first = await mailed(register)
    await signs_in(browser, register)
    assert (await browser.get(path_of(first))).status_code == 422


@pytest.mark.usefixtures("amina")
async def test_neither_works_after_ten_minutes(browser: httpx.AsyncClient, register: Database) -> None:
    await asks(browser)
    keys = await mailed(register)
    later(register, seconds=GOOD_FOR.total_seconds() + 1)
    assert (await browser.get(path_of(keys))).status_code == 422
    code = await post(browser, f"{SIGN_IN}/code", on=f"{SIGN_IN}/sent", code=keys["code"])
    assert code.status_code == 422


@pytest.mark.usefixtures("amina")
async def test_after_a_link_that_came_too_late_one_still_comes_to_where_one_wanted(
    browser: httpx.AsyncClient, register: Database, open_browser: OpenBrowser
) -> None:
    await asks(browser, next="/letters/campaigns")
    link = path_of(await mailed(register))
    later(register, minutes=11)
    assert 'name="next" value="/letters/campaigns"' in (await browser.get(link)).text
    async with open_browser() as other:
        assert 'name="next" value="/"' in (await other.get(link)).text


@pytest.mark.usefixtures("amina")
async def test_another_browser_is_told_where_to_open_it_and_uses_nothing_up(
    browser: httpx.AsyncClient, register: Database, open_browser: OpenBrowser
) -> None:
    await asks(browser)
    keys = await mailed(register)
    async with open_browser() as other:
        for _ in range(3):  # a scanner, say, that even presses buttons
            page = await other.get(path_of(keys))
            assert page.status_code == 422
            assert "in the browser in which you asked" in page.text
            assert (await other.post(path_of(keys), data={"key": key_in(page)})).status_code == 422
        guess = await post(other, f"{SIGN_IN}/code", on=f"{SIGN_IN}/sent", code=keys["code"])
        assert guess.status_code == 422
    assert (await post(browser, path_of(keys))).status_code == 303


@pytest.mark.usefixtures("amina")
async def test_opening_a_link_changes_nothing(browser: httpx.AsyncClient, register: Database) -> None:
    await asks(browser)
    path = path_of(await mailed(register))
    before = await rows(register, "SELECT * FROM sign_ins")
    for _ in range(3):
        assert (await browser.get(path)).status_code == 200
        assert (await browser.head(path)).status_code == 200
    assert await rows(register, "SELECT * FROM sign_ins") == before
    assert not await is_signed_in(browser)


@pytest.mark.parametrize(
    "link", ["x", "a" * 32, "a" * 5_000, "%00", "../account", "sent%0d%0aset-cookie:a=b"]
)
async def test_links_that_were_never_made(browser: httpx.AsyncClient, link: str) -> None:
    assert (await browser.get(f"{SIGN_IN}/{link}")).status_code in (303, 404, 422)


@pytest.mark.usefixtures("amina")
async def test_known_and_unknown_addresses_get_the_same_answer(
    register: Database, open_browser: OpenBrowser
) -> None:
    async with register.transaction() as tx:
        barred = await people.invite(tx, name="Bo Barred", email="bo@forum.example", roles=["staff"])
        await people.bar(tx, barred)
    told = []
    for email in (EMAIL, EMAIL.upper(), "nobody@forum.example", "bo@forum.example"):
        async with open_browser() as browser:
            answer = await asks(browser, email)
            page = await browser.get(f"{SIGN_IN}/sent")
            wrong = await post(browser, f"{SIGN_IN}/code", on=f"{SIGN_IN}/sent", code="1")
            bare = [re.sub(r'value="[^"]+"', "", each.text) for each in (answer, page, wrong)]
            told.append((answer.status_code, answer.headers["location"], wrong.status_code, bare))
    assert all(each == told[0] for each in told)
    mails = [event for event in await announced(register) if event.fact is SignInRequested]
    assert len(mails) == 2
    assert len(await rows(register, "SELECT * FROM sign_ins")) == 4


async def test_the_form_asks_for_an_address_and_for_nothing_else(browser: httpx.AsyncClient) -> None:
    """There is no password to be forgotten, and no question whose answer others know."""
    names = re.findall(r'<(?:input|select|textarea)[^>]* name="([^"]+)"', (await browser.get(SIGN_IN)).text)
    assert names == ["key", "next", "email"]


async def test_what_is_no_address_is_said_so(browser: httpx.AsyncClient, register: Database) -> None:
    answer = await asks(browser, "amina")
    assert answer.status_code == 422
    assert "name@body.example" in answer.text
    assert await rows(register, "SELECT * FROM sign_ins") == []


@pytest.mark.usefixtures("amina")
async def test_nothing_secret_is_kept_as_it_is(browser: httpx.AsyncClient, register: Database) -> None:
    await signs_in(browser, register)
    keys = await mailed(register)
    secrets = [path_of(keys).rpartition("/")[2], keys["code"], *browser.cookies.jar]
    kept = str(
        [await rows(register, f"SELECT * FROM {table}") for table in ("sign_ins", "sessions", "attempts")]
    )
    for secret in secrets:
        text = secret if isinstance(secret, str) else str(secret.value)
        assert text not in kept
        assert text.encode().hex() not in kept
    assert EMAIL not in kept


def test_what_nobody_may_guess_is_long_and_never_the_same() -> None:
    made = {new_browser() for _ in range(1_000)}
    assert len(made) == 1_000
    assert all(re.fullmatch("[a-z2-7]{32}", secret) for secret in made), "32 signs of 5 bits"
    assert len({secret[:4] for secret in made}) > 990


@pytest.mark.usefixtures("amina")
async def test_what_the_cookies_hold_stands_on_no_page_and_names_nobody(
    browser: httpx.AsyncClient, register: Database
) -> None:
    await signs_in(browser, register)
    kept = [str(each.value) for each in browser.cookies.jar]
    claims = jwt.decode(browser.cookies["conduit"], options={"verify_signature": False})
    assert not re.search("Amina|@|staff member", str(claims))
    for path in (ACCOUNT, PEOPLE, f"{ACCOUNT}/tokens", f"{ACCOUNT}/second-factor", f"{MOUNT}/", SIGN_IN):
        page = (await browser.get(path)).text
        assert not [secret for secret in kept if secret in page], path


# Slowing down


@pytest.mark.usefixtures("amina")
async def test_five_wrong_codes_end_what_was_asked_for(
    browser: httpx.AsyncClient, register: Database
) -> None:
    await asks(browser)
    code = (await mailed(register))["code"]
    wrong = "000000" if code != "000000" else "000001"
    for _ in range(GUESSES):
        answer = await post(browser, f"{SIGN_IN}/code", on=f"{SIGN_IN}/sent", code=wrong)
        assert (answer.status_code, "not the code" in answer.text) == (422, True)
    sixth = await post(browser, f"{SIGN_IN}/code", on=f"{SIGN_IN}/sent", code=code)
    assert sixth.status_code == 422
    assert "Five wrong codes were typed, so the code works no more." in sixth.text
    assert "Open the link in the mail, which still works" in sixth.text
    # The link of the same mail is no guess: it goes on working.
    assert (await post(browser, path_of(await mailed(register)))).status_code == 303


@pytest.mark.usefixtures("amina")
async def test_guessing_comes_to_an_end_however_often_one_asks_anew(
    open_browser: OpenBrowser, register: Database
) -> None:
    statuses = []
    async with open_browser() as browser:
        for turn in range(GUESSES_AN_HOUR + 5):
            if turn % GUESSES == 0:
                await asks(browser)
            guess = await post(browser, f"{SIGN_IN}/code", on=f"{SIGN_IN}/sent", code=f"{turn:06}")
            statuses.append(guess.status_code)
    assert statuses == [422] * GUESSES_AN_HOUR + [429] * 5
    assert await rows(register, "SELECT * FROM sessions") == []


@pytest.mark.usefixtures("amina")
async def test_an_address_is_written_to_so_and_so_often_also_after_a_restart(
    register: Database, open_browser: OpenBrowser
) -> None:
    for _ in range(ASKS):
        async with open_browser() as browser:
            assert (await asks(browser)).status_code == 303
    async with client(build(register), MOUNT, None) as after_a_restart:
        refused = await asks(after_a_restart, EMAIL.upper())
        assert refused.status_code == 429
        assert "Wait 15 minutes" in refused.text
        assert (await asks(after_a_restart, "other@forum.example")).status_code == 303
        later(register, minutes=16)
        assert (await asks(after_a_restart)).status_code == 303


@pytest.mark.usefixtures("amina")
async def test_nobody_is_kept_out_by_others_who_ask_in_their_place(register: Database) -> None:
    statuses = []
    for source in range(ASKS_FOR_ADDRESS // ASKS):
        async with from_source(register, f"198.51.100.{source}") as other:
            statuses += [(await asks(other)).status_code for _ in range(ASKS)]
            refused = await asks(other)
            assert refused.status_code == 429
        async with from_source(register, "203.0.113.9") as owner:
            # As long as one computer alone asks for her, she can ask as well.
            if source < 2:
                assert (await asks(owner)).status_code == 303
    assert statuses == [303] * (ASKS_FOR_ADDRESS - 2) + [429] * 2, "and nobody's box is filled"


def from_source(register: Database, address: str) -> httpx.AsyncClient:
    """A browser on another computer."""
    transport = httpx.ASGITransport(build(register), root_path=MOUNT, client=(address, 1))
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")


async def test_forms_of_one_source_are_kept_so_and_so_often(register: Database) -> None:
    """Whoever sends them has not signed in: they could fill the disk."""
    async with from_source(register, "198.51.100.1") as stranger:
        sent = [await stranger.post(RENEW, data={"words": "x" * 500}) for _ in range(KEPT_OF_SOURCE + 3)]
    assert [answer.status_code for answer in sent] == [303] * KEPT_OF_SOURCE + [429] * 3
    assert len(await rows(register, "SELECT * FROM kept_forms")) == KEPT_OF_SOURCE
    async with from_source(register, "203.0.113.9") as other:
        assert (await other.post(RENEW, data={"words": "x"})).status_code == 303


async def test_a_source_may_ask_so_and_so_often(browser: httpx.AsyncClient) -> None:
    for number in range(ASKS_OF_SOURCE):
        assert (await asks(browser, f"a{number}@forum.example")).status_code == 303
    refused = await asks(browser, "one.more@forum.example", next="/partners/organisations")
    assert refused.status_code == 429
    assert "This was tried too often." in refused.text
    for kept in ('value="one.more@forum.example"', 'value="/partners/organisations"'):
        assert kept in refused.text


@pytest.mark.usefixtures("amina")
async def test_what_was_tried_in_vain_is_logged_and_names_nobody(
    browser: httpx.AsyncClient,
    register: Database,
    open_browser: OpenBrowser,
    logged: Callable[[], list[dict[str, Any]]],
) -> None:
    await asks(browser)
    keys = await mailed(register)
    await post(browser, f"{SIGN_IN}/code", on=f"{SIGN_IN}/sent", code="1")
    async with open_browser() as other:
        await other.get(path_of(keys))
    form = {"key": key_in(await browser.get(path_of(keys)))}
    for _ in range(2):
        await browser.post(path_of(keys), data=form)
    for _ in range(ASKS):
        await asks(browser)
    said = logged()
    assert [(line["event"], line["reason"]) for line in said] == [
        ("sign_in_refused", "wrong_code"),
        ("sign_in_refused", "another_browser"),
        ("sign_in_refused", "spent"),
        ("sign_in_refused", "too_many"),
    ]
    assert not re.search(f"@|Amina|{path_of(keys).rpartition('/')[2]}", str(said))
    async with register.reading() as tx:
        (row,) = [row async for row in every_row(tx)]
    assert (row["action"], row["after"]) == ("signed_in", {"by": "link"})


# Where one comes to, and what another site may try


@pytest.mark.usefixtures("amina")
@pytest.mark.parametrize(
    "next",
    [
        "//evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/a\r\nset-cookie: a=b",
        "evil.example",
        "/%0d%0a" + "x" * 3_000,
        "/partners/sign-in?next=/",
        "///evil.example",
        "/\u2028",
        "",
    ],
)
async def test_one_never_comes_to_another_site(
    browser: httpx.AsyncClient, register: Database, next: str
) -> None:
    page = await browser.get(SIGN_IN, params={"next": next})
    assert 'name="next" value="/"' in page.text
    answer = await signs_in(browser, register, next=next)
    assert answer.headers["location"] == "/"
    renewed = await browser.get(RENEW, params={"next": next})
    assert renewed.headers["location"] == "/"


@pytest.mark.usefixtures("amina")
async def test_the_mail_names_our_address_whatever_the_request_said(
    browser: httpx.AsyncClient, register: Database
) -> None:
    page = await browser.get(SIGN_IN)
    form = {"key": key_in(page), "email": EMAIL}
    for headers in ({"host": "evil.example"}, {"x-forwarded-host": "evil.example"}):
        await browser.post(SIGN_IN, data=form, headers=headers)
        assert (await mailed(register))["link"].startswith(f"{register.context.settings.origin}{SIGN_IN}/")


@pytest.mark.usefixtures("amina")
async def test_signing_in_begins_a_session_of_its_own(
    browser: httpx.AsyncClient, register: Database, open_browser: OpenBrowser
) -> None:
    """What somebody has put into the browser before opens nothing afterwards."""
    async with open_browser() as other:
        await signs_in(other, register)
        planted = dict(other.cookies)
    browser.cookies.set("conduit", planted["conduit"], "127.0.0.1", "/")
    browser.cookies.set("conduit-renewal", planted["conduit-renewal"], "127.0.0.1", "/partners")
    await signs_in(browser, register)
    assert browser.cookies["conduit"] != planted["conduit"]
    assert browser.cookies["conduit-renewal"] != planted["conduit-renewal"]
    await _is_over(register, planted)


@pytest.mark.parametrize("email", [EMAIL, "bo@forum.example"])
async def test_signing_in_again_ends_the_session_before(
    browser: httpx.AsyncClient, register: Database, amina: UUID, email: str
) -> None:
    async with register.transaction() as tx:
        await people.invite(tx, name="Bo", email="bo@forum.example", roles=["staff"])
    await signs_in(browser, register)
    before = dict(browser.cookies)
    await signs_in(browser, register, email=email)
    await _is_over(register, before)
    again = await _after_standings_are_read(browser, register)
    assert (await again.get(ACCOUNT)).status_code == 200
    ended = await rows(register, "SELECT person_id FROM sessions WHERE ended_at IS NOT NULL")
    assert ended == [{"person_id": amina}]


async def _is_over(register: Database, cookies: dict[str, str]) -> None:
    """Whoever has these comes nowhere with them."""
    async with client(build(register), MOUNT, None) as thief:
        thief.cookies.set("conduit", cookies["conduit"], "127.0.0.1", "/")
        thief.cookies.set("conduit-renewal", cookies["conduit-renewal"], "127.0.0.1", "/partners")
        assert str((await thief.get(ACCOUNT, follow_redirects=True)).url.path) == SIGN_IN


@pytest.mark.usefixtures("amina")
async def test_what_stands_in_the_address_is_no_field_of_a_form(
    browser: httpx.AsyncClient, register: Database
) -> None:
    page = await browser.get(SIGN_IN)
    query = {"email": "evil@evil.example", "key": "x", "next": "/letters/"}
    form = {"email": EMAIL, "key": key_in(page), "next": "/grants/"}
    assert (await browser.post(SIGN_IN, params=query, data=form)).status_code == 303
    assert (await mailed(register))["email"] == EMAIL
    answer = await post(browser, path_of(await mailed(register)))
    assert answer.headers["location"] == "/grants/"
    bare = await browser.post(
        f"{ACCOUNT}/sign-out", params={"key": key_in(await browser.get(ACCOUNT))}, data={}
    )
    assert bare.status_code in (400, 415), "a key in the address is none"
    assert await is_signed_in(browser)


@pytest.mark.usefixtures("amina")
async def test_two_cookies_of_one_name_are_none(browser: httpx.AsyncClient, register: Database) -> None:
    await signs_in(browser, register)
    good = browser.cookies["conduit"]
    browser.cookies.clear()
    for both in (
        f"conduit={good}; conduit={good}",
        f"conduit=x; conduit={good}",
        f"conduit={good};conduit=y",
    ):
        assert (await browser.get(ACCOUNT, headers={"cookie": both})).status_code == 303
    assert (await browser.get(ACCOUNT, headers={"cookie": f"a=b; conduit={good}"})).status_code == 200


@pytest.mark.usefixtures("amina")
async def test_a_form_of_another_session_is_refused(
    browser: httpx.AsyncClient, register: Database, open_browser: OpenBrowser
) -> None:
    await signs_in(browser, register)
    async with open_browser() as other:
        await signs_in(other, register)
        theirs = key_in(await other.get(ACCOUNT))
    for key in (theirs, theirs.partition(".")[0], theirs[:-3] + "000"):
        answer = await browser.post(f"{ACCOUNT}/sign-out-everywhere", data={"key": key})
        assert answer.status_code == 409, key
    assert await is_signed_in(browser)


@pytest.mark.usefixtures("amina")
async def test_what_the_cookies_say(browser: httpx.AsyncClient, register: Database) -> None:
    answer = await signs_in(browser, register)
    session, renewal = sorted(answer.headers.get_list("set-cookie"))
    assert session.startswith("conduit-renewal=") or renewal.startswith("conduit-renewal=")
    for cookie in (session, renewal):
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert "Domain" not in cookie
    assert "Path=/partners" in next(c for c in (session, renewal) if c.startswith("conduit-renewal="))


async def test_over_https_no_other_host_can_set_them(make_database: MakeDatabase) -> None:
    register = await make_database("partners")
    register.context = replace(
        register.context,
        settings=replace(register.context.settings, public_url="https://conduit.forum.example"),
    )
    async with register.transaction() as tx:
        await people.invite(tx, name="Amina", email=EMAIL, roles=["staff"])
    async with client(build(register), MOUNT, None) as browser:
        browser.base_url = httpx.URL("https://conduit.forum.example")
        answer = await signs_in(browser, register)
        cookies = {each.partition("=")[0]: each for each in answer.headers.get_list("set-cookie")}
        assert set(cookies) == {"__Host-conduit", "__Secure-conduit-renewal"}
        assert all("Secure" in cookie for cookie in cookies.values())
        assert "Path=/;" in cookies["__Host-conduit"]
        assert await is_signed_in(browser)


async def test_a_page_whose_address_is_secret_is_told_to_nobody(
    browser: httpx.AsyncClient, register: Database, amina: UUID
) -> None:
    await asks(browser)
    page = await browser.get(path_of(await mailed(register)))
    assert page.headers["referrer-policy"] == "strict-origin"
    assert 'name="referrer"' not in page.text, "a word in the page would beat the header"


# Sessions


@pytest.mark.usefixtures("amina")
async def test_a_session_is_renewed_without_a_word(browser: httpx.AsyncClient, register: Database) -> None:
    await signs_in(browser, register)
    later(register, minutes=16)
    sent = await browser.get(f"{PEOPLE}?done=roles")
    assert (sent.status_code, sent.headers["location"]) == (
        303,
        f"{RENEW}?next=%2Fpartners%2Fpeople%3Fdone%3Droles",
    )
    back = await browser.get(sent.headers["location"])
    assert (back.status_code, back.headers["location"]) == (303, f"{PEOPLE}?done=roles")
    assert (await browser.get(back.headers["location"])).status_code == 200


@pytest.mark.usefixtures("amina")
async def test_a_form_goes_the_same_way_with_its_content(
    browser: httpx.AsyncClient, register: Database
) -> None:
    await signs_in(browser, register)
    form = {"key": key_in(await browser.get(ACCOUNT))}
    later(register, minutes=16)
    answer = await browser.post(f"{ACCOUNT}/sign-out-everywhere", data=form)
    assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (307, RENEW)
    answer = await browser.post(answer.headers["location"], data=form)
    assert (answer.status_code, answer.headers["location"]) == (307, f"{ACCOUNT}/sign-out-everywhere")
    answer = await browser.post(answer.headers["location"], data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/?done=signed_out")
    assert await rows(register, "SELECT * FROM sessions WHERE ended_at IS NULL") == []


@pytest.mark.usefixtures("amina")
@pytest.mark.parametrize("why", ["idle", "longest", "signed out elsewhere"])
async def test_a_form_that_comes_after_the_end_is_kept_until_one_has_signed_in(
    browser: httpx.AsyncClient, register: Database, open_browser: OpenBrowser, why: str
) -> None:
    await signs_in(browser, register)
    await sets_up(browser, register)
    words = "Noor O’Marker <b>"
    form = {
        "key": key_in(await browser.get(f"{PEOPLE}/invite")),
        "name": words,
        "email": "n@b.example",
        "roles": "staff",
    }
    settings = register.context.settings
    if why == "idle":
        later(register, hours=settings.session_idle + 0.1)
    elif why == "longest":
        for _ in range(int(settings.session_longest / settings.session_idle * 2)):
            later(register, hours=settings.session_idle / 2)
            await browser.get(RENEW)
        later(register, minutes=1)
    else:
        async with open_browser() as other:
            await signs_in(other, register)
            await proves(other, register)
            await post(other, f"{ACCOUNT}/sign-out-everywhere", on=ACCOUNT)
        browser = await _after_standings_are_read(browser, register)
    answer = await browser.post(f"{PEOPLE}/invite", data=form, follow_redirects=True)
    assert str(answer.url.path) == SIGN_IN
    assert words not in str(await rows(register, "SELECT * FROM kept_forms"))

    answer = await signs_in(browser, register, next=answer.url.params["next"])
    answer = await proves(browser, register, next=answer.headers["location"])
    kept = await browser.get(answer.headers["location"])
    assert "Noor O’Marker &lt;b&gt;" in kept.text
    async with open_browser() as other:
        await signs_in(other, register)
        await proves(other, register)
        assert "Noor" not in (await other.get(f"{MOUNT}/kept")).text
    form |= {"key": key_in(kept)}
    for _ in range(2):
        passed_on = await browser.post(f"{MOUNT}/kept/send", data=form)
        assert (passed_on.status_code, passed_on.headers["location"]) == (307, f"{PEOPLE}/invite")
    sent = await browser.post(passed_on.headers["location"], data=form)
    assert sent.status_code == 303, sent.text
    assert len(await rows(register, "SELECT * FROM people")) == 2
    assert await rows(register, "SELECT * FROM kept_forms") == []
    assert "Nothing is kept here" in (await browser.get(f"{MOUNT}/kept")).text


@pytest.fixture
async def late_form(browser: httpx.AsyncClient, register: Database) -> dict[str, str]:
    """Something that Amina sent in this browser after her session had ended."""
    async with register.transaction() as tx:
        await people.invite(tx, name="Other", email="other@forum.example", roles=["staff"])
    await signs_in(browser, register)
    form = {"key": key_in(await browser.get(ACCOUNT)), "words": "Noor O’Marker"}
    later(register, hours=register.context.settings.session_idle + 0.1)
    answer = await browser.post(f"{ACCOUNT}/tokens", data=form, follow_redirects=True)
    assert str(answer.url.path) == SIGN_IN
    return form


@pytest.mark.usefixtures("amina", "late_form")
async def test_a_form_that_was_kept_is_shown_to_nobody_else_who_signs_in_there(
    browser: httpx.AsyncClient, register: Database
) -> None:
    answer = await signs_in(browser, register, email="other@forum.example", next=f"{MOUNT}/kept")
    kept = await browser.get(answer.headers["location"])
    assert "Nothing is kept here" in kept.text
    assert "Noor" not in kept.text
    assert await rows(register, "SELECT * FROM kept_forms") == []


@pytest.mark.usefixtures("amina")
async def test_a_form_that_nobody_wants_any_more_is_gone(
    browser: httpx.AsyncClient, register: Database, late_form: dict[str, str]
) -> None:
    asking = await browser.get(f"{SIGN_IN}?next={MOUNT}/kept")
    assert "What you wrote is kept. Sign in and you can send it." in asking.text
    assert "is kept" not in (await browser.get(SIGN_IN)).text
    answer = await signs_in(browser, register, next=f"{MOUNT}/kept")
    form = {**late_form, "key": key_in(await browser.get(answer.headers["location"]))}
    answer = await browser.post(f"{MOUNT}/kept/discard", data=form)
    page = await browser.get(answer.headers["location"])
    assert "Your form is not sent" in page.text
    assert "Noor" not in page.text
    assert await rows(register, "SELECT * FROM kept_forms") == []


async def test_roles_that_are_taken_away_are_gone_at_once(
    browser: httpx.AsyncClient, register: Database, amina: UUID
) -> None:
    await signs_in(browser, register)
    assert (await browser.get(PEOPLE)).status_code == 200
    async with register.transaction() as tx:
        await people.invite(tx, name="Other", email="other@forum.example", roles=["ops"])
        await people.change_roles(tx, amina, ["staff"])
    later_browser = await _after_standings_are_read(browser, register)
    assert (await later_browser.get(PEOPLE, follow_redirects=True)).status_code == 403
    assert (await later_browser.get(f"{MOUNT}/organisations")).status_code == 200


async def _after_standings_are_read(browser: httpx.AsyncClient, register: Database) -> httpx.AsyncClient:
    """The same browser a few seconds later, when what the service knows of people was read anew."""
    again = client(build(register), MOUNT, None)
    again.cookies = browser.cookies
    return again


async def test_whoever_is_barred_is_out(browser: httpx.AsyncClient, register: Database, amina: UUID) -> None:
    await signs_in(browser, register)
    async with register.transaction() as tx:
        await people.invite(tx, name="Other", email="other@forum.example", roles=["ops"])
        await people.bar(tx, amina)
    barred = await _after_standings_are_read(browser, register)
    answer = await barred.get(ACCOUNT, follow_redirects=True)
    assert str(answer.url.path) == SIGN_IN
    await asks(barred)
    assert len([e for e in await announced(register) if e.fact is SignInRequested]) == 1


@pytest.mark.usefixtures("amina")
async def test_signing_out_ends_the_session_and_not_only_the_cookie(
    browser: httpx.AsyncClient, register: Database
) -> None:
    await signs_in(browser, register)
    kept = dict(browser.cookies)
    answer = await post(browser, f"{ACCOUNT}/sign-out", on=ACCOUNT)
    assert answer.headers["clear-site-data"] == '"cache", "storage"'
    assert "conduit" not in browser.cookies
    thief = await _after_standings_are_read(browser, register)
    thief.cookies.update(kept)
    answer = await thief.get(ACCOUNT, follow_redirects=True)
    assert str(answer.url.path) == SIGN_IN


@pytest.mark.usefixtures("amina")
async def test_one_ends_ones_own_sessions_and_nobody_elses(
    browser: httpx.AsyncClient, register: Database, open_browser: OpenBrowser
) -> None:
    browser.headers["user-agent"] = FIREFOX
    await signs_in(browser, register)
    async with register.transaction() as tx:
        await people.invite(tx, name="Other", email="other@forum.example", roles=["ops"])
    async with open_browser() as other:
        await signs_in(other, register, email="other@forum.example")
        [mine] = await rows(register, "SELECT s.id FROM sessions s JOIN people p ON p.id = person_id"
                            " WHERE p.email = 'amina@forum.example'")  # fmt: skip
        not_theirs = await post(other, f"{ACCOUNT}/sessions/{mine['id']}/end", on=ACCOUNT)
        nowhere = await post(other, f"{ACCOUNT}/sessions/{UUID(int=7)}/end", on=ACCOUNT)
        assert (not_theirs.status_code, nowhere.status_code) == (404, 404)
        assert _bare(not_theirs.text) == _bare(nowhere.text)
    async with open_browser() as second:
        await signs_in(second, register)
        page = await second.get(ACCOUNT)
        assert "Firefox on Windows" in page.text
        await post(second, f"{ACCOUNT}/sessions/{mine['id']}/end", on=ACCOUNT)
        # What was signed for this browser is renewed; what was signed for the other is over.
        assert (await second.get(ACCOUNT, follow_redirects=True)).status_code == 200
    answer = await (await _after_standings_are_read(browser, register)).get(ACCOUNT, follow_redirects=True)
    assert str(answer.url.path) == SIGN_IN


def _bare(text: str) -> str:
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "", text)


@pytest.mark.usefixtures("amina")
async def test_the_navigation_says_that_one_is_at_ones_account(
    browser: httpx.AsyncClient, register: Database
) -> None:
    assert 'aria-current="true"' not in (await browser.get(SIGN_IN)).text
    await signs_in(browser, register)
    for path in (ACCOUNT, f"{ACCOUNT}/tokens", f"{ACCOUNT}/second-factor", f"{MOUNT}/kept"):
        assert f'<a href="{ACCOUNT}" aria-current="true">' in (await browser.get(path)).text, path


# A link that is printed


async def test_a_ready_link_works_once_in_any_browser(
    browser: httpx.AsyncClient, register: Database, amina: UUID
) -> None:
    async with register.transaction() as tx:
        link = httpx.URL(await ready_link(tx, amina)).path
    assert (await post(browser, link)).status_code == 303
    assert await is_signed_in(browser)
    assert (await browser.get(link)).status_code == 422


async def test_a_ready_link_does_not_last(
    browser: httpx.AsyncClient, register: Database, amina: UUID
) -> None:
    async with register.transaction() as tx:
        link = httpx.URL(await ready_link(tx, amina)).path
    later(register, seconds=READY_FOR.total_seconds() + 1)
    assert (await browser.get(link)).status_code == 422


@pytest.mark.parametrize(
    "changed",
    [
        {"host": "192.0.2.1"},
        {"database_url": "postgresql://h"},
        {"public_url": "https://conduit.forum.example"},
    ],
)
async def test_none_is_printed_where_others_could_use_it(
    register: Database, amina: UUID, changed: dict[str, str]
) -> None:
    async with register.transaction() as tx:
        tx.context = replace(tx.context, settings=replace(tx.context.settings, **changed))  # type: ignore[arg-type]
        with pytest.raises(PermissionError):
            await ready_link(tx, amina)


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (FIREFOX, "Firefox on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0) Version/18.0 Mobile Safari/604.1", "Safari on an iPhone"),
        ("Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Linux"),
        ("", "A browser on a computer"),
        ("x" * 9_000, "A browser on a computer"),
    ],
)
def test_of_a_browser_only_its_kind_is_kept(agent: str, words: str) -> None:
    assert agent_words(agent) == words
