"""What axe finds on the pages, at a desk and on a phone: nothing.

axe is put into the page from outside, so these pages are opened without the site's policy on scripts;
that the policy blocks nothing of ours is checked by every other journey.
"""

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, StorageState, ViewportSize

from tests.journeys.browsing import PHONE, eventually_mailed, signed_in
from tests.journeys.running import Running

AXE = (files("axe_playwright_python") / "axe.min.js").read_text()

DESK: ViewportSize = {"width": 1280, "height": 900}

#: Pages whose address is known.
STAFF = (
    "/",
    "/partners/",
    "/partners/organisations",
    "/partners/organisations?q=dental+westminster",
    "/partners/organisations?q=nobody-is-called-this",
    "/partners/organisations/new",
    "/partners/views",
    "/partners/agreements",
    "/partners/outcomes",
    "/partners/referrals",
    "/partners/services",
    "/partners/services/new",
    "/partners/services/slip",
    "/partners/imports",
    "/partners/exports",
    "/partners/account",
    "/partners/account/tokens",
    "/partners/rights",
    "/partners/rights/new",
    "/grants/",
    "/grants/funds",
    "/grants/rounds",
    "/letters/",
    "/letters/campaigns/new",
    "/letters/incoming",
    "/letters/incoming?show=all",
    "/mail",
    "/partners/nothing-is-here",
)

#: Pages of one organisation, below its address.
OF_ORGANISATION = (
    "",
    "/edit",
    "/contacts/new",
    "/timeline",
    "/timeline/new?kind=meeting",
    "/timeline/new?kind=note",
    "/referrals/new",
    "/agreements/new",
    "/merge",
    "/close",
    "/close?q=praxis",
)

#: Pages of an agreement.
OF_AGREEMENT = ("", "/history")

#: Lists, and the address of the first page that they lead to.
FIRST_OF = {
    "/partners/outcomes": r"/partners/outcomes/[0-9a-f-]{36}",
    "/partners/services": r"/partners/services/[0-9a-f-]{36}",
    "/letters/": r"/letters/campaigns/[0-9a-f-]{36}",
    "/grants/funds": r"/grants/funds/[0-9a-f-]{36}",
    "/mail": r"/mail/[^/\"?]+",
}

AUDITOR = ("/partners/audit", "/grants/audit", "/letters/audit", "/partners/people")

PUBLIC = ("/", "/partners/sign-in", "/partners/sign-in/sent")

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(params=[DESK, PHONE], ids=["desk", "phone"])
def screen(request: pytest.FixtureRequest) -> ViewportSize:
    size: ViewportSize = request.param
    return size


def opened_for_axe(browser: Browser, screen: ViewportSize, kept: StorageState | None) -> Iterator[Page]:
    context = browser.new_context(
        viewport=screen, storage_state=kept, bypass_csp=True, reduced_motion="reduce"
    )
    yield context.new_page()
    context.close()


def found_at(page: Page, running: Running, paths: Iterator[str] | tuple[str, ...]) -> list[str]:
    """What axe finds on each page, and pages that are wider than the screen."""
    found = []
    for path in paths:
        page.goto(path if path.startswith("http") else running.url + path)
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        page.add_script_tag(content=AXE)
        for it in page.evaluate("async () => (await axe.run()).violations"):
            found += [f"{path} {it['id']}: {node['target']} {node['html'][:150]}" for node in it["nodes"]]
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            found.append(f"{path} is wider than the screen")
    return found


def first(page: Page, running: Running, path: str, pattern: str) -> str:
    """The first address of this form that a page leads to."""
    page.goto(running.url + path)
    address = re.search(f'"({pattern})"', page.content())
    assert address, f"{path} leads to no {pattern}"
    return address.group(1)


def test_pages_of_staff(
    browser: Browser, running: Running, staff: StorageState, screen: ViewportSize
) -> None:
    for page in opened_for_axe(browser, screen, staff):
        found = found_at(page, running, STAFF)
        one = r"/partners/organisations/[0-9a-f-]{36}"
        trust = first(page, running, "/partners/organisations?q=westminster+5lc", one)
        found += found_at(page, running, tuple(trust + below for below in OF_ORGANISATION))
        contact = first(page, running, trust, r"/partners/contacts/[0-9a-f-]{36}/edit")
        agreement = r"/partners/agreements/[0-9a-f-]{36}"
        signed = first(page, running, "/partners/agreements?state=signed", agreement)
        draft = first(page, running, "/partners/agreements?state=draft", agreement)
        offered = first(page, running, "/partners/agreements?state=offered", agreement)
        pages = [
            contact,
            f"{draft}/draft",
            *(each + below for each in (signed, draft, offered) for below in OF_AGREEMENT),
        ]
        pages += [first(page, running, path, pattern) for path, pattern in FIRST_OF.items()]
        found += found_at(page, running, tuple(pages))
        assert not found, "\n".join(found)


def test_pages_on_which_two_entries_are_merged(
    browser: Browser, running: Running, staff: StorageState, screen: ViewportSize
) -> None:
    for page in opened_for_axe(browser, screen, staff):
        one = r"/partners/organisations/[0-9a-f-]{36}"
        trust = first(page, running, "/partners/organisations?q=westminster+5lc", one)
        compare = first(page, running, f"{trust}/merge?q=camden", rf"{one}/merge/compare[^\"]*")
        found = found_at(page, running, (f"{trust}/merge?q=camden", compare.replace("&amp;", "&")))
        page.get_by_role("button", name="See what moves").click()
        found += found_at(page, running, (page.url,))
        assert not found, "\n".join(found)


def test_pages_of_the_file_that_is_taken_in(
    browser: Browser, running: Running, staff: StorageState, screen: ViewportSize
) -> None:
    for page in opened_for_axe(browser, screen, staff):
        page.goto(running.url + "/partners/imports")
        page.get_by_label("File", exact=True).set_input_files(Path("examples") / "trusts_2012_ods.csv")
        page.get_by_role("button", name="Look at it").click()
        found = found_at(page, running, (page.url,))
        page.get_by_label("Primary Care Trust", exact=True).check()
        page.get_by_label("How closely do we work with them?").select_option("Contact")
        page.get_by_role("button", name="Read it").click()
        page.get_by_role("heading", name="Line by line").wait_for(timeout=60_000)
        found += found_at(page, running, (page.url, f"{page.url}?fate=all"))
        assert not found, "\n".join(found)


def test_pages_of_who_looks_after_people(browser: Browser, running: Running) -> None:
    kept = signed_in(browser, running.link("Auditor"))
    for screen in (DESK, PHONE):
        for page in opened_for_axe(browser, screen, kept):
            person = first(page, running, "/partners/people", r"/partners/people/[0-9a-f-]{36}")
            found = found_at(page, running, (*AUDITOR, person))
            assert not found, "\n".join(found)


def test_pages_for_people_outside(
    browser: Browser, running: Running, staff: StorageState, screen: ViewportSize
) -> None:
    links = []
    for page in opened_for_axe(browser, DESK, staff):
        for subject in ("To read and sign", "[Tt]raining"):
            words = eventually_mailed(page, running, subject)
            address = re.search(r"http://127\S+/(?:partners|letters)/\S+", words)
            assert address, words
            links.append(address.group(0))
    for page in opened_for_axe(browser, screen, None):
        found = found_at(page, running, (*PUBLIC, *links))
        assert not found, "\n".join(found)
