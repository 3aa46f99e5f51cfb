"""What people ask about what is held on them: to see it, or to have it forgotten; in every service.

Partners is asked, asks the others, and waits until all have answered. What is gathered is kept sealed until
a member of staff has looked through it for other people's data. Forgetting is asked about first: any service
may have something against it, and only when none has does every service forget.
"""

import json
from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

import uuid_utils.compat
from nacl.secret import SecretBox

from chassis.audit import note
from chassis.clock import LOCAL, months_before
from chassis.context import Context
from chassis.database import Transaction
from chassis.errors import Conflict, NotFound, Refused
from chassis.outbox import Announcement, announce_many
from chassis.rights import Held, Subject, everything, in_pieces
from chassis.scrub import scrub_about
from chassis.sealed import seal, unseal
from contracts.envelope import Event, Fact
from contracts.partners import ErasureCompleted, ErasureRequested, PersonDataRequested, PersonErased
from contracts.topology import PARTNERS, SERVICES
from services.partners import held, mentions
from services.partners.queries import RIGHTS

#: Whom partners asks, and waits for.
OTHERS = tuple(service for service in SERVICES if service != PARTNERS)


class Kind(StrEnum):
    """What somebody wants."""

    EXPORT = "export"
    ERASURE = "erasure"


class State(StrEnum):
    """Where a request stands."""

    GATHERING = "gathering"
    GATHERED = "gathered"
    RELEASED = "released"
    ASKING = "asking"
    OBJECTED = "objected"
    ERASING = "erasing"
    ERASED = "erased"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Stage:
    """One row of the table of a request's states."""

    words: str
    then: frozenset[State] = frozenset()


_S = State

STAGES: Mapping[State, Stage] = {
    _S.GATHERING: Stage("Being gathered", frozenset({_S.GATHERED, _S.CANCELLED})),
    _S.GATHERED: Stage("To be looked through", frozenset({_S.RELEASED, _S.CANCELLED})),
    _S.RELEASED: Stage("Looked through"),
    _S.ASKING: Stage("The sections are asked", frozenset({_S.OBJECTED, _S.ERASING})),
    _S.OBJECTED: Stage("Not yet possible"),
    _S.ERASING: Stage("Being forgotten", frozenset({_S.ERASED})),
    _S.ERASED: Stage("Forgotten"),
    _S.CANCELLED: Stage("Cancelled"),
}


@dataclass(frozen=True, kw_only=True)
class Known:
    """An entry by which somebody is known here: a person who signs in, or a contact."""

    id: UUID
    kind: str
    name: str
    email: str
    where: str


# Who it is about


async def find(tx: Transaction, text: str) -> list[Known]:
    """Whoever is known by an id or by an e-mail address."""
    ids, emails = ([_id(text)] if _id(text) else []), [text.strip().casefold()]
    asked = {"ids": ids, "emails": emails}
    found = [_known("person", row) async for row in RIGHTS.people_known_by(tx, **asked)]
    return found + [_known("contact", row) async for row in RIGHTS.contacts_known_by(tx, **asked)]


async def notes_naming(tx: Transaction, found: Sequence[Known]) -> list[list[Any]]:
    """For each of these, the notes, calls and meetings that would be changed if they were forgotten."""
    subjects = [
        Subject(ids=(each.id,), names=(each.name,), emails=(each.email.casefold(),) if each.email else ())
        for each in found
    ]
    return await mentions.entries_naming(tx, subjects)


def _known(kind: str, row: Mapping[str, Any]) -> Known:
    return Known(
        id=row["id"], kind=kind, name=row["name"], email=row["email"] or "", where=row["organisation"]
    )


def _id(text: str) -> UUID | None:
    try:
        return UUID(text.strip())
    except ValueError:
        return None


async def subject_of(tx: Transaction, ids: Iterable[UUID], references: Iterable[str]) -> Subject:
    """Somebody, by the entries that were said to be theirs, and by what they are registered under.

    Raises:
        Refused: when nobody was named.
    """
    entries = {"ids": list(ids), "emails": list[str]()}
    rows = [row async for row in RIGHTS.people_known_by(tx, **entries)]
    rows += [row async for row in RIGHTS.contacts_known_by(tx, **entries)]
    named = tuple(dict.fromkeys(filter(None, (text.strip()[:60] for text in references))))
    if not rows and not named:
        cure = "Tick at least one entry that is theirs, or give what they are registered under."
        raise Refused("It is not said whom this is about.", cure, field="entries")
    return Subject(
        ids=tuple(row["id"] for row in rows),
        emails=tuple(dict.fromkeys(row["email"].casefold() for row in rows if row["email"])),
        names=tuple(dict.fromkeys(row["name"] for row in rows)),
        references=named,
    )


# Asking


async def ask_for_everything(tx: Transaction, subject: Subject) -> UUID:
    """Let every service tell what it holds on somebody."""
    id = await _begin(tx, Kind.EXPORT, State.GATHERING, subject)
    number = 0
    async for found in everything(tx, held.gather, subject):
        for piece in in_pieces(found):
            number += 1
            await _keep(tx, id, PARTNERS, number, piece)
    await _answered(tx, id, PARTNERS, "gathered", files=number)
    await _tell(tx, PersonDataRequested, id, subject)
    return id


