"""What people ask about what is held on them: recording it, looking through what was found, giving it out.

Whoever opens something that was gathered is noted in the audit, because it is everything about somebody.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import IO, Any
from uuid import UUID

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from chassis.audit import note
from chassis.clock import LOCAL
from chassis.database import Transaction
from chassis.errors import Conflict, NotFound, Refused
from chassis.web import Streamed, fault, fault_of, new_key, once, read_form, read_id, see, signed_in, site_of
from chassis.web.access import acts
from contracts.access import ACCOUNT, RIGHTS, Action, may
from contracts.topology import SERVICES
from services.partners import rights
from services.partners.archive import SECTIONS, archive_of, readable
from services.partners.held import TERMS
from services.partners.queries import RIGHTS as QUERIES
from services.partners.rights import STAGES, Kind, State
from services.partners.web.timeline import ENTRIES

#: Requests that are listed.
_MOST = 100
#: Notes that are named beside an entry.
_MOST_NOTES = 10

Found = Mapping[str, Any]

_KINDS = {Kind.EXPORT: "Wants to see everything", Kind.ERASURE: "Wants to be forgotten"}
_LOOKS = {
    State.GATHERING: "sending",
    State.GATHERED: "asked",
    State.RELEASED: "done",
    State.ASKING: "sending",
    State.OBJECTED: "blocked",
    State.ERASING: "sending",
    State.ERASED: "done",
    State.CANCELLED: "stopped",
}
_STEPS = {
    "gathered": "has told what it holds",
    "answered": "has been asked",
    "scrubbed": "has forgotten them",
}

_DONE = {
    "export": "The sections have been asked. What they hold appears below as it comes in.",
    "erasure": "The sections have been asked whether anything is against it.",
    "out": "This file is left out.",
    "in": "This file is in again.",
    "released": "Looked through. You can give it out now.",
    "cancelled": "Cancelled. What was gathered is gone.",
}


async def show_all(request: Request) -> Response:
    """The newest requests, those first that are not over."""
    site = site_of(request)
    async with site.database.reading() as tx:
        rows = [row async for row in QUERIES.requests(tx, most=_MOST)]
    today = _today(request)
    return site.page(
        request,
        "rights.html",
        requests=[_listed(request, row, today) for row in rows],
        new_href=f"{RIGHTS}/new",
        terms=[_term(request, term) for term in TERMS],
    )


def _listed(request: Request, row: Mapping[str, Any], today: date) -> dict[str, Any]:
    state = State(row["state"])
    return {
        "href": f"{RIGHTS}/{row['id']}",
        "who": _who(request, row),
        "kind": _KINDS[row["kind"]],
        "state": STAGES[state].words,
        "look": _LOOKS[state],
        "asked_at": row["asked_at"],
        "due_on": row["due_on"],
        "late": row["due_on"] < today and bool(STAGES[state].then),
        "open": bool(STAGES[state].then),
    }


def _who(request: Request, row: Mapping[str, Any]) -> str:
    """Whom it is about, for those who answer such requests; others see that there is one."""
    if not may(Action.ANSWER_RIGHTS, signed_in(request).roles):
        return "Somebody"
    subject = rights.opened(site_of(request).context, row)
    named = [*subject.names, *(f"registered as {reference}" for reference in subject.references)]
    return named[0] if named else "Somebody whose name is no longer kept"


def _term(request: Request, term: Any) -> dict[str, Any]:
    return {
        "what": term.what,
        "months": term.kept_for(site_of(request).context.settings),
        "since": term.since,
    }


# Recording it


async def show_form(request: Request) -> Response:
    """Whom it is about: the first step. A link from somebody's page names them by their id."""
    who = request.query_params.get("who", "")[:36]
    async with site_of(request).database.reading() as tx:
        found = await _find(tx, who) if who else []
    return _form(request, _values(who), found, looked=bool(who))


async def look_for(request: Request) -> Response:
    """Whoever is known by what was typed. By POST: an address in a link would be left in many places."""
    form = await read_form(request)
    who = str(form.get("who", ""))[:254]
    async with site_of(request).database.reading() as tx:
        found = await _find(tx, who)
    return _form(request, _values(who), found, looked=True)


