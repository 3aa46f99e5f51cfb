"""The second factor: set up, asked for when it matters, guessed at in vain, lost and replaced."""

import asyncio
import re
from collections.abc import AsyncIterator
from urllib.parse import unquote
from uuid import UUID

import httpx
import pyotp
import pytest

from chassis.access import SessionKeys
from chassis.audit import every_row, verify
from chassis.database import Database
from chassis.keys import KeysError
from contracts.access import ACCOUNT, JUST_NOW, PROVE, SIGN_IN, Role, needs_proof
from services.partners import people, second_factor
from services.partners.attempts import TooMany
from services.partners.second_factor import GUESSES_AN_HOUR, RECOVERY_CODES
from services.partners.signing_in import LATELY
from tests.partners.browsing import (
    PEOPLE,
    OpenBrowser,
    asks,
    code_now,
    key_in,
    later,
    mailed,
    path_of,
    post,
    proves,
    rows,
    sets_up,
    shown_after,
    signs_in,
)

pytestmark = pytest.mark.usefixtures("amina")


@pytest.fixture
async def browser(
    open_browser: OpenBrowser, register: Database, amina: UUID
) -> AsyncIterator[httpx.AsyncClient]:
    """Amina's, signed in."""
    async with open_browser() as visitor:
        await signs_in(visitor, register)
        yield visitor


def codes_on(page: httpx.Response) -> list[str]:
    return re.findall(r'<li class="code">([a-z2-7]{6}(?:-[a-z2-7]{6}){3})</li>', page.text)


async def may_act(browser: httpx.AsyncClient) -> bool:
    """Whether whoever asks is let through to where a second factor is needed."""
    answer = await browser.get(f"{PEOPLE}/invite")
    assert answer.status_code in (200, 303)
    return answer.status_code == 200


async def test_whoever_has_none_is_led_to_setting_it_up_and_back(
    browser: httpx.AsyncClient, register: Database
) -> None:
    answer = await browser.get(f"{PEOPLE}/invite", follow_redirects=True)
    assert answer.url.path == f"{ACCOUNT}/second-factor"
    assert answer.url.params["next"] == f"{PEOPLE}/invite"
    assert "data:image/svg+xml" in answer.text
    page = await sets_up(browser, register)
    assert page.status_code == 200
    assert len(set(codes_on(page))) == RECOVERY_CODES
    assert "end your other sessions too" in page.text
    assert await may_act(browser)
    assert not codes_on(await browser.get(ACCOUNT))


async def test_opening_the_page_sets_nothing_up_and_shows_the_same_key(
    browser: httpx.AsyncClient, register: Database
) -> None:
    first, again = [(await browser.get(f"{ACCOUNT}/second-factor")).text for _ in range(2)]
    key = re.compile(r'class="code">([A-Z2-7 ]+)<')
    assert key.search(first).group(1) == key.search(again).group(1)  # type: ignore[union-attr]
    assert await rows(register, "SELECT * FROM people WHERE second_factor IS NOT NULL") == []


async def test_nothing_of_it_is_kept_in_clear(browser: httpx.AsyncClient, register: Database) -> None:
    page = await browser.get(f"{ACCOUNT}/second-factor")
    key = re.search(r'class="code">([A-Z2-7 ]+)<', page.text)
    assert key
    codes = codes_on(await sets_up(browser, register))
    kept = str(await rows(register, "SELECT * FROM people")) + str(
        await rows(register, "SELECT * FROM recovery_codes")
    )
    for secret in (key.group(1).replace(" ", ""), *codes, *(code.replace("-", "") for code in codes)):
        assert secret not in kept
        assert secret.encode().hex() not in kept


async def test_it_is_asked_for_again_after_ten_minutes(
    browser: httpx.AsyncClient, register: Database
) -> None:
    await sets_up(browser, register)
    later(register, seconds=JUST_NOW.total_seconds() - 60)
    assert await may_act(browser)
    later(register, seconds=61)
    assert not await may_act(browser)
    assert (await browser.get(PEOPLE)).status_code == 200, "reading needs no second factor"
    answer = await proves(browser, register, next=f"{PEOPLE}/invite")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PEOPLE}/invite")
    assert await may_act(browser)


