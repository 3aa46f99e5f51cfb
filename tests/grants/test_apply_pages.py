"""Applying, as people do: begun with an address, written in steps, left and resumed, sent, taken back."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chassis.audit import acting
from chassis.database import Database
from contracts.catalogue import sample
from contracts.grants import ApplicationLinkRequested, ApplicationSubmitted, ApplicationWithdrawn
from contracts.notifications import LettersTranslated
from services.grants import applying, panel, web
from services.grants.applicants import Applicant
from tests.conftest import announced, client
from tests.grants import registering
from tests.grants.applying import (
    EMAIL,
    EXAM,
    FORM,
    PDF,
    PNG,
    YOU,
    acts,
    adds,
    begins,
    fills_in,
    key_in,
    later,
    letters,
    path_of,
    sends,
    writes,
)
from tests.grants.filling import a_fund, a_round
from tests.grants.panelling import a_member
from tests.grants.test_handlers import receive


@pytest.fixture
async def round(grants: Database) -> UUID:
    return await a_round(grants, await a_fund(grants), opened=True)


@pytest.fixture
async def browser(grants: Database) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without an account."""
    async with client(web.build(grants), "/grants", None) as browser:
        yield browser


async def one(grants: Database) -> Any:
    async with grants.reading() as tx:
        return await tx.fetchrow("SELECT * FROM applications")


async def test_from_the_first_page_to_a_reference(
    grants: Database, round: UUID, browser: httpx.AsyncClient
) -> None:
    first = await browser.get(f"/grants/apply/{round}")
    assert first.status_code == 200
    assert "PLAB 1" in first.text
    path = await begins(browser, round)
    assert "We have sent your own link" in (await browser.get(f"{path}/you?done=begun")).text
    await writes(browser, path)
    assert (await adds(browser, path)).status_code == 303
    page = (await browser.get(path)).text
    assert "Zyta Zzyzxová-O&#39;Brien" in page
    assert "booking.pdf" in page
    assert "Still missing" not in page
    answer = await sends(browser, path)
    assert answer.headers["location"] == f"{path}?done=sent"
    row = await one(grants)
    assert row["state"] == "submitted"
    status = (await browser.get(path)).text
    assert row["reference"] in status
    assert "The panel meets on" in status
    assert str(row["id"]) not in status
    [letter] = await letters(grants, ApplicationSubmitted)
    assert (letter["email"], letter["name"], letter["reference"]) == (EMAIL, YOU["name"], row["reference"])


async def test_looking_and_beginning_say_the_same_to_everybody(
    grants: Database, round: UUID, browser: httpx.AsyncClient
) -> None:
    """Nobody learns by trying an address who has applied."""

    async def asked_again(email: str) -> tuple[int, str]:
        answer = await fills_in(
            browser, f"/grants/apply/{round}/link", {"again": email}, f"/grants/apply/{round}"
        )
        return answer.status_code, answer.headers["location"]

    before = await asked_again(EMAIL)
    await begins(browser, round)
    later(grants, minutes=11)
    assert await asked_again(EMAIL) == before == await asked_again("nobody@mail.example")
    first, again = await letters(grants, ApplicationLinkRequested)
    assert first["link"] == again["link"], "a link that is sent again is the same"
    assert await asked_again(EMAIL) == before
    assert len(await letters(grants)) == 2, "and not within ten minutes"


async def test_what_is_no_address_is_told_so(
    grants: Database, round: UUID, browser: httpx.AsyncClient
) -> None:
    for email in ["", "zyta", "zyta@", "a@b", "zyta@mail.example\nbcc: x@y.example", "ж@mail.example"]:
        for path, field in (("", "email"), ("/link", "again")):
            href = f"/grants/apply/{round}"
            answer = await fills_in(browser, href + path, {field: email}, href)
            assert answer.status_code == 422
            assert "This is not an e-mail address." in answer.text
        assert await one(grants) is None


