"""The criteria of a round: the form of each, as long as the round is a draft."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import NotFound
from chassis.web import Difference, meanwhile, new_key, once, read_form, read_id, read_revision, see, site_of
from services.grants import rounds
from services.grants.queries import ROUNDS
from services.grants.rounds import SCORES, Criterion
from services.grants.web.forms import ChangedMeanwhile, Fields, check_revision, submit
from services.grants.web.hrefs import round_href

_SCORES = tuple(f"score_{score}" for score in SCORES)
_LABELS = {"name": "Name", "weight": "Weight", **{f"score_{score}": f"Score {score}" for score in SCORES}}


async def show_new(request: Request) -> Response:
    """The empty form."""
    return await _form(request, read_id(request), {}, {})


async def add(request: Request) -> Response:
    """Score by one more thing, or show the form again with every fault."""
    id, fields = read_id(request), Fields(await read_form(request))
    criterion = _read(fields)

    async def act(tx: Transaction) -> Response:
        await rounds.add_criterion(tx, id, criterion)
        return see(f"{round_href(id)}?done=criterion")

    return await submit(request, fields, act, partial(_form, request, id))


async def show(request: Request) -> Response:
    """The form with what a criterion is now."""
    async with site_of(request).database.reading() as tx:
        row = await _found(tx, read_id(request))
    return await _form(request, row["round_id"], _values(row), {}, row=row)


async def amend(request: Request) -> Response:
    """Write a criterion anew, unless somebody else has meanwhile: then both are shown."""
    id, form = read_id(request), await read_form(request)
    fields, revision = Fields(form), read_revision(form)
    async with site_of(request).database.reading() as tx:
        row = await _found(tx, id)
    criterion = _read(fields)

    async def act(tx: Transaction) -> Response:
        await ROUNDS.lock_round(tx, id=row["round_id"])
        present = await _found(tx, id)
        check_revision(present, revision, _LABELS, _values(present), fields.values)
        await rounds.amend_criterion(tx, id, criterion)
        return see(f"{round_href(row['round_id'])}?done=criterion")

    try:
        return await submit(
            request, fields, act, partial(_form, request, row["round_id"], row={**row, "version": revision})
        )
    except ChangedMeanwhile as other:
        now, values = other.row, fields.values
        changed = await meanwhile(
            request, other.differences, now["round_id"], "criterion_amended", criterion=id
        )
        return await _form(request, now["round_id"], values, {}, row=now, status=409, changed=changed)


async def remove(request: Request) -> Response:
    """Score by it no more."""
    id = read_id(request)

    async def act(tx: Transaction) -> Response:
        return see(f"{round_href(await rounds.remove_criterion(tx, id))}?done=removed")

    return await once(request, act)


async def _found(tx: Transaction, id: UUID) -> Any:
    row = await ROUNDS.criterion_by_id(tx, id=id)
    if row is None:
        raise NotFound
    return row


def _read(fields: Fields) -> Criterion:
    return Criterion(
        name=fields.line("name"),
        weight=fields.number("weight", least=1, most=100) or 1,
        words=tuple(fields.line(name, most=300, required=False) for name in _SCORES),
    )


def _values(row: Mapping[str, Any]) -> dict[str, str]:
    words = dict(zip(_SCORES, row["words"], strict=True))
    return {"name": row["name"], "weight": str(row["weight"]), **words}


async def _form(
    request: Request,
    round_id: UUID,
    values: Mapping[str, Any],
    faults: Mapping[str, Any],
    *,
    row: Mapping[str, Any] | None = None,
    status: int = 200,
    changed: Sequence[Difference] = (),
) -> Response:
    site = site_of(request)
    async with site.database.reading() as tx:
        plan = await ROUNDS.round_by_id(tx, id=round_id)
    if plan is None:
        raise NotFound
    return site.page(
        request,
        "criterion_edit.html",
        status=status,
        round=plan,
        round_href=round_href(round_id),
        criterion=row,
        href=f"/grants/criteria/{row['id']}" if row else None,
        values=dict.fromkeys(_LABELS, "") | dict(values),
        faults=faults,
        changed=changed,
        scores=list(SCORES),
        key=new_key(request),
    )
