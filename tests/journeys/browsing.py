"""A real browser at a started Conduit: pages that complain when something of ours is blocked or fails."""

import re
from collections.abc import Iterator

import pyotp
from playwright.sync_api import Browser, Page, StorageState, ViewportSize, expect

from tests.journeys.running import Running

#: Chromium must not look for anything outside: the suite runs without a network.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

#: Milliseconds until a page on a busy machine is as it should be.
PATIENCE = 30_000
expect.set_options(timeout=PATIENCE)

#: What a server says no with where somebody is to look again; the browser's console tells of each.
_ANSWERS = ("404", "409", "422")

#: The screen of a phone.
PHONE: ViewportSize = {"width": 390, "height": 844}


def signed_in(browser: Browser, link: str) -> StorageState:
    context = browser.new_context()
    page = context.new_page()
    page.goto(link)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("link", name="Your account")).to_be_visible()
    kept = context.storage_state()
    context.close()
    return kept


def opened(browser: Browser, kept: StorageState | None, screen: ViewportSize | None = None) -> Iterator[Page]:
    """A page that fails the test when a script fails or the browser blocks something of ours."""
    context = browser.new_context(
        locale="en-GB",
        timezone_id="Europe/London",
        viewport=screen or {"width": 1280, "height": 900},
        storage_state=kept,
    )
    context.set_default_timeout(PATIENCE)
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    yield opened
    context.close()
    assert [text for text in complaints if not any(status in text for status in _ANSWERS)] == []


def eventually_mailed(page: Page, running: Running, subject: str, to: str = "") -> str:
    """The words of the newest message with this subject in the mail box, to this address if one is given."""
    for _ in range(100):
        page.goto(running.url + "/mail")
        found = page.get_by_role("row").filter(has_text=to).get_by_role("link", name=re.compile(subject))
        if found.count():
            # A click may come back while the list still stands there.
            page.goto(running.url + str(found.first.get_attribute("href")))
            return page.locator("main").inner_text()
        page.wait_for_timeout(200)
    raise AssertionError(f"no message says “{subject}”")


def set_up_second_factor(page: Page) -> None:
    """As an app does that is given the key on the page, after a wrong code."""
    expect(page.get_by_role("heading", level=1)).to_contain_text("Set up your second factor")
    assert page.get_by_role("img", name="A picture for the app").is_visible()
    page.get_by_label("The code").fill("000000")
    page.get_by_role("button", name="Use it from now on").click()
    expect(page.locator("main")).to_contain_text("not the code of the moment")
    key = page.locator(".code").inner_text().replace(" ", "")
    page.get_by_label("The code").fill(pyotp.TOTP(key).now())
    page.get_by_role("button", name="Use it from now on").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Your recovery codes")
    page.get_by_role("link", name="I have them").click()
