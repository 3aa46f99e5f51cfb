"""What axe finds on the pages, at a desk and on a phone: nothing.

The pages of grants that need a meeting are looked at where the journey through a round has made them.
"""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, StorageState

from tests.journeys.axe import first, found_at, opened_for_axe, round_with_a_panel
from tests.journeys.browsing import eventually_mailed, signed_in
from tests.journeys.running import Running

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
    "/grants/registrations",
    "/grants/registrations/imports",
    "/grants/price",
    "/grants/figures",
    "/letters/",
    "/letters/campaigns/new",
    "/letters/incoming",
    "/letters/incoming?show=all",
    "/letters/chasing",
    "/letters/worked",
    "/letters/post",
    "/letters/suspects",
    "/letters/words",
    "/letters/words/application_received/ar",
    "/letters/words/decision_award/en",
    "/letters/words/sign_in/en",
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

#: Pages of a round whose panel has not met, and what they lead to.
OF_ROUND = ("", "/edit", "/applications", "/panel", "/conflicts", "/cases", "/comments", "/publish")
FROM_ROUND = {
    "/applications": r"/grants/applications/[0-9a-f-]{36}",
    "/cases": r"/grants/applications/[0-9a-f-]{36}/case",
    "/panel": r"/grants/rounds/[0-9a-f-]{36}/panel/[0-9a-f-]{36}",
    "/conflicts": r"/grants/conflicts/[0-9a-f-]{36}",
}

#: Lists, and the address of the first page that they lead to.
FIRST_OF = {
    "/partners/outcomes": r"/partners/outcomes/[0-9a-f-]{36}",
    "/partners/services": r"/partners/services/[0-9a-f-]{36}",
    "/letters/": r"/letters/campaigns/[0-9a-f-]{36}",
    "/grants/funds": r"/grants/funds/[0-9a-f-]{36}",
    "/mail": r"/mail/[^/\"?]+",
}

AUDITOR = ("/partners/audit", "/grants/audit", "/letters/audit", "/partners/people")

PUBLIC = ("/", "/partners/sign-in", "/partners/sign-in/sent", "/grants/data", "/grants/register")

pytestmark = pytest.mark.timeout(240)


def test_pages_of_staff(browser: Browser, running: Running, staff: StorageState) -> None:
    for page in opened_for_axe(browser, staff):
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
    browser: Browser, running: Running, staff: StorageState
) -> None:
    for page in opened_for_axe(browser, staff):
        one = r"/partners/organisations/[0-9a-f-]{36}"
        trust = first(page, running, "/partners/organisations?q=westminster+5lc", one)
        compare = first(page, running, f"{trust}/merge?q=camden", rf"{one}/merge/compare[^\"]*")
        found = found_at(page, running, (f"{trust}/merge?q=camden", compare.replace("&amp;", "&")))
        page.get_by_role("button", name="See what moves").click()
        found += found_at(page, running, (page.url,))
        assert not found, "\n".join(found)


def test_pages_of_the_file_that_is_taken_in(browser: Browser, running: Running, staff: StorageState) -> None:
    for page in opened_for_axe(browser, staff):
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


def test_pages_on_which_a_campaign_is_composed(
    browser: Browser, running: Running, staff: StorageState
) -> None:
    for page in opened_for_axe(browser, staff):
        page.goto(f"{running.url}/letters/campaigns/new")
        page.get_by_label("Name").fill("An open day")
        page.get_by_label("Purpose").fill("That every trust knows whom to ring.")
        page.get_by_label("No. Then nobody need have been counted").check()
        page.get_by_role("button", name="Save and go on").click()
        found = found_at(page, running, (page.url,))
        page.get_by_label("Kind of body").select_option("Primary Care Trust")
        page.get_by_label("Chief executive").check()
        page.get_by_role("button", name="Save and go on").click()
        found += found_at(page, running, (page.url,))
        page.get_by_label("Subject").fill("An open day")
        page.get_by_label("Text").fill("Dear {contact_name},\n\nplease come.")
        page.get_by_label("Who signs it").select_option(index=1)
        page.get_by_role("button", name="Save and write the letters").click()
        campaign = page.url.partition("/check")[0]
        steps = (
            "purpose",
            "who",
            "words",
            "words/versions",
            "chasing",
            "check",
            "letters",
            "approve",
            "send",
        )
        found += found_at(page, running, (campaign, *(f"{campaign}/{step}" for step in steps)))
        letter = first(
            page, running, f"{campaign.removeprefix(running.url)}/check", r"/letters/letters/[0-9a-f-]{36}"
        )
        found += found_at(page, running, (letter, f"{letter}/words"))
        page.goto(f"{campaign}/check")
        page.get_by_role("button", name="Submit for approval").click()
        found += found_at(page, running, (page.url,))
        assert not found, "\n".join(found)


