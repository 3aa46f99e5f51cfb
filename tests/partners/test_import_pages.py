"""The pages of imports: a file is chosen, said what it is, looked at line by line, and taken in whole."""

import asyncio
import html
import io
import re
import zipfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from starlette.types import ASGIApp

from chassis.audit import every_row
from chassis.database import Database
from chassis.rights import Subject
from services.partners.held import address_digest, forget
from services.partners.imports import IMPORTING
from services.partners.queries import QUERIES, RIGHTS
from tests.conftest import EXAMPLES, announced, client
from tests.partners.browsing import MOUNT, key_in, rows
from tests.partners.conftest import OFFICER, SUCCESSOR, TRUST, Bring, line, partners_csv
from tests.partners.test_imports import NHS_LINE, nhs_csv

LIST = f"{MOUNT}/imports"
FOREIGN = {"format": "nhs", "kinds": "primary_care_trust", "closeness": "contact"}


@dataclass
class Desk:
    """Somebody of staff at the pages, and the background that does what they ask for."""

    browser: httpx.AsyncClient
    register: Database

    async def choose_file(self, content: bytes, name: str = "list.csv") -> httpx.Response:
        page = await self.browser.get(LIST)
        files = {"file": (name, content)}
        return await self.browser.post(LIST, data={"key": key_in(page)}, files=files)

    async def open(self, content: bytes, name: str = "list.csv") -> str:
        """The address of the page of a file that was chosen."""
        answer = await self.choose_file(content, name)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    async def say(self, href: str, **fields: Any) -> httpx.Response:
        """Confirm what a file is, as the form has it."""
        page = await self.browser.get(href)
        chosen = re.findall(
            r'<select id="(column-\d+)".*?(?:value="([a-z_]*)" selected|</select>)', page.text
        )
        found: dict[str, Any] = {"format": re.findall(r'name="format" value="(\w+)"', page.text)[0]}
        found |= dict(chosen) | {"takes": re.findall(r'name="takes" value="(\w+)"', page.text)}
        return await self.browser.post(href, data={"key": key_in(page), **found, **fields})

    async def read(self, content: bytes, name: str = "list.csv", **fields: Any) -> str:
        """The address of the report on a file."""
        href = await self.open(content, name)
        answer = await self.say(href, **fields)
        assert answer.status_code == 303, answer.text
        await self.work()
        return href

    async def work(self) -> None:
        while await IMPORTING.turn(self.register):
            pass

    async def apply(self, href: str) -> httpx.Response:
        page = await self.browser.get(href)
        found = re.search(
            r'name="key" value="([^"]+-apply)".*?name="shown" value="([0-9a-f]+)"', page.text, re.DOTALL
        )
        assert found, text_of(page)
        fields = {"key": found[1], "shown": found[2], "confirm": "yes"}
        return await self.browser.post(f"{href}/apply", data=fields)

    async def text(self, href: str) -> str:
        return text_of(await self.browser.get(href))


def text_of(page: httpx.Response) -> str:
    """What somebody reads on a page."""
    plain = html.unescape(re.sub(r"<[^>]+>", " ", page.text))
    return " ".join(plain.split())


@pytest.fixture
async def desk(app: ASGIApp, register: Database) -> AsyncIterator[Desk]:
    async with client(app, MOUNT) as browser:
        yield Desk(browser, register)


async def state_of(register: Database) -> list[str]:
    return [row["state"] for row in await rows(register, "SELECT state FROM imports ORDER BY begun_at")]


async def test_a_list_is_looked_at_and_then_taken_in(desk: Desk, register: Database) -> None:
    href = await desk.open(partners_csv(line(TRUST, OFFICER), line(SUCCESSOR)))
    assert "It looks like: Our list" in await desk.text(href)
    answer = await desk.say(href)
    assert answer.status_code == 303, text_of(answer)
    assert "It is being read and compared" in await desk.text(href)
    assert 'data-live="' in (await desk.browser.get(href)).text
    await desk.work()
    report = await desk.text(href)
    assert "Take in 3 changes" in report
    assert "Marker Zzyzxova, Kensington and Chelsea Primary Care Trust Contact" in report
    assert await rows(register, "SELECT 1 FROM organisations") == [], (
        "nothing is done before somebody says so"
    )
    assert (await desk.apply(href)).status_code == 303
    await desk.work()
    assert "Taken in" in await desk.text(href)
    assert len(await rows(register, "SELECT 1 FROM organisations")) == 2
    assert len(await announced(register)) == 3