async def test_a_draft_is_left_and_resumed_by_the_mailed_link(
    grants: Database, round: UUID, browser: httpx.AsyncClient
) -> None:
    path = await begins(browser, round)
    answer = await fills_in(browser, f"{path}/you", {**YOU, "telephone": "", "later": "yes"})
    assert answer.headers["location"] == f"{path}?done=kept"
    [letter] = await letters(grants)
    mailed = path_of(letter)
    assert mailed != path
    assert "Write a telephone number." in (await browser.get(f"{mailed}?all=yes")).text
    assert (await browser.get(mailed)).headers["location"] == f"{mailed}/you", (
        "the first that is not complete"
    )
    assert YOU["email"] in (await browser.get(f"{mailed}/you")).text
    assert (await browser.get(f"{path}?all=yes")).status_code == 200, "looking ends nothing"


async def test_once_the_mailed_link_was_used_the_first_browser_sees_nothing_more(
    grants: Database, round: UUID, browser: httpx.AsyncClient
) -> None:
    """Whoever typed the address of somebody else never sees what that person writes."""
    path = await begins(browser, round)
    page = await browser.get(f"{path}/you")
    [letter] = await letters(grants)
    await writes(browser, path_of(letter))
    for address in (path, f"{path}/you", f"{path}/evidence"):
        answer = await browser.get(address)
        assert answer.status_code == 404
        assert "Zyta" not in answer.text
    late = await browser.post(f"{path}/you", data={"key": key_in(page), **YOU})
    assert late.status_code == 404
    assert (await browser.get(path_of(letter))).status_code == 200


async def test_another_address_gets_another_link_and_the_old_ones_end(
    grants: Database, round: UUID, browser: httpx.AsyncClient
) -> None:
    path = await begins(browser, round, "zyta.zzyzx@mial.example")
    [wrong] = await letters(grants)
    answer = await fills_in(browser, f"{path}/you", YOU)
    path = answer.headers["location"].partition("/work")[0]
    assert answer.headers["location"].endswith("?done=moved")
    *_, right = await letters(grants)
    assert right["email"] == EMAIL
    assert (await browser.get(path_of(wrong))).status_code == 404
    assert (await browser.get(path_of(right))).status_code == (await browser.get(path)).status_code == 303
    for number in range(applying.MOST_ADDRESSES):
        answer = await fills_in(browser, f"{path}/you", YOU | {"email": f"{number}@mail.example"})
        path = answer.headers.get("location", path).partition("/work")[0]
    assert answer.status_code == 429
    assert "Ring us" in answer.text


async def test_what_is_no_amount_is_told_so_and_nothing_is_lost(
    grants: Database, round: UUID, browser: httpx.AsyncClient
) -> None:
    path = await begins(browser, round)
    for typed, said in [
        ("−1", "This is not an amount."),
        ("-1", "This is not an amount."),
        ("0", "The amount must be at least 1p."),
        ("0.005", "This is not an amount."),
        ("1e400", "This is not an amount."),
        ("NaN", "This is not an amount."),
        ("１０", "This is not an amount."),
        ("10,50", "This is not an amount."),
        ("true", "This is not an amount."),
        ("[10]", "This is not an amount."),
        ("9" * 400, "This amount cannot be used."),
        ("430.01", "This is more than one person can get."),
        ("", "There is no amount yet."),
        (" £ ", "There is no amount yet."),
    ]:
        answer = await fills_in(browser, f"{path}/exam", EXAM | {"amount": typed})
        assert answer.status_code == 422
        assert said in answer.text
        assert "I study each evening." in answer.text
        assert (await one(grants))["amount_pence"] is None


async def test_an_amount(grants: Database, round: UUID, browser: httpx.AsyncClient) -> None:
    path = await begins(browser, round)
    for typed, pence in [("£10", 1_000), ("430", 43_000), (" 10.50 ", 1_050)]:
        assert (await fills_in(browser, f"{path}/exam", EXAM | {"amount": typed})).status_code == 303
        assert (await one(grants))["amount_pence"] == pence


async def test_without_an_account_one_finds_the_open_rounds_or_that_there_is_none(
    grants: Database, round: UUID, browser: httpx.AsyncClient
) -> None:
    page = (await browser.get("/grants/apply")).text
    assert f'href="/grants/apply/{round}"' in page
    assert "For doctors. Up to £430 for one exam: " in page
    async with grants.transaction() as tx:
        await tx.execute("UPDATE rounds SET state = 'closed'")
    assert "No round is open just now." in (await browser.get("/grants/apply")).text


