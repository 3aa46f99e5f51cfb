"""Somebody composes a campaign on its pages, and somebody else approves it."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from tests.access import EVERYTHING, cookies, form_key

#: Somebody who may do as much as whoever else is signed in here, and is not them.
OTHER = replace(
    EVERYTHING,
    id=UUID("0134c1e9-0100-7a11-8a6f-000000000002"),
    session=UUID("0134c1e9-0100-7b22-8a6f-000000000002"),
)

PURPOSE = {
    "name": "Another campaign",
    "purpose": "To see whether it works.",
    "asks": "yes",
    "fund": "training scheme",
    "profession": "dentist",
    "ask_least": "3,000",
    "ask_each": "£10",
    "ask_step": "100",
    "ask_most": "5000",
}
NO_ASK = {"name": "Open day", "purpose": "That schools know us.", "asks": "no"}
WHO = {
    "kind": "primary_care_trust",
    "roles": ["chief_executive", "dental_care"],
    "in_turn": "no",
    "by_post": "listed",
}
WORDS = {
    "subject": "We ask {body_name} for {ask}",
    "body": "Dear {contact_name},\n\nPlease answer at {response_url}.",
    "signatory": "director",
}
WORDS_WITHOUT_ASK = WORDS | {"subject": "Our open day"}


def field_on(page: str, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, name
    return found[1].replace("&#34;", '"').replace("&#39;", "'").replace("&amp;", "&")


async def hidden(browser: httpx.AsyncClient, address: str) -> dict[str, str]:
    """What the form of a page carries besides what is typed."""
    page = (await browser.get(address)).text
    return {"revision": field_on(page, "revision"), "base": field_on(page, "base"), "key": form_key()}


async def saves(browser: httpx.AsyncClient, address: str, typed: dict[str, Any]) -> httpx.Response:
    """Open a step, fill it in and save it."""
    return await browser.post(address, data=await hidden(browser, address) | typed)


async def composed(
    browser: httpx.AsyncClient,
    purpose: dict[str, Any] = PURPOSE,
    who: dict[str, Any] = WHO,
    words: dict[str, Any] = WORDS,
    *,
    submit: bool = True,
) -> str:
    """Go through the steps up to the submission. The address of the campaign."""
    made = await browser.post("/letters/campaigns/new", data=purpose | {"key": form_key()})
    assert made.status_code == 303, made.text
    page = made.headers["location"].removesuffix("/who")
    for step, typed in (("who", who), ("words", words)):
        saved = await saves(browser, f"{page}/{step}", typed)
        assert saved.status_code == 303, saved.text
    if submit:
        submitted = await browser.post(f"{page}/submit", data={"key": form_key()})
        assert submitted.headers["location"] == f"{page}/approve?done=submitted"
    return page


async def approves(browser: httpx.AsyncClient, address: str) -> None:
    """Read a campaign on its page, and approve it."""
    revision = field_on((await browser.get(address)).text, "revision")
    form = {"revision": revision, "confirm": "yes", "key": form_key()}
    approved = await browser.post(address, data=form)
    assert approved.headers["location"].endswith("/send?done=approved")


def approve_at(url: str, keys: Path, campaign: str) -> bool:
    """The same at a process that runs, as somebody else than its writer. Whether it was taken."""
    held, page = cookies(keys, OTHER), f"{url}/letters/campaigns/{campaign}/approve"
    shown = httpx.get(page, cookies=held, timeout=20)
    if 'name="revision"' not in shown.text:
        return False
    form = {"revision": field_on(shown.text, "revision"), "confirm": "yes", "key": form_key(OTHER)}
    return httpx.post(page, cookies=held, data=form, timeout=20).status_code == 303
