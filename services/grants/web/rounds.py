"""Rounds: the list, each one's page with what it lacks, the forms that describe it and its criteria."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis import sheets
from chassis.database import Transaction
from chassis.errors import NotFound, Refused
from chassis.house import Entry, words
from chassis.web import (
    Difference,
    meanwhile,
    new_key,
    pounds,
    read_form,
    read_id,
    read_revision,
    see,
    site_of,
)
from services.grants import rounds
from services.grants.eligibility import RULES
from services.grants.queries import APPLICATIONS, FUNDS, ROUNDS
from services.grants.rounds import STATES, Criterion, Round, RoundState
from services.grants.states import State
from services.grants.web import meeting
from services.grants.web.forms import ChangedMeanwhile, Fields, check_revision, submit
from services.grants.web.funds import round_listed
from services.grants.web.hrefs import ROUNDS as LIST
from services.grants.web.hrefs import (
    applications_href,
    apply_href,
    fund_href,
    round_href,
    ways,
)
from services.grants.web.people import People
from services.grants.web.pressing import press

#: Rounds on the list.
MOST = 200

_SEVERAL = ("professions", "purposes", "eligibility")

_LABELS = {
    "name": "Name",
    "fund_id": "Fund",
    "opens_on": "Opens",
    "closes_on": "Closes",
    "meets_on": "The panel meets",
    "professions": "Who may apply",
    "purposes": "What for",
    "most": "The most for one award",
    "eligibility": "Rules",
    "quorum": "Members who must be there",
    "needs_peer": "One of the applicant’s profession",
    "needs_funder": "One for the funder",
    "help_name": "Whom they may ask",
    "help_telephone": "Telephone",
}

#: What colleagues do with a round, as its page tells it.
_ACTS = {
    "round_begun": "The draft was begun",
    "round_amended": "It was changed",
    "round_opened": "It was opened",
    "round_closed": "It was closed",
    "round_decided": "The last case was decided",
    "round_published": "The decisions were published",
}
#: As many of them as are told.
_MOST_ACTS = 30

_DONE = {
    "begun": "The draft is kept. Below is what it still lacks.",
    "saved": "Saved.",
    "criterion": "The criterion is kept.",
    "removed": "The criterion is out.",
    "opened": "The round is open.",
    "closed": "The round is closed. Nobody can apply any more.",
    "nothing": "No meeting was begun: there is nothing to decide. Hand cases over to the panel first.",
    "published": "Published. Every applicant is written to.",
}


async def show_all(request: Request) -> Response:
    """Every round, the newest first."""
    site = site_of(request)
    async with site.database.reading() as tx:
        rows = [row async for row in ROUNDS.rounds_listed(tx, most=MOST)]
    return site.page(
        request,
        "rounds.html",
        rounds=[round_listed(row) for row in rows],
        new_href=f"{LIST}/new",
        flash="The draft is deleted." if request.query_params.get("done") == "removed" else None,
    )


async def show(request: Request) -> Response:
    """One round: what it says, and while it is a draft what it lacks."""
    site, id = site_of(request), read_id(request)
    async with site.database.reading() as tx:
        row = await _found(tx, id)
        fund = await FUNDS.fund_by_id(tx, id=row["fund_id"])
        criteria = [each async for each in ROUNDS.criteria_of(tx, round_id=id)]
        means = await rounds.means_of(tx, row["fund_id"])
        words = await _in_words(tx, _values(row))
        met = await meeting.of_round(tx, id)
        acts = [
            row async for row in ROUNDS.acts_on(tx, round_id=str(id), actions=list(_ACTS), most=_MOST_ACTS)
        ]
        people = await People.of(tx, [row["person_id"] for row in acts])
        counted = {
            each["state"]: each["count"] async for each in APPLICATIONS.applications_counted(tx, round_id=id)
        }
    plan, today = Round.of(row), site.context.clock.today()
    draft = row["state"] == RoundState.DRAFT
    lacking = rounds.missing(plan, [Criterion.of(each) for each in criteria], means, today) if draft else []
    href = round_href(id)
    return site.page(
        request,
        "round.html",
        round=row,
        state=STATES[RoundState(row["state"])],
        draft=draft,
        over=row["state"] == RoundState.OPEN and row["closes_on"] < today,
        fund=fund,
        fund_href=fund_href(row["fund_id"]),
        words=words,
        rules=[RULES[name].asks if name in RULES else name for name in plan.eligibility],
        purposes=_purposes(site.context.house.lists["purposes"], plan.purposes),
        criteria=[_criterion(each) for each in criteria],
        weights=sum(each["weight"] for each in criteria),
        may_add=len(criteria) < rounds.MOST_CRITERIA,
        missing=[{"words": each.words, "href": _where(href, each.field)} for each in lacking],
        sent=sum(count for state, count in counted.items() if state != State.DRAFT),
        to_check=counted.get(State.SUBMITTED, 0),
        applications_href=applications_href(id),
        apply_href=apply_href(id),
        ways=ways(id, round_href),
        history=[_act(row, people) for row in acts],
        **met,
        href=href,
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )


def _act(row: Mapping[str, Any], people: People) -> dict[str, Any]:
    what, by = _ACTS[row["action"]], people.by(row["person_id"])
    return {"at": row["at"], "what": what, "detail": "", "source_words": by, "href": None}


def _where(href: str, field: str) -> str:
    return f"{href}/criteria/new" if field == "criteria" else f"{href}/edit#{field}"


def _purposes(entries: Mapping[str, Entry], codes: Sequence[str]) -> list[dict[str, Any]]:
    found = [(code, entries.get(code)) for code in codes]
    return [
        {
            "name": entry.name if entry else code,
            "fee_pence": entry.attributes.get("fee_pence") if entry else None,
            "body": entry.attributes.get("body", "") if entry else "",
        }
        for code, entry in found
    ]


def _criterion(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "href": f"/grants/criteria/{row['id']}"}


async def _found(tx: Transaction, id: UUID) -> Any:
    row = await ROUNDS.round_by_id(tx, id=id)
    if row is None:
        raise NotFound
    return row


async def show_new(request: Request) -> Response:
    """The empty form."""
    usual = {"needs_peer": "yes", "needs_funder": "yes", "quorum": "3"}
    rules = ["profession", "qualified_abroad", "exam_ahead", "once_in_a_round"]
    return await _form(request, {**usual, "eligibility": rules}, {})


async def begin(request: Request) -> Response:
    """Keep a draft, or show the form again with every fault."""
    fields = Fields(await read_form(request), several=_SEVERAL)
    plan = await _read(request, fields)
    _check_last_day(fields, plan, site_of(request).context.clock.today())

    async def act(tx: Transaction) -> Response:
        return see(f"{round_href(await rounds.begin_round(tx, plan))}?done=begun")

    return await submit(request, fields, act, partial(_form, request))


async def show_edit(request: Request) -> Response:
    """The form with what the round is now."""
    async with site_of(request).database.reading() as tx:
        row = await _found(tx, read_id(request))
    return await _form(request, _values(row), {}, row=row)


async def amend(request: Request) -> Response:
    """Write a round anew, unless somebody else has meanwhile: then both are shown."""
    id, form = read_id(request), await read_form(request)
    fields, revision = Fields(form, several=_SEVERAL), read_revision(form)
    async with site_of(request).database.reading() as tx:
        row = await _found(tx, id)
    if row["state"] != RoundState.DRAFT:  # the form of one that was opened holds only what may be changed
        values = _values(row)
        fields.values = values | {name: fields.values.get(name, "") for name in rounds.AFTER_OPENING}
    plan = await _read(request, fields)
    if row["state"] == RoundState.DRAFT:
        _check_last_day(fields, plan, site_of(request).context.clock.today())

    async def act(tx: Transaction) -> Response:
        present = await ROUNDS.lock_round(tx, id=id)
        theirs = await _in_words(tx, _values(present))
        check_revision(present, revision, _LABELS, theirs, await _in_words(tx, fields.values))
        await rounds.amend_round(tx, id, plan)
        return see(f"{round_href(id)}?done=saved")

    try:
        return await submit(request, fields, act, partial(_form, request, row={**row, "version": revision}))
    except ChangedMeanwhile as other:
        now = other.row
        changed = await meanwhile(request, other.differences, id, "round_amended")
        return await _form(request, fields.values, {}, row=now, status=409, changed=changed)


async def open_one(request: Request) -> Response:
    """Let people apply."""
    unsaid = "You have not said that the round may open."
    return await _move(request, rounds.open_round, "round_opened", "?done=opened", unsaid)


async def remove(request: Request) -> Response:
    """Throw a draft away."""
    unsaid = "You have not said that the draft may be deleted."
    return await _move(request, rounds.remove_draft, "round_removed", f"{LIST}?done=removed", unsaid)


async def close(request: Request) -> Response:
    """Let nobody apply any more."""
    unsaid = "You have not said that the round may close."
    return await _move(request, rounds.close_round, "round_closed", "?done=closed", unsaid)


async def _move(request: Request, move: Any, noted: str, to: str, unsaid: str) -> Response:
    """Args:
        noted: what the audit calls it.
        to: where it leads, or what is put after the round's address.
    """  # fmt: skip
    form, id = await read_form(request), read_id(request)
    if form.get("confirm") != "yes":
        raise Refused(unsaid, "Go back and tick the box.", field="confirm")

    there = f"{round_href(id)}{to}" if to.startswith("?") else to

    async def act(tx: Transaction) -> Response:
        await move(tx, id)
        return see(there)

    return await press(request, act, id, {noted: there}, round_href(id))


async def _read(request: Request, fields: Fields) -> Round:
    """The round that a form describes; with faults, as far as it can be read."""
    site = site_of(request)
    lists = site.context.house.lists
    async with site.database.reading() as tx:
        funds = {str(row["id"]): row["id"] async for row in FUNDS.funds_listed(tx)}
    _check_telephone(fields)
    return Round(
        name=fields.line("name"),
        fund_id=fields.one_of("fund_id", funds),
        opens_on=fields.day("opens_on", required=False),
        closes_on=fields.day("closes_on", required=False),
        meets_on=fields.day("meets_on", required=False),
        most_pence=fields.pounds("most", required=False),
        professions=fields.codes("professions", lists["professions"]),
        purposes=fields.codes("purposes", lists["purposes"]),
        eligibility=fields.codes("eligibility", RULES),
        quorum=fields.number("quorum", least=1, most=50, required=False),
        needs_peer=fields.ticked("needs_peer"),
        needs_funder=fields.ticked("needs_funder"),
        help_name=fields.line("help_name", most=100, required=False),
        help_telephone=fields.line("help_telephone", most=40, required=False),
    )


def _check_telephone(fields: Fields) -> None:
    if written := str(fields.values.get("help_telephone", "")):
        try:
            sheets.telephone(written)
        except sheets.Unreadable as unreadable:
            fields.add_fault("help_telephone", unreadable.fault, unreadable.cure)


def _check_last_day(fields: Fields, plan: Round, today: date) -> None:
    """Let no draft be kept that could not be opened by any number of other changes."""
    if plan.closes_on is not None and plan.closes_on < today:
        fields.add_fault("closes_on", "This day is over.", "Choose today or a later day.")


def _values(row: Mapping[str, Any]) -> dict[str, Any]:
    """A round as its form holds it."""
    days = ("opens_on", "closes_on", "meets_on")
    return {
        **{name: row[name] for name in ("name", *_SEVERAL, "help_name", "help_telephone")},
        **{name: row[name].isoformat() if row[name] else "" for name in days},
        **{name: "yes" if row[name] else "" for name in ("needs_peer", "needs_funder")},
        "fund_id": str(row["fund_id"]),
        "most": pounds(row["most_pence"]).removeprefix("£") if row["most_pence"] else "",
        "quorum": str(row["quorum"] or ""),
    }


async def _in_words(tx: Transaction, values: Mapping[str, Any]) -> dict[str, str]:
    """What a round's form says, for people."""
    lists = tx.context.house.lists
    funds = {str(row["id"]): row["name"] async for row in FUNDS.funds_listed(tx)}
    return {
        **{name: str(values.get(name, "")) for name in _LABELS},
        "fund_id": funds.get(values["fund_id"], ""),
        "most": f"£{values['most']}" if values.get("most") else "",
        "professions": _names(lists["professions"], values["professions"]),
        "purposes": _names(lists["purposes"], values["purposes"]),
        "eligibility": " ".join(RULES[name].asks for name in values["eligibility"] if name in RULES),
    }


def _names(entries: Mapping[str, Entry], codes: Sequence[str]) -> str:
    return ", ".join(words(entries, codes))


async def _form(
    request: Request,
    values: Mapping[str, Any],
    faults: Mapping[str, Any],
    *,
    row: Mapping[str, Any] | None = None,
    status: int = 200,
    changed: Sequence[Difference] = (),
) -> Response:
    site = site_of(request)
    lists = site.context.house.lists
    async with site.database.reading() as tx:
        funds = [each async for each in FUNDS.funds_listed(tx)]
    return site.page(
        request,
        "round_edit.html",
        status=status,
        round=row,
        settled=row is not None and row["state"] != RoundState.DRAFT,
        href=round_href(row["id"]) if row else None,
        list_href=LIST,
        values=dict.fromkeys(_LABELS, "") | {name: [] for name in _SEVERAL} | dict(values),
        faults=faults,
        changed=changed,
        funds=[{"code": str(each["id"]), "name": each["name"]} for each in funds if not each["closed_on"]],
        professions=list(lists["professions"].values()),
        purposes=list(lists["purposes"].values()),
        rules=[
            {"code": code, "name": rule.asks, "of_status": rule.of_status} for code, rule in RULES.items()
        ],
        key=new_key(request),
    )