async def test_an_exam_before_the_meeting_is_a_warning(
    grants: Database, round: UUID, browser: httpx.AsyncClient
) -> None:
    path = await begins(browser, round)
    soon = (grants.context.clock.today() + timedelta(days=20)).isoformat()
    await writes(browser, path, exam={"exam_on": soon})
    answer = await fills_in(browser, f"{path}/exam", EXAM | {"exam_on": soon})
    assert answer.headers["location"] == f"{path}/evidence?done=early"
    assert "your exam is before the panel meets" in (await browser.get(answer.headers["location"])).text
    assert "Your exam is early" in (await browser.get(path)).text
    gone = await fills_in(browser, f"{path}/exam", EXAM | {"exam_on": "2020-01-01"})
    assert "the day of your exam has gone by" in (await browser.get(gone.headers["location"])).text
    assert "The day of your exam has gone by" in (await browser.get(path)).text
    assert (await sends(browser, path)).status_code == 303


async def test_every_fault_is_said_beside_its_field(
    grants: Database, round: UUID, browser: httpx.AsyncClient
) -> None:
    path = await begins(browser, round)
    for step, field, typed, said in [
        ("you", "name", "", "This is empty."),
        ("you", "name", "Zyta \u202eazyZ", "a sign that cannot be shown"),
        ("you", "name", "Z" * 300, "This is too long: 300 signs."),
        ("you", "telephone", "no", "This is not a telephone number."),
        ("you", "email", "zyta", "This is not an e-mail address."),
        ("you", "address", "x" * 301, "This is too long"),
        ("work", "profession", "astronaut", "Nothing is chosen here."),
        ("work", "profession", "", "Nothing is chosen here."),
        ("exam", "purpose", "ore_1", "Nothing is chosen here."),
        ("exam", "exam_on", "31/12/2026", "This is not a day."),
        ("exam", "exam_passed", "perhaps", "Nothing is chosen here."),
        ("exam", "words", "", "This is empty."),
        ("exam", "words", "x" * 2_001, "This is too long"),
    ]:
        await writes(browser, path)
        before = dict(await one(grants))
        forms = {"you": YOU, "work": {"profession": "doctor"}, "exam": EXAM}
        answer = await fills_in(browser, f"{path}/{step}", forms[step] | {field: typed})
        assert answer.status_code == 422
        assert f'id="{field}-fault"' in answer.text
        assert said in answer.text
        assert dict(await one(grants)) == before


async def test_names_of_every_script(grants: Database, round: UUID, browser: httpx.AsyncClient) -> None:
    for name in ["O'Brien & <b>Söhne</b>", "فاطمة الزهراء", "Nguyễn Thị Minh Khai", "Z" * 100]:
        later(grants, minutes=16)
        path = await begins(browser, round)
        await writes(browser, path, you={"name": name})
        page = (await browser.get(path)).text
        assert "<b>Söhne" not in page
        await sends(browser, path)
        *_, letter = await letters(grants, ApplicationSubmitted)
        assert letter["name"] == name


async def test_a_question_is_asked_only_where_the_round_has_its_rule(
    grants: Database, round: UUID, browser: httpx.AsyncClient
) -> None:
    path = await begins(browser, round)
    await fills_in(browser, f"{path}/work", {"profession": "doctor", "qualified_abroad": "yes"})
    await fills_in(browser, f"{path}/exam", EXAM | {"status_met": "yes"})
    await fills_in(browser, f"{path}/you", YOU | {"area": "E09000020"})
    row = await one(grants)
    assert row["qualified_abroad"] is row["status_met"] is row["area"] is None
    assert row["exam_passed"] is False
    for step, field in (("you", "area"), ("work", "qualified_abroad"), ("exam", "status_met")):
        assert f'name="{field}"' not in (await browser.get(f"{path}/{step}")).text


async def test_two_windows_at_two_steps_lose_nothing_of_each_other(
    grants: Database, round: UUID, browser: httpx.AsyncClient
) -> None:
    path = await begins(browser, round)
    work = {"profession": "doctor", "registration": "SG-00417"}
    await asyncio.gather(
        fills_in(browser, f"{path}/you", YOU),
        fills_in(browser, f"{path}/work", work),
        fills_in(browser, f"{path}/exam", EXAM),
    )
    page = (await browser.get(path)).text
    for said in ("07700 900123", "SG-00417", "Doctor", "PLAB 1", "I cannot pay."):
        assert said in page


