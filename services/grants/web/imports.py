"""Files of registrations that are taken in on pages: what their lines say, in words."""

from collections.abc import AsyncIterator, Iterable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.audit import Actor
from chassis.database import Transaction
from chassis.files import StoredFile
from chassis.house import House, word
from chassis.imports import File
from chassis.web import (
    CSV,
    LARGEST_FILE,
    Faults,
    Upload,
    give_table,
    new_key,
    read_id,
    site_of,
    size_in_words,
)
from chassis.web.imports import ImportPages, done
from services.grants import imports
from services.grants.imports import IMPORTING, Fate
from services.grants.queries import IMPORTS
from services.grants.web.registrations import LIST as REGISTERED

LIST = f"{REGISTERED}/imports"

#: Lines of a table that are read together.
PART = 1_000

#: What each column is, by its name in the file.
WORDS = {
    "reference": "Reference: what the person is known by with you, at most 60 signs",
    "registered_on": "Day of registration, like 2026-11-30",
    "profession": "Profession, by its code",
    "area": "Borough where they live, by its code",
    "country": "Country of qualification, as two letters (ISO 3166)",
    "exam_stage": "How far they are with the exams, by its code",
    "lawful_basis": "Why we may hold this, by its code: consent, for example",
}
_SHORT = {
    "registered_on": "Day of registration",
    "profession": "Profession",
    "area": "Borough",
    "country": "Country",
    "exam_stage": "Exams",
    "lawful_basis": "Lawful basis",
    "reference": "Reference",
}
#: The lists of the house whose codes a column holds.
_CODES = {
    "profession": "professions",
    "area": "areas",
    "exam_stage": "exam_stages",
    "lawful_basis": "lawful_bases",
}


def _in_words(house: House, column: str, code: str) -> str:
    return word(house.lists[_CODES[column]], code) if column in _CODES else code


_PAGES: ImportPages[File] = ImportPages(importing=IMPORTING, href=LIST, columns=_SHORT, in_words=_in_words)

follow, apply, cancel = _PAGES.follow, _PAGES.apply, _PAGES.cancel


async def show_all(request: Request) -> Response:
    """The newest files, and the form for another one."""
    return await _all(request, {})


async def _all(request: Request, faults: Faults, status: int = 200) -> Response:
    site = site_of(request)
    async with site.database.reading() as tx:
        files = await _PAGES.listed(tx)
    lists = site.context.house.lists
    return site.page(
        request,
        "registration_imports.html",
        status=status,
        files=files,
        columns=[
            {
                "name": name,
                "words": words,
                "codes": list(lists[_CODES[name]].values()) if name in _CODES else [],
            }
            for name, words in WORDS.items()
        ],
        href=LIST,
        largest=size_in_words(LARGEST_FILE),
        faults=faults,
        key=new_key(request),
        flash=done(request),
    )


async def begin(request: Request) -> Response:
    """Keep a file, for a day at the most, and let it be read."""

    async def enter(tx: Transaction, _upload: Upload, kept: StoredFile, actor: Actor) -> UUID:
        return await imports.begin(tx, file_id=kept.id, file_name=kept.name, actor=actor)

    return await _PAGES.begin(request, (CSV,), enter, partial(_all, request))


async def show(request: Request) -> Response:
    """How far a file is, or what becomes of each of its lines."""
    site = site_of(request)
    async with site.database.reading() as tx:
        file = await _PAGES.found(tx, read_id(request))
        report = await _PAGES.report(request, tx, file)
    return site.page(request, "registration_import.html", **report)


async def refused(request: Request) -> Response:
    """What is wrong with which line, as a table. No cell of the file is in it but what a fault quotes."""
    site, id = site_of(request), read_id(request)
    async with site.database.reading() as tx:
        await _PAGES.found(tx, id)

    async def parts() -> AsyncIterator[Iterable[Sequence[object]]]:
        asked: dict[str, Any] = {"import_id": id, "fates": [Fate.REFUSED], "most": PART}
        line, number = -1, 0
        while True:
            async with site.database.reading() as tx:
                rows = [row async for row in IMPORTS.fates_after(tx, **asked, line=line, number=number)]
            if not rows:
                return
            yield [[row["line"], row["column_name"], row["reason"], row["cure"]] for row in rows]
            line, number = rows[-1]["line"], rows[-1]["number"]

    return give_table("refused lines.csv", ["Line", "Column", "What is wrong", "What to do"], parts())
