"""The dossier of a decision: on a page, on paper, and as a file that can be checked."""

import asyncio
import json
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from chassis.audit import acting
from chassis.clock import LOCAL
from chassis.house import House, word
from chassis.web import JSON, PDF, day, fault, give_made, pounds, read_id, site_of, when
from chassis.web.access import actor_of
from services.grants.conflicts import TIES, Source, Tie
from services.grants.dossiers import (
    Dossier,
    digest_of_dossier,
    enclose,
    gather,
    names_in,
    note_made,
)
from services.grants.ledger import Kind as Step
from services.grants.queries import DOSSIERS
from services.grants.states import STAGES, State
from services.grants.telling import Part, Told, print_told
from services.grants.web.conflicts import SOURCES
from services.grants.web.hrefs import application_href, dossier_href
from services.grants.web.ledger import STEPS
from services.grants.web.people import People

#: Dossiers that were made, as the page shows them.
MOST = 20

KINDS = {"award": "Awarded", "decline": "Declined", "defer": "Deferred"}
SETTLED = {"suggested": "Not looked at yet", "confirmed": "Confirmed", "dismissed": "Dismissed"}


async def show(request: Request) -> Response:
    """The dossier as it would be made now, which were made before, and whether a digest is still the same."""
    site, id = site_of(request), read_id(request)
    asked = request.query_params.get("digest", "").strip().lower()
    async with site.database.reading() as tx:
        dossier = await gather(tx, id)
        names = await names_in(tx, dossier)
        made = [dict(row) async for row in DOSSIERS.digests_noted(tx, application_id=str(id), most=MOST)]
        noted = await DOSSIERS.digest_noted(tx, application_id=str(id), digest=asked)
        people = await People.of(tx, [row["person_id"] for row in made])
    digest = digest_of_dossier(dossier)
    typed = re.fullmatch("[0-9a-f]{64}", asked)
    wrong = fault("This is no digest.", "It has 64 signs, 0 to 9 and a to f: copy it whole.")
    return site.page(
        request,
        "dossier.html",
        status=422 if asked and not typed else 200,
        story=tell(dossier, names, site.context.house),
        digest=digest,
        made=[
            {**row, "who": people.name(row["person_id"]) if row["person_id"] else "A command"} for row in made
        ],
        asked=asked if typed else "",
        same=asked == digest,
        noted=noted,
        values={"digest": asked},
        faults={"digest": wrong} if asked and not typed else {},
        reference=dossier["application"]["reference"],
        application_href=application_href(id),
        href=dossier_href(id),
    )


async def as_json(request: Request) -> Response:
    """The dossier as a file that ``conduit dossier verify`` checks."""
    dossier, names = await _made(request)
    file = enclose(dossier, names)
    written = json.dumps(file, ensure_ascii=False, sort_keys=True, indent=1)
    return give_made(_name(dossier), JSON, written.encode("utf-8", "replace"))


async def as_pdf(request: Request) -> Response:
    """The dossier on paper."""
    dossier, names = await _made(request)
    context = site_of(request).context
    told = tell(dossier, names, context.house)
    today = context.clock.now().astimezone(LOCAL).date()
    return give_made(
        _name(dossier), PDF, await asyncio.to_thread(print_told, told, context.house.name, today)
    )


async def _made(request: Request) -> tuple[Dossier, dict[str, str]]:
    """A dossier that somebody takes away, which is noted with its digest."""
    database, id = site_of(request).database, read_id(request)
    async with database.reading() as tx:
        dossier = await gather(tx, id)
        names = await names_in(tx, dossier)
    async with acting(database, actor_of(request)) as tx:
        note_made(tx, id, digest_of_dossier(dossier))
    return dossier, names


def _name(dossier: Dossier) -> str:
    return f"dossier-{dossier['application']['reference']}"


# In words