async def ask_to_forget(tx: Transaction, subject: Subject) -> UUID:
    """Let every service say whether somebody can be forgotten; they are, as soon as all have said so.

    Raises:
        Conflict: when something here is against it.
    """
    if objection := await held.objection(tx, subject):
        raise Conflict("They cannot be erased yet.", objection)
    id = await _begin(tx, Kind.ERASURE, State.ASKING, subject)
    await _tell(tx, ErasureRequested, id, subject)
    return id


async def _begin(tx: Transaction, kind: Kind, state: State, subject: Subject) -> UUID:
    id: UUID = uuid_utils.compat.uuid7()
    due_on = months_before(tx.now.astimezone(LOCAL), -1).date()
    sealed = _sealed(tx.context, subject)
    await RIGHTS.open_request(tx, id=id, kind=kind, state=state, subject=sealed, due_on=due_on, now=tx.now)
    about = {"of": list(subject.ids), "references": len(subject.references)}
    note(tx, f"{kind}_requested", "request", id, after=about)
    return id


async def _tell(tx: Transaction, fact: type[Fact], id: UUID, subject: Subject) -> None:
    part = subject.part()
    sealed = {name: seal(tx.context.keys, fact, name, part) for name in ("for_grants", "for_notifications")}
    data = {"request_id": id, **sealed}
    await announce_many(tx, [Announcement(fact=fact, subject=id, sequence=1, data=data)])


# Hearing the answers


async def take_finding(tx: Transaction, event: Event) -> None:
    """Keep, sealed, what another service holds; when that is all, it is ready to be looked through."""
    request = await RIGHTS.lock_request(tx, id=event.data["request_id"])
    if request is None or request["state"] != State.GATHERING:
        return
    id, service, total = request["id"], event.fact.OWNER, event.data["total"]
    if event.data["number"]:
        piece = unseal(tx.context.keys, event.fact, "finding", event.data["finding"])
        await _keep(tx, id, service, event.data["number"], piece)
    if total == await RIGHTS.findings_count(tx, request_id=id, service=service):
        await _answered(tx, id, service, "gathered", files=total)
        if await _have(tx, id, "gathered", SERVICES):
            await _move(tx, request, State.GATHERED)


async def take_answer(tx: Transaction, event: Event) -> None:
    """Note whether a service has something against forgetting somebody; when none has, it is done."""
    request = await RIGHTS.lock_request(tx, id=event.data["request_id"])
    if request is None or request["state"] != State.ASKING:
        return
    await _answered(tx, request["id"], event.fact.OWNER, "answered", objection=event.data["objection"])
    if await _have(tx, request["id"], "answered", OTHERS):
        subject = opened(tx.context, request)
        own = await held.objection(tx, subject)  # it may have come up while the others were asked
        await _answered(tx, request["id"], PARTNERS, "answered", objection=own)
        answers = RIGHTS.answers_to(tx, request_id=request["id"])
        if any([row["objection"] async for row in answers]):
            await _move(tx, request, State.OBJECTED)
        else:
            await _erase(tx, request, subject)


async def _erase(tx: Transaction, request: Any, subject: Subject) -> None:
    """Nothing is against it: from here on it is done, here first."""
    done = await held.forget(tx, subject)
    await scrub_about(tx, [*subject.ids, request["id"]])
    await _answered(tx, request["id"], PARTNERS, "scrubbed", scrubbed=done.counts, kept=done.kept)
    await _tell(tx, PersonErased, request["id"], subject)
    await _move(tx, request, State.ERASING)


async def take_scrubbed(tx: Transaction, event: Event) -> None:
    """Note that a service has forgotten somebody; when all have, they are told and forgotten here too."""
    request = await RIGHTS.lock_request(tx, id=event.data["request_id"])
    if request is None or request["state"] != State.ERASING:
        return
    counts = {each["what"]: each["count"] for each in event.data["scrubbed"]}
    kept = event.data["kept"]
    await _answered(tx, request["id"], event.fact.OWNER, "scrubbed", scrubbed=counts, kept=kept)
    if await _have(tx, request["id"], "scrubbed", SERVICES):
        await _say_done(tx, request)
        await _move(tx, request, State.ERASED, forget=True)


async def _say_done(tx: Transaction, request: Any) -> None:
    """One last mail: that it is done, and what the law makes us keep."""
    subject = opened(tx.context, request)
    if not subject.emails:
        return
    answers = [row async for row in RIGHTS.answers_to(tx, request_id=request["id"])]
    kept = dict.fromkeys(sentence for row in answers for sentence in row["kept"] or ())
    address = {"name": subject.names[0], "email": subject.emails[0]}
    sealed = seal(tx.context.keys, ErasureCompleted, "address", address)
    data = {"request_id": request["id"], "kept": list(kept), "address": sealed}
    await announce_many(
        tx, [Announcement(fact=ErasureCompleted, subject=request["id"], sequence=1, data=data)]
    )


# Looking through


