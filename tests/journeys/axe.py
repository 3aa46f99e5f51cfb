"""What axe finds on a page, at a desk and on a phone.

axe is put into the page from outside, so these pages are opened without the site's policy on scripts;
that the policy blocks nothing of ours is checked by every other journey.
"""

import re
from collections.abc import Iterable, Iterator
from importlib.resources import files

from playwright.sync_api import Browser, Page, StorageState, ViewportSize

from tests.journeys.browsing import PHONE
from tests.journeys.running import Running

AXE = (files("axe_playwright_python") / "axe.min.js").read_text()

DESK: ViewportSize = {"width": 1280, "height": 900}


def opened_for_axe(browser: Browser, kept: StorageState | None) -> Iterator[Page]:
    context = browser.new_context(viewport=DESK, storage_state=kept, bypass_csp=True, reduced_motion="reduce")
    yield context.new_page()
    context.close()


def found_at(page: Page, running: Running, paths: Iterable[str]) -> list[str]:
    """What axe finds on each page at either width, and pages that are wider than the screen."""
    found = []
    for path in paths:
        page.goto(path if path.startswith("http") else running.url + path)
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        page.add_script_tag(content=AXE)
        for screen in (PHONE, DESK):
            page.set_viewport_size(screen)
            found += [f"{path} at {screen['width']}: {what}" for what in _found(page)]
    return found


def _found(page: Page) -> Iterator[str]:
    for it in page.evaluate("async () => (await axe.run({resultTypes: ['violations']})).violations"):
        yield from (f"{it['id']}: {node['target']} {node['html'][:150]}" for node in it["nodes"])
    if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
        yield "wider than the screen"


def first(page: Page, running: Running, path: str, pattern: str) -> str:
    """The first address of this form that a page leads to."""
    page.goto(running.url + path)
    address = re.search(f'"({pattern})"', page.content())
    assert address, f"{path} leads to no {pattern}"
    return address.group(1)


def round_with_a_panel(page: Page, running: Running) -> str:
    """The round of the example on which a panel decides; in the other one people may still apply."""
    page.goto(f"{running.url}/grants/rounds")
    address = page.get_by_role("link", name="Doctors’ exams").first.get_attribute("href")
    assert address
    return address
