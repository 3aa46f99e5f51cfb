"""Files for the register that are taken in on pages: what each is, what its lines say, what it leaves out."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any
from uuid import UUID

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from chassis.audit import Actor
from chassis.database import Database, Transaction
from chassis.errors import NotFound, Refused
from chassis.files import StoredFile, file_parts
from chassis.house import House, word, words
from chassis.imports import State
from chassis.sheets import Fault, Header
from chassis.web import (
    CSV,
    JSON,
    LARGEST_FILE,
    BadRequest,
    Faults,
    Upload,
    day,
    fault,
    fault_of,
    new_key,
    once,
    read_asked_id,
    read_form,
    read_id,
    see,
    site_of,
    size_in_words,
)
from chassis.web.imports import PAGE, ImportPages, done, whoever
from services.partners import imports, partners_file
from services.partners.formats import FORMATS, Format, header_of, recognised
from services.partners.imports import IMPORTING, Chosen, Defaults
from services.partners.partners_file import WORDS
from services.partners.queries import IMPORTS
from services.partners.web.hrefs import LIST as ORGANISATIONS

LIST = "/partners/imports"

#: Bytes of a file that are looked at to tell what it is.
_BEGINNING = 64 * 1024

#: The lists of the house whose codes a column holds.
_CODES = {
    "kinds": "kinds",
    "areas": "areas",
    "closeness": "closeness",
    "contact_channel": "channels",
    "contact_role": "contact_roles",
}


def _in_words(house: House, column: str, text: str) -> str:
    if column in _CODES:
        entries = house.lists[_CODES[column]]
        return ", ".join(words(entries, text.split("; ")))
    if text and column.endswith("_on"):
        return day(date.fromisoformat(text))
    return text


_PAGES: ImportPages[Chosen] = ImportPages(
    importing=IMPORTING,
    href=LIST,
    columns=WORDS,
    in_words=_in_words,
    telling=("refused", "new", "changed", "closed", "withdrawn"),
)

follow, apply, cancel = _PAGES.follow, _PAGES.apply, _PAGES.cancel


async def show_all(request: Request) -> Response:
    """The newest files, and the form for another one."""
    return await _all(request, {})


async def _all(request: Request, faults: Faults, status: int = 200) -> Response:
    site = site_of(request)
    async with site.database.reading() as tx:
        files = await _PAGES.listed(tx)
    return site.page(
        request,
        "imports.html",
        status=status,
        files=[{**file, "format": FORMATS[file["format"]].name} for file in files],
        formats=FORMATS.values(),
        columns=[(column.name, WORDS[column.name]) for column in partners_file.columns(site.context.house)],
        href=LIST,
        largest=size_in_words(LARGEST_FILE),
        faults=faults,
        key=new_key(request),
        flash=done(request),
    )


async def begin(request: Request) -> Response:
    """Keep a file, for a day at the most, and find out what it is."""
    house = site_of(request).context.house

    async def enter(tx: Transaction, upload: Upload, kept: StoredFile, actor: Actor) -> UUID:
        format = recognised(await _beginning_of(upload), house)
        if isinstance(format, Fault):
            raise Refused(format.fault, format.cure, field="file")
        return await imports.begin(
            tx, file_id=kept.id, file_name=kept.name, format=format, source=actor.source
        )

    return await _PAGES.begin(request, (CSV, JSON), enter, partial(_all, request))


async def _beginning_of(upload: Upload) -> bytes:
    async for part in upload.parts():
        return _whole_lines(part[:_BEGINNING])
    return b""


def _whole_lines(part: bytes) -> bytes:
    """As much as ends with a line, so that no character is cut in two."""
    return part[: part.rfind(b"\n") + 1] or part


# One file


async def show(request: Request) -> Response:
    """What is to be said of a file, how far it is, or what becomes of each of its lines."""
    site = site_of(request)
    async with site.database.reading() as tx:
        file = await _PAGES.found(tx, read_id(request))
    if file.state is State.CHOSEN or (file.state is State.READY and "again" in request.query_params):
        return await _questions(request, file)
    return await _report(request, file)


# Saying what it is


async def _questions(
    request: Request,
    file: Chosen,
    values: Mapping[str, Any] | None = None,
    faults: Faults | None = None,
    status: int = 200,
) -> Response:
    """The form with what the file seems to be, to be confirmed or corrected."""
    site = site_of(request)
    house = site.context.house
    values = values or {}
    format = _format(str(values.get("format") or request.query_params.get("format", "")), file.format)
    header = await _header(site.database, file, house)
    lists = ("kinds", "areas", "closeness")
    return site.page(
        request,
        "import_questions.html",
        status=status,
        file=file,
        href=_PAGES.of(file.id),
        format=format,
        formats=FORMATS.values(),
        header_fault=header if isinstance(header, Fault) else None,
        columns=[] if isinstance(header, Fault) else _column_choices(header, file, values),
        choices=[
            {"code": column.name, "name": WORDS[column.name]} for column in partners_file.columns(house)
        ],
        takes=[{"code": name, "name": WORDS[name]} for name in format.columns],
        options={name: list(house.lists[name].values()) for name in lists},
        values={"takes": list(format.columns), "kinds": [], "areas": [], "closeness": "", **values},
        faults=faults or {},
        key=new_key(request),
    )


def _format(code: str, otherwise: Format) -> Format:
    return FORMATS.get(code, otherwise)


async def _header(database: Database, file: Chosen, house: House) -> Header | Fault:
    """The first line of a kept file."""
    if file.file_id is None:
        raise NotFound
    async for part in file_parts(database, file.file_id):
        return header_of(_whole_lines(part), house)
    raise NotFound


def _column_choices(header: Header, file: Chosen, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each column of the file with what it seems to be, by its name or as the one that it is most like."""
    taken = {name for name in header.names if name}
    said = values.get("names") or file.names
    rows = []
    for place, (spelt, name, likely) in enumerate(
        zip(header.spelt, header.names, header.likely, strict=True)
    ):
        guess = name or (likely if likely not in taken else None) or ""
        rows.append(
            {
                "field": f"column-{place}",
                "spelt": spelt or f"Column {place + 1}",
                "known": bool(name),
                "chosen": said[place] if said and place < len(said) else guess,
                "samples": [sample[place] for sample in header.samples if place < len(sample)],
            }
        )
    return rows