async def test_what_is_missing_is_named_and_cannot_be_sent(
    grants: Database, round: UUID, browser: httpx.AsyncClient
) -> None:
    path = await begins(browser, round)
    page = await browser.get(f"{path}?all=yes")
    assert "Still missing" in page.text
    assert f'href="{path}/you#name"' in page.text
    assert 'value="send"' not in page.text
    key = key_in(page, "-withdraw").replace("-withdraw", "-send")
    answer = await browser.post(path, data={"key": key, "act": "send", "confirm": "yes"})
    assert answer.status_code == 422
    assert "Something is still missing." in answer.text
    assert (await one(grants))["state"] == "draft"


async def test_it_is_sent_once_however_often_the_button_is_pressed(
    grants: Database, round: UUID, browser: httpx.AsyncClient
) -> None:
    path = await begins(browser, round)
    await writes(browser, path)
    pages = [await browser.get(path) for _ in range(4)]
    presses = [
        browser.post(path, data={"key": key_in(page, "-send"), "act": "send", "confirm": "yes"})
        for page in [*pages, pages[0]]
    ]
    answers = await asyncio.gather(*presses)
    assert {answer.status_code for answer in answers} == {303}
    assert len(await letters(grants, ApplicationSubmitted)) == 1
    async with grants.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM application_steps") == 1


async def test_the_box_must_be_ticked(grants: Database, round: UUID, browser: httpx.AsyncClient) -> None:
    path = await begins(browser, round)
    await writes(browser, path)
    for act in ("send", "withdraw"):
        key = key_in(await browser.get(path), f"-{act}")
        answer = await browser.post(path, data={"key": key, "act": act})
        assert answer.status_code == 422
        assert "The box is not ticked." in answer.text
    assert (await one(grants))["state"] == "draft"


async def test_a_draft_is_thrown_away_whole(
    grants: Database, round: UUID, browser: httpx.AsyncClient
) -> None:
    path = await begins(browser, round)
    await writes(browser, path)
    await adds(browser, path)
    answer = await acts(browser, path, "withdraw")
    assert answer.headers["location"] == f"/grants/apply/{round}?done=thrown"
    async with grants.reading() as tx:
        for table in ("applications", "applicants", "evidence", "files", "file_parts"):
            assert await tx.fetchval(f"SELECT count(*) FROM {table}") == 0, table
    assert (await browser.get(path)).status_code == 404


async def test_what_was_sent_is_taken_back_and_said_so(
    grants: Database, round: UUID, browser: httpx.AsyncClient
) -> None:
    path = await begins(browser, round)
    await writes(browser, path)
    await sends(browser, path)
    first, again = await browser.get(path), await browser.get(path)
    for page in (first, again):
        key = key_in(page, "-withdraw")
        answer = await browser.post(path, data={"key": key, "act": "withdraw", "confirm": "yes"})
        assert answer.status_code == 303
    assert "You took it back" in (await browser.get(path)).text
    assert len(await letters(grants, ApplicationWithdrawn)) == 1


async def test_after_it_was_sent_nothing_is_changed(
    grants: Database, round: UUID, browser: httpx.AsyncClient
) -> None:
    path = await begins(browser, round)
    await writes(browser, path)
    page, papers = await browser.get(f"{path}/you"), await browser.get(f"{path}/evidence")
    await sends(browser, path)
    before = dict(await one(grants))
    assert (await browser.post(f"{path}/you", data={"key": key_in(page), **YOU})).status_code == 409
    file = {"file": ("late.pdf", PDF, "application/pdf")}
    data = {"key": key_in(papers, "-add")}
    assert (await browser.post(f"{path}/evidence", data=data, files=file)).status_code == 409
    for step in ("you", "work", "exam", "evidence"):
        answer = await browser.get(f"{path}/{step}")
        assert answer.headers["location"] == path
    assert dict(await one(grants)) == before