async def _find(tx: Transaction, who: str) -> list[Found]:
    """Whoever is known by what was typed, each with the notes from which they would be taken."""
    found = await rights.find(tx, who)
    notes = await rights.notes_naming(tx, found)
    return [
        {
            "known": known,
            "count": len(rows),
            "notes": [{"href": f"{ENTRIES}/{row['id']}", "what": row["what"]} for row in rows[:_MOST_NOTES]],
        }
        for known, rows in zip(found, notes, strict=True)
    ]


def _values(who: str) -> dict[str, Any]:
    return {"who": who, "entries": None, "reference": "", "kind": "", "confirm": ""}


def _form(
    request: Request,
    values: Mapping[str, Any],
    found: Sequence[Found],
    *,
    looked: bool,
    faults: Mapping[str, Any] | None = None,
    status: int = 200,
) -> Response:
    return site_of(request).page(
        request,
        "rights_new.html",
        status=status,
        values=values,
        found=found,
        looked=looked,
        faults=faults or {},
        href=RIGHTS,
        key=new_key(request),
    )


async def begin(request: Request) -> Response:
    """Record a request, or show the form again with what is wrong."""
    form = await read_form(request)
    entries = _ids(form)

    async def act(tx: Transaction) -> Response:
        kind = _kind(form)
        subject = await rights.subject_of(tx, entries, [str(form.get("reference", ""))])
        ask = rights.ask_for_everything if kind is Kind.EXPORT else rights.ask_to_forget
        return see(f"{RIGHTS}/{await ask(tx, subject)}?done={kind}")

    try:
        return await once(request, act)
    except Refused as refused:
        if not refused.field and type(refused) is not Conflict:
            raise
        faults = {refused.field or "kind": fault(refused.what, refused.cure)}
        typed = {name: str(form.get(name, "")) for name in ("who", "reference", "kind", "confirm")}
        async with site_of(request).database.reading() as tx:
            found = await _find(tx, typed["who"])
        values = {**typed, "entries": entries}
        return _form(request, values, found, looked=True, faults=faults, status=refused.status)


def _ids(form: FormData) -> list[UUID]:
    try:
        return [UUID(str(entry)) for entry in form.getlist("entries")]
    except ValueError:
        raise NotFound from None


def _kind(form: FormData) -> Kind:
    if form.get("confirm") != "yes":
        cure = "Ring them, or ask for something that only they know; then tick the box."
        raise Refused("You have not said that it is they who ask.", cure, field="confirm")
    try:
        return Kind(str(form.get("kind", "")))
    except ValueError:
        raise Refused("It is not said what they want.", "Choose one of the two.", field="kind") from None


async def ask_for_oneself(request: Request) -> Response:
    """Whoever has signed in wants to see everything that is held on them."""
    person = signed_in(request)

    async def act(tx: Transaction) -> Response:
        await rights.ask_for_everything(tx, await rights.subject_of(tx, [person.id], []))
        return see(f"{ACCOUNT}?done=asked")

    return await once(request, act)


# One request


async def show(request: Request) -> Response:
    """Where a request stands, who has answered, and what was gathered."""
    return await _request(request)


async def _request(request: Request, refused: Refused | None = None) -> Response:
    site, id = site_of(request), read_id(request)
    async with site.database.reading() as tx:
        row = await QUERIES.request(tx, id=id)
        if row is None:
            raise NotFound
        answers = [answer async for answer in QUERIES.answers_to(tx, request_id=id)]
        files = await rights.files_of(tx, id)
    state = State(row["state"])
    return site.page(
        request,
        "rights_request.html",
        status=refused.status if refused else 200,
        faults=_faults(refused),
        known=_listed(request, row, _today(request)),
        is_export=row["kind"] == Kind.EXPORT,
        nothing_known=state is State.ERASED and rights.nothing_known(answers),
        state=state,
        answers=[_answer(answer) for answer in _telling(answers)],
        waiting=_waiting(state, answers),
        files=[_file(id, file) for file in files],
        given=sum(file["left_out"] is None for file in files),
        href=f"{RIGHTS}/{id}",
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )


def _faults(refused: Refused | None) -> dict[str, Any]:
    return fault_of(refused) if refused else {}


