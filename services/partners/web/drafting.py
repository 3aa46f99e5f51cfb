"""Drafting an agreement: one plain form, and beside it what is still missing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

import uuid_utils.compat
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import NotFound, Refused
from chassis.house import House
from chassis.web import (
    Difference,
    Faults,
    differences,
    fault,
    fault_of,
    meanwhile,
    new_key,
    once,
    read_form,
    read_id,
    read_revision,
    see,
    signed_in,
    site_of,
)
from services.partners import agreements
from services.partners.agreements import PAGE, Owner
from services.partners.queries import AGREEMENTS, QUERIES
from services.partners.terms import (
    LONGEST_LINE,
    LONGEST_OUTCOME,
    LONGEST_TEXT,
    MOST_OUTCOMES,
    MOST_REVIEWS,
    TEXTS,
    Outcome,
    Side,
    State,
    Terms,
    line_of,
    missing,
    text_of,
)
from services.partners.web.closed import closed_body

_OF_OUTCOME = {
    "what": "what will be achieved",
    "measure": "how we measure it",
    "due_on": "by when",
    "owner_id": "who owns it",
}


async def show_new(request: Request) -> Response:
    """The form that begins an agreement with a body."""
    async with site_of(request).database.reading() as tx:
        organisation = await _organisation(tx, read_id(request))
    return _new(request, organisation, {"title": ""}, {})


async def begin(request: Request) -> Response:
    """Begin an agreement, and go on to its draft."""
    form, id = await read_form(request), read_id(request)
    title = str(form.get("title", ""))

    async def act(tx: Transaction) -> Response:
        made = await agreements.begin(tx, id, title, signed_in(request).id)
        return see(f"{PAGE}/{made}/draft")

    try:
        return await once(request, act)
    except Refused as refused:
        faults = fault_of(refused)
        async with site_of(request).database.reading() as tx:
            organisation = await _organisation(tx, id)
        return _new(request, organisation, {"title": title}, faults, refused.status)


async def _organisation(tx: Transaction, id: UUID) -> Any:
    found = await QUERIES.organisation_by_id(tx, id=id)
    if found is None:
        raise NotFound
    return found


def _new(
    request: Request, organisation: Any, values: dict[str, str], faults: dict[str, Any], status: int = 200
) -> Response:
    return site_of(request).page(
        request,
        "agreement_new.html",
        status=status,
        organisation=organisation,
        closed=closed_body(organisation, site_of(request).context.clock.today()),
        values=values,
        faults=faults,
        key=new_key(request),
    )


# The form


@dataclass(kw_only=True)
class _Typed:
    """A draft as it stands in the form, and what it says as far as it can be read."""

    values: dict[str, str]
    terms: Terms
    kept_by: UUID | None = None
    #: How many outcomes the form has room for.
    rows: int
    faults: Faults = field(default_factory=dict)


async def show(request: Request) -> Response:
    """The draft as it was saved last."""
    id = read_id(request)
    async with site_of(request).database.reading() as tx:
        agreement = await agreement_of(tx, id)
        if agreement["state"] != State.DRAFT:
            return see(f"{PAGE}/{id}")
        return await _page(
            request, tx, agreement, _written(Terms.of(agreement["terms"]), agreement["kept_by"])
        )


async def agreement_of(tx: Transaction, id: UUID) -> Any:
    """One agreement with the names that belong to it.

    Raises:
        NotFound: when there is none.
    """
    found = await AGREEMENTS.agreement(tx, id=id)
    if found is None:
        raise NotFound
    return found


async def save(request: Request) -> Response:
    """Save the draft, or show the form again: with its faults, or with what somebody else has changed."""
    form, id = await read_form(request), read_id(request)
    revision = read_revision(form)

    async def act(tx: Transaction) -> Response:
        locked = await agreements.lock(tx, id)
        agreement = await agreement_of(tx, id)
        owners = await _owners(tx, agreement)
        typed = _read(form, Terms.of(locked["terms"]), owners.values())
        if typed.faults:
            return await _page(request, tx, agreement, typed, status=422)
        if locked["revision"] != revision:
            present = _written(Terms.of(locked["terms"]), locked["kept_by"])
            if found := _differences(tx.context.house, agreement, owners, present, typed):
                changed = await meanwhile(request, found, id, "agreement_drafted")
                return await _page(request, tx, agreement, typed, status=409, changed=changed)
        await agreements.save(tx, locked, typed.terms, typed.kept_by)
        return see(f"{PAGE}/{id}/draft?done=saved")

    return await once(request, act)


async def _owners(tx: Transaction, agreement: Mapping[str, Any]) -> dict[str, Owner]:
    """Whoever may be chosen, and whoever was: by what the form calls them."""
    organisation = agreement["organisation_id"]
    named = await agreements.owners_of(tx, organisation, [Terms.of(agreement["terms"])])
    everybody = [*named.values(), *await agreements.owners_to_choose(tx, organisation)]
    return {f"{each.side}:{each.id}": each for each in everybody}


def _read(form: FormData, before: Terms, owners: Iterable[Owner]) -> _Typed:
    """What was typed, and what it says; each fault under its field."""
    values = {name: str(value) for name, value in form.items() if isinstance(value, str)}
    reader = _Reader(values, {f"{each.side}:{each.id}": each for each in owners})
    texts = {name: reader.text(name, LONGEST_TEXT) for name in TEXTS if name != "title"}
    title = reader.text("title", LONGEST_LINE, line=True)
    if not title:
        reader.fault("title", "The agreement has no name.", "Say in a few words what it is about.")
    outcomes = reader.outcomes({each.id for each in before.outcomes})
    reviews = [reader.day(f"review-{number}") for number in range(1, MOST_REVIEWS + 1)]
    kept_by = reader.owner("kept_by")
    terms = Terms(
        title=title or before.title,
        **texts,
        outcomes=tuple(outcomes),
        reviews=tuple(sorted({each for each in reviews if each})),
    )
    filled = [n for n in range(1, MOST_OUTCOMES + 1) if any(reader.raw(n, name) for name in _OF_OUTCOME)]
    rows = min(max(filled, default=0) + 1, MOST_OUTCOMES)
    return _Typed(
        values=values,
        terms=terms,
        kept_by=kept_by.id if kept_by else None,
        rows=rows,
        faults=reader.faults,
    )


class _Reader:
    """Reads what was typed, field by field, and notes what is wrong with it."""

    def __init__(self, values: dict[str, str], owners: Mapping[str, Owner]) -> None:
        self._values = values
        self._owners = owners
        self.faults: Faults = {}

    def fault(self, name: str, what: str, cure: str) -> None:
        self.faults[name] = fault(what, cure)

    def raw(self, number: int, name: str) -> str:
        return self._values.get(f"outcome-{number}-{name}", "").strip()

    def text(self, name: str, most: int, *, line: bool = False) -> str:
        read = (line_of if line else text_of)(self._values.get(name, ""))
        if len(read) > most:
            self.fault(name, f"This has {len(read):,} characters.", f"Shorten it to at most {most:,}.")
        return read

    def day(self, name: str) -> date | None:
        typed = self._values.get(name, "").strip()
        try:
            return date.fromisoformat(typed) if typed else None
        except ValueError:
            self.fault(name, "This is not a day.", "Write it as 2026-11-30, or choose it.")
            return None

    def owner(self, name: str) -> Owner | None:
        typed = self._values.get(name, "")
        found = self._owners.get(typed)
        if typed and found is None:
            self.fault(name, "This person is not there.", "Choose somebody of the list.")
        return found

    def outcomes(self, known: set[UUID]) -> Iterable[Outcome]:
        """Those that say anything; each keeps its id from one version to the next."""
        for number in range(1, MOST_OUTCOMES + 1):
            if not any(self.raw(number, name) for name in _OF_OUTCOME):
                continue
            name, id = f"outcome-{number}", self._id(number)
            if id not in known:
                id = uuid_utils.compat.uuid7()
            known.discard(id)
            owner = self.owner(f"{name}-owner_id")
            yield Outcome(
                id=id,
                what=self.text(f"{name}-what", LONGEST_OUTCOME),
                measure=self.text(f"{name}-measure", LONGEST_OUTCOME),
                due_on=self.day(f"{name}-due_on"),
                side=owner.side if owner else None,
                owner_id=owner.id if owner else None,
            )

    def _id(self, number: int) -> UUID | None:
        try:
            return UUID(self.raw(number, "id"))
        except ValueError:
            return None


def _written(terms: Terms, kept_by: UUID | None) -> _Typed:
    """A draft as the form shows it."""
    values = {name: getattr(terms, name) for name in TEXTS}
    values["kept_by"] = f"{Side.OURS}:{kept_by}" if kept_by else ""
    for number, each in enumerate(terms.outcomes, 1):
        values |= {
            f"outcome-{number}-id": str(each.id),
            f"outcome-{number}-what": each.what,
            f"outcome-{number}-measure": each.measure,
            f"outcome-{number}-due_on": each.due_on.isoformat() if each.due_on else "",
            f"outcome-{number}-owner_id": f"{each.side}:{each.owner_id}" if each.owner_id else "",
        }
    values |= {f"review-{number}": on.isoformat() for number, on in enumerate(terms.reviews, 1)}
    rows = min(len(terms.outcomes) + 1, MOST_OUTCOMES)
    return _Typed(values=values, terms=terms, kept_by=kept_by, rows=rows)


def _differences(
    house: House, agreement: Mapping[str, Any], owners: Mapping[str, Owner], theirs: _Typed, yours: _Typed
) -> list[Difference]:
    """Where the form and what was saved meanwhile differ, in words."""
    labels = dict(TEXTS)
    for number in range(1, MOST_OUTCOMES + 1):
        labels |= {
            f"outcome-{number}-{name}": f"Outcome {number}: {word}" for name, word in _OF_OUTCOME.items()
        }
    labels |= {f"review-{number}": f"Review {number}" for number in range(1, MOST_REVIEWS + 1)}
    labels["kept_by"] = "Who of us looks after it"
    names = {code: _named(owner, house, agreement) for code, owner in owners.items()}

    def words(typed: _Typed) -> dict[str, str]:
        shown = _written(typed.terms, typed.kept_by).values
        return {name: names.get(text, text) if name in labels else text for name, text in shown.items()}

    return differences(labels, words(theirs), words(yours))


def _named(owner: Owner, house: House, agreement: Mapping[str, Any]) -> str:
    """``Ioana Țurcanu, Westminster Primary Care Trust (equality and diversity)``."""
    body = house.short_name if owner.side is Side.OURS else agreement["organisation"]
    role = house.lists["contact_roles"].get(owner.role or "")
    of = f" ({role.name})" if role else ""
    return f"{owner.name}, {body}{of}{'' if owner.present else ', no longer there'}"


async def _page(
    request: Request,
    tx: Transaction,
    agreement: Mapping[str, Any],
    typed: _Typed,
    *,
    status: int = 200,
    changed: Iterable[Difference] = (),
) -> Response:
    house, owners = tx.context.house, await _owners(tx, agreement)
    present = {each.id for each in owners.values() if each.present}
    options = [{"code": code, "name": _named(each, house, agreement)} for code, each in owners.items()]
    return site_of(request).page(
        request,
        "agreement_draft.html",
        status=status,
        agreement=agreement,
        href=f"{PAGE}/{agreement['id']}",
        values=typed.values,
        faults=typed.faults,
        rows=range(1, typed.rows + 1),
        reviews=range(1, MOST_REVIEWS + 1),
        labels=TEXTS,
        owners=options,
        keepers=[each for each in options if each["code"].startswith(Side.OURS)],
        lacks=missing(typed.terms, present),
        changed=changed,
        revision=agreement["revision"],
        key=new_key(request),
    )
