"""Post: what is printed, in which window it shows, and what becomes of it until it is posted or returned."""

import asyncio
import io
import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from pypdf import PdfReader
from zxingcpp import read_barcodes

from chassis import failpoints
from chassis.clock import LOCAL
from chassis.database import Database
from chassis.errors import Conflict, Refused
from chassis.failpoints import FailPoint
from chassis.files import file_content
from chassis.retention import scrub_old
from chassis.rights import Subject
from chassis.testing import RecordingMailServer
from contracts.notifications import ContactCleared, ContactSuspected, LetterBounced, LetterSent
from services.installation import Installation
from services.messages import opened
from services.notifications import held, printing, web
from services.notifications.answers import Answer, Told, Way, record_answer
from services.notifications.chasing import chase_bodies, waiting_of
from services.notifications.domain import AnswerKind, BodyStatus, ByPost, StopScope, day_words, late_on
from services.notifications.figures import figures
from services.notifications.letters import lock_letter, send_again, token_of
from services.notifications.patience import waits_from
from services.notifications.posting import (
    Ordered,
    changes_in,
    confirm_posted,
    correct_day,
    drop_batch,
    order_batch,
    read_numbers,
    returned_letter,
)
from services.notifications.printing import Printer
from services.notifications.queries import POSTING, QUERIES, RESTORED
from services.notifications.restored import hold_begun
from services.notifications.sending import Sender
from services.notifications.stages import pause_campaign, resume_campaign, send_campaign
from services.notifications.stops import stop
from services.notifications.suspecting import suspect_silent
from tests.access import form_key
from tests.conftest import announced, client, move_to
from tests.notifications.composing import OTHER
from tests.notifications.conftest import (
    READER,
    WRITER,
    SendAll,
    approved,
    contact,
    contact_of,
    drafted,
    example_plan,
    hear,
    letters,
    organisation,
    released,
    rows,
    trust_of,
    withdrawn,
)

KENSINGTON, WESTMINSTER, BROMLEY = "E09000020", "E09000033", "E09000007"
DENTISTS = ("dental_care",)

#: Names as they stand in an address, each in a script that a font must have.
NAMES = {
    "Arabic": "فاطمة الزهراء",
    "Vietnamese": "Nguyễn Thị Đặng",
    "Tigrinya": "ሰላማዊት ገብረመድህን",
    "Chinese": "陳大文",
}


@pytest.fixture(autouse=True)
def disarmed() -> Any:
    yield
    failpoints.arm("")


def at_noon(database: Database, day: date) -> None:
    move_to(database, datetime.combine(day, time(12), LOCAL))


def by_post(**changes: Any) -> Any:
    """The Forum's campaign to one person at each trust, by post."""
    return example_plan(**{"by_post": ByPost.ALL, "roles": DENTISTS, **changes})


@pytest.fixture
async def waiting(book: Database, mail: RecordingMailServer) -> UUID:
    """A campaign of which three letters wait for the post, on a Monday."""
    at_noon(book, date(2027, 1, 11))
    return await released(book, by_post())


async def ordered(book: Database, campaign: UUID | None = None, *, duplex: bool = False) -> Ordered:
    async with book.transaction() as tx:
        return await order_batch(tx, campaign, duplex=duplex, by=WRITER)


async def printed(book: Database, *, duplex: bool = False) -> UUID:
    """A batch with its file."""
    batch = (await ordered(book, duplex=duplex)).batch_id
    assert batch
    assert await Printer(book).turn()
    return batch


async def post(book: Database, batch: UUID, day: date | None = None, **what: Any) -> int:
    async with book.transaction() as tx:
        return await confirm_posted(tx, batch, day or tx.today, by=READER, **what)


async def batch_of(book: Database, batch: UUID) -> dict[str, Any]:
    [found] = await rows(book, "SELECT * FROM post_batches WHERE id = $1", batch)
    return found


async def file_of(book: Database, batch: UUID) -> bytes:
    async with book.reading() as tx:
        return await file_content(tx, (await batch_of(book, batch))["file_id"])


async def items(book: Database, batch: UUID) -> list[tuple[int, str]]:
    found = await rows(
        book, "SELECT number, state FROM post_items WHERE batch_id = $1 ORDER BY number", batch
    )
    return [(row["number"], row["state"]) for row in found]


async def letter_to(book: Database, area: str, role: str = "dental_care") -> dict[str, Any]:
    [found] = [each for each in await letters(book) if each["contact_id"] == contact_of(area, role)]
    return found


async def telephones(book: Database, letter: UUID, kind: AnswerKind = AnswerKind.DECLINE) -> None:
    async with book.transaction() as tx:
        told = Told(way=Way.TELEPHONE, on=tx.today, by=WRITER)
        await record_answer(tx, letter, Answer(kind=kind), told=told)


# The file