async def test_what_was_sent_too_early_is_kept(browser: httpx.AsyncClient, register: Database) -> None:
    await sets_up(browser, register)
    form = {
        "key": key_in(await browser.get(f"{PEOPLE}/invite")),
        "name": "Noor",
        "email": "n@b.example",
        "roles": "staff",
    }
    later(register, seconds=JUST_NOW.total_seconds() + 1)
    sent = await browser.post(f"{PEOPLE}/invite", data=form)
    assert (sent.status_code, sent.headers["location"].partition("?")[0]) == (307, f"{PROVE}/first")
    asked = await browser.post(sent.headers["location"], data=form, follow_redirects=True)
    assert asked.url.path == PROVE
    answer = await proves(browser, register, next=asked.url.params["next"])
    kept = await browser.get(answer.headers["location"])
    assert "Noor" in kept.text
    assert (await browser.post(f"{PEOPLE}/invite", data={**form, "key": key_in(kept)})).status_code == 303
    assert len(await rows(register, "SELECT * FROM people")) == 2


async def test_a_mail_alone_opens_nothing_once_there_is_a_second_factor(
    browser: httpx.AsyncClient, register: Database, open_browser: OpenBrowser
) -> None:
    await sets_up(browser, register)
    async with open_browser() as thief:
        await asks(thief)
        assert (await post(thief, path_of(await mailed(register)))).status_code == 303
        for path in ("/partners/", ACCOUNT, PEOPLE, f"{ACCOUNT}/second-factor", "/partners/kept"):
            answer = await thief.get(path)
            assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (
                303,
                f"{PROVE}/first",
            ), path
        program = await thief.get("/partners/api/v1/organisations")
        assert program.status_code == 403
        assert PROVE in program.json()["detail"] + str(program.json())
        set_up = await thief.post(f"{ACCOUNT}/second-factor", data={"code": "000000"})
        assert set_up.status_code == 307
        assert (await proves(thief, register)).status_code == 303
        assert (await thief.get(ACCOUNT)).status_code == 200


async def test_each_code_counts_once(
    browser: httpx.AsyncClient, register: Database, open_browser: OpenBrowser
) -> None:
    await sets_up(browser, register)
    code = await code_now(register)
    assert (await post(browser, PROVE, code=code)).status_code == 303
    async with open_browser() as other:
        await signs_in(other, register)
        again = await post(other, PROVE, code=code)
        assert again.status_code == 422
        assert "not the code of the moment" in again.text


async def test_each_session_is_shown_another_key(
    browser: httpx.AsyncClient, register: Database, open_browser: OpenBrowser
) -> None:
    key = re.compile(r'class="code">([A-Z2-7 ]+)<')
    async with open_browser() as other:
        await signs_in(other, register)
        pages = [await each.get(f"{ACCOUNT}/second-factor") for each in (browser, other)]
    mine, theirs = [key.findall(page.text)[0].replace(" ", "") for page in pages]
    assert mine != theirs
    assert len(mine) == len(theirs) == 32, "160 bits"


async def test_whoever_shows_it_goes_on_under_new_secrets(
    browser: httpx.AsyncClient, register: Database, open_browser: OpenBrowser
) -> None:
    await sets_up(browser, register)
    async with open_browser() as mine:
        await signs_in(mine, register)
        known_to_a_thief = dict(mine.cookies)
        assert (await proves(mine, register)).status_code == 303
        assert mine.cookies["conduit-renewal"] != known_to_a_thief["conduit-renewal"]
        assert (await mine.get("/partners/renew")).headers["location"] == "/"
        assert (await mine.get(ACCOUNT)).status_code == 200
    async with open_browser() as thief:
        thief.cookies.set("conduit", known_to_a_thief["conduit"], "127.0.0.1", "/")
        assert (await thief.get(ACCOUNT)).headers["location"].startswith(PROVE)
        secret = known_to_a_thief["conduit-renewal"]
        thief.cookies.set("conduit-renewal", secret, "127.0.0.1", "/partners")
        assert (await thief.get("/partners/renew")).headers["location"].startswith(SIGN_IN)