async def leave_out(tx: Transaction, id: UUID, service: str, number: int, reason: str | None) -> None:
    """Leave a file out of what is given, or put it back in when there is no reason.

    Raises:
        NotFound, Conflict: when there is no such file, or it was given out already.
        Refused: when the reason is too long.
    """
    await _locked(tx, id, State.GATHERED)
    if reason is not None and not 3 <= len(reason) <= 300:
        raise Refused("There is no reason.", "Say why in 3 to 300 characters.", field="reason")
    if not await RIGHTS.leave_out(tx, request_id=id, service=service, number=number, reason=reason):
        raise NotFound
    note(tx, "file_put_back" if reason is None else "file_left_out", "request", id, after={"file": number})


async def release(tx: Transaction, id: UUID) -> None:
    """Somebody has looked through it: it may be given out.

    Raises:
        NotFound, Conflict: when there is no such request, or it is not ready or not open any more.
    """
    await _advance(tx, id, State.GATHERED, State.RELEASED, "released")


async def cancel(tx: Transaction, id: UUID) -> None:
    """Nobody wants it any more: what was gathered goes.

    Raises:
        NotFound, Conflict: when there is no such request, or it is over.
    """
    await _advance(tx, id, State.GATHERED, State.CANCELLED, "cancelled", also=State.GATHERING, forget=True)
    await RIGHTS.forget_findings(tx, request_id=id)


async def _advance(
    tx: Transaction,
    id: UUID,
    before: State,
    after: State,
    act: str,
    *,
    also: State | None = None,
    forget: bool = False,
) -> None:
    request = await _locked(tx, id, before, also)
    note(tx, act, "request", id, before={"state": request["state"]})
    await _move(tx, request, after, forget=forget)


async def _locked(tx: Transaction, id: UUID, *states: State | None) -> Any:
    request = await RIGHTS.lock_request(tx, id=id)
    if request is None:
        raise NotFound
    if request["state"] not in states:
        raise Conflict("This request has moved on meanwhile.", "Open the page again to see where it stands.")
    return request


async def files_of(tx: Transaction, id: UUID) -> list[Mapping[str, Any]]:
    """The files that were gathered, without what is in them."""
    return [row async for row in RIGHTS.files_of(tx, request_id=id)]


async def read_file(tx: Transaction, id: UUID, service: str, number: int) -> Held:
    """A file that was gathered.

    Raises:
        NotFound: when there is none.
    """
    pieces = [row async for row in RIGHTS.pieces_of(tx, request_id=id, service=service, number=number)]
    if not pieces:
        raise NotFound
    box = _box(tx.context)
    content = b"".join(box.decrypt(bytes(row["content"])) for row in pieces)
    return Held(path=pieces[0]["path"], title=pieces[0]["title"], content=content)


# Keeping


async def _keep(tx: Transaction, id: UUID, service: str, number: int, piece: Mapping[str, Any]) -> None:
    content = bytes(_box(tx.context).encrypt(b64decode(piece["content"])))
    said = {name: piece[name] for name in ("path", "title", "piece")}
    await RIGHTS.enter_finding(tx, request_id=id, service=service, number=number, **said, content=content)


async def _answered(
    tx: Transaction,
    id: UUID,
    service: str,
    step: str,
    *,
    files: int | None = None,
    objection: str | None = None,
    scrubbed: Mapping[str, int] | None = None,
    kept: Sequence[str] | None = None,
) -> None:
    said: dict[str, Any] = {"files": files, "objection": objection}
    said |= {"scrubbed": scrubbed and dict(scrubbed), "kept": kept and list(kept)}
    await RIGHTS.enter_answer(tx, request_id=id, service=service, step=step, **said, now=tx.now)


async def _have(tx: Transaction, id: UUID, step: str, services: Iterable[str]) -> bool:
    """Whether all of these have answered."""
    answers = RIGHTS.answers_to(tx, request_id=id)
    return {row["service"] async for row in answers if row["step"] == step} >= set(services)


async def _move(tx: Transaction, request: Any, after: State, *, forget: bool = False) -> None:
    if after not in STAGES[State(request["state"])].then:
        raise ValueError(f"a request that is {request['state']} cannot become {after}")
    subject = None if forget else request["subject"]
    await RIGHTS.move_request(tx, id=request["id"], state=after, subject=subject, now=tx.now)


def nothing_known(answers: Iterable[Mapping[str, Any]]) -> bool:
    """Whether no service that has forgotten somebody had anything to forget."""
    return not any(sum((row["scrubbed"] or {}).values()) for row in answers)


def opened(context: Context, request: Mapping[str, Any]) -> Subject:
    """Whom a request is about; nobody once that was forgotten."""
    if request["subject"] is None:
        return Subject()
    part = json.loads(_box(context).decrypt(bytes(request["subject"])))
    return Subject.of({**part, "ids": [UUID(id) for id in part["ids"]]})


def _sealed(context: Context, subject: Subject) -> bytes:
    return bytes(_box(context).encrypt(json.dumps(subject.part(), default=str).encode()))


def _box(context: Context) -> SecretBox:
    return SecretBox(context.keys.derive("rights requests"))
