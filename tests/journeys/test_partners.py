"""Partners as people use them who have never seen it: by the words on the screen, and by nothing else."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, StorageState, expect

from chassis.clock import LOCAL
from tests.journeys.browsing import eventually_mailed, opened
from tests.journeys.running import Running

pytestmark = pytest.mark.timeout(150)

TODAY = datetime.now(LOCAL).date()


@pytest.fixture
def other(browser: Browser, staff: StorageState) -> Iterator[Page]:
    """A second window of staff."""
    yield from opened(browser, staff)


def open_part(page: Page, running: Running, part: str) -> None:
    """From the start, by the two menus."""
    page.goto(running.url)
    page.get_by_role("navigation", name="Sections").get_by_role("link", name="Partners").click()
    page.get_by_role("navigation", name="Partners").get_by_role("link", name=part).click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def open_organisation(page: Page, running: Running, name: str) -> None:
    open_part(page, running, "Organisations")
    page.get_by_label("Find", exact=True).fill(name)
    page.get_by_role("button", name="Find").click()
    page.get_by_role("link", name=name, exact=True).first.click()
    expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()


def section(page: Page, title: str) -> Locator:
    return page.get_by_role("region", name=title)


def said(page: Page, words: str) -> None:
    """The page confirms what was done."""
    expect(page.get_by_role("status").filter(has_text=words).first).to_be_visible()


def enter(page: Page, running: Running, name: str) -> None:
    """Enter an organisation with nothing but what must be said."""
    open_part(page, running, "Organisations")
    page.get_by_role("link", name="New organisation").click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Voluntary organisation").check()
    page.get_by_label("How closely we work").select_option("Working")
    page.get_by_role("button", name="Enter it").click()


def add_contact(page: Page, name: str, role: str, email: str) -> None:
    """On the page of an organisation."""
    page.get_by_role("link", name="New contact").click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Role").select_option(role)
    page.get_by_label("How we write to them").select_option("E-mail")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Where we got this").fill("They told us so")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=3, name=role)).to_be_visible()


def link_in_mail(page: Page, running: Running, subject: str, to: str) -> str:
    """The address of our pages that a partner reads in the newest mail to them."""
    found = re.search(r"http://\S+/partners/\S+", eventually_mailed(page, running, subject, to))
    assert found
    return found.group(0)


def test_who_is_responsible_at_westminster_that_they_never_answered_and_who_owns_the_outcome(
    browser: Browser, running: Running
) -> None:
    """Somebody who has never seen Conduit and reads no manual, with the link that was printed."""
    for page in opened(browser, None):
        page.goto(running.link("Outreach"))
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("link", name="Partners").first.click()
        page.get_by_role("link", name="Organisations", exact=True).click()
        page.get_by_label("Find", exact=True).fill("Westminster")
        page.get_by_role("link", name="Westminster Primary Care Trust").click()

        contacts = section(page, "Contacts: who is responsible for what")
        card = contacts.get_by_role("listitem").filter(
            has=page.get_by_role("heading", name="Dental care", exact=True)
        )
        expect(card).to_contain_text("Minh Lê")
        expect(card).to_contain_text("Never answered our letter of")
        letter = (
            section(page, "Letters")
            .get_by_role("listitem")
            .filter(has_text="Letter to the lead for dental care")
        )
        expect(letter).to_contain_text("Never answered.")
        refusal = contacts.get_by_role("listitem").filter(has_text="Chief executive")
        expect(refusal).to_contain_text("Answered on")
        expect(section(page, "Letters")).to_contain_text(
            "Letter to the chief executive answered with a refusal"
        )

        outcome = section(page, "Agreements").get_by_role("listitem").filter(has_text="Ten practices")
        expect(outcome).to_contain_text("Owned by Ioana Țurcanu, Westminster Primary Care Trust")


def test_what_is_in_the_register_already_is_not_entered_a_second_time(page: Page, running: Running) -> None:
    enter(page, running, "Westminster Primary Care Trust")
    expect(page.get_by_role("heading", level=1)).to_have_text("Is it one of these?")
    expect(page.get_by_role("main")).to_contain_text("Nothing was entered yet")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Westminster Primary Care Trust")
    page.get_by_label("Name", exact=True).fill("O’Brien’s Tea & Talk الشاي")
    page.get_by_role("button", name="Enter it", exact=True).click()
    said(page, "Entered in the register")
    add_contact(page, "Đặng Thị Hương", "Director", "huong@tea-and-talk.example")
    expect(section(page, "Contacts: who is responsible for what")).to_contain_text("No letter yet")


def test_two_windows_change_one_entry_and_the_second_sees_what_differs(
    page: Page, other: Page, running: Running
) -> None:
    for one in (page, other):
        open_organisation(one, running, "Ealing Primary Care Trust")
        one.get_by_role("link", name="Change", exact=True).click()
    page.get_by_label("Telephone").fill("020 7946 0111")
    page.get_by_role("button", name="Save").click()
    said(page, "Saved.")
    other.get_by_label("Telephone").fill("020 7946 0222")
    other.get_by_role("button", name="Save").click()
    alert = other.get_by_role("alert").filter(has_text="You have changed this meanwhile, in another window")
    expect(alert.get_by_role("row").filter(has_text="Telephone")).to_contain_text("020 7946 0111")
    expect(other.get_by_label("Telephone")).to_have_value("020 7946 0222")
    other.get_by_role("button", name="Save").click()
    said(other, "Saved.")
    expect(other.get_by_role("main")).to_contain_text("020 7946 0222")


def test_two_entries_of_one_body_become_one(page: Page, running: Running) -> None:
    enter(page, running, "Golborne Advice Shop")
    said(page, "Entered in the register")
    add_contact(page, "Zainab Idris", "Director", "zainab@golborne-advice.example")
    enter(page, running, "The Golborne Advice Shop Ltd")
    if page.get_by_role("heading", name="Is it one of these?").is_visible():
        page.get_by_role("button", name="No, it is another one: enter it").click()
    said(page, "Entered in the register")
    page.get_by_role("link", name="Merge with another entry").click()
    page.get_by_label("Find by name, identifier or contact").fill("Golborne Advice")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("link", name="Compare Golborne Advice Shop", exact=True).click()
    page.get_by_role("button", name="See what moves").click()
    expect(section(page, "What moves")).to_contain_text("1 contact")
    page.get_by_label("They are the same organisation").check()
    page.get_by_role("button", name="Merge them").click()
    said(page, "They are one entry now")
    expect(page.get_by_role("heading", level=1)).to_have_text("The Golborne Advice Shop Ltd")
    expect(section(page, "Contacts: who is responsible for what")).to_contain_text("Zainab Idris")


def test_a_body_closes_and_another_takes_over(page: Page, running: Running) -> None:
    enter(page, running, "Hillview Carers Circle")
    page.get_by_role("link", name="Close this organisation").click()
    page.get_by_label("Find by name, identifier or contact").fill("Praxis")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("link", name="Choose Praxis Community Projects").click()
    page.get_by_label("The day").fill(TODAY.isoformat())
    for goes in page.get_by_label("Go there").all():
        goes.check()
    page.get_by_role("button", name="Close it").click()
    said(page, "It is closed")
    expect(page.get_by_role("main")).to_contain_text("Its work went to Praxis Community Projects")


AGREED = {
    "Purpose": "Carers find help sooner.",
    "Our agenda": "Nobody cares alone.",
    "Their agenda": "More carers come to the circle.",
    "What we gain from it ourselves": "We learn who cares.",
    "What they gain from it themselves": "They become better known.",
    "What we bring": "A room on Mondays.",
    "What they bring": "Two leaders.",
    "What we expect of them": "A word each month.",
    "What they expect of us": "An answer within a week.",
    "What will be achieved": "Forty carers come",
    "How we will both see that it was": "Forty names on the list",
}


def test_an_agreement_from_the_first_word_to_both_signatures(
    page: Page, stranger: Page, running: Running
) -> None:
    enter(page, running, "Bấc Đèn Carers’ Network")
    add_contact(page, "Siân O’Rourke", "Director", "sian@carers-network.example")
    page.get_by_role("link", name="Begin an agreement").click()
    page.get_by_label("Name of the agreement").fill("Help for carers")
    page.get_by_role("button", name="Begin").click()
    for label, words in AGREED.items():
        page.get_by_label(label, exact=True).first.fill(words)
    page.get_by_role("button", name="Save the draft").click()
    expect(page.get_by_role("complementary", name="What is missing")).to_contain_text(
        "Outcome 1 has no owner"
    )
    page.get_by_label("By when").first.fill((TODAY + timedelta(days=90)).isoformat())
    choose(page.get_by_label("Who owns it").first, "Siân O’Rourke")
    page.get_by_label("Review 1").fill((TODAY + timedelta(days=45)).isoformat())
    page.get_by_role("button", name="Save the draft").click()
    expect(page.get_by_role("heading", name="Nothing is missing")).to_be_visible()
    page.get_by_role("link", name="Read it through and offer it").click()

    choose(page.get_by_label("Who gets the link to sign it"), "Siân O’Rourke")
    page.get_by_role("button", name="Offer it").click()
    address = link_in_mail(page, running, "To read and sign", "sian@carers-network.example")
    stranger.goto(address)
    expect(stranger.get_by_role("main")).to_contain_text("Opening this page commits you to nothing")
    stranger.get_by_label("Your name").fill("Siân O’Rourke")
    stranger.get_by_label("Your position").fill("Director")
    stranger.get_by_label("I may sign this for").check()
    stranger.get_by_role("button", name="Sign the agreement").click()
    expect(stranger.get_by_role("heading", name="You have signed")).to_be_visible()

    open_part(page, running, "Today")
    page.get_by_role("link", name="Sign for us: “Help for carers”").click()
    page.get_by_label("Your position").fill("Outreach worker")
    page.get_by_label("I may sign this for").check()
    page.get_by_role("button", name="Sign it").click()
    expect(page.get_by_role("main")).to_contain_text("both have signed")
    open_part(page, running, "Outcomes")
    row = page.get_by_role("row").filter(has_text="Forty carers come")
    expect(row).to_contain_text("Siân O’Rourke")


def choose(select: Locator, begins: str) -> None:
    """The option that begins like this."""
    select.select_option(label=select.get_by_role("option", name=begins).inner_text())


def test_a_partner_takes_somebody_on_by_the_link_and_says_what_came_of_it(
    page: Page, stranger: Page, running: Running
) -> None:
    enter(page, running, "Portobello Housing Desk")
    add_contact(page, "Noor Said", "Director", "noor@housing-desk.example")
    page.get_by_role("link", name="Refer somebody").click()
    page.get_by_label("Our reference").fill("SG-00417")
    page.get_by_label("What they need").select_option("Housing")
    page.get_by_label("Director").check()
    page.get_by_role("button", name="Make the referral").click()
    said(page, "A letter with the link goes to them now")
    address = link_in_mail(page, running, "Can you help\\? Referral SG-00417", "noor@housing-desk.example")
    stranger.goto(address)
    expect(stranger.get_by_role("heading", level=1)).to_contain_text("SG-00417")
    stranger.get_by_role("button", name="We can help", exact=True).click()
    stranger.goto(address)
    stranger.get_by_role("button", name="It helped").click()
    open_part(page, running, "Referrals")
    expect(page.get_by_role("row").filter(has_text="SG-00417")).to_contain_text("Helped")


def test_a_note_with_a_file_and_a_meeting_for_the_calendar(
    page: Page, running: Running, tmp_path: Path
) -> None:
    open_organisation(page, running, "Ealing Primary Care Trust")
    page.get_by_role("link", name="Add a note").click()
    page.get_by_label("What it was about").fill("They move house")
    page.get_by_label("What was said").fill("From Monday on they are in King’s Road.")
    page.get_by_role("button", name="Save").click()
    said(page, "Saved.")
    csv = tmp_path / "rooms.csv"
    csv.write_text("room,places\nA,12\n")
    page.get_by_label("Attach a file").set_input_files(csv)
    page.get_by_role("button", name="Attach it").click()
    with page.expect_download() as got:
        page.get_by_role("link", name="rooms.csv").click()
    assert got.value.path().read_text() == "room,places\nA,12\n"

    open_organisation(page, running, "Ealing Primary Care Trust")
    page.get_by_role("link", name="Add a meeting").click()
    page.get_by_label("What it is about").fill("Rooms for the course")
    page.get_by_label("Day").fill((TODAY + timedelta(days=7)).isoformat())
    page.get_by_label("Begins").fill("10:30")
    page.get_by_role("button", name="Save").click()
    with page.expect_download() as got:
        page.get_by_role("link", name="Put it in your calendar").click()
    assert re.search(r"^SUMMARY:.*Rooms for the course", got.value.path().read_text(), re.MULTILINE)
    open_organisation(page, running, "Ealing Primary Care Trust")
    expect(section(page, "What is due")).to_contain_text("Rooms for the course")


def test_a_file_is_looked_at_taken_in_and_given_out_again(
    page: Page, running: Running, tmp_path: Path
) -> None:
    head = (Path("examples") / "partners.csv").read_text().splitlines()[0]
    line = dict.fromkeys(head.split(","), "") | {
        "identifier": "GB-CHC-1999999", "name": "Lantern Street Kitchen", "kinds": "voluntary_organisation",
        "closeness": "contact",
    }  # fmt: skip
    file = tmp_path / "lantern.csv"
    file.write_text(f"{head}\n{','.join(line.values())}\n")
    open_part(page, running, "Import")
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_role("button", name="Look at it").click()
    page.get_by_role("button", name="Read it").click()
    expect(page.get_by_role("heading", name="Take it in")).to_be_visible(timeout=30_000)
    expect(page.get_by_role("row").filter(has_text="Lantern Street Kitchen")).to_contain_text("New")
    page.get_by_label("I have looked at what would change").check()
    page.get_by_role("button", name="Take in").click()
    expect(page.get_by_role("link", name="Choose another file")).to_be_visible(timeout=30_000)

    open_organisation(page, running, "Lantern Street Kitchen")
    open_part(page, running, "Export")
    with page.expect_download() as got:
        page.get_by_role("link", name="Organisations (CSV)").click()
    assert "Lantern Street Kitchen" in got.value.path().read_text()


def test_what_needs_somebody_today_is_done_in_one_click(page: Page, running: Running) -> None:
    open_part(page, running, "Today")
    today = section(page, "What needs you today")
    line = today.get_by_role("link", name="Check that “Lunch for Vietnamese elders” is still there")
    line.click()
    page.get_by_role("button", name="I have checked it today").click()
    open_part(page, running, "Today")
    expect(today).to_be_visible()
    expect(line).to_have_count(0)