async def test_a_session_that_was_left_open_changes_nothing_about_signing_in(
    browser: httpx.AsyncClient, register: Database
) -> None:
    page = await browser.get(f"{ACCOUNT}/second-factor")
    later(register, seconds=LATELY.total_seconds() + 1)
    await browser.get("/partners/renew")
    key = key_in(await browser.get(ACCOUNT))
    totp = pyotp.TOTP(re.findall(r'class="code">([A-Z2-7 ]+)<', page.text)[0].replace(" ", ""))
    code = totp.at(register.context.clock.now())
    asked = [
        await browser.get(f"{ACCOUNT}/second-factor"),
        await browser.post(f"{ACCOUNT}/second-factor", data={"key": key, "code": code}),
        await browser.post(f"{ACCOUNT}/recovery-codes", data={"key": key}),
    ]
    assert {answer.headers["location"].partition("?")[0] for answer in asked[:2]} == {SIGN_IN}
    assert asked[2].headers["location"].startswith(PROVE), "who has none to show is asked for it first"
    assert "Sign in once more" in (await browser.get(asked[0].headers["location"])).text
    assert await rows(register, "SELECT * FROM people WHERE second_factor IS NOT NULL") == []

    next = asked[0].headers["location"].partition("next=")[2].partition("&")[0]
    answer = await signs_in(browser, register, next=unquote(next))
    assert answer.headers["location"].startswith(f"{ACCOUNT}/second-factor")
    assert (await sets_up(browser, register)).status_code == 200

    later(register, seconds=LATELY.total_seconds() + 1)
    await browser.get("/partners/renew")
    await proves(browser, register)
    key = key_in(await browser.get(ACCOUNT))
    for path in ("second-factor", "recovery-codes"):
        told = await browser.post(f"{ACCOUNT}/{path}", data={"key": key, "code": await code_now(register)})
        assert (told.status_code, told.headers["location"].partition("?")[0]) == (303, SIGN_IN), path


@pytest.mark.parametrize(("late", "good"), [(0, True), (-29, True), (29, True), (-95, False), (95, False)])
async def test_the_telephones_clock_may_be_a_little_wrong(
    browser: httpx.AsyncClient, register: Database, late: int, good: bool
) -> None:
    await sets_up(browser, register)
    later(register, minutes=5)
    code = await code_now(register)
    later(register, seconds=late)
    assert ((await post(browser, PROVE, code=code)).status_code == 303) is good


async def test_of_ten_thousand_guesses_ten_are_looked_at(
    browser: httpx.AsyncClient, register: Database
) -> None:
    """All of them sent, and the right code among them."""
    await sets_up(browser, register)
    person = SessionKeys(register.context.settings.keys_folder).verify(browser.cookies["conduit"], None)
    right = await code_now(register)
    codes = [f"{guess:06}" for guess in range(10_000) if f"{guess:06}" != right]
    refused = 0
    async with register.transaction() as tx:
        for code in [*codes, right]:
            try:
                assert not await second_factor.prove(tx, person, code)
            except TooMany:
                refused += 1
    assert refused == len(codes) + 1 - GUESSES_AN_HOUR


async def test_ten_thousand_guesses_are_ten(browser: httpx.AsyncClient, register: Database) -> None:
    await sets_up(browser, register)
    page = key_in(await browser.get(PROVE))
    statuses = []
    for guess in range(GUESSES_AN_HOUR + 40):
        fields = {"key": page, "code": f"{guess:06}"}
        statuses.append((await browser.post(PROVE, data=fields)).status_code)
    assert statuses == [422] * GUESSES_AN_HOUR + [429] * 40
    right = await browser.post(PROVE, data={"key": page, "code": await code_now(register)})
    assert right.status_code == 429, "not even the right one is looked at"
    later(register, minutes=61)
    await browser.get("/partners/renew")
    assert (await proves(browser, register)).status_code == 303