async def choose(request: Request) -> Response:
    """Let a file be read as what somebody says it is, or show the form again with what is wrong."""
    form, site = await read_form(request), site_of(request)
    async with site.database.reading() as tx:
        file = await _PAGES.found(tx, read_id(request))
    format = FORMATS.get(str(form.get("format", "")))
    if format is None:
        raise BadRequest("The form has lost its format.", "Go back, reload the page and send it again.")
    header = await _header(site.database, file, site.context.house)
    values = _values(form, format, header)
    faults = _faults(format, values, header, site.context.house)
    if faults:
        return await _questions(request, file, values, faults, 422)

    async def act(tx: Transaction) -> Response:
        await imports.choose(
            tx,
            file.id,
            format=format,
            names=None if format.foreign else values["names"],
            speaks_of=values["takes"] if format.foreign else [name for name in values["names"] if name],
            defaults=_defaults(values),
            actor=whoever(request),
        )
        return see(_PAGES.of(file.id))

    response = await once(request, act)
    site.context.wake(IMPORTING.timer)
    return response


def _values(form: FormData, format: Format, header: Header | Fault) -> dict[str, Any]:
    count = 0 if isinstance(header, Fault) else len(header.spelt)
    return {
        "format": format.code,
        "names": [str(form.get(f"column-{place}", "")) for place in range(count)],
        "takes": [name for name in format.columns if name in form.getlist("takes")],
        "kinds": [str(code) for code in form.getlist("kinds")],
        "areas": [str(code) for code in form.getlist("areas")],
        "closeness": str(form.get("closeness", "")),
    }


def _defaults(values: Mapping[str, Any]) -> Defaults:
    return Defaults(kinds=tuple(values["kinds"]), areas=tuple(values["areas"]), closeness=values["closeness"])


def _faults(format: Format, values: Mapping[str, Any], header: Header | Fault, house: House) -> Faults:
    if format.foreign:
        try:
            _defaults(values).check(house)
        except Refused as refused:
            return fault_of(refused)
        return {}
    if isinstance(header, Fault):
        return {"format": fault(header.fault, header.cure)}
    return _faults_of_names(values["names"], house)


