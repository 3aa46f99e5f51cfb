"""People at the pages of partners: browsers, forms, mails, and an app that shows codes."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pyotp
from nacl.secret import SecretBox

from chassis.database import Database
from chassis.keys import read_keys
from chassis.sealed import unseal
from contracts.access import ACCOUNT, PROVE, SIGN_IN
from contracts.partners import SignInRequested
from contracts.topology import NOTIFICATIONS
from tests.conftest import announced

MOUNT = "/partners"
PEOPLE = f"{MOUNT}/people"
EMAIL = "amina@forum.example"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0"

OpenBrowser = Callable[[], httpx.AsyncClient]


def key_in(page: httpx.Response) -> str:
    found = re.search(r'name="key" value="([^"]+)"', page.text)
    assert found, page.text[:2_000]
    return found.group(1)


async def post(browser: httpx.AsyncClient, path: str, on: str = "", **fields: str) -> httpx.Response:
    """Send a form that stands on the page ``on``; on the one that it is sent to, when nothing is said."""
    return await browser.post(path, data={"key": key_in(await browser.get(on or path)), **fields})


async def asks(browser: httpx.AsyncClient, email: str = EMAIL, **more: str) -> httpx.Response:
    return await post(browser, SIGN_IN, email=email, **more)


async def mailed(register: Database) -> dict[str, Any]:
    """What stands in the newest mail."""
    keys = read_keys(register.context.settings.keys_folder, NOTIFICATIONS)
    *_, event = [e for e in await announced(register) if e.fact is SignInRequested]
    return unseal(keys, SignInRequested, "keys", event.data["keys"])


def path_of(keys: dict[str, Any]) -> str:
    return str(httpx.URL(keys["link"]).path)


async def signs_in(browser: httpx.AsyncClient, register: Database, **more: str) -> httpx.Response:
    await asks(browser, **more)
    answer = await post(browser, path_of(await mailed(register)))
    assert answer.status_code == 303, answer.text
    return answer


async def rows(register: Database, query: str) -> list[dict[str, Any]]:
    async with register.reading() as tx:
        return [dict(row) for row in await tx.fetch(query)]


async def is_signed_in(browser: httpx.AsyncClient) -> bool:
    return (await browser.get(ACCOUNT)).status_code == 200


def later(register: Database, **time: float) -> None:
    register.context.clock.advance(timedelta(**time))


async def sets_up(browser: httpx.AsyncClient, register: Database) -> httpx.Response:
    """Set up a second factor, as an app would that reads the key on the page."""
    page = await browser.get(f"{ACCOUNT}/second-factor")
    found = re.search(r'class="code">([A-Z2-7 ]+)<', page.text)
    assert found, page.text[:2_000]
    totp = pyotp.TOTP(found.group(1).replace(" ", ""))
    fields = {"key": key_in(page), "code": totp.at(register.context.clock.now())}
    return await shown_after(browser, await browser.post(f"{ACCOUNT}/second-factor", data=fields))


async def shown_after(browser: httpx.AsyncClient, answer: httpx.Response) -> httpx.Response:
    """The page that a browser is sent on to."""
    assert answer.status_code == 303, answer.text
    return await browser.get(answer.headers["location"])


async def code_now(register: Database, email: str = EMAIL) -> str:
    """What the app shows, half a minute later: each code counts once."""
    later(register, seconds=31)
    [row] = await rows(register, f"SELECT second_factor FROM people WHERE email = '{email}'")
    box = SecretBox(register.context.keys.derive("second factors"))
    return pyotp.TOTP(box.decrypt(bytes(row["second_factor"])).decode()).at(register.context.clock.now())


async def proves(
    browser: httpx.AsyncClient, register: Database, next: str = "/", email: str = EMAIL
) -> httpx.Response:
    code = await code_now(register, email)
    return await post(browser, PROVE, code=code, next=next)