async def test_a_recovery_code_does_as_well_once_however_it_is_typed(
    browser: httpx.AsyncClient, register: Database
) -> None:
    first, second, *_ = codes_on(await sets_up(browser, register))
    assert (await post(browser, PROVE, code=first.upper().replace("-", " "))).status_code == 303
    assert (await post(browser, PROVE, code=first)).status_code == 422
    assert f"{RECOVERY_CODES - 1} recovery codes are left" in (await browser.get(ACCOUNT)).text
    made = await post(browser, f"{ACCOUNT}/recovery-codes", on=ACCOUNT)
    new = codes_on(await shown_after(browser, made))
    assert len(new) == RECOVERY_CODES
    assert (await post(browser, PROVE, code=second)).status_code == 422
    assert (await post(browser, PROVE, code=new[0])).status_code == 303


async def test_another_telephone_takes_the_place_of_the_first(
    browser: httpx.AsyncClient, register: Database
) -> None:
    old = codes_on(await sets_up(browser, register))
    before = await code_now(register)
    assert len(codes_on(await sets_up(browser, register))) == RECOVERY_CODES
    for code in (before, old[0]):
        assert (await post(browser, PROVE, code=code)).status_code == 422
    assert (await proves(browser, register)).status_code == 303


async def test_nobody_replaces_it_who_has_not_shown_it(
    browser: httpx.AsyncClient, register: Database
) -> None:
    await sets_up(browser, register)
    key = key_in(await browser.get(ACCOUNT))
    later(register, seconds=JUST_NOW.total_seconds() + 1)
    assert (await browser.get(f"{ACCOUNT}/second-factor")).status_code == 303
    for path in ("second-factor", "second-factor/remove", "recovery-codes"):
        answer = await browser.post(f"{ACCOUNT}/{path}", data={"key": key, "code": await code_now(register)})
        assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (307, f"{PROVE}/first")


async def test_it_can_be_done_without_only_where_no_role_needs_it(
    browser: httpx.AsyncClient, register: Database, amina: UUID
) -> None:
    await sets_up(browser, register)
    assert "Do without it" not in (await browser.get(ACCOUNT)).text
    refused = await post(browser, f"{ACCOUNT}/second-factor/remove", on=ACCOUNT)
    assert refused.status_code == 409
    async with register.transaction() as tx:
        await people.invite(tx, name="Other", email="other@forum.example", roles=["ops"])
        await people.change_roles(tx, amina, ["outreach"])
    await browser.get("/partners/renew")
    done = await post(browser, f"{ACCOUNT}/second-factor/remove", on=ACCOUNT)
    assert done.headers["location"] == f"{ACCOUNT}?done=removed"
    assert "It is up to you." in (await browser.get(ACCOUNT)).text


async def test_whoever_lost_it_is_helped_by_somebody_else(
    browser: httpx.AsyncClient, register: Database, open_browser: OpenBrowser
) -> None:
    await sets_up(browser, register)
    async with register.transaction() as tx:
        bo = await people.invite(tx, name="Bo", email="bo@forum.example", roles=["ops"])
    async with open_browser() as theirs:
        await signs_in(theirs, register, email="bo@forum.example")
        await sets_up(theirs, register)
    page = f"{PEOPLE}/{bo}"
    answer = await browser.post(
        f"{page}/forget-second-factor", data={"key": key_in(await browser.get(page)) + "-factor"}
    )
    assert answer.headers["location"] == f"{page}?done=forgotten"
    async with open_browser() as theirs:
        await signs_in(theirs, register, email="bo@forum.example")
        assert (await theirs.get(ACCOUNT)).status_code == 200
        assert not await may_act(theirs)
    assert await rows(register, f"SELECT * FROM recovery_codes WHERE person_id = '{bo}'") == []


