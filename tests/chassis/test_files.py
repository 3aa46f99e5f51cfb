"""Files: taken in and given out in parts, judged by what they are and not by what they are called."""

import io
from collections.abc import AsyncIterator

import pytest
from starlette.datastructures import FormData, Headers, UploadFile

from chassis.database import Database
from chassis.errors import Refused
from chassis.files import PART, drop_files, file_parts, keep_file, stored_file
from chassis.web import CSV, JPEG, PDF, give_file, read_upload, saved_as, size_in_words
from contracts.topology import PARTNERS
from tests.conftest import MakeDatabase


@pytest.fixture
async def database(make_database: MakeDatabase) -> Database:
    return await make_database(PARTNERS)


LONG = bytes(range(256)) * 2_500


async def in_parts(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), PART):
        yield content[start : start + PART]


def form_with(name: str, content: bytes) -> FormData:
    file = UploadFile(io.BytesIO(content), size=len(content), filename=name, headers=Headers())
    return FormData([("paper", file)])


async def test_a_file_comes_out_as_it_went_in(database: Database) -> None:
    async with database.transaction() as tx:
        kept = await keep_file(tx, name="minutes.pdf", media_type="application/pdf", content=in_parts(LONG))
    async with database.reading() as tx:
        assert await stored_file(tx, kept.id) == kept
    assert kept.size == len(LONG)
    parts = [part async for part in file_parts(database, kept.id)]
    assert len(parts) == 3
    assert b"".join(parts) == LONG


async def test_dropping_a_file_drops_its_content(database: Database) -> None:
    async with database.transaction() as tx:
        kept = await keep_file(tx, name="a.csv", media_type="text/csv", content=in_parts(b"a,b"))
        await drop_files(tx, [kept.id])
        assert await stored_file(tx, kept.id) is None
    assert [part async for part in file_parts(database, kept.id)] == []


async def test_a_file_is_given_under_its_own_name_and_may_do_nothing(database: Database) -> None:
    async with database.transaction() as tx:
        kept = await keep_file(tx, name="Biên bản.pdf", media_type="application/pdf", content=in_parts(LONG))
    answer = give_file(database, kept)
    assert answer.headers["content-length"] == str(len(LONG))
    assert answer.headers["content-security-policy"].startswith("sandbox;")
    named = "filename=\"Bi_n b_n.pdf\"; filename*=UTF-8''Bi%C3%AAn%20b%E1%BA%A3n.pdf"
    assert answer.headers["content-disposition"] == f"attachment; {named}"
    assert give_file(database, kept, inline=True).headers["content-disposition"].startswith("inline; ")


def test_a_name_cannot_break_out_of_its_header() -> None:
    assert saved_as('a"b\r\nc.pdf') == "filename=\"a_b__c.pdf\"; filename*=UTF-8''a%22b%0D%0Ac.pdf"


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("Minutes.PDF", b"%PDF-1.7 and so on", PDF),
        ("scan.jpeg", b"\xff\xd8\xff\xe0 and so on", JPEG),
        ("C:\\papers\\list.csv", b"a,b", CSV),
    ],
)
async def test_what_is_taken(name: str, content: bytes, kind: object) -> None:
    upload = await read_upload(form_with(name, content), "paper", [PDF, JPEG, CSV])
    assert upload is not None
    assert upload.kind == kind
    assert upload.size == len(content)
    assert upload.name == name.rpartition("\\")[2]
    assert b"".join([part async for part in upload.parts()]) == content


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("page.pdf", b"<html>", "This file cannot be used."),
        ("page.html", b"%PDF-1.7", "This file cannot be used."),
        ("none", b"%PDF-1.7", "This file cannot be used."),
        ("empty.csv", b"", "This file is empty."),
        ("empty.pdf", b"", "This file is empty."),
        ("large.csv", b"a" * 2_001, "This file is too large: 2 kB."),
    ],
)
async def test_what_is_refused(name: str, content: bytes, what: str) -> None:
    with pytest.raises(Refused) as refused:
        await read_upload(form_with(name, content), "paper", [PDF, CSV], most=2_000)
    assert (refused.value.what, refused.value.field) == (what, "paper")


async def test_no_file_is_no_fault() -> None:
    assert await read_upload(FormData([("paper", "")]), "paper", [PDF]) is None
    assert await read_upload(form_with("", b""), "paper", [PDF]) is None


async def test_a_name_that_turns_the_line_is_laid_flat() -> None:
    upload = await read_upload(form_with("a\u202efdp.csv", b"a"), "paper", [CSV])
    assert upload is not None
    assert upload.name == "afdp.csv"
    long = await read_upload(form_with("é" * 300 + ".csv", b"a"), "paper", [CSV])
    assert long is not None
    assert len(long.name) == 120
    assert long.name.endswith(".csv")


def test_sizes_in_words() -> None:
    assert [size_in_words(size) for size in (0, 999, 38_400, 2_400_000)] == [
        "0 bytes",
        "999 bytes",
        "38 kB",
        "2.4 MB",
    ]
