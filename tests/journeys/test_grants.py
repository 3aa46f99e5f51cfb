"""A round from the invitation of a panel member to the report of an award, by the words on the screen alone.

One example, gone through in order: each test goes on where the one before it has stopped.
"""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from pypdf import PdfReader

from chassis.clock import LOCAL
from tests.journeys.axe import first, found_at, opened_for_axe, round_with_a_panel
from tests.journeys.browsing import (
    PHONE,
    eventually_mailed,
    opened,
    set_up_second_factor,
    signed_in,
)
from tests.journeys.running import Running

pytestmark = pytest.mark.timeout(150)

TODAY = datetime.now(LOCAL).date()

#: Whom the panel helps, with whole pounds; the first gets less than she has asked for.
AWARDED = {
    "Yasmin Haddad": 400,
    "Farid Noorzai": 430,
    "Amal Warsame": 430,
    "Zahra Mohammadi": 430,
    "Ibrahim Sesay": 430,
    "Nadia Petrovych": 145,
}
#: What of it is given in the end: one payment comes back.
KEPT = [145, 400, 430, 430, 430]
REFUSED, REASON = "Hassan al-Jabiri", "Please come again when you have booked the exam."
#: Whom the member is family of, and whom another member works with: of three who are there too few are left.
FAMILY, COLLEAGUE = "Abdirahman Yusuf", "Selam Gebremedhin"
#: Who comes to the meeting besides the member, and is noted by the officer.
HERE = ("Dr Omid Sadeghi", "Gillian Marsh")


@pytest.fixture(scope="module")
def member(browser: Browser, running: Running) -> Iterator[Page]:
    """The telephone of a panel member."""
    yield from opened(browser, signed_in(browser, running.link("Panel member")), PHONE)


@pytest.fixture(scope="module")
def officer(browser: Browser, running: Running) -> Iterator[Page]:
    """A page of the grants officer."""
    yield from opened(browser, signed_in(browser, running.link("Grants officer")))


@pytest.fixture(scope="module")
def labels(officer: Page, running: Running) -> dict[str, str]:
    """By which label the panel knows each application, from the officer's list of cases."""
    to_round(officer, running, "Cases and progress")
    cases = officer.get_by_role("region", name="List of cases").get_by_role("row")
    return {
        row.get_by_role("cell").first.inner_text().splitlines()[0]: row.get_by_role("link")
        .first.inner_text()
        .split()[0]
        for row in cases.all()[1:]
    }


@pytest.fixture(scope="module")
def payer(browser: Browser, running: Running) -> Iterator[Page]:
    """A page of whoever makes the payments."""
    yield from opened(browser, signed_in(browser, running.link("Payer")))


@pytest.fixture(scope="module")
def applicant(browser: Browser) -> Iterator[Page]:
    """The telephone of somebody who has no account."""
    yield from opened(browser, None, PHONE)


def main(page: Page) -> Locator:
    return page.get_by_role("main")


def section(page: Page, title: str) -> Locator:
    return page.get_by_role("region", name=title)


def said(page: Page, words: str) -> None:
    """The page confirms what was done."""
    expect(page.get_by_role("status").filter(has_text=words).first).to_be_visible()


def to_round(page: Page, running: Running, part: str = "") -> None:
    """From the start to a page on the work in the round, by the menus."""
    page.goto(running.url)
    page.get_by_role("navigation", name="Sections").get_by_role("link", name="Grants").click()
    page.get_by_role("navigation", name="Grants").get_by_role("link", name="Rounds").click()
    main(page).get_by_role("link", name="Doctors’ exams").click()
    if part:
        page.get_by_role("navigation", name="Work in this round").get_by_role("link", name=part).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(part)


def to_payments(page: Page, running: Running, group: str, amount: str) -> None:
    """From the start to the first payment, or award to be paid, of this amount."""
    page.goto(running.url)
    page.get_by_role("navigation", name="Sections").get_by_role("link", name="Grants").click()
    page.get_by_role("navigation", name="Grants").get_by_role("link", name="Payments").click()
    page.get_by_role("navigation", name="Which payments").get_by_role(
        "link", name=re.compile(f"^{group}")
    ).click()
    page.get_by_role("row").filter(has_text=amount).get_by_role("link").first.click()