async def test_where_there_is_none_nothing_is_forgotten(
    browser: httpx.AsyncClient, register: Database
) -> None:
    await sets_up(browser, register)
    async with register.transaction() as tx:
        bo = await people.invite(tx, name="Bo", email="bo@forum.example", roles=["staff"])
    page = f"{PEOPLE}/{bo}"
    answer = await post(browser, f"{page}/forget-second-factor", on=page)
    assert answer.status_code == 409
    assert "They have no second factor." in answer.text
    assert "<h1>Bo</h1>" in answer.text


async def test_a_proof_is_of_one_session(
    browser: httpx.AsyncClient, register: Database, open_browser: OpenBrowser
) -> None:
    await sets_up(browser, register)
    async with open_browser() as other:
        await signs_in(other, register)
        assert (await other.get(ACCOUNT)).status_code == 303
    keys, now = SessionKeys(register.context.settings.keys_folder), register.context.clock.now()
    person = keys.verify(browser.cookies["conduit"], now)
    assert person.proved_at is not None
    assert not person.owes_proof


async def test_a_secret_that_cannot_be_opened_is_no_way_in(
    browser: httpx.AsyncClient, register: Database
) -> None:
    """As after a restore with the wrong keys."""
    await sets_up(browser, register)
    async with register.transaction() as tx:
        await tx.execute("UPDATE people SET second_factor = 'spoilt'")
    person = SessionKeys(register.context.settings.keys_folder).verify(browser.cookies["conduit"], None)
    async with register.transaction() as tx:
        with pytest.raises(KeysError):
            await second_factor.prove(tx, person, "000000")


def test_which_roles_need_one() -> None:
    assert {role for role in Role if needs_proof([role])} == {
        Role.OPS,
        Role.STAFF,
        Role.GRANTS_OFFICER,
        Role.PAYER,
    }


async def test_all_of_it_is_in_the_audit_and_names_nobody(
    browser: httpx.AsyncClient, register: Database, amina: UUID
) -> None:
    await sets_up(browser, register)
    await post(browser, PROVE, code="000000")
    await proves(browser, register)
    form = {"name": "Noor Marker", "email": "noor@marker.example", "roles": "staff"}
    await post(browser, f"{PEOPLE}/invite", **form)
    [noor] = await rows(register, "SELECT id FROM people WHERE name = 'Noor Marker'")
    page = f"{PEOPLE}/{noor['id']}"
    await post(browser, f"{page}/roles", on=page, roles="auditor")
    await post(browser, f"{page}/roles", on=page, roles="auditor")
    await post(browser, f"{ACCOUNT}/sign-out", on=ACCOUNT)
    async with register.reading() as tx:
        said = [row async for row in every_row(tx)]
        assert (await verify(tx)).broken_at is None
    assert [row["action"] for row in said] == [
        "signed_in",
        "second_factor_set_up",
        "recovery_codes_made",
        "wrong_code",
        "second_factor_shown",
        "admitted",
        "roles_changed",
        "administer_people",  # the same roles again: an act that changed nothing
        "signed_out",
    ]
    assert {row["person_id"] for row in said} == {str(amina)}
    assert (said[6]["before"], said[6]["after"]) == ({"roles": ["staff"]}, {"roles": ["auditor"]})
    assert not re.search("Marker|Amina|@", str(said))


