"""Applications as the grants officer sees them: the list of a round; each one with who, what and the rules.

Whoever applies is named here and nowhere else; a panel never comes to these pages.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.audit import acting, note
from chassis.database import Transaction
from chassis.errors import NotFound
from chassis.files import StoredFile
from chassis.house import House, word
from chassis.web import (
    PDF,
    BadRequest,
    Faults,
    give_file,
    new_key,
    read_form,
    read_id,
    read_revision,
    see,
    signed_in,
    site_of,
    size_in_words,
)
from chassis.web.access import actor_of
from services.grants import applying, judging
from services.grants.applicants import Applicant, applicant_of
from services.grants.applying import Asked
from services.grants.eligibility import EVERY_RULE, Outcome
from services.grants.judging import LONGEST_WORDS, Examined, is_same
from services.grants.queries import APPLICATIONS, ROUNDS
from services.grants.rounds import RoundState
from services.grants.states import COUNTING, STAGES, Mover, State, may_move
from services.grants.web.award_way import of_application
from services.grants.web.forms import Fields, Values, submit
from services.grants.web.hrefs import (
    application_href,
    applications_href,
    apply_href,
    case_href,
    closeness_href,
    dossier_href,
    round_href,
    ways,
)
from services.grants.web.looks import LOOKS
from services.grants.web.people import People
from services.grants.web.pressing import application, press

#: Applications on one page of the list.
PAGE = 50

_S = State
#: What the list may be narrowed to. What was not sent is nobody's business yet.
GROUPS: Mapping[str, tuple[str, frozenset[State]]] = {
    "check": ("To be checked", frozenset({_S.SUBMITTED})),
    "returned": ("Returned for more", frozenset({_S.RETURNED})),
    "eligible": ("Eligible", frozenset({_S.ELIGIBLE})),
    "panel": ("With the panel", frozenset({_S.UNDER_REVIEW, _S.DEFERRED})),
    "decided": (
        "Decided",
        frozenset({_S.AWARDED, _S.ACCEPTED, _S.PAID, _S.REPORTED, _S.DECLINED}),
    ),
    "refused": ("Refused, withdrawn or lapsed", frozenset({_S.INELIGIBLE, _S.WITHDRAWN, _S.LAPSED})),
}
_SENT = frozenset(State) - {State.DRAFT}
#: How the panel has decided is no secret any more.
_DECIDED = GROUPS["decided"][1] | {_S.DEFERRED}

#: How each finding looks.
_FOUND: Mapping[Outcome, tuple[str, str]] = {
    Outcome.MET: ("done", "Met"),
    Outcome.NOT_MET: ("declined", "Not met"),
    Outcome.UNCLEAR: ("question", "Look at it"),
}

_DONE = {
    "accepted": "It may go to the panel.",
    "refused": "It is refused. The applicant is sent a letter that names the rule.",
    "returned": "The applicant is sent a letter that says what is missing.",
}


async def show_all(request: Request) -> Response:
    """The applications of a round that were sent, in the order in which they came."""
    site, id = site_of(request), read_id(request)
    group, after = _asked(request)
    states = GROUPS[group][1] if group else _SENT
    async with site.database.reading() as tx:
        round_row = await _round(tx, id)
        counted = {row["state"]: row async for row in APPLICATIONS.applications_counted(tx, round_id=id)}
        wanted = {"round_id": id, "states": list(states), "after": after, "most": PAGE + 1}
        rows = [_listed(tx, row) async for row in APPLICATIONS.applications_listed(tx, **wanted)]
    href, more = applications_href(id), len(rows) > PAGE
    said = {"state": group} if group else {}
    older = f"{href}?{urlencode({**said, 'after': rows[PAGE - 1]['id']})}" if more else None
    return site.page(
        request,
        "applications.html",
        round=round_row,
        round_href=round_href(id),
        ways=ways(id, applications_href),
        apply_url=f"{site.context.settings.origin}{apply_href(id)}",
        rows=rows[:PAGE],
        groups=_groups(href, group, counted),
        sent=sum(row["count"] for state, row in counted.items() if state != State.DRAFT),
        drafts=counted[State.DRAFT]["count"] if State.DRAFT in counted else 0,
        asked_pence=sum(row["asked_pence"] for state, row in counted.items() if State(state) in _STANDING),
        href=href,
        group=group,
        older_href=older,
    )


#: What still asks for money.
_STANDING = frozenset({_S.SUBMITTED, _S.RETURNED, _S.ELIGIBLE, _S.UNDER_REVIEW, _S.DEFERRED})


#: What may go to the panel, or has been there.
_FOR_PANEL = COUNTING - {_S.SUBMITTED, _S.RETURNED}


def _asked(request: Request) -> tuple[str, UUID | None]:
    """What the list is narrowed to, and after which application it begins."""
    group, after = request.query_params.get("state", ""), request.query_params.get("after", "")
    if group and group not in GROUPS:
        raise BadRequest("There is no such group of applications.", "Choose one from the list.")
    try:
        return group, UUID(after) if after else None
    except ValueError:
        raise BadRequest("There is no such page of this list.", "Begin the list again.") from None


def _groups(href: str, chosen: str, counted: Mapping[str, Any]) -> list[dict[str, Any]]:
    all = {"": ("All", _SENT), **GROUPS}
    return [
        {
            "words": words,
            "count": sum(counted[state]["count"] for state in states if state in counted),
            "href": f"{href}?state={code}" if code else href,
            "chosen": code == chosen,
        }
        for code, (words, states) in all.items()
    ]


def _listed(tx: Transaction, row: Mapping[str, Any]) -> dict[str, Any]:
    who = Applicant.opened(tx.context, row["sealed"]) if row["sealed"] else None
    return {
        **_in_words(row, tx.context.house),
        "id": row["id"],
        "name": who.name if who else "",
        "files": row["files"],
        "alike": row["alike"],
        "submitted_at": row["submitted_at"],
    }


def _in_words(row: Mapping[str, Any], house: House) -> dict[str, Any]:
    """An application in a line."""
    state, purposes = State(row["state"]), house.lists["purposes"]
    return {
        "reference": row["reference"],
        "href": application_href(row["id"]),
        "state": LOOKS[state],
        "state_words": STAGES[state].staff,
        "purpose": purposes[row["purpose"]].name if row["purpose"] in purposes else row["purpose"],
        "amount_pence": row["amount_pence"],
    }


async def _round(tx: Transaction, id: UUID) -> Any:
    row = await ROUNDS.round_by_id(tx, id=id)
    if row is None or row["state"] == RoundState.DRAFT:
        raise NotFound
    return row


async def _found(tx: Transaction, id: UUID) -> Any:
    row = await APPLICATIONS.application_by_id(tx, id=id)
    if row is None or row["submitted_at"] is None:
        raise NotFound
    return row


async def show(request: Request) -> Response:
    """One application: who, what, which papers, what each rule finds, and what can be said."""
    return await _page(request, {"words": "", "more": "", "rule": ""}, {})


async def _page(
    request: Request, values: Mapping[str, Any], faults: Mapping[str, Any], *, status: int = 200
) -> Response:
    site, id = site_of(request), read_id(request)
    async with site.database.reading() as tx:
        row = await _found(tx, id)
        who = await applicant_of(tx, id)
        evidence = await applying.evidence_of(tx, id)
        steps = [each async for each in APPLICATIONS.steps_of(tx, application_id=id)]
        examined = await judging.examine(tx, row)
        award = await of_application(tx, id)
        people = await People.of(tx, [each["person_id"] for each in steps])
    if row["status_met"] is not None:  # whoever sees what was said of somebody's status leaves a trace
        async with acting(site.database, actor_of(request)) as tx:
            note(tx, "status_looked_at", "application", id)
    house, state = site.context.house, State(row["state"])
    lists = house.lists
    return site.page(
        request,
        "application.html",
        status=status,
        application={**row, **_in_words(row, house)},
        who=who,
        profession=word(lists["professions"], row["profession"]),
        area=word(lists["areas"], row["area"]),
        round=examined.plan,
        round_href=round_href(row["round_id"]),
        list_href=applications_href(row["round_id"]),
        early=applying.before_meeting(Asked.of(row), examined.plan),
        evidence=[paper(each) for each in evidence],
        findings=[_finding(each) for each in examined.findings],
        unmet=examined.unmet(),
        alike=[_other(each, house) for each in examined.alike],
        for_panel=state in _FOR_PANEL,
        case_href=case_href(id),
        conflicts_href=closeness_href(id),
        award=award,
        history=[_step(each, people) for each in reversed(steps)],
        can={
            "accept": judging.may_accept(state),
            "refuse": may_move(state, State.INELIGIBLE, Mover.OFFICER),
            "return": may_move(state, State.RETURNED, Mover.OFFICER),
        },
        rules=_refusals(examined),
        most=LONGEST_WORDS,
        values=values,
        faults=faults,
        href=application_href(id),
        dossier_href=dossier_href(id) if state in _DECIDED else None,
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )


def paper(row: Mapping[str, Any]) -> dict[str, Any]:
    """A paper, and how it is opened."""
    return {
        "name": row["name"],
        "size_words": size_in_words(row["size"]),
        "added_at": row["added_at"],
        "opens": row["media_type"] != PDF.media_type,
        "href": f"/grants/evidence/{row['file_id']}",
    }


def _finding(finding: Any) -> dict[str, Any]:
    look, words = _FOUND[finding.outcome]
    return {"asks": finding.asks, "found": finding.found, "look": look, "words": words}


def _refusals(examined: Examined) -> list[dict[str, str]]:
    """The rules by which one may refuse, those that are not met first."""
    unmet = {each.rule for each in examined.unmet()}
    ordered: Sequence[str] = sorted(examined.refusing, key=lambda rule: rule not in unmet)
    return [{"code": rule, "name": EVERY_RULE[rule].refusal} for rule in ordered]


def _other(row: Mapping[str, Any], house: House) -> dict[str, Any]:
    same = {
        "same_person": "the same number with us",
        "same_email": "the same e-mail address",
        "same_name": "the same name",
        "same_telephone": "the same telephone",
    }
    return {
        **_in_words(row, house),
        "round": row["round"],
        "submitted_at": row["submitted_at"],
        "certain": is_same(row),
        "why": ", ".join(words for name, words in same.items() if row[name]),
    }


def _step(row: Mapping[str, Any], people: People) -> dict[str, Any]:
    return {
        "at": row["happened_at"],
        "what": STAGES[State(row["state"])].staff,
        "detail": row["words"],
        "source_words": people.by(row["person_id"]),
        "href": None,
    }


# What the officer says


async def accept(request: Request) -> Response:
    """Let it go to the panel."""
    form, id, by = await read_form(request), read_id(request), signed_in(request).id
    fields, seen = Fields(form), read_revision(form)
    if not fields.ticked("looked"):
        what = "You have not said that you have looked at the papers."
        fields.add_fault("looked", what, "Look at them, then tick the box.")

    async def act(tx: Transaction) -> Response:
        await judging.accept(tx, id, by, seen=seen)
        return see(f"{application_href(id)}?done=accepted")

    return await _submit(request, fields, act)


async def refuse(request: Request) -> Response:
    """Refuse it by a rule."""
    form, id, by = await read_form(request), read_id(request), signed_in(request).id
    fields, seen = Fields(form), read_revision(form)
    words = fields.words("words", most=LONGEST_WORDS, required=False)

    async def act(tx: Transaction) -> Response:
        await judging.refuse(tx, id, by, seen=seen, rule=str(fields.values.get("rule", "")), words=words)
        return see(f"{application_href(id)}?done=refused")

    return await _submit(request, fields, act)


async def give_back(request: Request) -> Response:
    """Ask for what is missing."""
    form, id, by = await read_form(request), read_id(request), signed_in(request).id
    fields, seen = Fields(form), read_revision(form)
    more = fields.words("more", most=LONGEST_WORDS)

    async def act(tx: Transaction) -> Response:
        await judging.give_back(tx, id, by, seen=seen, words=more)
        return see(f"{application_href(id)}?done=returned")

    return await _submit(request, fields, act)


async def _submit(request: Request, fields: Fields, act: Any) -> Response:
    async def again(values: Values, faults: Faults, *, status: int) -> Response:
        values = {"words": "", "more": "", "rule": "", **values}
        return await _page(request, values, faults, status=status)

    id = read_id(request)
    pressed = partial(press, of=application(id), does={}, back=application_href(id))
    return await submit(request, fields, act, again, pressed)


# Papers


async def give_evidence(request: Request) -> Response:
    """One paper: a picture to be looked at, a PDF to be saved, because browsers show none in a sandbox."""
    site, id = site_of(request), read_id(request)
    async with site.database.reading() as tx:
        row = await APPLICATIONS.evidence_by_id(tx, file_id=id)
        if row is None:
            raise NotFound
        await _found(tx, row["application_id"])
    file = StoredFile.of({**row, "id": row["file_id"]})
    return give_file(site.database, file, inline=file.media_type != PDF.media_type)
