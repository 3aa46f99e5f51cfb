"""What a browser does with a page that follows something."""

import re
from itertools import count
from pathlib import Path

from playwright.sync_api import Browser, Route, expect

import chassis

SCRIPT = Path(chassis.__file__).parent / "static" / "conduit.js"
PAGE = """<!doctype html><title>A meeting</title>
<div id="meeting" data-live="/changes"><h1>Case 7F3A</h1></div><script src="/conduit.js"></script>"""


def test_what_is_not_there_any_more_does_not_stay_on_the_screen(browser: Browser) -> None:
    """As when somebody says that they are close to the only case that they may see in a meeting."""
    asked = count()

    def meeting(route: Route) -> None:
        if next(asked) == 0:
            route.fulfill(body=PAGE, content_type="text/html")
        else:
            route.fulfill(status=404, body="<h1>There is no such page</h1>", content_type="text/html")

    page = browser.new_page()
    page.route("http://conduit.example/meeting", meeting)
    page.route("http://conduit.example/conduit.js", lambda route: route.fulfill(path=SCRIPT))
    page.route(
        "http://conduit.example/changes",
        lambda route: route.fulfill(body="data: changed\n\n", content_type="text/event-stream"),
    )
    page.goto("http://conduit.example/meeting")
    expect(page.get_by_role("heading")).to_have_text("There is no such page")
    page.close()


def test_a_page_that_is_not_live_any_more_says_so_and_since_when_until_it_is_again(browser: Browser) -> None:
    """As when the service stops: the page stays on the screen as it last was."""
    there = True

    def changes(route: Route) -> None:
        if there:
            route.fulfill(body="retry: 100\n\n", content_type="text/event-stream")
        else:
            route.fulfill(status=503)

    page = browser.new_page()
    page.route(
        "http://conduit.example/meeting", lambda route: route.fulfill(body=PAGE, content_type="text/html")
    )
    page.route("http://conduit.example/conduit.js", lambda route: route.fulfill(path=SCRIPT))
    page.route("http://conduit.example/changes", changes)
    notice = page.get_by_text(re.compile(r"This page has not been live since \d\d:\d\d:"))
    with page.expect_response("http://conduit.example/changes"):
        page.goto("http://conduit.example/meeting")
    expect(notice).to_have_count(0)
    there = False
    expect(notice).to_be_visible(timeout=15_000)
    there = True
    expect(notice).to_have_count(0, timeout=30_000)
    page.close()
