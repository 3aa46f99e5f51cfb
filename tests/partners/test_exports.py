"""Taking the register away: all of it or a search, harmless in a spreadsheet, and noted."""

import csv
import io
import re
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from chassis.audit import every_row
from chassis.database import Database
from services.partners.held import erase_contact
from services.partners.imports import import_partners
from services.partners.partners_file import CONTACT_COLUMNS, ORGANISATION_COLUMNS
from tests.conftest import EXAMPLES, client
from tests.partners.browsing import MOUNT, rows
from tests.partners.conftest import OFFICER, SUCCESSOR, TRUST, Bring, line

EXPORTS = f"{MOUNT}/exports"


@pytest.fixture
async def browser(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    async with client(app, MOUNT) as browser:
        yield browser


async def table(browser: httpx.AsyncClient, address: str) -> list[dict[str, str]]:
    """The lines of a CSV file."""
    answer = await browser.get(f"{EXPORTS}/{address}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


def sheet(content: bytes, number: int) -> list[list[str]]:
    """The cells of one sheet of a workbook, row by row, as a program would read them."""
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        text = book.read(f"xl/worksheets/sheet{number}.xml").decode()
    assert "<f>" not in text, "a formula"
    found = re.findall(r"<row .*?</row>", text, re.DOTALL)
    return [re.findall(r"<t[^>]*>(.*?)</t>", each, re.DOTALL) for each in found]


async def test_the_whole_register_can_be_taken_in_again(
    browser: httpx.AsyncClient, register: Database
) -> None:
    await import_partners(register, EXAMPLES / "partners.csv", dry_run=False)
    given = await browser.get(f"{EXPORTS}/contacts.csv")
    report = await import_partners(register, given.content, dry_run=True)
    assert report.faults == []
    assert (report.same, report.contacts_same) == (135, 247)
    assert report.new + report.changed + report.contacts_new + report.contacts_changed == 0
    assert len(await table(browser, "organisations.csv")) == 135


async def test_what_the_list_is_searched_for_is_what_is_given(
    browser: httpx.AsyncClient, register: Database
) -> None:
    await import_partners(register, EXAMPLES / "partners.csv", dry_run=False)
    asked = "kind=primary_care_trust&q=kensington"
    found = await table(browser, f"organisations.csv?{asked}")
    listed = (await browser.get(f"{MOUNT}/organisations?{asked}")).text
    assert len(found) == 1
    assert found[0]["name"] in listed
    assert "/partners/exports?q=kensington&amp;kind=primary_care_trust" in listed
    page = (await browser.get(f"{EXPORTS}?{asked}")).text
    assert "1 organisation, as the list was searched" in page
    assert "organisations.csv?q=kensington&amp;kind=primary_care_trust" in page


async def test_a_successor_is_given_by_its_identifier(browser: httpx.AsyncClient, bring: Bring) -> None:
    await bring(line(TRUST, closed_on="2013-03-31", successor="GB-NHS-08Y"), line(SUCCESSOR))
    found = {row["identifier"]: row for row in await table(browser, "organisations.csv")}
    assert list(found["GB-NHS-5LA"]) == ["identifier", *ORGANISATION_COLUMNS]
    assert found["GB-NHS-5LA"]["successor"] == "GB-NHS-08Y"
    assert found["GB-NHS-5LA"]["closed_on"] == "2013-03-31"
    assert found["GB-NHS-08Y"]["successor"] == ""


HOSTILE = ("=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "＝1", " =1")


@pytest.mark.parametrize("name", HOSTILE)
async def test_no_cell_is_a_formula(
    browser: httpx.AsyncClient, bring: Bring, register: Database, name: str
) -> None:
    await bring(line(TRUST, OFFICER, telephone="+44 20 7946 0000"))
    async with register.transaction() as tx:
        await tx.execute("UPDATE organisations SET name = $1", name)
        await tx.execute("UPDATE contacts SET name = $1", name)
    [row] = await table(browser, "contacts.csv")
    assert row["name"] == row["contact_name"] == f"'{name}"
    assert row["telephone"] == "'+44 20 7946 0000"
    book = await browser.get(f"{EXPORTS}/register.xlsx")
    for number in (1, 2):
        for cells in sheet(book.content, number)[1:]:
            assert not [cell for cell in cells if cell.strip()[:1] in ("=", "+", "-", "@", "＝")]


async def test_a_telephone_number_comes_back_as_it_was(
    browser: httpx.AsyncClient, bring: Bring, register: Database
) -> None:
    await bring(line(TRUST, telephone="+44 20 7946 0000", website="https://www.trust.example/a?b=c"))
    given = await browser.get(f"{EXPORTS}/contacts.csv")
    assert (await import_partners(register, given.content, dry_run=True)).same == 1


async def test_a_workbook_has_both_tables(browser: httpx.AsyncClient, bring: Bring) -> None:
    await bring(line(TRUST, OFFICER, name="Nhà thờ O'Brien <منتدى>"), line(SUCCESSOR))
    answer = await browser.get(f"{EXPORTS}/register.xlsx")
    assert answer.headers["content-type"].endswith("spreadsheetml.sheet")
    said = answer.headers["content-disposition"]
    assert re.match(r'attachment; filename="register-\d{4}-\d\d-\d\d\.xlsx"', said)
    organisations, contacts = sheet(answer.content, 1), sheet(answer.content, 2)
    assert organisations[0] == ["identifier", *ORGANISATION_COLUMNS]
    assert contacts[0] == ["identifier", *ORGANISATION_COLUMNS, *CONTACT_COLUMNS]
    assert len(organisations) == len(contacts) == 3
    assert "Nhà thờ O'Brien &lt;منتدى&gt;" in organisations[1]
    assert OFFICER["contact_email"] in contacts[1]


async def test_whoever_was_forgotten_is_in_nothing(
    browser: httpx.AsyncClient, bring: Bring, register: Database
) -> None:
    await bring(line(TRUST, OFFICER))
    [contact] = await rows(register, "SELECT id FROM contacts")
    async with register.transaction() as tx:
        await erase_contact(tx, contact["id"])
    [row] = await table(browser, "contacts.csv")
    assert not any(row[name] for name in CONTACT_COLUMNS)
    assert (await browser.get(f"{MOUNT}/contacts/{contact['id']}/card.vcf")).status_code == 404


async def test_a_long_register_is_given_in_slices(
    browser: httpx.AsyncClient, bring: Bring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.partners.web.exports.SLICE", 3)
    await bring(*(line(TRUST, identifier=f"CONDUIT-{n}", name=f"Body {n % 5}") for n in range(20)))
    found = await table(browser, "organisations.csv")
    assert sorted(row["identifier"] for row in found) == sorted(f"CONDUIT-{n}" for n in range(20))


# Address cards


def unfolded(content: bytes) -> list[str]:
    """The lines of a card as a program reads them; none may be too long."""
    assert max(len(each) for each in content.split(b"\r\n")) <= 75
    return content.decode().replace("\r\n ", "").removesuffix("\r\n").split("\r\n")


async def test_a_contact_as_a_card(browser: httpx.AsyncClient, bring: Bring, register: Database) -> None:
    await bring(line(TRUST, OFFICER, contact_name="Nguyễn; Văn, A\\B", name="ا" * 60))
    [contact] = await rows(register, "SELECT id, organisation_id FROM contacts")
    answer = await browser.get(f"{MOUNT}/contacts/{contact['id']}/card.vcf")
    assert answer.headers["content-type"] == "text/vcard; charset=utf-8"
    card = unfolded(answer.content)
    assert card[0:2] == ["BEGIN:VCARD", "VERSION:4.0"]
    assert card[-1] == "END:VCARD"
    assert "FN:Nguyễn\\; Văn\\, A\\\\B" in card
    assert "N:A\\\\B;Nguyễn\\; Văn\\,;;;" in card
    assert f"ORG:{'ا' * 60}" in card
    assert "ROLE:Dental care" in card
    assert f"EMAIL:{OFFICER['contact_email']}" in card
    assert f"UID:urn:uuid:{contact['id']}" in card


async def test_all_contacts_of_an_organisation(
    browser: httpx.AsyncClient, bring: Bring, register: Database
) -> None:
    other = {**OFFICER, "contact_role": "chief_executive", "contact_channel": "post"}
    other |= {"contact_email": "", "contact_address": "1 Example Road;London", "contact_postcode": "w10 6dz"}
    gone = {**OFFICER, "contact_role": "director", "contact_withdrawn_on": "2012-01-01"}
    await bring(line(TRUST, OFFICER), line(TRUST, other), line(TRUST, gone))
    [row, *_] = await rows(register, "SELECT id FROM organisations")
    page = await browser.get(f"{MOUNT}/organisations/{row['id']}")
    assert f"/organisations/{row['id']}/contacts.vcf" in page.text
    cards = unfolded((await browser.get(f"{MOUNT}/organisations/{row['id']}/contacts.vcf")).content)
    assert cards.count("BEGIN:VCARD") == 2
    assert "ADR:;;1 Example Road\\, London;;;W10 6DZ;" in cards
    assert "ROLE:Director" not in cards


async def test_each_time_is_noted_and_by_ids_alone(
    browser: httpx.AsyncClient, bring: Bring, register: Database
) -> None:
    await bring(line(TRUST, OFFICER))
    [contact] = await rows(register, "SELECT id, organisation_id FROM contacts")
    await browser.get(f"{EXPORTS}/contacts.csv?q=kensington")
    await browser.get(f"{EXPORTS}/register.xlsx")
    await browser.get(f"{MOUNT}/contacts/{contact['id']}/card.vcf")
    await browser.get(f"{MOUNT}/organisations/{contact['organisation_id']}/contacts.vcf")
    async with register.reading() as tx:
        noted = [row async for row in every_row(tx)]
    said: list[tuple[Any, ...]] = [(row["action"], row["kind"], row["after"]) for row in noted]
    assert said == [
        ("exported", "contacts", {"as": "csv", "searched": True}),
        ("exported", "register", {"as": "xlsx", "searched": False}),
        ("exported", "contact", {"as": "vcf", "count": 1}),
        ("exported", "contacts_of", {"as": "vcf", "count": 1}),
    ]
    assert "kensington" not in str(noted).lower()