async def test_after_the_last_day_nothing_is_taken(
    grants: Database, round: UUID, browser: httpx.AsyncClient
) -> None:
    path = await begins(browser, round)
    await writes(browser, path)
    page, first = await browser.get(path), await browser.get(f"/grants/apply/{round}")
    later(grants, days=29)
    answer = await browser.post(path, data={"key": key_in(page, "-send"), "act": "send", "confirm": "yes"})
    assert answer.status_code == 409
    assert "so we cannot take it" in (await browser.get(path)).text
    late = await browser.post(f"/grants/apply/{round}", data={"key": key_in(first), "email": EMAIL})
    assert late.status_code == 409
    assert "Nobody can apply here any more" in late.text


async def test_a_round_that_is_a_draft_or_none_is_unknown(
    grants: Database, browser: httpx.AsyncClient
) -> None:
    draft = await a_round(grants, await a_fund(grants))
    for round in (draft, uuid4(), "x"):
        assert (await browser.get(f"/grants/apply/{round}")).status_code == 404


async def test_nobody_begins_too_often(grants: Database, round: UUID, browser: httpx.AsyncClient) -> None:
    for _ in range(applying.BEGINS_FOR_ADDRESS):
        await begins(browser, round)
    answer = await fills_in(browser, f"/grants/apply/{round}", {"email": EMAIL})
    assert answer.status_code == 429
    for number in range(applying.BEGINS_FROM_SOURCE - applying.BEGINS_FOR_ADDRESS):
        await begins(browser, round, f"{number}@mail.example")
    answer = await fills_in(browser, f"/grants/apply/{round}", {"email": "last@mail.example"})
    assert answer.status_code == 429
    later(grants, minutes=16)
    await begins(browser, round)


async def test_a_link_that_leads_nowhere(grants: Database, browser: httpx.AsyncClient) -> None:
    for token in ["0" * 26, "x", "a" * 5_000, "'; DROP TABLE applications; --", "%00"[:1]]:
        for step in ("", "/you", "/evidence"):
            answer = await browser.get(f"/grants/applying/{token}{step}")
            assert answer.status_code == 404
            assert "We do not recognise this link" in answer.text


async def test_no_address_that_is_a_secret_is_kept_or_told(
    grants: Database, round: UUID, browser: httpx.AsyncClient
) -> None:
    path = await begins(browser, round)
    await writes(browser, path)
    await adds(browser, path)
    answer = await sends(browser, path)
    assert answer.headers["referrer-policy"] == "strict-origin"
    [letter] = [*await letters(grants)]
    tokens = [path.rpartition("/")[2], path_of(letter).rpartition("/")[2]]
    async with grants.reading() as tx:
        tables = await tx.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in tables:
            kept = await tx.fetch(f"SELECT {table}::text AS row FROM {table}")
            text = "\n".join(row["row"] for row in kept)
            for token in tokens:
                assert token not in text, table
                assert token.encode().hex() not in text, table
            for word in ("Zyta", "zyta.zzyzx", "07700 900123", "Zzyzx Road"):
                assert word not in text, table
                assert word.encode().hex() not in text, table


# Papers


async def test_a_file_that_cannot_be_used(grants: Database, round: UUID, browser: httpx.AsyncClient) -> None:
    path = await begins(browser, round)
    for name, content, said in [
        ("run.exe", b"MZ" + b"\0" * 60, "This file cannot be used."),
        ("page.html", b"<script>alert(1)</script>", "This file cannot be used."),
        ("page.pdf", b"<script>alert(1)</script>%PDF-1.7", "This file cannot be used."),
        ("bomb.pdf", b"PK\x03\x04" + b"\0" * 60, "This file cannot be used."),
        ("bomb.zip", b"PK\x03\x04" + b"\0" * 60, "This file cannot be used."),
        ("photo.png", PDF, "This file cannot be used."),
        ("photo.jpg", PNG, "This file cannot be used."),
        ("photo.svg", b"<svg onload='alert(1)'/>", "This file cannot be used."),
        ("empty.pdf", b"", "This file"),
        ("large.pdf", PDF + b"\0" * applying.LARGEST_EVIDENCE, "This file is too large"),
    ]:
        answer = await adds(browser, path, name, content)
        assert answer.status_code == 422, answer.text[:500]
        assert said in answer.text
        async with grants.reading() as tx:
            assert await tx.fetchval("SELECT count(*) FROM files") == 0