def own_page(page: Page, running: Running, subject: str, to: str) -> tuple[str, str]:
    """The link in the newest letter to somebody who has applied, and the words of the letter."""
    words = eventually_mailed(page, running, subject, to)
    found = re.search(r"http://\S+/grants/applying/\S+", words)
    assert found, words
    return found.group(0), words


def _first_word(of: Locator) -> str:
    return of.inner_text().split()[0]


def open_case(officer: Page, label: str) -> None:
    """Turn the meeting to a case."""
    officer.get_by_role("button", name=f"Open {label}", exact=True).click()
    expect(officer.get_by_role("heading", level=2, name="On now")).to_contain_text(label, timeout=15_000)


def decide(officer: Page, kind: str, words: str = "", *, pounds: int = 0) -> None:
    """Record a decision on the case that is on, without the scores that are missing."""
    officer.get_by_label(kind, exact=True).check()
    if pounds:
        officer.get_by_label("How much, if it is an award?").fill(str(pounds))
    officer.get_by_label("What do we tell the applicant?").fill(words)
    missing = officer.get_by_label("The panel does not wait for the scores")
    if missing.count():
        missing.check()
    officer.get_by_role("button", name="Record the decision").click()


def decides_the_others(officer: Page) -> None:
    """Whatever the agenda still has: where enough are there it is declined, else it is put off."""
    open_ones = section(officer, "Agenda").get_by_role("listitem").filter(has_text="Not decided")
    while open_ones.count():
        left = open_ones.count()
        line = open_ones.filter(has=officer.get_by_role("button", name="Open")).first
        open_case(officer, line.get_by_role("button").inner_text().split()[-1])
        if officer.get_by_text("The panel may only put this case off").count():
            decide(officer, "Put off to a later meeting")
        else:
            decide(officer, "Decline", "There is not enough money for everybody this time.")
        said(officer, "The decision is recorded")
        expect(open_ones).to_have_count(left - 1)