async def test_what_was_done_is_noted_by_whom_and_without_names(desk: Desk, register: Database) -> None:
    href = await desk.read(partners_csv(line(TRUST, OFFICER)))
    await desk.apply(href)
    await desk.work()
    async with register.reading() as tx:
        noted = [row async for row in every_row(tx)]
    assert [row["action"] for row in noted] == [
        "import_begun",
        "import_read",
        "import_ordered",
        "partners_imported",
    ]
    assert len({row["person_id"] for row in noted}) == 1
    assert noted[-1]["after"] == {"new": 1, "contacts": 1}
    assert "Marker" not in str(noted)


async def test_a_change_is_shown_field_by_field_and_in_words(desk: Desk, bring: Bring) -> None:
    await bring(line(TRUST, OFFICER))
    changed = line(TRUST, OFFICER, closeness="strategic", contact_email="new@trust.example")
    href = await desk.read(partners_csv(changed))
    report = await desk.text(href)
    assert "How closely we work: Working → Strategic" in report
    assert "Contact: e-mail address: marker.zzyzxova@trust.example → new@trust.example" in report
    assert "Take in 2 changes" in report


async def test_a_closing_body_and_a_withdrawn_contact_say_so(desk: Desk, bring: Bring) -> None:
    await bring(line(TRUST, OFFICER))
    gone = line(
        TRUST, OFFICER, closed_on="2013-03-31", successor="GB-NHS-08Y", contact_withdrawn_on="2013-04-01"
    )
    href = await desk.read(partners_csv(gone, line(SUCCESSOR)))
    closing = await desk.text(f"{href}?fate=closed")
    assert "Closed: nothing → 31 March 2013" in closing
    assert "Who took over: nothing → GB-NHS-08Y" in closing
    assert "Contact: withdrawn: nothing → 1 April 2013" in await desk.text(f"{href}?fate=withdrawn")


async def test_a_refused_line_says_why_and_nothing_can_be_taken_in(desk: Desk, register: Database) -> None:
    wrong = line(SUCCESSOR, closeness="close", opened_on="yesterday")
    href = await desk.read(partners_csv(line(TRUST, OFFICER), wrong))
    page = await desk.browser.get(href)
    assert "Nothing can be taken in yet: 1 line is refused" in text_of(page)
    assert "/apply" not in page.text
    assert "To be corrected" in await desk.text(LIST)
    refused = await desk.text(f"{href}?fate=refused")
    assert "“close” is not a known code." in refused
    shown = (await rows(register, "SELECT shown FROM imports"))[0]["shown"].hex()
    key = key_in(page).removesuffix("-cancel") + "-apply"
    answer = await desk.browser.post(f"{href}/apply", data={"key": key, "shown": shown, "confirm": "yes"})
    assert answer.status_code == 409
    await desk.work()
    assert await rows(register, "SELECT 1 FROM organisations") == []


async def test_headers_of_others_are_mapped(desk: Desk, register: Database) -> None:
    content = (
        b"Org ref;Organisation;Kind;How close;Fax;Telefone\n"
        b"GB-NHS-5LA;Kensington PCT;primary_care_trust;working;none;020 7946 0000\n"
    )
    href = await desk.open(content)
    page = await desk.browser.get(href)
    assert "Fax" in text_of(page)
    assert re.search(r'name="column-5".*?value="telephone" selected', page.text, re.DOTALL)
    refused = await desk.say(href, **{"column-0": "", "column-1": "name", "column-2": "name"})
    assert refused.status_code == 422
    assert "Two columns are said to be “Name”." in text_of(refused)
    said = {"column-0": "identifier", "column-1": "name", "column-2": "kinds", "column-3": "closeness"}
    assert (await desk.say(href, **said, **{"column-4": "", "column-5": "telephone"})).status_code == 303
    await desk.work()
    await desk.apply(href)
    await desk.work()
    [row] = await rows(register, "SELECT identifier, name, telephone FROM organisations")
    assert row == {"identifier": "GB-NHS-5LA", "name": "Kensington PCT", "telephone": "020 7946 0000"}


async def test_a_column_that_is_needed_must_be_there(desk: Desk) -> None:
    href = await desk.open(b"identifier,name\nGB-NHS-5LA,Kensington PCT\n")
    answer = await desk.say(href)
    assert answer.status_code == 422
    assert "No column is said to be: Kinds, How closely we work." in text_of(answer)