async def test_new_codes_are_shown_once_and_a_reload_makes_none(
    browser: httpx.AsyncClient, register: Database, open_browser: OpenBrowser
) -> None:
    await sets_up(browser, register)
    fields = {"key": key_in(await browser.get(ACCOUNT)) + "-codes"}
    made = await browser.post(f"{ACCOUNT}/recovery-codes", data=fields)
    page = made.headers["location"]
    kept = dict(browser.cookies)
    assert len(codes_on(await browser.get(page))) == RECOVERY_CODES
    digests = await rows(register, "SELECT * FROM recovery_codes ORDER BY code")
    reloaded = await browser.get(page)
    assert "They were shown already" in reloaded.text
    assert not codes_on(reloaded)
    again = await browser.post(f"{ACCOUNT}/recovery-codes", data=fields)
    assert again.headers["location"] == page
    assert await rows(register, "SELECT * FROM recovery_codes ORDER BY code") == digests
    async with open_browser() as other:  # of the same person, and what travelled in the first one's
        await signs_in(other, register)
        other.cookies.set("conduit-shown", kept["conduit-shown"], "127.0.0.1", ACCOUNT)
        await proves(other, register)
        assert not codes_on(await other.get(page))
    for stolen in (kept["conduit-shown"], "x", "a" * 3_000):
        browser.cookies.set("conduit-shown", stolen, "127.0.0.1", ACCOUNT)
        later(register, minutes=3)
        assert not codes_on(await browser.get(page)), stolen[:20]


# Somebody whose standing changes


async def test_whoever_was_barred_a_moment_ago_undoes_nothing(
    browser: httpx.AsyncClient, register: Database, amina: UUID
) -> None:
    """What the service has read of people a few seconds ago is good for reading, and not for acts."""
    await sets_up(browser, register)
    page = f"{PEOPLE}/{amina}"
    key = key_in(await browser.get(page))
    async with register.transaction() as tx:
        bo = await people.invite(tx, name="Bo", email="bo@forum.example", roles=["ops"])
        await people.bar(tx, amina)
    assert (await browser.get(page)).status_code == 200, "this is about the seconds in which one still reads"
    for path, fields in (
        (f"{page}/admit", {}),
        (f"{page}/roles", {"roles": "ops"}),
        (f"{PEOPLE}/{bo}/bar", {"confirm": "yes"}),
        (f"{ACCOUNT}/tokens", {"name": "figures", "role": "staff", "days": "30"}),
        (f"{ACCOUNT}/recovery-codes", {}),
    ):
        answer = await browser.post(path, data={"key": key, **fields})
        assert answer.status_code == 307, path
        after = await browser.post(answer.headers["location"], data={"key": key, **fields})
        assert after.headers["location"].startswith(SIGN_IN), path
    assert await rows(register, "SELECT barred_at IS NULL AS free FROM people ORDER BY free") == [
        {"free": False},
        {"free": True},
    ]
    assert await rows(register, "SELECT * FROM issued_tokens") == []


async def test_an_act_waits_for_whoever_bars_its_person_at_the_same_moment(
    browser: httpx.AsyncClient, register: Database, amina: UUID
) -> None:
    await sets_up(browser, register)
    page = f"{PEOPLE}/{amina}"
    key = key_in(await browser.get(page))
    async with register.transaction() as tx:
        await people.invite(tx, name="Bo", email="bo@forum.example", roles=["ops"])
    async with register.transaction() as tx:
        await people.bar(tx, amina)
        sending = asyncio.create_task(browser.post(f"{page}/admit", data={"key": key}))
        async with register.reading() as other:
            waits = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'transactionid')"
            while True:
                if await other.fetchval(waits):
                    break
                await asyncio.sleep(0.02)
    assert (await sending).status_code == 307
    assert await rows(register, f"SELECT barred_at IS NULL AS free FROM people WHERE id = '{amina}'") == [
        {"free": False}
    ]


async def test_other_roles_are_fetched_without_a_word_in_the_middle_of_an_act(
    browser: httpx.AsyncClient, register: Database, amina: UUID
) -> None:
    await sets_up(browser, register)
    fields = {"key": key_in(await browser.get(ACCOUNT)), "name": "x", "role": "staff", "days": "9"}
    async with register.transaction() as tx:
        await people.change_roles(tx, amina, ["staff", "ops", "outreach"])
    answer = await browser.post(f"{ACCOUNT}/tokens", data=fields)
    while answer.status_code == 307:
        answer = await browser.post(answer.headers["location"], data=fields)
    assert answer.status_code in (200, 303)
    assert len(await rows(register, "SELECT * FROM issued_tokens")) == 1
