"""In a real browser: signing in, the board, a letter, an answer, and the board that changes by itself."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.browsing import eventually_mailed, opened, set_up_second_factor, signed_in
from tests.journeys.running import Running

#: Every page that has an address one can type.
PATHS = (
    "/",
    "/partners/",
    "/partners/organisations",
    "/partners/organisations/new",
    "/partners/views",
    "/partners/referrals",
    "/partners/services",
    "/partners/services/new",
    "/partners/services/slip",
    "/partners/account",
    "/partners/sign-in",
    "/partners/sign-in/sent",
    "/grants/",
    "/grants/funds",
    "/grants/rounds",
    "/grants/registrations",
    "/grants/registrations?rows=country&columns=area",
    "/grants/price",
    "/grants/register",
    "/grants/register/sent",
    "/grants/register/privacy",
    "/letters/",
    "/letters/campaigns/new",
    "/mail",
)


@pytest.fixture
def ops(browser: Browser, running: Running) -> Iterator[Page]:
    """A page of whoever administers people."""
    yield from opened(browser, signed_in(browser, running.link("Operations")))


@pytest.fixture
def officer(browser: Browser, running: Running) -> Iterator[Page]:
    """A page of the grants officer."""
    yield from opened(browser, signed_in(browser, running.link("Grants officer")))


def open_board(page: Page, running: Running) -> None:
    page.goto(running.url + "/")
    page.get_by_role("navigation", name="Sections").get_by_role("link", name="Letters").click()
    page.get_by_role("link", name=re.compile("training", re.IGNORECASE)).first.click()


def response_page(page: Page, running: Running, name: str) -> str:
    """The address of the response page, found as a recipient finds it: in the letter to the body."""
    open_board(page, running)
    page.get_by_role("link", name=name).first.click()
    link = page.get_by_role("link", name=re.compile("response page", re.IGNORECASE)).first
    address = link.get_attribute("href")
    assert address
    return address if address.startswith("http") else running.url + address


@pytest.mark.timeout(150)
def test_the_board_says_who_has_not_acknowledged(page: Page, running: Running) -> None:
    open_board(page, running)
    main = page.locator("main")
    expect(main).to_contain_text(re.compile(r"31\s+of\s+33"))
    expect(main).to_contain_text("have not acknowledged")
    expect(page.locator("svg").first).to_be_visible()
    expect(page.get_by_role("link", name="Barnet Primary Care Trust").first).to_be_visible()


@pytest.mark.timeout(150)
def test_a_recipient_acknowledges_and_the_board_changes_by_itself(
    page: Page, stranger: Page, running: Running
) -> None:
    address = response_page(page, running, "Camden Primary Care Trust")
    open_board(page, running)
    expect(page.locator("main")).to_contain_text(re.compile(r"31\s+of\s+33"))

    said: list[str] = []
    stranger.on("request", lambda request: said.append(request.all_headers().get("referer", "")))
    stranger.goto(address)
    stranger.goto(address)
    expect(page.locator("main")).to_contain_text(re.compile(r"31\s+of\s+33"))
    stranger.get_by_role("button", name="We have received the letter").click()
    expect(stranger.locator("main")).to_contain_text(re.compile("thank you|recorded", re.IGNORECASE))
    secret = address.rpartition("/")[2]
    assert any(said), "the browser says from which site it asks"
    assert [each for each in said if secret in each] == [], "and never from which page"

    expect(page.locator("main")).to_contain_text(re.compile(r"30\s+of\s+33"), timeout=10_000)


@pytest.mark.timeout(150)
def test_a_recipient_who_types_a_wrong_amount_is_told_what_to_write(page: Page, running: Running) -> None:
    page.goto(response_page(page, running, "Ealing Primary Care Trust"))
    page.get_by_text("We would like to contribute").click()
    page.locator("input[name=amount]").fill("-3")
    page.locator("#pledge-name").fill("Jo Bloggs")
    page.locator("#pledge-position").fill("Director of Finance")
    page.locator("form:has(input[name=amount]) button").click()
    expect(page.locator("main")).to_contain_text("Write")
    expect(page.locator("input[name=amount]")).to_have_value("-3")
    page.reload()  # asks nothing here, and sends it once more: nothing that was typed is lost
    expect(page.locator("input[name=amount]")).to_have_value("-3")
    page.locator("input[name=amount]").fill("300")
    page.locator("form:has(input[name=amount]) button").click()
    expect(page).to_have_url(re.compile("/done"))
    page.go_back()
    expect(page.locator("h1")).to_contain_text("Ealing")


@pytest.mark.timeout(150)
def test_the_organisation_shows_what_happened(page: Page, running: Running) -> None:
    page.goto(running.url + "/partners/organisations?q=westminster+5lc")
    page.get_by_role("link", name=re.compile("Westminster Primary Care Trust")).first.click()
    main = page.locator("main")
    expect(main).to_contain_text("Westminster Primary Care Trust")
    expect(main).to_contain_text("answered with a refusal")


@pytest.mark.timeout(150)
def test_the_register_is_searched_as_one_types_and_gone_through_with_keys(
    page: Page, running: Running
) -> None:
    page.goto(f"{running.url}/partners/organisations")
    page.keyboard.press("/")
    page.keyboard.type("dental westminster")
    expect(page.get_by_role("status")).to_contain_text("organisations found")
    expect(page).to_have_url(re.compile(r"\?q=dental\+westminster$"))
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.press("ArrowDown")
    first = page.locator("tbody tr").first
    expect(first.get_by_role("link")).to_be_focused()
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("tbody input:checked")).to_have_count(2)
    page.get_by_label("Tag", exact=True).last.fill("Dental network")
    page.get_by_role("button", name="Put the tag on").click()
    page.get_by_role("button", name="Put it on 2 organisations").click()
    expect(page.get_by_text("was put on 2 organisations.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("That is undone.")).to_be_visible()
    page.goto(f"{running.url}/partners/organisations?q=westminster+5lc")
    page.locator("tbody").get_by_role("link").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Westminster Primary Care Trust")).to_be_visible()


def test_the_letters_can_be_read_in_the_mail_box(page: Page, running: Running) -> None:
    page.goto(running.url + "/mail")
    page.get_by_role("link", name=re.compile("training", re.IGNORECASE)).first.click()
    expect(page.locator("main")).to_contain_text("Dear")


def test_no_page_is_wider_than_the_screen(page: Page, running: Running) -> None:
    wider = []
    for path in PATHS:
        assert (page.goto(running.url + path)) is not None
        for width in (390, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
                wider.append((path, width))
    assert wider == []


def test_on_a_phone_the_menu_of_whoever_may_do_everything_takes_two_lines(
    stranger: Page, running: Running
) -> None:
    cookie = running.cookies["conduit"]
    stranger.context.add_cookies([{"name": "conduit", "value": cookie, "url": running.url}])
    stranger.goto(running.url + "/partners/ops")
    links = stranger.get_by_role("navigation", name="Sections").get_by_role("link").all()
    boxes = [box for link in links if (box := link.bounding_box())]
    assert len(boxes) == 10
    assert len({round(box["y"]) for box in boxes}) == 2
    assert min(box["height"] for box in boxes) >= 44, "a finger hits it"


@pytest.mark.timeout(150)
def test_one_signs_in_by_the_code_in_the_mail(page: Page, stranger: Page, running: Running) -> None:
    """And comes to the page that one wanted; in another browser the link of the same mail opens nothing."""
    stranger.goto(running.url + "/letters/")
    stranger.get_by_label("Your e-mail address").fill("Leyla.Demir@forum.example")
    stranger.get_by_role("button").click()
    code = stranger.get_by_label("The six digits")
    expect(code).to_be_visible()

    letter = eventually_mailed(page, running, "Your link and your code")
    digits = re.search(r"\b(\d{3}) (\d{3})\b", letter)
    assert digits
    code.fill(f"{digits.group(1)} {digits.group(2)}")
    stranger.get_by_role("button", name="Sign in").click()
    expect(stranger.get_by_role("heading", level=1)).to_contain_text("Letters")
    assert stranger.url.endswith("/letters/")


@pytest.mark.timeout(150)
def test_a_doctor_applies_on_a_phone_and_the_officer_asks_for_more(
    officer: Page, stranger: Page, running: Running, tmp_path: Path
) -> None:
    officer.goto(f"{running.url}/grants/rounds")
    officer.get_by_role("link", name="Exam fees, next round").first.click()
    address = officer.get_by_role("link", name="Where people apply").get_attribute("href")
    stranger.goto(f"{running.url}{address}")
    stranger.get_by_label("Your e-mail address").first.fill("minh.khai@mail.example")
    stranger.get_by_role("button", name="Begin").click()
    stranger.get_by_label("Your full name").fill("Minh Khai")
    stranger.get_by_label("Your telephone number").fill("020 7946 0555")
    goes_on(stranger)
    stranger.get_by_label("What is your profession?").select_option("Doctor")
    stranger.get_by_label("Did you qualify outside the UK?").select_option("Yes")
    goes_on(stranger)
    stranger.get_by_label("Which exam do you want to sit?").select_option("PLAB 1")
    stranger.get_by_label("Have you passed this exam before?").select_option("No")
    stranger.get_by_label("Why do you need the money").fill("I study each evening.")
    stranger.get_by_label("How much money do you ask for?").fill("900")
    goes_on(stranger)
    expect(stranger.locator("main")).to_contain_text("This is more than one person can get.")
    stranger.get_by_label("How much money do you ask for?").fill("145")
    goes_on(stranger)
    paper = tmp_path / "booking.pdf"
    paper.write_bytes(b"%PDF-1.7\n%%EOF\n")
    stranger.get_by_label("Choose a file").set_input_files(paper)
    stranger.get_by_role("button", name="Add it").click()
    stranger.get_by_role("link", name="Go on: check and send").click()
    stranger.get_by_label("What I have written is true.").check()
    stranger.get_by_role("button", name="Send my application").click()
    expect(stranger.locator("main")).to_contain_text("Thank you. We have your application")
    assert stranger.evaluate("document.documentElement.scrollWidth") <= 390
    reference = stranger.locator("dd.code").inner_text()

    officer.get_by_role("link", name="Look at them").click()
    officer.get_by_role("link", name=reference).click()
    expect(officer.locator("main")).to_contain_text("Minh Khai")
    with officer.expect_download() as saved:
        officer.get_by_role("link", name="booking.pdf").click()
    assert saved.value.suggested_filename == "booking.pdf"
    officer.get_by_text("Return it for more").click()
    officer.get_by_label("What is missing?").fill("Please add your diploma.")
    officer.get_by_role("button", name="Return it and write to them").click()
    expect(officer.locator("main")).to_contain_text("Returned for more")
    stranger.reload()
    expect(stranger.locator("main")).to_contain_text("Please add your diploma.")


def goes_on(page: Page) -> None:
    """To the next step of the form."""
    page.get_by_role("button", name="Save and go on").click()


@pytest.mark.timeout(150)
def test_whoever_has_signed_out_leaves_nothing_to_go_back_to(browser: Browser, running: Running) -> None:
    for page in opened(browser, signed_in(browser, running.link("Auditor"))):
        page.goto(running.url + "/partners/people")
        expect(page.locator("main")).to_contain_text("Leyla Demir")
        page.goto(running.url + "/partners/account")
        page.get_by_role("button", name="Sign out", exact=True).click()
        expect(page.get_by_role("link", name="Sign in").first).to_be_visible()
        for _ in range(2):
            page.go_back()
            expect(page.get_by_role("heading", level=1)).to_contain_text("Sign in")
            assert "Leyla Demir" not in page.content()
        kept = page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]")
        assert kept == [0, 0, ""]


@pytest.mark.timeout(150)
def test_a_person_is_invited_trusted_and_barred(ops: Page, running: Running) -> None:
    page = ops
    page.goto(running.url)
    page.get_by_role("navigation", name="Sections").get_by_role("link", name="People").click()
    page.get_by_role("link", name="Invite somebody").click()
    set_up_second_factor(page)
    page.get_by_label("Name").fill("Noor Haddad")
    page.get_by_label("E-mail address").fill("noor.haddad@forum.example")
    page.get_by_label("Trustee").check()
    page.get_by_role("button", name="Invite").click()
    expect(page.get_by_role("status").first).to_contain_text("They were sent a message")
    page.get_by_role("link", name="Noor Haddad").click()
    page.get_by_label("Auditor").check()
    page.get_by_role("button", name="Change the roles").click()
    expect(page.locator("main")).to_contain_text("An auditor has no other role.")
    page.get_by_label("Auditor").uncheck()
    page.get_by_label("Outreach").check()
    page.get_by_role("button", name="Change the roles").click()
    expect(page.locator("main")).to_contain_text("Outreach, Trustee")
    page.get_by_label("may no longer sign in").check()
    page.get_by_role("button", name="Bar them").click()
    expect(page.locator("main")).to_contain_text("barred")


def test_the_second_start_is_quick(loaded: Running, running: Running) -> None:
    """Asserted without a clock: it loads nothing. What it shows, all others of these look at."""
    words = "Loading the Forum's year"
    assert [words in each.log.read_text() for each in (loaded, running)] == [True, False]


@pytest.mark.timeout(150)
def test_somebody_registers_on_a_phone_and_leaves(page: Page, stranger: Page, running: Running) -> None:
    stranger.goto(running.url + "/grants/register")
    stranger.get_by_label("Your e-mail address").fill("minh.marker@mail.example")
    stranger.get_by_label("Your profession").select_option("Doctor")
    stranger.get_by_label("The borough where you live").fill("kings")
    stranger.get_by_label("The country where you qualified").fill("Vietnam")
    stranger.get_by_label("How far are you with your exams?").select_option("PLAB part 1")
    stranger.get_by_label("The study group", exact=False).first.check()
    stranger.get_by_role("button", name="Send me the link").click()
    expect(stranger.get_by_role("heading", level=1)).to_contain_text("Look into your mail")

    letter = eventually_mailed(page, running, "Please confirm: register with")
    link = re.search(r"http://\S+/grants/register/[0-9a-z]{26}", letter)
    assert link
    stranger.goto(link.group(0))
    expect(stranger.get_by_text("Kingston upon Thames")).to_be_visible()
    stranger.get_by_role("button", name="Yes, register me").click()
    expect(stranger.get_by_role("heading", level=1)).to_contain_text("You are registered")

    table = "/grants/registrations?rows=area&columns=none&profession=doctor"
    page.goto(running.url + table)
    expect(page.get_by_role("heading", level=1)).to_contain_text("1 person found")

    stranger.get_by_text("Leave", exact=True).click()
    stranger.get_by_role("button", name="Delete my registration").click()
    expect(stranger.get_by_role("heading", level=1)).to_contain_text("You have left")
    page.goto(running.url + table)
    expect(page.get_by_text("Nobody is all of this.")).to_be_visible()