async def test_the_register_of_the_nhs_is_recognised_and_asks_what_is_new(
    desk: Desk, register: Database
) -> None:
    href = await desk.open((EXAMPLES / "trusts_2012_ods.csv").read_bytes(), "epct.csv")
    assert "It looks like: NHS register" in await desk.text(href)
    refused = await desk.say(href)
    assert refused.status_code == 422
    assert "It is not said what kind the new organisations are." in text_of(refused)
    assert (await desk.say(href, **FOREIGN)).status_code == 303
    await desk.work()
    await desk.apply(href)
    await desk.work()
    found = await rows(
        register, "SELECT name, kinds, telephone FROM organisations WHERE identifier = 'GB-NHS-5C3'"
    )
    assert found[0]["name"] == "City and Hackney Teaching PCT"
    assert found[0]["kinds"] == ["primary_care_trust"]
    assert len(await rows(register, "SELECT 1 FROM organisations")) == 31


async def test_a_file_may_be_read_as_something_else(desk: Desk) -> None:
    href = await desk.open(partners_csv(line(TRUST)))
    assert "Read it as: NHS register" in await desk.text(f"{href}?format=nhs")
    answer = await desk.say(href, **FOREIGN)
    assert answer.status_code == 303
    await desk.work()
    assert "lines are refused" in await desk.text(href)


async def test_only_what_is_ticked_changes_what_we_know(desk: Desk, bring: Bring, register: Database) -> None:
    await bring(line(TRUST, name="Our own name"))
    await desk.apply(await desk.read(nhs_csv(NHS_LINE), **FOREIGN, takes=["telephone"]))
    await desk.work()
    [row] = await rows(register, "SELECT name, telephone, closeness FROM organisations")
    assert row == {"name": "Our own name", "telephone": "020 7946 0131", "closeness": "working"}


async def test_the_register_has_changed_since(desk: Desk, bring: Bring, register: Database) -> None:
    """What is done is what was shown; when that would be something else by now, it is shown again."""
    await bring(line(TRUST, OFFICER))
    href = await desk.read(partners_csv(line(TRUST, OFFICER, closeness="strategic")))
    await desk.apply(href)
    await bring(line(TRUST, OFFICER, name="Another name"))
    before = len(await announced(register))
    await desk.work()
    report = await desk.text(href)
    assert "The register has changed since" in report
    assert "Name: Another name → Kensington and Chelsea Primary Care Trust" in report
    assert len(await announced(register)) == before, "nothing was done"
    await desk.apply(href)
    await desk.work()
    assert "The register has changed since" not in await desk.text(href)
    [row] = await rows(register, "SELECT name, closeness FROM organisations")
    assert row == {"name": TRUST["name"], "closeness": "strategic"}


async def test_a_change_elsewhere_is_none_of_the_file(desk: Desk, bring: Bring, register: Database) -> None:
    await bring(line(TRUST))
    href = await desk.read(partners_csv(line(TRUST, closeness="strategic")))
    await desk.apply(href)
    await bring(line(SUCCESSOR))
    await desk.work()
    assert await state_of(register) == ["applied"]


async def test_somebody_who_was_forgotten_meanwhile_does_not_come_back(
    desk: Desk, register: Database
) -> None:
    href = await desk.read(partners_csv(line(TRUST, OFFICER)))
    await desk.apply(href)
    async with register.transaction() as tx:
        digest = address_digest(tx, OFFICER["contact_email"])
        await RIGHTS.note_erased_address(tx, digest=digest, now=tx.now)
    await desk.work()
    assert "has asked to be forgotten" in await desk.text(href)
    assert await rows(register, "SELECT 1 FROM contacts") == []


async def test_a_file_may_say_again_who_has_the_address_of_somebody_forgotten(
    desk: Desk, bring: Bring, register: Database
) -> None:
    await bring(line(TRUST, OFFICER))
    async with register.transaction() as tx:
        await forget(tx, Subject(emails=(OFFICER["contact_email"],)))
    another = {**OFFICER, "contact_name": "Somebody Else"}
    href = await desk.read(partners_csv(line(TRUST, OFFICER), line(TRUST, another)))
    assert (await desk.text(href)).count("has asked to be forgotten") == 1


