"""One entry that a person made on a timeline: entering, changing, removing, putting back, files beside it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.clock import LOCAL
from chassis.database import Transaction
from chassis.errors import NotFound, Refused
from chassis.house import House, word
from chassis.web import (
    CSV,
    DOCX,
    JPEG,
    PDF,
    PNG,
    BadRequest,
    Difference,
    Faults,
    day,
    differences,
    fault_of,
    give_file,
    meanwhile,
    new_key,
    once,
    read_form,
    read_id,
    read_revision,
    read_upload,
    saved_as,
    see,
    signed_in,
    site_of,
    size_in_words,
    when,
)
from services.partners import timeline
from services.partners.meetings import as_calendar
from services.partners.queries import QUERIES, TIMELINE
from services.partners.timeline import KINDS, Entry, Kind
from services.partners.web.entry_form import LABELS, read_entry, typed, values_of
from services.partners.web.hrefs import LIST as ORGANISATIONS
from services.partners.web.timeline import ENTRIES, author

_FILES = (PDF, PNG, JPEG, DOCX, CSV)
#: Files beside one entry.
MOST_FILES = 20

_DONE = {
    "saved": "Saved.",
    "removed": "Removed. You can put it back from here for a month.",
    "back": "It is back on the timeline.",
    "attached": "The file is attached.",
    "detached": "The file is removed. You can put it back from here for a month.",
    "reattached": "The file is back.",
}


async def show(request: Request) -> Response:
    """One entry that a person made, with who took part and the files beside it."""
    return await _page(request)


async def _page(request: Request, refused: Refused | None = None) -> Response:
    """The page of an entry; with what is wrong, when a file was sent that cannot be taken."""
    site, person = site_of(request), signed_in(request)
    async with site.database.reading() as tx:
        row = await _entry(tx, read_id(request))
        mine = timeline.may_change(row, person.id)
        if row["removed_at"] is not None and not mine:
            raise NotFound
        files = await timeline.files_of(tx, row["id"])
        removed = await timeline.files_of(tx, row["id"], removed=True) if mine else []
        took_part = await _took_part(tx, row)
    href = f"{ENTRIES}/{row['id']}"
    return site.page(
        request,
        "timeline_entry.html",
        status=refused.status if refused else 200,
        faults=fault_of(refused) if refused else {},
        entry=row,
        kind=KINDS[Kind(row["kind"])],
        author=author(row),
        when=when(row["happened_at"]) if row["kind"] == Kind.MEETING else day(row["happened_at"]),
        ends=_ends(row),
        took_part=took_part,
        files=[_file(href, file) for file in files],
        removed=[_file(href, file) for file in removed],
        room=len(files) < MOST_FILES,
        kinds_of_file=", ".join(kind.words for kind in _FILES),
        mine=mine,
        organisation_href=f"{ORGANISATIONS}/{row['organisation_id']}",
        href=href,
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )


def _ends(row: Mapping[str, Any]) -> str:
    """``11:30``; ``01:00 the next day``; nothing when it is not said."""
    if row["ends_at"] is None:
        return ""
    begins, ends = (row[name].astimezone(LOCAL) for name in ("happened_at", "ends_at"))
    return f"{ends:%H:%M}{'' if ends.date() == begins.date() else ' the next day'}"


async def _entry(tx: Transaction, id: UUID) -> Any:
    row = await TIMELINE.timeline_entry(tx, id=id)
    if row is None or row["kind"] not in list(Kind):
        raise NotFound
    return row


async def _took_part(tx: Transaction, row: Mapping[str, Any]) -> list[str]:
    asked = {"people": list(row["our_people"]), "contacts": list(row["their_contacts"])}
    return [_named(tx.context.house, each) async for each in TIMELINE.took_part(tx, **asked)]


def _named(house: House, row: Mapping[str, Any]) -> str:
    """Somebody who took part: ours by name, a contact with their role."""
    if row["ours"]:
        return f"{row['name']} ({house.short_name})"
    return f"{row['name']} ({word(house.lists['contact_roles'], row['role'])})"


def _file(href: str, file: Any) -> dict[str, Any]:
    said = {"name": file.name, "size": size_in_words(file.size)}
    return {**said, "id": file.id, "href": f"{href}/files/{file.id}"}


async def calendar(request: Request) -> Response:
    """A meeting as a file for a calendar."""
    site = site_of(request)
    async with site.database.reading() as tx:
        row = await _entry(tx, read_id(request))
    if row["kind"] != Kind.MEETING or row["removed_at"] is not None:
        raise NotFound
    content = as_calendar(row, origin=site.context.settings.origin, href=f"{ENTRIES}/{row['id']}")
    headers = {"content-disposition": f"attachment; {saved_as('meeting.ics')}"}
    return Response(content, media_type="text/calendar; charset=utf-8", headers=headers)


# Entering and changing


async def show_new(request: Request) -> Response:
    """The form for a note, a call or a meeting."""
    kind = _kind(request.query_params.get("kind", Kind.NOTE))
    async with site_of(request).database.reading() as tx:
        organisation = await QUERIES.organisation_by_id(tx, id=read_id(request))
        if organisation is None:
            raise NotFound
        today = tx.today
        values = {**dict.fromkeys(LABELS, ""), "day": today.isoformat(), "ours": [signed_in(request).id]}
        return await _form(request, tx, kind, organisation["id"], organisation["name"], values)


async def enter(request: Request) -> Response:
    """Enter it, or show the form again with every fault."""
    form, id = await read_form(request), read_id(request)
    kind, person = _kind(form.get("kind", "")), signed_in(request)

    async def act(tx: Transaction) -> Response:
        faults: Faults = {}
        entry = read_entry(form, kind, tx.now, None, faults)
        if entry is None:
            where = await _where(tx, id)
            return await _form(request, tx, kind, *where, typed(form), faults=faults, status=422)
        try:
            return see(f"{ENTRIES}/{await timeline.enter(tx, id, entry, person.id)}?done=saved")
        except Refused as refused:
            where = await _where(tx, id)
            faults = fault_of(refused)
            return await _form(request, tx, kind, *where, typed(form), faults=faults, status=refused.status)

    return await once(request, act)


async def _where(tx: Transaction, id: UUID) -> tuple[UUID, str]:
    """An organisation, or the one that it was merged into, with its name."""
    row = await TIMELINE.hold_organisation(tx, id=id)
    if row is not None and row["merged_into"] is not None:
        row = await TIMELINE.hold_organisation(tx, id=row["merged_into"])
    if row is None:
        raise NotFound
    return row["id"], row["name"]


async def show_edit(request: Request) -> Response:
    """The form with what is there."""
    async with site_of(request).database.reading() as tx:
        row = await _entry(tx, read_id(request))
        if not timeline.may_change(row, signed_in(request).id) or row["removed_at"] is not None:
            raise NotFound
        return await _form_of(request, tx, row, values_of(Entry.of(row)))


async def edit(request: Request) -> Response:
    """Change it; whoever comes second is shown what the first has changed."""
    form, person = await read_form(request), signed_in(request)
    revision = read_revision(form)

    async def act(tx: Transaction) -> Response:
        row = await timeline.lock(tx, read_id(request), person.id)
        if row["removed_at"] is not None:
            raise NotFound
        before, faults = Entry.of(row), Faults()
        entry = read_entry(form, before.kind, tx.now, before, faults)
        if entry is None:
            return await _form_of(request, tx, row, typed(form), faults=faults, status=422, revision=revision)
        if row["version"] != revision and (found := await _differences(tx, row, before, entry)):
            changed = await meanwhile(request, found, row["id"], "entry_changed")
            return await _form_of(request, tx, row, typed(form), changed=changed, status=409)
        try:
            await timeline.change(tx, row, entry)
        except Refused as refused:
            said = {"faults": fault_of(refused), "status": refused.status, "revision": revision}
            return await _form_of(request, tx, row, typed(form), **said)
        return see(f"{ENTRIES}/{row['id']}?done=saved")

    return await once(request, act)


async def _differences(tx: Transaction, row: Any, before: Entry, entry: Entry) -> list[Difference]:
    offered = await timeline.who_may_take_part(tx, row["organisation_id"], before)
    names = {each["id"]: each["name"] for each in offered}
    theirs, yours = (_in_words(each, names) for each in (before, entry))
    return differences(LABELS, theirs, yours)


def _in_words(entry: Entry, names: Mapping[UUID, str]) -> dict[str, str]:
    values = values_of(entry)
    took_part = sorted(names.get(id, "") for id in (*entry.our_people, *entry.their_contacts))
    return {name: values[name] for name in LABELS if name in values} | {"took_part": ", ".join(took_part)}


async def _form_of(request: Request, tx: Transaction, row: Any, values: Any, **said: Any) -> Response:
    """The form of an entry that is there."""
    organisation = await QUERIES.organisation_by_id(tx, id=row["organisation_id"])
    said = {"revision": row["version"], "before": row, **said}
    where = (row["organisation_id"], organisation["name"])
    return await _form(request, tx, Kind(row["kind"]), *where, values, **said)


async def _form(
    request: Request,
    tx: Transaction,
    kind: Kind,
    organisation_id: UUID,
    organisation: str,
    values: Mapping[str, Any],
    *,
    before: Any = None,
    revision: int | None = None,
    faults: Mapping[str, Any] | None = None,
    changed: Any = (),
    status: int = 200,
) -> Response:
    already = Entry.of(before) if before is not None else None
    offered = await timeline.who_may_take_part(tx, organisation_id, already)
    href = f"{ORGANISATIONS}/{organisation_id}"
    chosen = {str(id) for id in (*values.get("ours", ()), *values.get("theirs", ()))}
    return site_of(request).page(
        request,
        "timeline_form.html",
        status=status,
        kind=kind,
        kind_words=KINDS[kind].lower(),
        organisation={"name": organisation, "href": href},
        values=values,
        offered=[
            {"id": str(each["id"]), "ours": each["ours"], "words": _named(tx.context.house, each)}
            for each in offered
        ],
        chosen=chosen,
        faults=faults or {},
        changed=changed,
        revision=revision,
        entry_href=f"{ENTRIES}/{before['id']}" if before is not None else "",
        action=f"{ENTRIES}/{before['id']}/edit" if before is not None else f"{href}/timeline/new",
        key=new_key(request),
    )


def _kind(text: Any) -> Kind:
    try:
        return Kind(str(text))
    except ValueError:
        raise BadRequest(
            "There is no such kind of entry.", "Go back and choose a note, a call or a meeting."
        ) from None


# Removing, putting back, files


async def remove(request: Request) -> Response:
    """Take it from the timeline; for a month it can be put back."""
    return await _removed(request, put_back=False)


async def put_back(request: Request) -> Response:
    """Put it back on the timeline."""
    return await _removed(request, put_back=True)


async def _removed(request: Request, *, put_back: bool) -> Response:
    person = signed_in(request)

    async def act(tx: Transaction) -> Response:
        row = await timeline.lock(tx, read_id(request), person.id)
        await timeline.remove(tx, row, put_back=put_back)
        return see(f"{ENTRIES}/{row['id']}?done={'back' if put_back else 'removed'}")

    return await once(request, act)


async def attach(request: Request) -> Response:
    """Put a file beside an entry, or show the entry with why it cannot be taken."""
    try:
        return await _attach(request)
    except Refused as refused:
        if not refused.field:
            raise
        return await _page(request, refused)


async def _attach(request: Request) -> Response:
    form, person = await read_form(request), signed_in(request)
    upload = await read_upload(form, "file", _FILES)
    if upload is None:
        raise Refused("No file was chosen.", "Choose one.", field="file")

    async def act(tx: Transaction) -> Response:
        row = await timeline.lock(tx, read_id(request), person.id)
        if row["removed_at"] is not None:
            raise NotFound
        await _check_room(tx, row)
        said = {"name": upload.name, "media_type": upload.kind.media_type}
        await timeline.attach(tx, row, **said, content=upload.parts())
        return see(f"{ENTRIES}/{row['id']}?done=attached")

    return await once(request, act)


async def _check_room(tx: Transaction, row: Mapping[str, Any]) -> None:
    if len(await timeline.files_of(tx, row["id"])) >= MOST_FILES:
        raise Refused(f"There are {MOST_FILES} files already.", "Remove one first.", field="file")


async def download(request: Request) -> Response:
    """A file that stands beside an entry."""
    site = site_of(request)
    async with site.database.reading() as tx:
        row = await _entry(tx, read_id(request))
        if row["removed_at"] is not None:
            raise NotFound
        file = await timeline.file_of(tx, row["id"], read_id(request, "file"))
    return give_file(site.database, file)


async def detach(request: Request) -> Response:
    """Take a file from beside an entry; for a month it can be put back."""
    return await _detached(request, put_back=False)


async def reattach(request: Request) -> Response:
    """Put a file back beside an entry."""
    try:
        return await _detached(request, put_back=True)
    except Refused as refused:
        if not refused.field:
            raise
        return await _page(request, refused)


async def _detached(request: Request, *, put_back: bool) -> Response:
    person = signed_in(request)

    async def act(tx: Transaction) -> Response:
        row = await timeline.lock(tx, read_id(request), person.id)
        if put_back:
            await _check_room(tx, row)
        await timeline.detach(tx, row, read_id(request, "file"), put_back=put_back)
        return see(f"{ENTRIES}/{row['id']}?done={'reattached' if put_back else 'detached'}")

    return await once(request, act)