#: The box of a word begins so much above its capitals, in mm.
ABOVE = 0.9
MM = 72 / 25.4
#: What shows in the window of a DL envelope however the sheet slides in it, in mm from its top left: the
#: window is 35 × 90 mm, 20 mm from the left and 18 mm from the bottom of 110 × 220 mm; the sheet is folded to
#: 99 × 210 mm.
LEFT, TOP, RIGHT, BOTTOM = 20, 110 - 18 - 35, 20 + 90 - (220 - 210), 110 - 18 - (110 - 99)


def _said(pdf: bytes) -> str:
    read = ["pdftotext", "-", "-"]
    return subprocess.run(read, input=pdf, capture_output=True, check=True, timeout=60).stdout.decode()


def _words(pdf: Path) -> list[list[tuple[Any, ...]]]:
    """The words of each page with their boxes in mm."""
    text = subprocess.run(
        ["pdftotext", "-bbox", pdf, "-"], capture_output=True, check=True, timeout=60
    ).stdout
    spaces = {"x": "http://www.w3.org/1999/xhtml"}
    pages = ET.fromstring(re.sub(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]", b"", text)).iterfind(".//x:page", spaces)  # noqa: S314 - poppler's own
    sides = ("xMin", "yMin", "xMax", "yMax")
    return [
        [
            (word.text or "", *(float(word.attrib[side]) / MM for side in sides))
            for word in page.iterfind("x:word", spaces)
        ]
        for page in pages
    ]


def _picture(pdf: Path, page: int, dpi: int = 300) -> tuple[bytes, int, int]:
    """A page in grey: its dots, how many to a line, and how many lines."""
    command = ["pdftoppm", "-gray", "-r", str(dpi), "-f", str(page), "-l", str(page), str(pdf)]
    made = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    head = re.match(rb"P5\s(\d+)\s(\d+)\s255\s", made)
    assert head
    return made[head.end() :], int(head[1]), int(head[2])


def _qr_on(pdf: Path, page: int) -> list[str]:
    """What the QR codes of a page say, read as a telephone reads them."""
    dots, wide, high = _picture(pdf, page)
    return [found.text for found in read_barcodes(memoryview(dots).cast("B", (high, wide)))]


def _folds(pdf: Path, page: int) -> list[float]:
    """Where on a page there are marks at its left edge, in mm from the top."""
    dots, wide, high = _picture(pdf, page)
    scale = wide / 210
    column = dots[int(7 * scale) :: wide][:high]
    marked = [y / scale for y, dot in enumerate(column) if dot < 230]
    apart = [y for y, before in zip(marked, [-9.0, *marked], strict=False) if y - before > 1]
    return [round(y * 2) / 2 for y in apart]


async def test_one_file_has_every_letter_behind_a_cover_sheet(book: Database, tmp_path: Path) -> None:
    """Names in any script, addresses in the window, a count of pages, the code that leads to one's page."""
    long = {"name": "Ẹ" + "ü" * 199, "postal_address": ["A very long line of an address, " * 3] * 3}
    for number, (script, name) in enumerate(NAMES.items()):
        trust = uuid4()
        lines = [f"{number} {script} Road", "London"]
        await hear(
            book,
            organisation(trust, f"{name} Trust", [BROMLEY]),
            contact(book, uuid4(), trust, role="dental_care", name=name, postal_address=lines),
        )
    await hear(
        book,
        contact(book, contact_of(BROMLEY, "dental_care"), trust_of(BROMLEY), 2, role="dental_care", **long),
    )
    first, _, rest = example_plan().body.partition("\n\n")
    longer = "\n\n".join([first, "All of this is to be read. " * 120, rest])
    await released(book, by_post(body=longer))
    batch = await printed(book, duplex=True)
    path = tmp_path / "batch.pdf"
    path.write_bytes(await file_of(book, batch))
    found = await batch_of(book, batch)
    places = await rows(
        book,
        "SELECT i.*, l.frozen FROM post_items i JOIN letters l ON l.id = i.letter_id ORDER BY i.number",
    )
    assert [row["pages"] for row in places] == [2] * 7
    assert [row["first_page"] for row in places] == [3, 5, 7, 9, 11, 13, 15]
    pages = _words(path)
    assert len(pages) == found["pages"] == 16
    cover = " ".join(word for word, *_ in pages[0])
    for said in (
        "Post batch 1",
        "7 letters",
        "7 sheets of A4",
        "both sides",
        "DL window envelope",
        "Trust E09000020",
    ):
        assert said in cover, said
    assert pages[1] == []
    reader = PdfReader(io.BytesIO(path.read_bytes()), strict=True)
    root: Any = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert b"<pdfuaid:part>1</pdfuaid:part>" in root["/Metadata"].get_data()
    for row in places:
        words = pages[row["first_page"] - 1]
        inside = [
            word
            for word, x, y, right, below in words
            if x >= LEFT and y >= TOP - ABOVE and right <= RIGHT and below <= BOTTOM
        ]
        assert _folds(path, row["first_page"]) == [99, 148.5, 198], row["number"]
        partly = [word for word, x, y, *_ in words if x < RIGHT and 46 < y < 92 and word not in inside]
        assert partly == [], row["number"]
        wanted = row["says"]["recipient_address"]
        assert "".join(inside).replace(",", "").endswith("".join(wanted).replace(" ", "").replace(",", ""))
        for number in (1, 2):
            shown = " ".join(word for word, *_ in pages[row["first_page"] - 2 + number])
            assert f"Page {number} of 2" in shown
        on = next(
            n for n in (0, 1) if any("/letters/r/" in word for word, *_ in pages[row["first_page"] - 1 + n])
        )
        url = row["frozen"]["origin"] + "/letters/r/" + token_of(book.context, row["letter_id"])
        assert _qr_on(path, row["first_page"] + on) == [url]


async def test_letters_over_which_their_maker_ends_wait_to_be_printed_again(
    book: Database, waiting: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory may have run out. A batch of which nothing is left is over, and asks for no day."""
    monkeypatch.setattr(printing, "set_values", _ends)
    batch = (await ordered(book)).batch_id
    assert batch
    assert await Printer(book).turn()
    async with book.reading() as tx:
        over = await POSTING.batch(tx, id=batch)
    assert (over["state"], over["letters"], over["spoiled"]) == ("dropped", 3, 3)
    assert {letter["state"] for letter in await letters(book)} == {"ready"}
    monkeypatch.undo()
    assert (await printed(book)) != batch


def _ends(_content: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def test_what_is_printed_is_what_was_checked(
    book: Database, waiting: UUID, mail: RecordingMailServer, send_due: SendAll
) -> None:
    """E-mail takes nothing of it; stops and answers are seen when it is made, and new addresses."""
    await send_due()
    assert mail.messages == []
    by_phone, stopped = await letter_to(book, BROMLEY), await letter_to(book, WESTMINSTER)
    await telephones(book, by_phone["id"])
    new = ["5 New Road", "Leeds"]
    at, who = trust_of(KENSINGTON), contact_of(KENSINGTON, "dental_care")
    await hear(book, contact(book, who, at, 2, role="dental_care", postal_address=new))
    async with book.transaction() as tx:
        await stop(tx, await lock_letter(tx, stopped["id"]), StopScope.BODY, way="post", who="staff")
        await tx.execute("UPDATE letters SET state = 'ready', reason = NULL WHERE id = $1", stopped["id"])
    both = await asyncio.gather(ordered(book, waiting), ordered(book, waiting), return_exceptions=True)
    [made], [refused] = (
        [each for each in both if isinstance(each, Ordered)],
        [each for each in both if not isinstance(each, Ordered)],
    )
    assert (made.letters, made.aside) == (1, 2)
    assert isinstance(refused, Conflict)
    states = {each["id"]: (each["state"], each["reason"]) for each in await letters(book)}
    assert states[by_phone["id"]] == ("blocked", "answered")
    assert states[stopped["id"]] == ("blocked", "stopped")
    going = await letter_to(book, KENSINGTON)
    assert going["state"] == "printed"
    assert going["frozen"]["recipient_address"] == [*new, "W10 1AA"]
    assert made.batch_id
    with pytest.raises(Conflict):
        await post(book, made.batch_id)  # its file is not there yet
    assert await Printer(book).turn()
    assert not await Printer(book).turn()
    with pytest.raises(Conflict):
        await ordered(book)


async def test_nobody_without_an_address_and_no_closed_body(book: Database) -> None:
    closed = uuid4()
    await hear(
        book,
        organisation(closed, "Closed later", [BROMLEY]),
        contact(book, uuid4(), closed, role="dental_care", channel="post", email=None),
        contact(
            book,
            uuid4(),
            trust_of(BROMLEY),
            role="chief_executive",
            channel="post",
            postal_address=[],
            postcode="",
        ),
        contact(book, uuid4(), trust_of(BROMLEY), role="dental_care", email=None),
    )
    campaign = await approved(
        book, by_post(by_post=ByPost.NO_EMAIL, roles=("dental_care", "chief_executive"))
    )
    made = sorted((each["channel"], each["state"], each["reason"] or "") for each in await letters(book))
    assert made == [("email", "draft", "")] * 6 + [
        ("post", "blocked", "no_postal_address"),
        ("post", "draft", ""),
        ("post", "draft", ""),
    ]
    async with book.transaction() as tx:
        await send_campaign(tx, campaign)
    await hear(book, organisation(closed, "Closed later", [BROMLEY], 2, closed_on=date(2012, 1, 1)))
    made_batch = await ordered(book)
    assert made_batch.letters == 1
    assert ("blocked", "body_closed") in {(each["state"], each["reason"]) for each in await letters(book)}
    async with book.transaction() as tx:
        await pause_campaign(tx, campaign)
        assert made_batch.batch_id
        await drop_batch(tx, made_batch.batch_id, by=WRITER)
    with pytest.raises(Conflict):
        await ordered(book)


# What became of it


async def test_the_clock_begins_two_working_days_after_posting(
    book: Database, waiting: UUID, send_due: SendAll
) -> None:
    batch = await printed(book)
    with pytest.raises(Refused, match="not come yet"):
        await post(book, batch, date(2027, 1, 12))
    with pytest.raises(Refused, match="after this day"):
        await post(book, batch, date(2027, 1, 10))
    at_noon(book, date(2027, 1, 14))
    both = await asyncio.gather(post(book, batch), post(book, batch), return_exceptions=True)
    assert sorted(map(str, both))[0] == "3"
    assert [type(each) for each in both if each != 3] == [Conflict]
    sent = [each for each in await announced(book) if each.fact is LetterSent]
    assert len(sent) == 3
    assert {each.data["sent_at"].astimezone(LOCAL).date() for each in sent} == {date(2027, 1, 14)}
    letter = await letter_to(book, KENSINGTON)
    assert letter["waits_since"].astimezone(LOCAL).date() == date(2027, 1, 18)
    await send_due()
    [campaign] = await rows(book, "SELECT state FROM campaigns WHERE id = $1", waiting)
    assert campaign["state"] == "sent"
    async with book.reading() as tx:
        assert (await waiting_of(tx, letter["id"])).since == date(2027, 1, 18)
        assert (await figures(tx, waiting)).asked == 3
    at_noon(book, late_on(date(2027, 1, 18)))
    async with book.transaction() as tx:  # whom we do not mail, we do not mail chasers
        assert (await chase_bodies(tx, [(waiting, trust_of(KENSINGTON))])).chasers == 1
    await send_due()
    chaser = await printed(book)
    assert b"%PDF" in await file_of(book, chaser)
    printed_on = book.context.clock.today()
    at_noon(book, printed_on + timedelta(days=3))
    assert await post(book, chaser) == 1
    [row] = await rows(book, "SELECT id, channel, state FROM chasers")
    assert (row["channel"], row["state"]) == ("post", "sent")
    async with client(web.build(book), "/letters") as browser:
        pdf = (await browser.get(f"/letters/chasers/{row['id']}/pdf")).content
    said = _said(pdf)
    assert day_words(printed_on) in said
    assert day_words(book.context.clock.today()) not in said
    assert (await letter_to(book, KENSINGTON))["waits_since"] == letter["waits_since"]
    returned, page = f"/letters/chasers/{row['id']}/returned", f"/letters/letters/{letter['id']}"
    async with client(web.build(book), "/letters") as browser:
        for _ in range(2):
            pressed = await browser.post(returned, data={"key": form_key()})
            assert pressed.headers["location"] == f"{page}?done=chaser_returned"
    async with client(web.build(book), "/letters", OTHER) as colleague:
        late = await colleague.post(returned, data={"key": form_key()})
    assert (late.status_code, "It was marked as come back by a member of staff, " in late.text) == (409, True)
    assert f'<a class="button" href="{page}">See it as it is now</a>' in late.text


async def test_a_wrong_day_is_put_right_with_a_reason_until_something_has_happened(
    book: Database, waiting: UUID
) -> None:
    batch = await printed(book)
    at_noon(book, date(2027, 1, 14))
    await post(book, batch)
    letter = await letter_to(book, KENSINGTON)
    async with AsyncExitStack() as stack:
        browser: httpx.AsyncClient = await stack.enter_async_context(client(web.build(book), "/letters"))
        here = f"/letters/post/{batch}"
        at_noon(book, date(2027, 1, 15))
        form = {"key": _key((await browser.get(here)).text), "posted_on": "2027-01-13", "because": "A slip."}
        for wrong, what in (
            ({"because": ""}, "There is no reason yet."),
            ({"posted_on": "2027-01-16"}, "This day has not come yet."),
            ({"posted_on": "2027-01-14"}, "This day stands there already."),
        ):
            refused = await browser.post(f"{here}/day", data=form | wrong)
            assert (refused.status_code, what in refused.text) == (422, True)
        done = await browser.post(f"{here}/day", data=form)
        assert done.headers["location"] == f"{here}?done=corrected"
        assert "13 January 2027" in (await browser.get(here)).text
        moved = await letter_to(book, KENSINGTON)
        assert moved["waits_since"] == waits_from(date(2027, 1, 13)) < letter["waits_since"]
        assert "A slip." in (await browser.get(f"/letters/letters/{letter['id']}")).text
        told = [event for event in await announced(book) if event.fact is LetterSent]
        assert sorted({event.data["sent_at"].astimezone(LOCAL).day for event in told}) == [13, 14]
        at_noon(book, date(2027, 1, 18))
        async with book.transaction() as tx:
            await record_answer(tx, letter["id"], Answer(kind=AnswerKind.ACKNOWLEDGE))
        assert "Put the day right" not in (await browser.get(here)).text
        late = await browser.post(f"{here}/day", data=form | {"key": form_key(), "posted_on": "2027-01-12"})
        assert (late.status_code, "Something has happened" in late.text) == (409, True)


@pytest.mark.parametrize("asked", [True, False], ids=["erasure", "retention"])
async def test_why_a_day_was_put_right_goes_with_whom_the_letter_was_for_and_what_was_done_stays(
    book: Database, waiting: UUID, asked: bool
) -> None:
    batch = await printed(book)
    at_noon(book, date(2027, 1, 15))
    await post(book, batch, date(2027, 1, 14))
    async with book.transaction() as tx:
        await correct_day(tx, batch, date(2027, 1, 13), because="Ana Óga was ill.", by=WRITER)
    letter = await letter_to(book, KENSINGTON)
    done = ("Put right: posted on 13 January 2027", "Ana Óga was ill.")
    assert (await newest_line(book, letter["id"])) == done
    if asked:
        async with book.transaction() as tx:
            await held.forget(tx, Subject(ids=[letter["contact_id"]]))
    else:
        move_to(book, book.context.clock.now() + timedelta(days=365 * 7))
        await scrub_old(book, held.TERMS)
    assert (await newest_line(book, letter["id"])) == (done[0], "")


async def test_reasons_that_stood_behind_what_was_done_are_parted_from_it(
    book: Database, waiting: UUID
) -> None:
    batch = await printed(book)
    at_noon(book, date(2027, 1, 15))
    await post(book, batch, date(2027, 1, 14))
    one, other = await letter_to(book, KENSINGTON), await letter_to(book, WESTMINSTER)
    migration = import_module("services.notifications.migrations.0028_reasons")
    update = migration.STATEMENTS[migration.STATEMENTS.index("UPDATE letter_history") :]
    async with book.transaction() as tx:
        await tx.execute(
            "INSERT INTO letter_history (letter_id, at, what, who) SELECT id, now(), "
            "'Put right: posted on 13 January 2027. Why: A slip. Why: none.', 'we' FROM letters"
        )
        await tx.execute("UPDATE letters SET scrubbed_at = now() WHERE id = $1", other["id"])
        await tx.execute(update)
    done = "Put right: posted on 13 January 2027"
    assert await newest_line(book, one["id"]) == (done, "A slip. Why: none.")
    assert await newest_line(book, other["id"]) == (done, "")


async def newest_line(book: Database, letter_id: UUID) -> tuple[str, str]:
    asked = "SELECT what, because FROM letter_history WHERE letter_id = $1 ORDER BY id DESC LIMIT 1"
    [line] = await rows(book, asked, letter_id)
    return line["what"], line["because"]


@pytest.mark.parametrize(
    ("posted", "there"),
    [
        (date(2026, 3, 27), date(2026, 3, 31)),  # the clocks go forward on 29 March
        (date(2026, 10, 23), date(2026, 10, 27)),  # and back on 25 October
        (date(2026, 12, 24), date(2026, 12, 30)),  # Christmas, Boxing Day (Monday)
        (date(2026, 4, 2), date(2026, 4, 8)),  # Easter
        (date(2026, 8, 29), date(2026, 9, 2)),  # a Saturday before a bank holiday
    ],
)
def test_two_working_days_whatever_the_clocks_do(posted: date, there: date) -> None:
    assert waits_from(posted) == datetime.combine(there, time(12), LOCAL)


async def test_where_nothing_waits_the_page_says_so_once(book: Database) -> None:
    async with client(web.build(book), "/letters") as browser:
        page = (await browser.get("/letters/post")).text
    assert "Nothing waits to be printed" in page
    assert "0 letters wait" not in page


async def test_what_changes_between_printing_and_posting_is_taken_out(book: Database, waiting: UUID) -> None:
    batch = await printed(book)
    order = [row["letter_id"] for row in await rows(book, "SELECT letter_id FROM post_items ORDER BY number")]
    by_number = dict(enumerate(order, 1))
    areas = {(await letter_to(book, area))["id"]: area for area in (KENSINGTON, WESTMINSTER, BROMLEY)}
    await telephones(book, by_number[1])
    at = areas[by_number[2]]
    new = contact(
        book, contact_of(at, "dental_care"), trust_of(at), 2, role="dental_care", name="Zuzana Marková"
    )
    await hear(book, new)
    async with book.reading() as tx:
        assert [change.number for change in await changes_in(tx, batch)] == [1]
    moved = contact(
        book,
        contact_of(at, "dental_care"),
        trust_of(at),
        3,
        role="dental_care",
        postal_address=["Elsewhere"],
    )
    await hear(book, moved)
    async with client(web.build(book), "/letters") as browser:
        page = (await browser.get(f"/letters/post/{batch}")).text
        assert "Do not post nos. 1, 2" in page
        assert "They have answered already." in page
        form = {"key": _key(page), "posted_on": "2027-01-11", "spoiled": "9", "out": ["1", "2"]}
        refused = await browser.post(f"/letters/post/{batch}/posted", data=form)
        assert refused.status_code == 422
        assert "is no number of this batch" in refused.text
        done = await browser.post(f"/letters/post/{batch}/posted", data=form | {"spoiled": "3", "out": "1"})
        assert done.status_code == 303
        assert "Noted as posted." in (await browser.get(done.headers["location"])).text
        for where in ("/letters/post", f"/letters/campaigns/{waiting}"):
            listed = (await browser.get(where)).text.partition(f"/letters/post/{batch}")[2]
            found = re.search(r'<td data-label="Letters" class="number">(\d+)<|(\d+) letters?, <time', listed)
            assert found is not None
            assert "1" in found.groups(), "what was left out is not in the post"
    assert await items(book, batch) == [(1, "withheld"), (2, "posted"), (3, "spoiled")]
    states = {each["id"]: (each["state"], each["reason"]) for each in await letters(book)}
    assert states == {
        by_number[1]: ("blocked", "answered"),
        by_number[2]: ("sent", None),
        by_number[3]: ("ready", None),
    }
    again = await printed(book)
    assert await items(book, again) == [(1, "printed")]
    await hear(
        book, withdrawn(contact_of(areas[by_number[3]], "dental_care"), trust_of(areas[by_number[3]]), 9)
    )
    async with book.transaction() as tx:
        await drop_batch(tx, again, by=WRITER)
    assert await items(book, again) == [(1, "withheld")]
    with pytest.raises(Conflict):
        await post(book, again)


def test_numbers_are_read_as_people_write_them() -> None:
    assert read_numbers("3, 17-19; 5 and 7", 20) == {3, 5, 7, 17, 18, 19}
    assert read_numbers(" \n ", 20) == set()
    for text in ("0", "21", "19-17", "3-999999", "x", "1,,é", "٣"):
        with pytest.raises(Refused):
            read_numbers(text, 20)


async def test_what_comes_back_is_not_silence(book: Database, waiting: UUID) -> None:
    await post(book, await printed(book))
    letter = await letter_to(book, BROMLEY)
    async with client(web.build(book), "/letters") as browser:
        page = (await browser.get(f"/letters/letters/{letter['id']}")).text
        assert "It came back by post" in page
        address = f"/letters/letters/{letter['id']}/returned"
        done = await browser.post(address, data={"key": _key(page)})
        assert "Noted: it came back." in (await browser.get(done.headers["location"])).text
    assert (await letter_to(book, BROMLEY))["delivery"] == "returned"
    assert [each.data["permanent"] for each in await announced(book) if each.fact is LetterBounced] == [True]
    at_noon(book, date(2027, 6, 1))
    async with book.transaction() as tx:
        found = await figures(tx, waiting)
        with pytest.raises(Conflict):
            await returned_letter(tx, letter["id"])
    assert (found.bodies(BodyStatus.PROBLEM), found.apart["returned"]) == (1, 1)
    assert found.never_acknowledged == 2


async def test_an_address_from_which_post_came_back_is_suspect_until_it_is_put_right(
    book: Database, waiting: UUID
) -> None:
    """Staff are led to somebody else there, whose letter waits to be printed as the others did."""
    await post(book, await printed(book))
    letter = await letter_to(book, BROMLEY)
    who, trust, other = letter["contact_id"], trust_of(BROMLEY), contact_of(BROMLEY, "chief_executive")
    async with book.transaction() as tx:
        await returned_letter(tx, letter["id"])
    [suspected] = [each.data for each in await announced(book) if each.fact is ContactSuspected]
    assert (suspected["contact_id"], suspected["channel"]) == (who, "post")
    draft = await drafted(book, by_post())
    async with client(web.build(book), "/letters") as browser:
        check = await browser.get(f"/letters/campaigns/{draft}/check")
        assert "1 letter</a> goes to an address that may be dead" in check.text
        listed = (await browser.get("/letters/suspects")).text
        assert "Our letter came back by post" in listed
        assert "1 Trust Road, London, W10 1AA" in listed
        page = (await browser.get(f"/letters/letters/{letter['id']}")).text
        assert "write to somebody else at <bdi>Trust E09000007</bdi>" in page
        form = {"key": _key(page), "campaign_id": str(waiting), "contact_id": str(other)}
        done = await browser.post("/letters/chasing/other", data=form)
        assert done.status_code == 303, done.text
        assert "waits to be printed." in (await browser.get(done.headers["location"])).text
    assert (await letter_to(book, BROMLEY, "chief_executive"))["channel"] == "post"
    again = await printed(book)
    assert await items(book, again) == [(1, "printed")]
    await hear(book, contact(book, who, trust, 2, role="dental_care", postal_address=["2 Another Street"]))
    for _ in range(2):
        async with book.transaction() as tx:
            assert await suspect_silent(tx) == 0
    assert len([each for each in await announced(book) if each.fact is ContactCleared]) == 1


async def test_a_campaign_by_post_comes_to_its_end_without_a_mail_server(
    book: Database, waiting: UUID
) -> None:
    """Its board and its table say what goes by post, and what worked says that it came so."""
    book.context = replace(book.context, settings=replace(book.context.settings, smtp_url=""))

    async def state() -> str:
        assert not await Sender(book).turn()
        async with book.reading() as tx:
            return str((await QUERIES.campaign(tx, id=waiting))["state"])

    batch = await printed(book)
    assert await state() == "sending"
    async with client(web.build(book), "/letters") as browser:
        board = (await browser.get(f"/letters/campaigns/{waiting}")).text
        assert board.count("1 by post, 1 to be posted") == 3
        async with book.transaction() as tx:
            await pause_campaign(tx, waiting)
        said = (await browser.get(f"/letters/post/{batch}")).text
        assert "Do not post yet: 1–3" in said
        assert "is paused. Post these once it goes on" in said
        async with book.transaction() as tx:
            await resume_campaign(tx, waiting)
        assert "is paused" not in (await browser.get(f"/letters/post/{batch}")).text
        await post(book, batch)
        assert await state() == "sent"
        table = (await browser.get(f"/letters/campaigns/{waiting}.csv")).text
        assert ",Letters,By post,Arrived," in table
        assert table.count(",1,1,1,0,") == 3
        worked = (await browser.get(f"/letters/campaigns/{waiting}/worked")).text
        assert re.search(r">Post<", worked)


async def test_what_a_restored_database_doubts_is_not_printed_until_somebody_says_so(
    book: Database, waiting: UUID
) -> None:
    async with book.transaction() as tx:
        assert await RESTORED.doubt_unsent(tx, now=tx.now) == 3
    with pytest.raises(Conflict):
        await ordered(book)
    async with book.transaction() as tx:
        assert await hold_begun(tx) == 3
        await send_again(tx, (await letter_to(book, BROMLEY))["id"])
    assert await items(book, await printed(book)) == [(1, "printed")]


# Pages


def _key(page: str) -> str:
    found = re.search(r'name="key" value="([^"]+)"', page)
    assert found
    return found[1]


async def test_from_the_campaigns_page_to_the_file_and_again(book: Database, waiting: UUID) -> None:
    async with AsyncExitStack() as stack:
        browser: httpx.AsyncClient = await stack.enter_async_context(client(web.build(book), "/letters"))
        assert "3 letters wait" in (await browser.get("/letters/")).text
        assert "3 letters wait</h2>" not in (await browser.get("/letters/post")).text
        board = (await browser.get(f"/letters/campaigns/{waiting}")).text
        assert "3 letters wait for the post" in board
        assert "Stamps: about £1.08" in board
        form = {"key": _key(board), "campaign_id": str(waiting), "sides": "both"}
        twice = [await browser.post("/letters/post", data=form) for _ in range(2)]
        assert twice[0].headers["location"] == twice[1].headers["location"]
        here = twice[0].headers["location"].partition("?")[0]
        page = (await browser.get(here)).text
        assert "0 of 3 letters set" in page
        assert f'data-live="{here}/live"' in page
        assert (await browser.get(f"{here}/pdf")).status_code == 404
        assert await Printer(book).turn()
        page = (await browser.get(here)).text
        assert "Download the file (PDF)" in page
        for name in ("post-batch-1.pdf", "post-batch-1-made-before-copy-2.pdf"):
            taken = await browser.post(f"{here}/take", data={"key": _key(page)})
            file = await browser.get(taken.headers["location"])
            assert file.content[:5] == b"%PDF-"
            assert f'filename="{name}"' in file.headers["content-disposition"]
            page = (await browser.get(here)).text
            assert "Download it again (made before)" in page
    noted = {row["action"] for row in await rows(book, "SELECT action FROM audit")}
    assert {"post_ordered", "post_file_taken"} <= noted


async def test_a_campaign_by_post_says_what_it_waits_for(
    book: Database, waiting: UUID, send_due: SendAll
) -> None:
    batch = await printed(book)
    by_mail = await released(book, example_plan(name="By e-mail"))
    async with client(web.build(book), "/letters") as browser:
        for campaign, waits in ((waiting, True), (by_mail, False)):
            board = (await browser.get(f"/letters/campaigns/{campaign}")).text
            [stands] = re.findall(r'badge state">.*?<span>([^<]+)</span>', board)
            assert stands == ("Waits for the post" if waits else "Sending now")
            assert ("sending goes on" in board) is not waits
            assert ('<a href="#post-title">printed and posted it</a>' in board) is waits
            assert ('id="post-title"' in board) is waits
        listed = (await browser.get("/letters/")).text
        assert (listed.count("Waits for the post"), listed.count("Sending now")) == (1, 1)
        await post(book, batch)
        await send_due()
        assert "Waits for the post" not in (await browser.get(f"/letters/campaigns/{waiting}")).text


async def test_what_was_confirmed_is_not_said_once_it_is_no_longer_so(
    book: Database, waiting: UUID, send_due: SendAll
) -> None:
    begun, making, made = (
        "The campaign has begun.",
        "The file is being made.",
        "The file is made. 1 set aside",
    )
    batch = (await ordered(book)).batch_id
    assert batch
    async with client(web.build(book), "/letters") as browser:

        async def flashes() -> list[str]:
            pages = [f"campaigns/{waiting}?done=sending", f"post/{batch}?done=made&aside=1"]
            answers = [(await browser.get(f"/letters/{page}")).text for page in pages]
            return [said for said in (begun, making, made) if any(said in answer for answer in answers)]

        assert await flashes() == [begun, making]
        assert await Printer(book).turn()
        assert await flashes() == [begun, made]
        await post(book, batch)
        await send_due()
        assert await flashes() == []


async def test_whoever_is_forgotten_is_in_no_file(book: Database, waiting: UUID) -> None:
    from chassis.rights import Subject
    from services.notifications.held import forget

    batch = await printed(book)
    async with book.transaction() as tx:
        subject = Subject(ids=[contact_of(BROMLEY, "dental_care")], emails=[], names=[])
        await forget(tx, subject)
    assert (await batch_of(book, batch))["file_id"] is None
    async with book.reading() as tx:
        [change] = await changes_in(tx, batch)
    assert await post(book, batch, taken_out=[change.number]) == 2


# Killed, and large


async def test_whoever_is_lost_before_the_file_is_kept_has_made_nothing(
    book: Database, waiting: UUID
) -> None:
    batch = (await ordered(book)).batch_id
    assert batch
    for place in ("post.claimed", "post.printed"):
        failpoints.arm(f"{place}=raise")
        with pytest.raises(FailPoint):
            await Printer(book).turn()
        failpoints.arm("")
        assert not await Printer(book).turn()  # whoever has it may still be at it
        book.context.clock.advance(timedelta(minutes=3))
    first, second = await asyncio.gather(Printer(book).turn(), Printer(book).turn())
    assert {first, second} == {True, False}
    assert (await batch_of(book, batch))["state"] == "made"
    [files] = await rows(book, "SELECT count(*) FROM files")
    assert files["count"] == 1
    failpoints.arm("post.kept=raise")
    assert not await Printer(book).turn()
    assert await items(book, batch) == [(1, "printed"), (2, "printed"), (3, "printed")]


FILL = """
INSERT INTO organisations (id, name, kinds, areas, handed_over, epoch, version)
SELECT md5('o' || n)::uuid, 'School ' || n, '{primary_care_trust}', '{E09000020}', '{}', 1, 1
FROM generate_series(1, 400) n;
INSERT INTO contacts (
    id, organisation_id, role, channel, name, postal_address, postcode, source, listed_on, epoch, version
)
SELECT md5('c' || n)::uuid, md5('o' || n)::uuid, 'dental_care', 'post', 'Head ' || n,
       ARRAY[n || ' School Road', 'London'],
       'W10 1AA', 'the list of schools', '2011-01-01', 1, 1
FROM generate_series(1, 400) n;
INSERT INTO registration_counts (area, profession, count, counted_on, epoch, version)
VALUES ('E09000020', 'dentist', 52, '2011-12-31', 1, 1);
"""

PRINT = """
import asyncio
from pathlib import Path
from chassis import failpoints
from chassis.config import Settings
from services.installation import Installation
from services.messages import opened
from services.notifications.printing import Printer

async def main():
    settings = Settings.load()
    failpoints.arm(settings.failpoints)
    async with opened(Installation(settings), "notifications") as database:
        while await Printer(database).turn():
            pass

asyncio.run(main())
# Not getrusage: its peak begins with that of whoever has started this process.
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
print(int(peak.split()[1]) // 1024)
"""


@pytest.mark.timeout(600)
def test_many_letters_in_bounded_memory_and_killed_in_between(installation: Installation) -> None:
    async def begin() -> UUID:
        async with opened(installation, "notifications") as database:
            async with database.transaction() as tx:
                await tx.execute(FILL)
            await released(database, by_post())
            batch = (await ordered(database)).batch_id
            assert batch
            return batch

    async def state(lost: str = "0 minutes") -> Any:
        async with opened(installation, "notifications") as database, database.transaction() as tx:
            await tx.execute(f"UPDATE post_batches SET claimed_at = claimed_at - interval '{lost}'")
            row = await tx.fetchrow("SELECT state, done, pages, file_id FROM post_batches")
            return (*row.values(),) if row["file_id"] is None else (row["state"], row["done"], row["pages"])

    def prints(**settings: str) -> tuple[int, str]:
        environment = {**os.environ, **installation.settings.environment(), **settings}
        command = [sys.executable, "-c", PRINT]
        ended = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=500, check=False
        )
        return ended.returncode, ended.stdout

    asyncio.run(begin())
    assert prints(CONDUIT_FAILPOINTS="post.claimed=kill")[0] == -signal.SIGKILL
    assert asyncio.run(state("3 minutes")) == ("making", 0, None, None)
    code, said = prints()
    assert code == 0
    assert int(said) < 400, "MB at the most, of which Python and its libraries are about 100"
    made = asyncio.run(state())
    assert made[:2] == ("made", 400)
    assert made[2] > 400