async def test_a_hundred_megabytes_are_not_read_to_the_end(
    grants: Database, round: UUID, browser: httpx.AsyncClient
) -> None:
    path, sent = await begins(browser, round), 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n%PDF-'
        for _ in range(100):
            sent += 1
            yield b"\0" * 1024 * 1024

    headers = {"content-type": "multipart/form-data; boundary=x"}
    answer = await browser.post(f"{path}/evidence", content=body(), headers=headers)
    assert answer.status_code == 413
    assert sent < 20
    declared = {**headers, "content-length": str(100 * 1024 * 1024)}
    answer = await browser.post(f"{path}/evidence", content=b"", headers=declared)
    assert answer.status_code == 413


async def test_a_name_of_a_file_is_shown_safely(
    grants: Database, round: UUID, browser: httpx.AsyncClient
) -> None:
    for number, (given, kept) in enumerate(
        [
            ("../../etc/passwd.pdf", "passwd.pdf"),
            ("..\\..\\boot.pdf", "boot.pdf"),
            ("a\r\nset-cookie: x=1.pdf", "aset-cookie: x=1.pdf"),
            ("gnp.\u202efdp.pdf", "gnp.fdp.pdf"),
            ("<img src=x>.pdf", "<img src=x>.pdf"),
            ("شهادة.PDF", "شهادة.PDF"),
            ("x" * 300 + ".pdf", "x" * 116 + ".pdf"),
        ]
    ):
        path = await begins(browser, round, f"{number}@mail.example")
        assert (await adds(browser, path, given)).status_code == 303
        page = (await browser.get(f"{path}/evidence")).text
        assert "<img src=x" not in page
        assert "\u202e" not in page
        async with grants.reading() as tx:
            name = await tx.fetchval("SELECT name FROM files ORDER BY id DESC LIMIT 1")
        if "\r" not in given:  # a browser writes %0D%0A there
            assert name == kept
        assert not re.search(r"[\r\n]", name)


async def test_at_most_five_papers_and_each_can_be_deleted(
    grants: Database, round: UUID, browser: httpx.AsyncClient
) -> None:
    path = await begins(browser, round)
    spare = key_in(await browser.get(f"{path}/evidence"), "-add")
    for number in range(applying.MOST_FILES):
        assert (await adds(browser, path, f"{number}.png", PNG)).status_code == 303
    page = await browser.get(f"{path}/evidence")
    assert "That is all that we can take." in page.text
    file = {"file": ("sixth.pdf", PDF, "application/pdf")}
    sixth = await browser.post(f"{path}/evidence", data={"key": spare}, files=file)
    assert sixth.status_code == 422
    assert "at most 5 papers" in sixth.text
    ids = re.findall(r'name="remove" value="([^"]+)"', page.text)
    removed = await browser.post(f"{path}/evidence", data={"key": key_in(page, "-1"), "remove": ids[0]})
    assert removed.status_code == 303
    async with grants.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM files") == 4


async def test_nobody_deletes_the_papers_of_somebody_else_or_opens_any(
    grants: Database, round: UUID, browser: httpx.AsyncClient
) -> None:
    theirs, own = await begins(browser, round), await begins(browser, round, "other@mail.example")
    await adds(browser, theirs)
    await adds(browser, own)
    [id] = re.findall(r'name="remove" value="([^"]+)"', (await browser.get(f"{theirs}/evidence")).text)
    page = await browser.get(f"{own}/evidence")
    for wanted in (id, str(uuid4()), "x", ""):
        data = {"key": key_in(page, "-1") + wanted[:4], "remove": wanted}
        answer = await browser.post(f"{own}/evidence", data=data)
        assert answer.status_code == 404
    assert (await browser.get(f"/grants/evidence/{id}")).status_code == 303, "one must sign in"
    async with grants.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM files") == 2


async def test_every_page_names_the_helper_and_whom_to_ring_in_danger(
    grants: Database, round: UUID, browser: httpx.AsyncClient
) -> None:
    path = await begins(browser, round)
    steps = [f"{path}{step}" for step in ("?all=yes", "/you", "/work", "/exam", "/evidence")]
    for address in (f"/grants/apply/{round}", *steps):
        page = (await browser.get(address)).text
        assert "Marker Helper" in page, address
        assert "020 7946 0001" in page
        assert "call <b>999</b>" in page
        assert "How we use what you write" in page
        assert "bank" not in page.lower() or "sees your bank account" in page


