"""What a browser does with a page that follows something."""

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