def _telling(answers: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The answers that still say something: once it is being done, not that somebody was asked."""
    done = any(row["step"] == "scrubbed" for row in answers)
    return [row for row in answers if not (done and row["step"] == "answered")]


def _answer(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **row,
        "section": SECTIONS[row["service"]],
        "words": _STEPS[row["step"]] if not row["objection"] else "has something against it",
    }


def _waiting(state: State, answers: Sequence[Mapping[str, Any]]) -> list[str]:
    """The sections that have not answered yet, by their titles."""
    steps = {State.GATHERING: "gathered", State.ASKING: "answered", State.ERASING: "scrubbed"}
    if state not in steps:
        return []
    have = {row["service"] for row in answers if row["step"] == steps[state]}
    asked = rights.OTHERS if state is State.ASKING else SERVICES
    return [SECTIONS[service] for service in asked if service not in have]


def _file(id: UUID, row: Mapping[str, Any]) -> dict[str, Any]:
    href = f"{RIGHTS}/{id}/files/{row['service']}/{row['number']}"
    return {**row, "section": SECTIONS[row["service"]], "href": href}


async def show_file(request: Request) -> Response:
    """One file of what was gathered, as people read it. That somebody looked is noted."""
    return await _file_page(request)


async def _file_page(request: Request, reason: str = "", refused: Refused | None = None) -> Response:
    id, service, number = read_id(request), request.path_params["service"], _number(request)
    async with acts(request) as tx:
        found = await rights.read_file(tx, id, service, number)
        [file] = [
            each
            for each in await rights.files_of(tx, id)
            if each["path"] == found.path and each["service"] == service
        ]
        note(tx, "looked_at", "request", id, after={"service": service, "file": number})
    content = readable(found)
    if content is None:
        headers = {
            "content-disposition": "attachment",
            "content-security-policy": "sandbox; default-src 'none'",
        }
        return Response(found.content, media_type="application/octet-stream", headers=headers)
    return site_of(request).page(
        request,
        "rights_file.html",
        status=refused.status if refused else 200,
        faults=_faults(refused),
        values={"reason": reason},
        title=found.title,
        section=SECTIONS[service],
        content=content,
        left_out=file["left_out"],
        request_href=f"{RIGHTS}/{id}",
        href=_file(id, file)["href"],
        key=new_key(request),
    )


def _number(request: Request) -> int:
    text = request.path_params["number"]
    if not text.isdecimal() or len(text) > 6:
        raise NotFound
    return int(text)


async def leave_out(request: Request) -> Response:
    """A file is somebody else's, or speaks of somebody else: it is not given out; or it is after all."""
    form, id = await read_form(request), read_id(request)
    reason = None if form.get("back") == "yes" else " ".join(str(form.get("reason", "")).split())

    async def act(tx: Transaction) -> Response:
        await rights.leave_out(tx, id, request.path_params["service"], _number(request), reason)
        return see(f"{RIGHTS}/{id}?done={'in' if reason is None else 'out'}")

    try:
        return await once(request, act)
    except Refused as refused:
        if not refused.field:
            raise
        return await _file_page(request, reason or "", refused)


async def release(request: Request) -> Response:
    """A member of staff has looked through it."""
    form, id = await read_form(request), read_id(request)
    if form.get("confirm") != "yes":
        cure = "Look at every file and tick the box."
        what = "You have not said that you have looked through it."
        return await _request(request, Refused(what, cure, field="confirm"))

    async def act(tx: Transaction) -> Response:
        await rights.release(tx, id)
        return see(f"{RIGHTS}/{id}?done=released")

    return await once(request, act)


async def cancel(request: Request) -> Response:
    """They do not want it any more."""
    id = read_id(request)

    async def act(tx: Transaction) -> Response:
        await rights.cancel(tx, id)
        return see(f"{RIGHTS}/{id}?done=cancelled")

    return await once(request, act)


# Giving it out


async def download(request: Request) -> Response:
    """The archive, once it was looked through. That it was taken is noted."""
    id = read_id(request)
    async with acts(request) as tx:
        archive = await archive_of(tx, id)
        note(tx, "given_out", "request", id)
    headers = {"content-disposition": f'attachment; filename="what-we-hold-{str(id)[-8:]}.zip"'}
    return Streamed(_chunks(archive), media_type="application/zip", headers=headers)


def _chunks(archive: IO[bytes]) -> Iterator[bytes]:
    with archive:
        while chunk := archive.read(64 * 1024):
            yield chunk


def _today(request: Request) -> date:
    return site_of(request).context.clock.now().astimezone(LOCAL).date()