async def test_what_an_applicant_types_is_in_no_log(
    grants: Database, round: UUID, browser: httpx.AsyncClient, logged: Any
) -> None:
    path = await begins(browser, round)
    await writes(browser, path)
    await fills_in(browser, f"{path}/exam", EXAM | {"amount": "Zyta"})
    await adds(browser, path, "zyta.exe", b"MZ")
    await sends(browser, path)
    await browser.get(f"/grants/applying/{'z' * 26}")
    said = str(logged()).lower()
    assert "zyta" not in said
    assert path.rpartition("/")[2] not in said


async def test_events_say_nothing_of_who_applies(
    grants: Database, round: UUID, browser: httpx.AsyncClient
) -> None:
    path = await begins(browser, round)
    await writes(browser, path)
    await sends(browser, path)
    await acts(browser, path, "withdraw")
    events = [event for event in await announced(grants) if "application" in event.fact.NAME]
    assert [event.fact.NAME for event in events] == [
        "application_link_requested",
        "application_submitted",
        "application_withdrawn",
    ]
    for event in events:
        told = str({name: value for name, value in event.data.items() if name != "letter"})
        assert "Zyta" not in told
        assert EMAIL not in told
        assert event.subject == str(event.data["application_id"])


def test_two_people_are_never_the_same_by_their_digests(grants: Database) -> None:
    context = grants.context
    one = Applicant(
        email="A@mail.example", name="Zyta  ZZYZX", telephone="+44 7700 900123", registration="sg-1"
    )
    two = Applicant(email="a@mail.example", name="zyta zzyzx", telephone="07700 900 123", registration="SG-1")
    assert one.digests(context) == two.digests(context)
    other = Applicant(email="b@mail.example", name="Zyta Z", telephone="07700 900124", registration="SG-2")
    assert not set(one.digests(context).values()) & set(other.digests(context).values())
    assert set(Applicant(email="x@mail.example").digests(context).values()) >= {None}
    assert Applicant.opened(context, one.sealed(context)) == one
    assert one.sealed(context) != one.sealed(context)


# Whom they know


async def test_whoever_applies_says_where_they_work_and_whom_they_know(
    grants: Database, browser: httpx.AsyncClient, round: UUID
) -> None:
    path = await begins(browser, round)
    assert "Do you know any of these people?" not in (await browser.get(f"{path}/work")).text
    await writes(browser, path)
    hana = await a_member(grants, round, "Hana <b>O'Brien</b>")
    tekle = await a_member(grants, round, "Tekle", takes_part=None)
    await a_member(grants, round, "Said No", takes_part=False)
    page = await browser.get(f"{path}/work")
    assert "Hana &lt;b&gt;O&#39;Brien" in page.text
    assert "Tekle" in page.text
    assert "Said No" not in page.text

    async def says(*knows: UUID, status: int = 303, **more: str) -> httpx.Response:
        ticked = {"knows": [str(id) for id in knows], "workplace": "St Mary's Hospital"}
        answer = await fills_in(browser, f"{path}/work", FORM["work"] | ticked | more)
        assert answer.status_code == status, answer.text
        return answer

    async def known() -> set[UUID]:
        async with grants.reading() as tx:
            return {row["person_id"] for row in await tx.fetch("SELECT person_id FROM conflicts")}

    await says(hana.id, tekle.id)
    assert await known() == {hana.id, tekle.id}
    page = await browser.get(path)
    assert "Hana &lt;b&gt;O&#39;Brien&lt;/b&gt;, Tekle" in page.text
    assert "St Mary&#39;s Hospital" in page.text
    await says(tekle.id)
    assert await known() == {tekle.id}
    refused = await says(uuid4(), status=422)
    assert "not on the list any more" in refused.text
    await says(tekle.id, status=422, workplace="x" * 300)
    assert await known() == {tekle.id}
    await says()
    assert await known() == set()
    assert "Nobody" in (await browser.get(path)).text
    await says(hana.id)
    await sends(browser, path)
    late = await browser.post(f"{path}/work", data={**FORM["work"], "key": key_in(page)})
    assert late.status_code == 409
    assert await known() == {hana.id}