async def test_a_file_with_somebody_who_is_forgotten_goes(desk: Desk, register: Database) -> None:
    href = await desk.read(partners_csv(line(TRUST, OFFICER)))
    await desk.read(partners_csv(line(SUCCESSOR)))
    async with register.transaction() as tx:
        await forget(tx, Subject(emails=(OFFICER["contact_email"].upper(),)))
    assert (await desk.browser.get(href)).status_code == 404
    assert len(await rows(register, "SELECT 1 FROM files")) == 1
    assert await rows(register, "SELECT 1 FROM import_lines WHERE contact_name IS NOT NULL") == []


async def test_what_is_not_in_the_file_is_listed_and_stays(
    desk: Desk, bring: Bring, register: Database
) -> None:
    await bring(line(TRUST, OFFICER), line(SUCCESSOR), line(TRUST, OFFICER, contact_role="chief_executive"))
    href = await desk.read(partners_csv(line(TRUST, OFFICER)))
    assert "1 organisation and 1 contact . Nothing changes there" in await desk.text(href)
    missing = await desk.text(f"{href}/missing")
    assert SUCCESSOR["name"] in missing
    assert TRUST["name"] not in missing
    assert "Chief executive" in await desk.text(f"{href}/missing?show=contacts")
    assert "There is nothing to do" in await desk.text(href)
    assert await rows(register, "SELECT 1 FROM contacts WHERE withdrawn_on IS NOT NULL") == []


async def test_of_another_register_only_its_own_are_missed(desk: Desk, bring: Bring) -> None:
    await bring(line(SUCCESSOR), line(TRUST, identifier="CONDUIT-library"))
    href = await desk.read(nhs_csv(NHS_LINE), **FOREIGN)
    missing = await desk.text(f"{href}/missing")
    assert "GB-NHS-08Y" in missing
    assert "CONDUIT-library" not in missing


async def test_a_cancelled_file_leaves_nothing(desk: Desk, register: Database) -> None:
    href = await desk.read(partners_csv(line(TRUST, OFFICER)))
    page = await desk.browser.get(href)
    key = re.findall(r'name="key" value="([^"]+-cancel)"', page.text)[0]
    assert (await desk.browser.post(f"{href}/cancel", data={"key": key})).status_code == 303
    assert await state_of(register) == ["cancelled"]
    for table in ("import_lines", "import_fates", "import_organisations", "organisations"):
        assert await rows(register, f"SELECT 1 FROM {table}") == []
    key = key_in(await desk.browser.get(LIST)) + "-cancel"
    assert (await desk.browser.post(f"{href}/cancel", data={"key": key})).status_code == 409


async def test_a_file_that_is_cancelled_while_it_is_taken_in_is_undone(
    desk: Desk, register: Database
) -> None:
    href = await desk.read(partners_csv(line(TRUST, OFFICER)))
    await desk.apply(href)
    id = UUID(href.rpartition("/")[2])
    async with register.transaction() as held:
        await QUERIES.lock_register(held)
        working = asyncio.create_task(IMPORTING.turn(register))
        async with asyncio.timeout(20):
            while not await rows(register, "SELECT 1 FROM imports WHERE attempts = 1"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        async with register.transaction() as tx:
            await IMPORTING.cancel(tx, id)
    await working
    assert await state_of(register) == ["cancelled"]
    assert await rows(register, "SELECT 1 FROM organisations") == []
    assert await announced(register) == []


async def test_one_replica_works_at_a_time_and_another_goes_on(desk: Desk, register: Database) -> None:
    href = await desk.open(partners_csv(line(TRUST, OFFICER)))
    await desk.say(href)
    await asyncio.gather(*(IMPORTING.turn(register) for _ in range(4)))
    await desk.work()
    assert await state_of(register) == ["ready"]
    assert len(await rows(register, "SELECT 1 FROM import_fates")) == 2
    await desk.apply(href)
    await asyncio.gather(*(IMPORTING.turn(register) for _ in range(4)))
    await desk.work()
    assert len(await announced(register)) == 2


async def test_a_file_that_is_never_finished_is_given_up(desk: Desk, register: Database) -> None:
    href = await desk.open(partners_csv(line(TRUST)))
    await desk.say(href)
    async with register.transaction() as tx:
        await tx.execute("UPDATE imports SET attempts = 3")
    await desk.work()
    assert await state_of(register) == ["failed"]
    assert "This file could not be read" in await desk.text(href)


async def test_after_a_day_files_are_gone(desk: Desk, register: Database) -> None:
    href = await desk.read(partners_csv(line(TRUST, OFFICER)))
    register.context.clock.advance(timedelta(hours=23))
    await desk.work()
    assert await state_of(register) == ["ready"]
    register.context.clock.advance(timedelta(hours=2))
    await desk.work()
    for table in ("imports", "import_lines", "import_fates", "files", "file_parts"):
        assert await rows(register, f"SELECT 1 FROM {table}") == [], table
    assert (await desk.browser.get(href)).status_code == 404


async def test_the_report_has_pages_with_as_many_statements_however_long(desk: Desk) -> None:
    content = partners_csv(*(line(TRUST, identifier=f"CONDUIT-{number}") for number in range(120)))
    href = await desk.read(content)
    seen, address = [], href
    while address:
        page = await desk.browser.get(address)
        seen += re.findall(r'data-label="Line" class="number">(\d+)<', page.text)
        found = re.search(r'rel="next" href="([^"]+)"', page.text)
        address = html.unescape(found[1]) if found else ""
    assert seen == [str(number) for number in range(2, 122)]
    assert (await desk.browser.get(f"{href}?after=x")).status_code == 400


def workbook() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return made.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("list.xlsx", workbook(), "save it as CSV"),
        ("list.csv", workbook(), "save it as CSV"),
        ("list.xlsx", b"identifier,name\n", "save it as CSV"),
        ("list.pdf", b"%PDF-1.7", "This is a PDF, not a CSV file."),
        ("list.csv", b"", "The file is empty."),
        ("list.txt", b"identifier\n", "Choose one of these: CSV, JSON."),
        ("list.csv", b"<!doctype html>", "This is a web page or XML"),
    ],
)
async def test_what_is_no_table_is_called_by_its_name(
    desk: Desk, register: Database, name: str, content: bytes, words: str
) -> None:
    answer = await desk.choose_file(content, name)
    assert answer.status_code == 422
    assert words in text_of(answer).replace("This file is empty", "The file is empty")
    assert await rows(register, "SELECT 1 FROM files") == []