def tell(dossier: Dossier, names: Mapping[str, str], house: House) -> Told:
    """A dossier in words, with the people of ours by name."""
    said = dossier["application"]
    who = _Named(names)
    criteria = {each["id"]: each for each in dossier["criteria"]}
    return Told(
        title=f"How we decided: {said['reference']}",
        lede=f"{said['round']}, {said['fund']}. Whoever applied is not named.",
        parts=[
            _told_application(said, house),
            _told_conflicts(dossier["conflicts"], who),
            _told_scores(dossier["scores"], criteria, _counted(dossier), who),
            *[_told_decision(each, who) for each in dossier["decisions"]],
            _told_money(dossier["award"], dossier["ledger"], who),
            _told_payments(dossier["payments"], who),
        ],
        foot=f"SHA-256: {digest_of_dossier(dossier)}",
    )


class _Named:
    """People of ours by their names."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def __call__(self, id: str | None) -> str:
        return self._names.get(id, f"Colleague {id[-8:]}") if id else "Conduit itself"

    def all(self, ids: Sequence[str]) -> str:
        return ", ".join(sorted(map(self, ids))) or "Nobody"


def _at(moment: str | None) -> str:
    return when(datetime.fromisoformat(moment)) if moment else "—"


def _on(moment: str | None) -> str:
    return day(datetime.fromisoformat(moment)) if moment else "—"


def _named(house: House, name: str, code: str | None) -> str:
    return word(house.lists[name], code) or "—"


def _told_application(said: Mapping[str, Any], house: House) -> Part:
    case, rules = said["case"], said["rules"]
    needs = [f"at least {rules['quorum']} members"] if rules["quorum"] else []
    needs += ["one of the same profession"] if rules["needs_peer"] else []
    needs += ["one for the funder"] if rules["needs_funder"] else []
    return Part(
        title="What was asked for",
        facts=[
            ("Reference", said["reference"]),
            ("Profession", _named(house, "professions", said["profession"])),
            ("Exam", _named(house, "purposes", said["purpose"])),
            ("Amount", pounds(said["asked_pence"]) if said["asked_pence"] else "—"),
            ("Day of the exam", _on(said["exam_on"]) if said["exam_on"] else "Not booked"),
            ("Sent", _on(said["submitted_at"])),
            ("Where it stands", STAGES[State(said["state"])].staff),
        ],
        texts=[
            ("Must be there to decide", ", ".join(needs).capitalize() or "Nobody in particular"),
            (f"What the panel read, as case {case['label'] or '—'}", case["words"] or "No longer kept"),
            ("What the papers show", case["papers"] or "No longer kept"),
        ],
    )


def _told_conflicts(conflicts: Sequence[Mapping[str, Any]], who: _Named) -> Part:
    return Part(
        title="Conflicts of interest",
        head=("Member", "How it came out", "What it is", "What was said of it"),
        rows=[
            (
                who(each["person_id"]),
                f"{SOURCES[Source(each['source'])]}, {_on(each['noticed_at'])}",
                TIES[Tie(each["tie"])] if each["tie"] else "Not said",
                ". ".join(
                    filter(
                        None,
                        [
                            SETTLED[each["state"]],
                            f"{who(each['settled_by'])}, {_on(each['settled_at'])}"
                            if each["settled_at"]
                            else "",
                            each["words"],
                        ],
                    )
                ),
            )
            for each in conflicts
        ],
        note="" if conflicts else "None came out.",
    )


def _counted(dossier: Dossier) -> set[str]:
    """Whose scores the last decision rests on."""
    return {each["person"] for each in dossier["decisions"][-1]["basis"].get("scores", ())}


def _told_scores(
    scores: Sequence[Mapping[str, Any]],
    criteria: Mapping[str, Mapping[str, Any]],
    counted: Collection[str],
    who: _Named,
) -> Part:
    weights = ", ".join(f"{each['name']} {each['weight']}" for each in criteria.values())
    return Part(
        title="Scores, from 0 to 5",
        head=("Member", *(each["name"] for each in criteria.values()), "Note"),
        rows=[_scored(each, criteria, counted, who) for each in scores],
        note=f"Weights: {weights}. {_WHO_COUNTS}" if scores else "Nobody gave any.",
    )


_WHO_COUNTS = (
    "The mean leaves out whoever had to step out, and a reserve who did not stand in: “Not counted” says so."
)


def _scored(
    each: Mapping[str, Any],
    criteria: Mapping[str, Mapping[str, Any]],
    counted: Collection[str],
    who: _Named,
) -> tuple[str, ...]:
    given = {one["criterion_id"]: one["score"] for one in each["given"]}
    words = ["—" if id not in given else _score(given[id]) for id in criteria]
    left_out = "" if each["person_id"] in counted else "Not counted"
    said = [left_out if each["submitted_at"] else "Not handed in"]
    return (who(each["person_id"]), *words, ". ".join(filter(None, [*said, each["comment"]])) or "—")


def _score(score: int | None) -> str:
    return "Cannot judge" if score is None else str(score)


def _told_decision(said: Mapping[str, Any], who: _Named) -> Part:
    kind = KINDS[said["kind"]]
    amount = f" {pounds(said['amount_pence'])}" if said["amount_pence"] else ""
    facts = [
        ("Decided", f"{kind}{amount}"),
        ("Recorded", f"{_at(said['decided_at'])}, by {who(said['decided_by'])}"),
        ("There for it", who.all(said["present"])),
        ("Had stepped out", who.all(said["stepped_out"])),
        ("Knew the applicant, and stayed", who.all(said["acquainted"])),
        *_basis(said["basis"], who),
    ]
    title = "Decision" if said["number"] == 1 else f"Decision {said['number']}, in place of the one before"
    return Part(
        title=title,
        facts=facts,
        texts=[
            (title, said[name])
            for name, title in (
                ("why_changed", "Why it is another one than before"),
                ("reason", "What the applicant was told"),
            )
            if said[name]
        ]
        + [
            (f"Why it stands, although {who(each['person_id'])} had a part in it", _stands(each, who))
            for each in said["upheld"]
        ],
    )


def _stands(each: Mapping[str, Any], who: _Named) -> str:
    return f"{each['words']} ({who(each['said_by'])}, {_on(each['said_at'])})"


def _basis(basis: Mapping[str, Any], who: _Named) -> list[tuple[str, str]]:
    """The figures that a decision rests on, as far as words are needed: the file has all of them."""
    facts = []
    if basis.get("mean"):
        facts.append(("Mean by weight", f"{float(Fraction(basis['mean'])):.2f} of 5"))
    if quorum := basis.get("quorum"):
        facts.append(("Counted for it", f"{quorum['counted']}, where {quorum['least']} are needed"))
    if basis.get("not_waited_for"):
        facts.append(("Not waited for", who.all(basis["not_waited_for"])))
    return facts


def _told_money(award: Mapping[str, Any] | None, ledger: Sequence[Mapping[str, Any]], who: _Named) -> Part:
    facts = []
    if award:
        accepted = _on(award["accepted_at"]) if award["accepted_at"] else "Not yet"
        facts = [
            ("Awarded", pounds(award["amount_pence"])),
            ("Told", _on(award["offered_at"])),
            ("Said yes", accepted),
        ]
    return Part(
        title="The money",
        facts=facts,
        head=("Step", "Day", "By", "Amount"),
        rows=[
            (
                STEPS[Step(each["kind"])][0],
                _on(each["happened_on"]),
                who(each["person_id"]),
                pounds(each["amount_pence"]),
            )
            for each in ledger
        ],
        numbers_from=3,
        note="" if ledger else "No money was moved.",
    )


def _told_payments(payments: Sequence[Mapping[str, Any]], who: _Named) -> Part:
    return Part(
        title="Payments: one prepares, another pays",
        head=("To", "Prepared", "Paid or settled", "Amount"),
        rows=[
            (
                {"person": "The person", "exam_body": "The exam body"}[each["payee"]],
                f"{who(each['prepared_by'])}, {_on(each['prepared_at'])}",
                f"{each['state'].replace('_', ' ').capitalize()}: {who(each['settled_by'])},"
                f" {_on(each['paid_on'] or each['settled_at'])}"
                if each["settled_at"]
                else "Not yet",
                pounds(each["amount_pence"]),
            )
            for each in payments
        ],
        numbers_from=3,
        note="" if payments else "None was prepared.",
    )