async def test_only_the_professions_of_the_round_are_offered(
    grants: Database, browser: httpx.AsyncClient, round: UUID
) -> None:
    path = await begins(browser, round)
    page = (await browser.get(f"{path}/work")).text
    assert 'value="doctor"' in page
    assert 'value="dentist"' not in page
    answer = await fills_in(browser, f"{path}/work", FORM["work"] | {"profession": "dentist"})
    assert answer.status_code == 422


async def test_whoever_has_sent_is_asked_about_members_who_came_later(
    grants: Database, browser: httpx.AsyncClient, round: UUID
) -> None:
    path = await begins(browser, round)
    await writes(browser, path)
    await sends(browser, path)
    assert "Do you know any of these people?" not in (await browser.get(path)).text
    hana = await a_member(grants, round, "Hana <b>O'Brien</b>")
    page = await browser.get(path)
    assert "Hana &lt;b&gt;O&#39;Brien" in page.text

    async def says(status: int, *knows: object) -> None:
        key = key_in(page, "-knows").removesuffix("-knows") + f"-{uuid4().hex[:6]}-knows"
        said = {"key": key, "act": "knows", "knows": [str(id) for id in knows]}
        assert (await browser.post(path, data=said)).status_code == status

    async def known() -> set[UUID]:
        async with grants.reading() as tx:
            return {row["person_id"] for row in await tx.fetch("SELECT person_id FROM conflicts")}

    await says(422, uuid4())
    await says(303, hana.id)
    assert await known() == {hana.id}
    assert "checked" in (await browser.get(path)).text
    async with grants.transaction() as tx:
        await tx.execute("UPDATE rounds SET meets_on = $1", tx.today)
    assert "Do you know any of these people?" not in (await browser.get(path)).text
    await says(409)
    assert await known() == {hana.id}


async def test_a_tick_is_kept_when_the_member_has_left(
    grants: Database, browser: httpx.AsyncClient, round: UUID
) -> None:
    path = await begins(browser, round)
    hana, tekle = [await a_member(grants, round, name) for name in ("Hana", "Tekle")]
    await writes(browser, path, work={"knows": [str(hana.id)]})
    async with acting(grants) as tx:
        await panel.leave(tx, round, hana.id)
    await writes(browser, path, work={"knows": [str(tekle.id)]})
    async with grants.reading() as tx:
        rows = await tx.fetch("SELECT person_id FROM conflicts")
    assert {row["person_id"] for row in rows} == {hana.id, tekle.id}


async def test_a_draft_that_is_thrown_away_leaves_no_tick(
    grants: Database, browser: httpx.AsyncClient, round: UUID
) -> None:
    path = await begins(browser, round)
    hana = await a_member(grants, round, "Hana")
    await writes(browser, path, work={"knows": [str(hana.id)]})
    await acts(browser, path, "withdraw")
    async with grants.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM conflicts") == 0


async def test_whoever_applies_or_registers_says_in_which_language_we_may_write(
    grants: Database, round: UUID, browser: httpx.AsyncClient
) -> None:
    """Only those are offered in which something is written; the choice travels with the address, sealed."""
    path = await begins(browser, round)
    offered = (await browser.get(f"{path}/you")).text
    assert '<option value="ar">العربية (Arabic)</option>' in offered
    assert '<option value="fr">' not in offered
    newest = sample(LettersTranslated)
    older = replace(newest, id=uuid4(), sequence=1, data={"languages": []})
    for event in (newest, older):
        await receive(grants, event)
    assert '<option value="fr">français (French)</option>' in (await browser.get(f"{path}/you")).text
    refused = await fills_in(browser, f"{path}/you", YOU | {"language": "tlh"})
    assert refused.status_code == 422
    await writes(browser, path, you={"language": "fr"})
    assert '<option value="fr" selected>' in (await browser.get(f"{path}/you")).text
    assert (
        '<dt>We write to you in</dt><dd class="lines">français (French)</dd>'
        in (await browser.get(path)).text
    )
    await sends(browser, path)
    first, sent = await letters(grants), await letters(grants, ApplicationSubmitted)
    assert [letter["language"] for letter in (*first, *sent)] == ["", "fr"]
    await registering.post(browser, registering.ADDRESS, **registering.FORM | {"language": "ar"})
    assert [each["language"] for each in await registering.mails(grants)] == ["ar"]