async def test_no_file_at_all(desk: Desk) -> None:
    answer = await desk.choose_file(b"", "")
    assert answer.status_code in (400, 422)


HOSTILE: list[Mapping[str, str]] = [
    {"name": "O'Brien’s “Café” <script>alert(1)</script>"},
    {"name": "منتدى المهاجرين واللاجئين"},
    {"name": "Hội người Việt tại Luân Đôn"},
]


@pytest.mark.parametrize("cells", HOSTILE)
async def test_hostile_names_are_text(desk: Desk, register: Database, cells: Mapping[str, str]) -> None:
    href = await desk.read(partners_csv(line(TRUST, **cells)))
    page = await desk.browser.get(href)
    assert html.escape(cells["name"], quote=False) in page.text.replace("&#39;", "'").replace("&#34;", '"')
    assert "<script>alert" not in page.text
    await desk.apply(href)
    await desk.work()
    assert await rows(register, "SELECT name FROM organisations") == [{"name": cells["name"]}]


@pytest.mark.parametrize("name", ["Forum\u202egnol", "x" * 300, "=HYPERLINK(1)", "a\x07b"])
async def test_names_that_could_do_harm_are_refused_with_their_line(desk: Desk, name: str) -> None:
    href = await desk.read(partners_csv(line(TRUST), line(SUCCESSOR, name=name)))
    assert re.search(r"refused", await desk.text(href))
    page = await desk.browser.get(f"{href}?fate=refused")
    assert 'data-label="Line" class="number">3<' in page.text
    assert "\u202e" not in page.text


async def test_what_cannot_be_decoded_is_named_with_its_line(desk: Desk) -> None:
    content = partners_csv(line(TRUST, name="Željka"), line(SUCCESSOR)).replace(
        b"West London", b"West \xff\xfe"
    )
    href = await desk.read(content)
    page = await desk.browser.get(f"{href}?fate=refused")
    assert 'data-label="Line" class="number">3<' in page.text
    assert "cannot be decoded" in text_of(page)


async def test_others_see_no_file(app: ASGIApp, desk: Desk) -> None:
    href = await desk.open(partners_csv(line(TRUST)))
    unknown = f"{LIST}/0197c1e9-0100-7a11-8a6f-3a1f6f3d2b10"
    answers = [await desk.browser.get(address) for address in (unknown, f"{LIST}/x", f"{unknown}/missing")]
    assert {answer.status_code for answer in answers} == {404}
    async with client(app, MOUNT, None) as stranger:
        assert (await stranger.get(href)).status_code == 303