def test_a_member_answers_reads_scores_and_steps_out_on_a_telephone(
    member: Page, labels: dict[str, str], running: Running
) -> None:
    page = member
    page.goto(running.url)
    page.get_by_role("navigation", name="Sections").get_by_role("link", name="Panel").click()
    page.get_by_role("button", name="I take part").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What are you close to?")
    page.get_by_label("I am close to nothing and nobody of this kind").check()
    page.get_by_role("button", name="Save").click()
    expect(main(page)).to_contain_text("0 of 19 done")

    for name in list(AWARDED)[:2]:
        main(page).get_by_role("link", name=f"Case {labels[name]}").click()
        expect(page.get_by_role("heading", name="In their own words")).to_be_visible()
        expect(main(page)).not_to_contain_text("What the others say")
        for criterion in ("Ready for the exam", "What the award changes", "The way back to work"):
            page.get_by_role("group", name=criterion).get_by_role("radio").nth(4).check()
        page.get_by_label("Your comment").fill("A clear plan, and the words of somebody who will do it.")
        page.get_by_role("button", name="Done", exact=True).click()
        others = section(page, "What the others say").get_by_role("row")
        expect(others.filter(has_text="Dr Sivan Haddo")).to_be_visible()
        expect(page.get_by_role("link", name=re.compile("^Next: case"))).to_be_visible()
        page.get_by_role("navigation", name="Breadcrumb").get_by_role("link", name="Your panel desk").click()

    main(page).get_by_role("link", name=f"Case {labels[FAMILY]}").click()
    page.get_by_text("I know this person…").click()
    page.get_by_role("button", name="They are family or a close friend").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your panel desk")
    expect(main(page)).to_contain_text("2 of 18 done")
    expect(main(page)).not_to_contain_text(labels[FAMILY])
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_the_panel_meets_and_what_it_decides_is_seen_at_once(
    member: Page, officer: Page, labels: dict[str, str], running: Running
) -> None:
    to_round(officer, running, "Cases and progress")
    progress = officer.get_by_role("region", name="Progress").get_by_role("row")
    expect(progress.filter(has_text="Dr Hana Yusuf").get_by_role("cell")).to_have_text(["2", "18"])
    to_round(officer, running)
    officer.get_by_role("button", name="Begin a meeting").click()
    set_up_second_factor(officer)
    officer.get_by_role("button", name="Send it now").click()
    said(officer, "The meeting has begun")

    wall = officer.context.new_page()
    wall.goto(officer.url)
    wall.get_by_role("link", name="Screen for the wall").click()
    expect(wall.get_by_role("heading", level=1)).to_have_text("We begin soon")
    member.goto(running.url)
    member.get_by_role("navigation", name="Sections").get_by_role("link", name="Panel").click()
    member.get_by_role("link", name="The meeting is on: join it").click()
    member.get_by_role("button", name="I am here").click()
    expect(main(member)).to_contain_text("Nothing is on yet")
    attendance = section(officer, "Who is here").get_by_role("listitem")
    expect(attendance.filter(has_text="Dr Hana Yusuf")).to_contain_text("Member, Doctor, here")
    for name in HERE:
        attendance.filter(has_text=name).get_by_role("button").click()
        expect(attendance.filter(has_text=name)).to_contain_text("Has gone")

    on_now = member.get_by_role("heading", level=2, name="On now")
    free = 5_000
    for name, pounds in AWARDED.items():
        open_case(officer, labels[name])
        decide(officer, "Award", pounds=pounds)
        free -= pounds
        expect(main(wall)).to_contain_text(f"Free£{free:,}")
    expect(wall.get_by_role("heading", level=1)).to_have_text(f"Case {labels[name]}")
    expect(on_now).to_contain_text(labels[name])
    expect(main(member)).to_contain_text(f"Awarded £{pounds}")
    expect(main(member)).not_to_contain_text(f"£{free:,}")
    wall.close()

    open_case(officer, labels[REFUSED])
    decide(officer, "Decline", "")
    expect(main(officer)).to_contain_text("A refusal needs a reason")
    decide(officer, "Decline", REASON)
    open_case(officer, labels[COLLEAGUE])
    expect(main(officer)).to_contain_text("The panel may only put this case off")
    decide(officer, "Award", pounds=100)
    expect(main(officer)).to_contain_text("The panel may not decide on this now. Missing")
    decide(officer, "Put off to a later meeting")
    said(officer, "The decision is recorded")


def test_the_meeting_ends_and_its_minutes_name_no_applicant(
    member: Page, officer: Page, labels: dict[str, str]
) -> None:
    decides_the_others(officer)
    officer.get_by_text("End the meeting…").click()
    officer.get_by_label("The meeting is over.").check()
    officer.get_by_role("button", name="End the meeting").click()
    said(officer, "The meeting is over")
    expect(main(member)).to_contain_text("The meeting is over")
    with officer.expect_download() as got:
        officer.get_by_role("link", name="Minutes (PDF)").click()
    minutes = " ".join(page.extract_text() for page in PdfReader(got.value.path()).pages)
    for words in ("Gillian Marsh", labels["Yasmin Haddad"], "£400", REASON):
        assert words in re.sub(r"\s+", " ", minutes)
    assert "Yasmin" not in minutes


def test_what_was_decided_is_published_by_whoever_has_read_it(officer: Page, running: Running) -> None:
    officer.get_by_role("link", name="Go on with the round").click()
    officer.get_by_role("link", name="Publish what was decided").click()
    expect(section(officer, "What goes out")).to_contain_text("£2,265")
    expect(section(officer, "The letters").get_by_role("row").filter(has_text=REASON)).to_be_visible()
    officer.get_by_label("I have read each of these.").check()
    officer.get_by_role("button", name="Publish all of it").click()
    said(officer, "Published. Every applicant is written to.")


def mail_of(name: str) -> str:
    """Where an applicant of the example reads their letters."""
    return f"{name.lower().replace(' ', '.')}@mail.example"


