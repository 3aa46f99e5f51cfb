"""One started Conduit with the example, and one browser, for all journeys of a module."""

import shutil
import subprocess
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, StorageState, sync_playwright

from tests.conftest import folder_of_its_own
from tests.journeys.browsing import FLAGS, PHONE, opened, signed_in
from tests.journeys.running import Running

#: The last of what a start says.
_STARTED = "Later: ask for a link"


@pytest.fixture(scope="session")
def loaded() -> Iterator[Running]:
    """A Conduit that has loaded the example once and was stopped."""
    with folder_of_its_own() as folder:
        with Running(folder / "home", "--example") as started:
            started.wait_for_words(_STARTED, within=140)
            assert started.stop(within=60) == 0
        yield started


@pytest.fixture(scope="module")
def running(loaded: Running) -> Iterator[Running]:
    """Its second start, on a copy. At the same address, which stands in letters of the example."""
    with folder_of_its_own() as folder:
        subprocess.run(["cp", "--archive", loaded.home, folder], check=True)
        again = Running(folder / loaded.home.name, "--example")
        again.port = loaded.port
        with again:
            again.wait_until_ready()
            again.wait_for_words(_STARTED)
            yield again


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
