"""A campaign from its purpose to its chasers, by the words on the screen alone."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.axe import found_at, opened_for_axe
from tests.journeys.browsing import PHONE, eventually_mailed, opened, signed_in
from tests.journeys.running import Running, conduit

pytestmark = pytest.mark.timeout(240)

CAMPAIGN = "Interpreters in dental surgeries"
TRUST, WRITER = "Camden Primary Care Trust", "leyla.demir@forum.example"
WORDS = """Dear {contact_name},

{registered} dentists who register with us live in {areas}. We ask {body_name} for {ask} towards interpreters.

Please answer at {response_url}.

Yours sincerely,"""


@pytest.fixture
def outreach(browser: Browser, running: Running) -> Iterator[Page]:
    """A page of whoever does outreach."""
    yield from opened(browser, signed_in(browser, running.link("Outreach")))


def test_a_newcomer_asks_the_trusts_sees_who_answers_and_chases_the_others(
    page: Page, outreach: Page, stranger: Page, browser: Browser, running: Running
) -> None:
    composes(page, running)
    approves_and_sends(outreach, page.url.partition("?")[0])
    page.get_by_role("link", name=CAMPAIGN).first.click()
    board = page.url
    main = page.get_by_role("main")
    expect(main).to_contain_text(re.compile(r"33\s+of\s+33\s+have not acknowledged"), timeout=30_000)
    expect(page.get_by_role("group", name="Map of areas")).to_contain_text("Camden")

    response = link_in_the_mail(page, running, TRUST)
    page.goto(board)
    stranger.goto(response)
    expect(stranger.get_by_role("heading", level=1)).to_contain_text("Camden")
    assert stranger.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    stranger.get_by_role("button", name="We have received the letter").first.click()
    expect(stranger.get_by_role("main")).to_contain_text("Thank you")
    expect(main).to_contain_text(re.compile(r"32\s+of\s+33\s+have not acknowledged"), timeout=15_000)
    stranger.goto(response)
    stranger.get_by_text("We cannot contribute").click()
    stranger.get_by_label("Why not?").fill(f"The year’s money is spent. {'Haushaltssperre' * 7}")
    stranger.get_by_role("button", name="Send this answer").last.click()
    expect(main).to_contain_text("“The year’s money is spent. Haushalts", timeout=15_000)
    bodies = page.get_by_role("region", name="Bodies")
    assert bodies.evaluate("it => it.scrollWidth <= it.clientWidth"), "a long word breaks"

    moved = conduit("clock", "advance", "--working-days", "21", home=running.home)
    assert "In the example it is" in moved.stdout, moved.stderr
    page.wait_for_timeout(1_500)  # it follows within a second
    page = signs_in_again(page, browser, running)
    page.goto(running.url)
    page.get_by_role("navigation", name="Sections").get_by_role("link", name="Letters").click()
    page.get_by_role("link", name=CAMPAIGN).click()
    main = page.get_by_role("main")
    expect(main).to_contain_text("32 bodies to chase today")
    expect(main).to_contain_text("Silent for over 20 working days")
    expect(page.get_by_role("region", name="Bodies").get_by_role("row").nth(1)).to_contain_text(
        "Silent for over"
    )
    page.get_by_role("link", name="Whom to chase").click()
    expect(main).not_to_contain_text(TRUST)
    page.get_by_role("button", name="Chase those that are ticked").click()
    expect(main).to_contain_text("Ordered. The chasers go in two minutes")
    expect(main).to_contain_text("32 bodies: 32 chasers")
    chasing = page.url.partition("?")[0]

    page.goto(board)
    expect(main).to_contain_text("Nobody to chase today")
    page.get_by_role("link", name="Barnet Primary Care Trust").first.click()
    expect(main).to_contain_text(re.compile(r"because nobody has answered since .*: 21 working days"))
    letter = page.url
    page.goto(board)
    page.get_by_role("link", name="What worked").click()
    expect(main).to_contain_text("1 of 33 bodies answered")
    expect(main).to_contain_text("between 0 and 16 in 100")
    is_clean(browser, page, running, (board, chasing, letter, page.url, f"{running.url}/letters/", response))


def composes(page: Page, running: Running) -> None:
    page.goto(running.url)
    page.get_by_role("navigation", name="Sections").get_by_role("link", name="Letters").click()
    page.get_by_role("link", name="Start a campaign").click()
    page.get_by_label("Name").fill(CAMPAIGN)
    page.get_by_label("Purpose").fill("That everybody can talk to their dentist.")
    page.get_by_label("No. Then nobody need have been counted").check()
    expect(page.get_by_label("The least")).to_be_hidden()
    page.get_by_label("Yes, each body for a sum").check()
    page.get_by_label("Fund").fill("interpreters’ fund")
    page.get_by_label("Whom we count").select_option("Dentist")
    for label, pounds in (("The least", "3000"), ("For each person", "10"), ("In steps of", "100")):
        page.get_by_label(label).fill(pounds)
    page.get_by_label("The most").fill("5000")
    page.get_by_role("button", name="Save and go on").click()
    page.get_by_label("Kind of body").select_option("Primary Care Trust")
    page.get_by_label("Chief executive").check()
    page.get_by_label("In turn").check()
    page.get_by_role("button", name="Save and go on").click()
    page.get_by_label("Subject").fill("We ask {body_name} for {ask}")
    page.get_by_label("Text").fill("Dear {contact_nme},")
    expect(page.get_by_role("main")).to_contain_text("Did you mean {contact_name}?")
    page.get_by_label("Text").fill(WORDS)
    expect(page.get_by_role("article")).to_contain_text("towards interpreters.")
    page.get_by_label("Who signs it").select_option(index=1)
    with page.expect_download() as saved:
        page.get_by_role("button", name="See it in your own mail program").click()
    assert "towards interpreters." in saved.value.path().read_text("utf-8")
    expect(page.get_by_role("button", name="Save and write the letters")).to_be_enabled()
    page.get_by_role("button", name="Save and write the letters").click()
    expect(page.get_by_role("heading", name="33 letters to 33 bodies")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("It asks 33 bodies for")
    page.get_by_role("button", name="Submit for approval").click()
    expect(page.get_by_role("heading", name="Somebody else approves it")).to_be_visible()


def approves_and_sends(page: Page, address: str) -> None:
    """As a second person, who reads the letters first."""
    page.goto(address)
    page.get_by_role("link", name="Read the letters").click()
    expect(page.get_by_role("article")).to_contain_text("towards interpreters.")
    page.get_by_label("Letter", exact=True).fill("33")
    page.get_by_role("button", name="Go there").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Westminster")
    page.goto(address)
    page.get_by_label("I have read the letters").check()
    page.get_by_role("button", name="Approve").click()
    page.get_by_label("The letters may go now.").check()
    page.get_by_role("button", name="Send 33 letters to 33 bodies").click()


def link_in_the_mail(page: Page, running: Running, body: str) -> str:
    """The link in the letter to a body, as whoever it is for finds it in their mail box."""
    words = eventually_mailed(page, running, f"We ask {body} for")
    found = re.search(r"http://\S+/letters/r/[0-9a-z]+", words)
    assert found, words
    return found.group(0)


def signs_in_again(page: Page, browser: Browser, running: Running) -> Page:
    """A month later nobody is signed in any more."""
    page.goto(f"{running.url}/letters/")
    if page.get_by_label("Your e-mail address").count():
        page.get_by_label("Your e-mail address").fill(WRITER)
        page.get_by_role("button").click()
        code = page.get_by_label("The six digits")
        expect(code).to_be_visible()
        mail = page.context.new_page()
        digits = re.search(
            r"\b(\d{3}) (\d{3})\b", eventually_mailed(mail, running, "Your link and your code")
        )
        assert digits
        code.fill(f"{digits.group(1)} {digits.group(2)}")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Letters")
    return page


def is_clean(browser: Browser, page: Page, running: Running, addresses: tuple[str, ...]) -> None:
    """axe finds nothing on these pages, at a desk and on a phone."""
    for looked in opened_for_axe(browser, page.context.storage_state()):
        found = found_at(looked, running, addresses)
        assert not found, "\n".join(found)