def say_yes(page: Page, running: Running, name: str) -> None:
    """As somebody who reads the letter on a telephone; the account takes the money back to them."""
    address, letter = own_page(page, running, "The panel’s answer", mail_of(name))
    assert f"£{AWARDED[name]}" in letter
    page.goto(address)
    page.get_by_role("link", name="Say yes or no").click()
    page.get_by_label("Name on the account").fill(name)
    page.get_by_label("Sort code").fill("20-00-00")
    page.get_by_label("Account number").fill("55779911")
    page.get_by_role("button", name="Yes, I want the money").first.click()
    said(page, "You have said yes.")
    expect(main(page)).not_to_contain_text("55779911")


def add_paper(page: Page, label: str, paper: Path) -> None:
    page.get_by_label(label).set_input_files(paper)
    page.get_by_role("button", name="Add it").click()
    said(page, "The paper is added.")


@pytest.fixture
def paper(tmp_path: Path) -> Path:
    """A paper that an applicant adds."""
    path = tmp_path / "booking.pdf"
    path.write_bytes(b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n")
    return path


def test_those_who_are_awarded_money_say_yes_and_add_their_booking(
    applicant: Page, running: Running, paper: Path
) -> None:
    eventually_mailed(applicant, running, "The panel’s answer", mail_of(REFUSED.replace("-", " ")))
    expect(main(applicant)).to_contain_text(REASON)
    for name in AWARDED:
        say_yes(applicant, running, name)
        add_paper(applicant, "The booking confirmation", paper)
    expect(main(applicant)).to_contain_text("Thank you. We look at it in the next days.")


def prepare(officer: Page, running: Running, amount: str) -> None:
    """Confirm the booking of an award of this amount and prepare its payment."""
    to_payments(officer, running, "To be prepared", amount)
    officer.get_by_role("button", name="The exam is booked").click()
    officer.get_by_role("button", name="Prepare it").click()
    expect(section(officer, "Payments").get_by_role("row").filter(has_text="Payment 1")).to_be_visible()


def pay(payer: Page, running: Running, amount: str) -> None:
    """Make the first payment of this amount, after having looked where it goes."""
    to_payments(payer, running, "To be made", amount)
    payer.get_by_role("link", name="Make this payment").click()
    if payer.get_by_role("heading", level=1).inner_text() == "Set up your second factor":
        set_up_second_factor(payer)
    expect(section(payer, "Where it goes")).to_contain_text("55779911")
    payer.get_by_label("On which day").fill(TODAY.isoformat())
    payer.get_by_label("The bank’s reference").fill("FP-2026-0412")
    payer.get_by_role("button", name="It is paid").click()
    said(payer, "It is kept that the payment left the bank")


def test_one_prepares_another_pays_and_the_applicant_reports_back(
    officer: Page, payer: Page, applicant: Page, running: Running, paper: Path
) -> None:
    prepare(officer, running, "£400")
    expect(main(officer)).not_to_contain_text("55779911")
    pay(payer, running, "£400")

    address, _ = own_page(applicant, running, "We have paid £400", mail_of("Yasmin Haddad"))
    applicant.goto(address)
    applicant.get_by_role("link", name="Tell us how it went").click()
    add_paper(applicant, "The receipt", paper)
    applicant.get_by_label("The exam", exact=True).select_option("I passed")
    applicant.get_by_role("button", name="Tell us").first.click()
    said(applicant, "Thank you for telling us.")
    to_payments(officer, running, "Made", "£400")
    officer.get_by_role("navigation", name="Breadcrumb").get_by_role("link", name="Award").click()
    happened = section(officer, "What happened")
    expect(happened).to_contain_text("Passed")


def test_money_that_came_back_is_free_again(
    officer: Page, payer: Page, applicant: Page, running: Running
) -> None:
    prepare(officer, running, "£430")
    pay(payer, running, "£430")
    to_payments(officer, running, "Made", "£430")
    officer.get_by_text("Money of it came back…").click()
    officer.get_by_label("How much").fill("430")
    officer.get_by_label("On which day").fill(TODAY.isoformat())
    officer.get_by_label("Why", exact=True).select_option("The bank refused it")
    officer.get_by_role("button", name="Enter what came back").click()
    expect(section(officer, "Came back").get_by_role("row").filter(has_text="£430")).to_be_visible()
    assert "£430" in eventually_mailed(applicant, running, "About your money")


def test_trustees_see_figures_and_everybody_the_open_data(
    browser: Browser, applicant: Page, running: Running
) -> None:
    for page in opened(browser, signed_in(browser, running.link("Trustee"))):
        page.goto(running.url)
        page.get_by_role("navigation", name="Sections").get_by_role("link", name="Figures").click()
        for name, words in (("Awarded", "£2,265"), ("Paid", "£400")):
            expect(page.get_by_role("link", name=f"{name}, {words}: how it is counted")).to_be_visible()
        expect(main(page)).not_to_contain_text("Haddad")
        page.get_by_role("link", name="open data").click()
        expect(section(page, "What we gave")).to_contain_text("£1,835")
        with page.expect_download() as got:
            page.get_by_role("link", name="As CSV").click()
        assert got.value.path().read_text().count("360G-") >= len(KEPT)
    applicant.goto(f"{running.url}/grants/data")
    href = applicant.get_by_role("link", name="As JSON").get_attribute("href")
    grants = json.loads(httpx.get(f"{running.url}{href}", timeout=20).text)["grants"]
    assert sorted(grant["amountAwarded"] for grant in grants) == KEPT
    assert not any(name.split()[1] in json.dumps(grants) for name in AWARDED)


def pages_of_officer(page: Page, running: Running, meeting: str) -> list[str]:
    """The pages that a round has once it was decided, with one more meeting that is going on."""
    id = r"[0-9a-f-]{36}"
    round = round_with_a_panel(page, running)
    award = first(page, running, "/grants/payments?state=prepare", rf"/grants/awards/{id}")
    made = first(page, running, "/grants/payments?state=made", rf"/grants/payments/{id}")
    case = first(page, running, f"{round}/applications?state=decided", rf"/grants/applications/{id}")
    fund = first(page, running, "/grants/funds", rf"/grants/funds/{id}")
    groups = [
        f"/grants/payments?state={state}" for state in ("prepare", "make", "made", "returned", "report")
    ]
    of_round = [round + below for below in ("", "/publish", "/panel", "/conflicts", "/cases")]
    of_meeting = [meeting + below for below in ("", "/screen", "/simulation", "/simulation?way=total")]
    of_case = [case, f"{case}/dossier", f"{case}/case"]
    return [*of_round, *of_meeting, *of_case, *groups, award, made, f"{fund}/report", f"{fund}/ledger"]


@pytest.mark.timeout(300)
def test_axe_finds_nothing_on_these_pages(
    browser: Browser, officer: Page, payer: Page, member: Page, applicant: Page, running: Running
) -> None:
    """While a second meeting is on, with awards in all of their states."""
    prepare(officer, running, "£145")
    to_round(officer, running)
    officer.get_by_role("button", name="Begin a meeting").click()
    section(officer, "Agenda").get_by_role("button").first.click()
    said(officer, "This case is on now.")
    meeting = officer.url.removeprefix(running.url).split("?")[0]
    outside = [own_page(applicant, running, "The panel’s answer", mail_of(name))[0] for name in AWARDED]
    links = [*outside, *(f"{link}/award" for link in outside)]
    found = []
    for page in opened_for_axe(browser, officer.context.storage_state()):
        found += found_at(page, running, pages_of_officer(page, running, meeting))
    for page in opened_for_axe(browser, payer.context.storage_state()):
        made = first(page, running, "/grants/payments?state=make", r"/grants/payments/[0-9a-f-]{36}")
        found += found_at(page, running, ("/grants/", made, f"{made}/make"))
    for page in opened_for_axe(browser, member.context.storage_state()):
        desk = first(page, running, "/grants/desk", r"/grants/desk\?round=[0-9a-f-]{36}")
        case = first(page, running, desk, r"/grants/desk/cases/[0-9a-f-]{36}")
        attend = meeting.replace("/meetings/", "/attend/")
        found += found_at(page, running, (desk, "/grants/desk/interests", case, attend))
    for page in opened_for_axe(browser, None):
        found += found_at(page, running, ("/grants/data", *links))
    assert not found, "\n".join(found)
