"""Files for the register: choosing one, saying what it is, looking at what becomes of every line, going on.

Nothing changes before somebody has seen what would, and what is then done is exactly that.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import Response

from chassis.audit import Actor
from chassis.database import Database, Transaction
from chassis.errors import Conflict, NotFound, Refused
from chassis.files import file_parts, keep_file
from chassis.house import House
from chassis.sheets import SAVE_AS_CSV, Fault, Header, not_a_table
from chassis.web import (
    CSV,
    JSON,
    LARGEST_FILE,
    BadRequest,
    Upload,
    day,
    live,
    new_key,
    once,
    read_form,
    read_id,
    read_upload,
    see,
    site_of,
    size_in_words,
)
from chassis.web.access import actor_of
from services.partners import imports, partners_file
from services.partners.formats import FORMATS, Format, header_of, recognised
from services.partners.imports import OPEN, TAKE_FILES, Defaults, File, State
from services.partners.partners_file import WORDS
from services.partners.queries import IMPORTS
from services.partners.web.wording import LIST as ORGANISATIONS
from services.partners.web.wording import word

LIST = "/partners/imports"

#: Lines on one page of a report, and files on the list.
PAGE, MOST = 50, 50

#: Bytes of a file that are looked at to tell what it is.
_BEGINNING = 64 * 1024

_STATES = {
    State.CHOSEN: ("draft", "To be looked at"),
    State.READING: ("sending", "Being read"),
    State.READY: ("asked", "To be confirmed"),
    State.APPLYING: ("sending", "Being taken in"),
    State.APPLIED: ("done", "Taken in"),
    State.CANCELLED: ("stopped", "Cancelled"),
    State.FAILED: ("failed", "Not readable"),
}
#: What becomes of a line: the look, and the words before and after it is done.
_FATES = {
    "refused": ("failed", "Refused", "Refused"),
    "new": ("done", "New", "New"),
    "changed": ("sending", "Changes", "Changed"),
    "closed": ("closed", "Closes", "Closed"),
    "withdrawn": ("withdrawn", "Withdrawn", "Withdrawn"),
    "same": ("silent", "Same", "Same"),
    "passed_over": ("auto_replied", "Passed over", "Passed over"),
}
#: What is shown when nobody has chosen: what would happen, and what is in the way.
_TELLING = ("refused", "new", "changed", "closed", "withdrawn")
#: What stands in an address for every line.
_ALL = "all"

_DONE = {
    "cancelled": "Cancelled. Nothing was changed, and what was read of the file is gone.",
    "applied": "It is being taken in. You may leave this page.",
}

Faults = dict[str, dict[str, str]]


async def show_all(request: Request) -> Response:
    """The newest files, and the form for another one."""
    return await _all(request, {})


async def _all(request: Request, faults: Faults, status: int = 200) -> Response:
    site = site_of(request)
    async with site.database.reading() as tx:
        rows = [row async for row in IMPORTS.imports_listed(tx, most=MOST)]
    return site.page(
        request,
        "imports.html",
        status=status,
        files=[
            {
                **row,
                "href": f"{LIST}/{row['id']}",
                "format": FORMATS[row["format"]].name,
                "look": _STATES[row["state"]][0],
                "words": _STATES[row["state"]][1],
            }
            for row in rows
        ],
        formats=FORMATS.values(),
        columns=[(column.name, WORDS[column.name]) for column in _columns(site.context.house)],
        largest=size_in_words(LARGEST_FILE),
        faults=faults,
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )


async def begin(request: Request) -> Response:
    """Keep a file, for a day, and find out what it is."""
    form = await read_form(request)
    house = site_of(request).context.house

    async def act(tx: Transaction) -> Response:
        upload = await _upload(form)
        format = recognised(await _beginning_of(upload), house)
        if isinstance(format, Fault):
            raise Refused(format.fault, format.cure, field="file")
        kept = await keep_file(
            tx, name=upload.name, media_type=upload.kind.media_type, content=upload.parts()
        )
        actor = _actor(request)
        id = await imports.begin(tx, file_id=kept.id, file_name=kept.name, format=format, source=actor.source)
        return see(f"{LIST}/{id}")

    try:
        return await once(request, site_of(request).database, str(form.get("key", "")), act)
    except Refused as refused:
        if refused.field != "file":
            raise
        return await _all(request, {"file": {"fault": refused.what, "cure": refused.cure}}, refused.status)


async def _upload(form: FormData) -> Upload:
    """The file of the form.

    Raises:
        Refused: says what it is and how to make a CSV file of it.
    """
    file = form.get("file")
    if isinstance(file, UploadFile) and file.filename:
        refusal = not_a_table(await file.read(_BEGINNING))
        await file.seek(0)
        if refusal:
            raise Refused(refusal.fault, refusal.cure, field="file")
        if file.filename.lower().endswith((".xlsx", ".xlsm", ".xls", ".ods")):
            raise Refused("This is a workbook, not a CSV file.", SAVE_AS_CSV, field="file")
    upload = await read_upload(form, "file", (CSV, JSON))
    if upload is None:
        raise Refused("No file was chosen.", "Choose a file.", field="file")
    return upload


async def _beginning_of(upload: Upload) -> bytes:
    async for part in upload.parts():
        return _whole_lines(part[:_BEGINNING])
    return b""


def _whole_lines(part: bytes) -> bytes:
    """As much as ends with a line, so that no character is cut in two."""
    return part[: part.rfind(b"\n") + 1] or part


def _actor(request: Request) -> Actor:
    actor = actor_of(request)
    if actor is None:
        raise NotFound
    return actor


# One file


async def show(request: Request) -> Response:
    """What is to be said of a file, how far it is, or what becomes of each of its lines."""
    site = site_of(request)
    async with site.database.reading() as tx:
        file = await _found(tx, read_id(request))
    if file.state is State.CHOSEN or (file.state is State.READY and "again" in request.query_params):
        return await _questions(request, file)
    return await _report(request, file)


async def _found(tx: Transaction, id: UUID) -> File:
    row = await IMPORTS.import_by_id(tx, id=id)
    if row is None:
        raise NotFound
    return File.of(row)


async def follow(request: Request) -> Response:
    """One event whenever a file is further."""
    site, id = site_of(request), read_id(request)

    async def version() -> str:
        async with site.database.reading() as tx:
            row = await IMPORTS.import_by_id(tx, id=id)
        return str((row["state"], row["done"], row["moved_at"])) if row else ""

    if not await version():
        raise NotFound
    return live(request, version)


# Saying what it is


async def _questions(
    request: Request,
    file: File,
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
        href=f"{LIST}/{file.id}",
        format=format,
        formats=FORMATS.values(),
        header_fault=header if isinstance(header, Fault) else None,
        columns=[] if isinstance(header, Fault) else _column_choices(header, file, values),
        choices=[{"code": column.name, "name": WORDS[column.name]} for column in _columns(house)],
        takes=[{"code": name, "name": WORDS[name]} for name in format.columns],
        options={name: list(house.lists[name].values()) for name in lists},
        values={"takes": list(format.columns), "kinds": [], "areas": [], "closeness": "", **values},
        faults=faults or {},
        key=new_key(request),
    )


def _format(code: str, otherwise: Format) -> Format:
    return FORMATS.get(code, otherwise)


def _columns(house: House) -> Sequence[Any]:
    return partners_file.columns(house)


async def _header(database: Database, file: File, house: House) -> Header | Fault:
    """The first line of a kept file."""
    if file.file_id is None:
        raise NotFound
    async for part in file_parts(database, file.file_id):
        return header_of(_whole_lines(part), house)
    raise NotFound


def _column_choices(header: Header, file: File, values: Mapping[str, Any]) -> list[dict[str, Any]]:
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
        file = await _found(tx, read_id(request))
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
            actor=_actor(request),
        )
        return see(f"{LIST}/{file.id}")

    response = await once(request, site.database, str(form.get("key", "")), act)
    site.context.wake(TAKE_FILES)
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
            return {refused.field: {"fault": refused.what, "cure": refused.cure}}
        return {}
    if isinstance(header, Fault):
        return {"format": {"fault": header.fault, "cure": header.cure}}
    return _faults_of_names(values["names"], house)


def _faults_of_names(names: Sequence[str], house: House) -> Faults:
    """What is wrong with which column each column of a file is said to be."""
    known = {column.name: column for column in _columns(house)}
    faults: Faults = {}
    for place, name in enumerate(names):
        if name and name not in known:
            raise BadRequest("There is no such column.", "Go back, reload the page and send it again.")
        if name and name in names[:place]:
            faults[f"column-{place}"] = {
                "fault": f"Two columns are said to be “{WORDS[name]}”.",
                "cure": "Leave one of them out.",
            }
    missing = [WORDS[name] for name, column in known.items() if column.required and name not in names]
    if missing and names:
        faults["column-0"] = {
            "fault": f"No column is said to be: {', '.join(missing)}.",
            "cure": "Choose which column it is, or add it to the file.",
        }
    return faults


# What becomes of it


async def _report(request: Request, file: File) -> Response:
    site, house = site_of(request), site_of(request).context.house
    fate = request.query_params.get("fate", "")
    fate = fate if fate in (*_FATES, _ALL) else ""
    fates = _FATES if fate == _ALL else [fate] if fate else _TELLING
    line, number = _after(request.query_params.get("after", ""))
    async with site.database.reading() as tx:
        counts = [row async for row in IMPORTS.fates_counted(tx, import_id=file.id)]
        notices = [row["reason"] async for row in IMPORTS.notices_of(tx, import_id=file.id)]
        asked = {"import_id": file.id, "fates": list(fates), "line": line, "number": number, "most": PAGE + 1}
        rows = [row async for row in IMPORTS.fates_after(tx, **asked)]
        missing = (0, 0)
        if file.state is State.READY:
            missing = await imports.unmentioned(tx, file.staged)
    more = rows[PAGE - 1] if len(rows) > PAGE else None
    href = f"{LIST}/{file.id}"
    refused = sum(row["count"] for row in counts if row["fate"] == "refused")
    look, words = ("failed", "To be corrected") if refused else _STATES[file.state]
    return site.page(
        request,
        "import.html",
        file=file,
        href=href,
        look=look,
        words=words,
        open=file.state in OPEN,
        going=file.state in (State.READING, State.APPLYING),
        figures=_figures(counts),
        fates=_choices(counts, file),
        all=sum(row["count"] for row in counts if row["fate"] in _FATES),
        refused=refused,
        does=sum(row["count"] for row in counts if row["fate"] in ("new", "changed", "closed", "withdrawn")),
        chosen=fate,
        rows=[_row(row, file, house) for row in rows[:PAGE]],
        next_href=_next(href, fate, more),
        notices=notices,
        missing=missing,
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )


def _after(text: str) -> tuple[int, int]:
    """After which line, and which word about it, a page of the report begins."""
    if not text:
        return -1, 0
    line, _, number = text.partition("-")
    if not all(each.isascii() and each.isdecimal() and len(each) < 10 for each in (line, number)):
        raise BadRequest("There is no such page of this list.", "Begin the list again.")
    return int(line), int(number)


def _next(href: str, fate: str, row: Mapping[str, Any] | None) -> str | None:
    if row is None:
        return None
    asked = f"fate={fate}&" if fate else ""
    return f"{href}?{asked}after={row['line']}-{row['number']}#lines"


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


def _fate_words(fate: str, file: File) -> str:
    _, before, after = _FATES[fate]
    return after if file.state is State.APPLIED else before


def _choices(counts: Sequence[Mapping[str, Any]], file: File) -> list[dict[str, Any]]:
    """The fates that occur, each with how often."""
    found = {fate: sum(row["count"] for row in counts if row["fate"] == fate) for fate in _FATES}
    return [
        {"code": fate, "look": _FATES[fate][0], "words": _fate_words(fate, file), "count": count}
        for fate, count in found.items()
        if count
    ]


def _row(row: Mapping[str, Any], file: File, house: House) -> dict[str, Any]:
    there = row["thing_id"] and (row["fate"] != "new" or file.state is State.APPLIED)
    changes = row["changes"]
    return {
        **row,
        "look": _FATES[row["fate"]][0],
        "words": _fate_words(row["fate"], file),
        "what": {"organisation": "Organisation", "contact": "Contact", "line": ""}[row["what"]],
        "href": f"{ORGANISATIONS}/{row['thing_id']}" if there else None,
        "column": WORDS.get(row["column_name"], row["column_name"]),
        "changes": [
            {
                "column": WORDS[column],
                "before": _in_words(column, before, house),
                "after": _in_words(column, after, house),
            }
            for column, before, after in zip(changes[::3], changes[1::3], changes[2::3], strict=True)
        ],
    }


#: The lists of the house whose codes a column holds.
_CODES = {
    "kinds": "kinds",
    "areas": "areas",
    "closeness": "closeness",
    "contact_channel": "channels",
    "contact_role": "contact_roles",
}


def _in_words(column: str, text: str, house: House) -> str:
    """What stands in a column, as people say it."""
    if column in _CODES:
        entries = house.lists[_CODES[column]]
        return ", ".join(entries[code].name if code in entries else code for code in text.split("; "))
    if text and column.endswith("_on"):
        return day(date.fromisoformat(text))
    return text


async def missing(request: Request) -> Response:
    """What the register has and a file does not name: it stays as it is, and what to do about it."""
    site, id = site_of(request), read_id(request)
    contacts = request.query_params.get("show") == "contacts"
    async with site.database.reading() as tx:
        file = await _found(tx, id)
        counts = await imports.unmentioned(tx, file.staged)
        rows, after = await _missing(request, tx, file, contacts)
    href = f"{LIST}/{id}/missing"
    asked = "show=contacts&" if contacts else ""
    return site.page(
        request,
        "import_missing.html",
        file=file,
        file_href=f"{LIST}/{id}",
        href=href,
        contacts=contacts,
        counts=counts,
        rows=rows,
        next_href=f"{href}?{asked}after={after}" if after else None,
    )


async def _missing(
    request: Request, tx: Transaction, file: File, contacts: bool
) -> tuple[list[dict[str, Any]], UUID | None]:
    try:
        after = UUID(request.query_params["after"]) if request.query_params.get("after") else None
    except ValueError:
        raise BadRequest("There is no such page of this list.", "Begin the list again.") from None
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


async def apply(request: Request) -> Response:
    """Let what was shown be done."""
    form, site, id = await read_form(request), site_of(request), read_id(request)
    if form.get("confirm") != "yes":
        cure = "Go back, look at what would change and tick the box."
        raise Refused("You have not said that it may be taken in.", cure, field="confirm")
    try:
        shown = bytes.fromhex(str(form.get("shown", "")))
    except ValueError:
        raise Conflict(
            "This file has moved on meanwhile.", "Reload its page to see where it stands."
        ) from None

    async def act(tx: Transaction) -> Response:
        await _found(tx, id)
        await imports.order(tx, id, shown=shown, actor=_actor(request))
        return see(f"{LIST}/{id}?done=applied")

    response = await once(request, site.database, str(form.get("key", "")), act)
    site.context.wake(TAKE_FILES)
    return response


async def cancel(request: Request) -> Response:
    """Nobody wants the file any more."""
    form, id = await read_form(request), read_id(request)

    async def act(tx: Transaction) -> Response:
        await _found(tx, id)
        await imports.cancel(tx, id)
        return see(f"{LIST}?done=cancelled")

    return await once(request, site_of(request).database, str(form.get("key", "")), act)
