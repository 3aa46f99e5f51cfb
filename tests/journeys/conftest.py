"""One started Conduit with the example, and one browser, for all journeys of a module."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, StorageState, sync_playwright

from tests.journeys.browsing import FLAGS, PHONE, opened, signed_in
from tests.journeys.running import Running


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("journey") / "home"
    with Running(home, "--example") as started:
        started.wait_until_ready()
        started.wait_for_words("Later: ask for a link")  # the last of what the start says
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    assert path, "Chromium is missing. Install it: apt-get install chromium"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def staff(browser: Browser, running: Running) -> StorageState:
    """What a browser keeps in which a member of staff has used the link that was printed at the start."""
    return signed_in(browser, running.link("Staff"))


@pytest.fixture
def page(browser: Browser, staff: StorageState) -> Iterator[Page]:
    """A page of staff."""
    yield from opened(browser, staff)


@pytest.fixture
def stranger(browser: Browser) -> Iterator[Page]:
    """A page of somebody who has not signed in, on a phone."""
    yield from opened(browser, None, PHONE)