def _faults_of_names(names: Sequence[str], house: House) -> Faults:
    """What is wrong with which column each column of a file is said to be."""
    known = {column.name: column for column in partners_file.columns(house)}
    faults: Faults = {}
    for place, name in enumerate(names):
        if name and name not in known:
            raise BadRequest("There is no such column.", "Go back, reload the page and send it again.")
        if name and name in names[:place]:
            what = f"Two columns are said to be “{WORDS[name]}”."
            faults[f"column-{place}"] = fault(what, "Leave one of them out.")
    missing = [WORDS[name] for name, column in known.items() if column.required and name not in names]
    if missing and names:
        what = f"No column is said to be: {', '.join(missing)}."
        faults["column-0"] = fault(what, "Choose which column it is, or add it to the file.")
    return faults


# What becomes of it


async def _report(request: Request, file: Chosen) -> Response:
    site = site_of(request)
    async with site.database.reading() as tx:
        report = await _PAGES.report(request, tx, file)
        notices = [row["reason"] async for row in IMPORTS.notices_of(tx, import_id=file.id)]
        ready = file.state is State.READY
        missing = await imports.unmentioned(tx, file.staged) if ready else (0, 0)
    return site.page(
        request,
        "import.html",
        **report | {"rows": [_row(row, file) for row in report["rows"]]},
        figures=_figures(report["counts"]),
        notices=notices,
        missing=missing,
    )


def _figures(counts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """How many organisations and contacts have each fate, for the head of the report."""
    found = {(row["what"], row["fate"]): row["count"] for row in counts}
    return [
        {"what": words, "counts": [(fate, found.get((what, fate), 0)) for fate in fates]}
        for what, words, fates in (
            ("organisation", "Organisations", ("new", "changed", "closed", "same")),
            ("contact", "Contacts", ("new", "changed", "withdrawn", "same")),
        )
        if any(found.get((what, fate)) for fate in fates)
    ]


def _row(row: Mapping[str, Any], file: Chosen) -> dict[str, Any]:
    """A line with what it is about, and where that is to be seen."""
    there = row["thing_id"] and (row["fate"] != "new" or file.state is State.APPLIED)
    return {
        **row,
        "what": {"organisation": "Organisation", "contact": "Contact", "line": ""}[row["what"]],
        "href": f"{ORGANISATIONS}/{row['thing_id']}" if there else None,
    }


async def missing(request: Request) -> Response:
    """What the register has and a file does not name: it stays as it is, and what to do about it."""
    site, id = site_of(request), read_id(request)
    contacts = request.query_params.get("show") == "contacts"
    async with site.database.reading() as tx:
        file = await _PAGES.found(tx, id)
        counts = await imports.unmentioned(tx, file.staged)
        rows, after = await _missing(request, tx, file, contacts)
    href = f"{_PAGES.of(id)}/missing"
    asked = "show=contacts&" if contacts else ""
    return site.page(
        request,
        "import_missing.html",
        file=file,
        file_href=_PAGES.of(id),
        href=href,
        contacts=contacts,
        counts=counts,
        rows=rows,
        next_href=f"{href}?{asked}after={after}" if after else None,
    )


async def _missing(
    request: Request, tx: Transaction, file: Chosen, contacts: bool
) -> tuple[list[dict[str, Any]], UUID | None]:
    after = read_asked_id(request.query_params.get("after", ""))
    asked: dict[str, Any] = {"import_id": file.id, "after": after, "most": PAGE + 1}
    roles = tx.context.house.lists["contact_roles"]
    if contacts and not file.format.foreign:
        found = [row async for row in IMPORTS.unmentioned_contacts(tx, **asked)]
        rows = [
            {
                **row,
                "href": f"{ORGANISATIONS}/{row['organisation_id']}",
                "role": word(roles, row["role"]),
            }
            for row in found
        ]
    else:
        asked["prefix"] = file.format.prefix
        found = [row async for row in IMPORTS.unmentioned_organisations(tx, **asked)]
        rows = [{**row, "href": f"{ORGANISATIONS}/{row['id']}"} for row in found]
    return rows[:PAGE], found[PAGE - 1]["id"] if len(found) > PAGE else None