def test_pages_of_letters_that_go_by_post(browser: Browser, running: Running, staff: StorageState) -> None:
    outreach = signed_in(browser, running.link("Outreach"))
    for page in opened_for_axe(browser, staff):
        campaign = submitted_by_post(page, running)
    for page in opened_for_axe(browser, outreach):
        page.goto(f"{campaign}/approve")
        page.get_by_label("I have read the letters").check()
        page.get_by_role("button", name="Approve").click()
        page.get_by_label("The letters may go now.").check()
        page.get_by_role("button", name=re.compile("Send .* letters")).click()
        found = found_at(page, running, (f"{running.url}/letters/post", campaign))
        page.goto(f"{running.url}/letters/post")
        page.get_by_role("button", name="Make the file to print").click()
        page.get_by_role("button", name="Download the file").wait_for(timeout=60_000)
        batch = page.url.partition("?")[0]
        page.goto(campaign)
        page.get_by_role("button", name="Pause", exact=True).click()
        found += found_at(page, running, (batch, campaign))
        page.goto(campaign)
        page.get_by_role("button", name="Let it go on").click()
        page.goto(batch)
        page.get_by_role("button", name="They were posted").click()
        page.get_by_role("region", name="Letters of this batch").get_by_role("link").first.click()
        page.get_by_role("button", name="It came back by post").click()
        page.get_by_role("heading", name="It came back").wait_for()
        letter = page.url.partition("?")[0]
        others = (batch, campaign, letter, "/letters/suspects", "/letters/post")
        found += found_at(page, running, others)
        assert not found, "\n".join(found)


def submitted_by_post(page: Page, running: Running) -> str:
    """A campaign that goes by post and waits for its second person."""
    page.goto(f"{running.url}/letters/campaigns/new")
    page.get_by_label("Name").fill("An open day on paper")
    page.get_by_label("Purpose").fill("That every trust knows whom to ring.")
    page.get_by_label("No. Then nobody need have been counted").check()
    page.get_by_role("button", name="Save and go on").click()
    page.get_by_label("Kind of body").select_option("Primary Care Trust")
    page.get_by_label("Chief executive").check()
    page.get_by_label("In turn").check()
    page.get_by_label("All of them by post").check()
    page.get_by_role("button", name="Save and go on").click()
    page.get_by_label("Subject").fill("An open day")
    page.get_by_label("Text").fill("Dear {contact_name},\n\nplease come.")
    page.get_by_label("Who signs it").select_option(index=1)
    page.get_by_role("button", name="Save and write the letters").click()
    page.get_by_role("button", name="Submit for approval").click()
    page.get_by_role("heading", name="Somebody else approves it").wait_for()
    return page.url.partition("?")[0].removesuffix("/approve")


def test_pages_of_who_looks_after_people(browser: Browser, running: Running) -> None:
    kept = signed_in(browser, running.link("Auditor"))
    for page in opened_for_axe(browser, kept):
        person = first(page, running, "/partners/people", r"/partners/people/[0-9a-f-]{36}")
        found = found_at(page, running, (*AUDITOR, person))
        assert not found, "\n".join(found)


def test_pages_of_operations(browser: Browser, running: Running) -> None:
    kept = signed_in(browser, running.link("Operations"))
    for page in opened_for_axe(browser, kept):
        found = found_at(page, running, ("/partners/ops", "/partners/ops/runbook"))
        assert not found, "\n".join(found)


def test_pages_of_a_round_before_its_panel_meets(browser: Browser, running: Running) -> None:
    officer = signed_in(browser, running.link("Grants officer"))
    member = signed_in(browser, running.link("Panel member"))
    for page in opened_for_axe(browser, officer):
        round = round_with_a_panel(page, running)
        below = [first(page, running, round + path, pattern) for path, pattern in FROM_ROUND.items()]
        pages = (
            *(round + path for path in OF_ROUND),
            *below,
            f"{below[0]}/conflicts",
            "/grants/payments",
        )
        found = found_at(page, running, pages)
        assert not found, "\n".join(found)
    for page in opened_for_axe(browser, member):
        found = found_at(page, running, ("/", "/grants/desk", "/grants/desk/interests"))
        assert not found, "\n".join(found)


def test_pages_for_people_outside(browser: Browser, running: Running, staff: StorageState) -> None:
    links = []
    for page in opened_for_axe(browser, staff):
        for subject in ("To read and sign", "[Tt]raining"):
            words = eventually_mailed(page, running, subject)
            address = re.search(r"http://127\S+/(?:partners|letters)/\S+", words)
            assert address, words
            links.append(address.group(0))
    for page in opened_for_axe(browser, None):
        found = found_at(page, running, (*PUBLIC, *links))
        assert not found, "\n".join(found)
