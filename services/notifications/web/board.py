"""The list of campaigns, and the board of one: who is silent, who answered what, what needs a person."""

from collections.abc import AsyncIterator, Mapping, Sequence, Set
from functools import cached_property
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import NotFound
from chassis.house import Entry
from chassis.web import give_table, live, new_key, pounds, read_id, short_name, site_of, when
from services.notifications.campaigns import formula_of
from services.notifications.chasing import due
from services.notifications.domain import (
    BODY_STATUSES,
    CAMPAIGN_STAGES,
    AnswerKind,
    BodyStatus,
    CampaignState,
)
from services.notifications.figures import Body, Figures, figures
from services.notifications.hrefs import INCOMING as INCOMING_HREF
from services.notifications.hrefs import (
    MOUNT,
    campaign_href,
    chasing_href,
    letter_href,
    step_href,
    stops_href,
)
from services.notifications.patience import times
from services.notifications.queries import INCOMING, QUERIES
from services.notifications.web.steps import flash_of, framed, next_step

#: Campaigns on the list.
MOST = 200

#: More bodies than a campaign has.
_ALL = 1_000_000

#: What stands in addresses and gives a badge its shape; the words are those of the domain.
SHOWN = {
    BodyStatus.ANSWERED_PLEDGED: "pledged",
    BodyStatus.ANSWERED_WILL_MEET: "will_meet",
    BodyStatus.ANSWERED_DECLINED: "declined",
    BodyStatus.ASKED: "asked",
    BodyStatus.ACKNOWLEDGED: "acknowledged",
    BodyStatus.SILENT: "silent",
    BodyStatus.LATE: "late",
    BodyStatus.VERY_LATE: "very_late",
    BodyStatus.PROBLEM: "failed",
    BodyStatus.WAITING: "ready",
}

#: What the answer of each state was, for the note in a row.
_SAID = {
    BodyStatus.ANSWERED_PLEDGED: AnswerKind.PLEDGE,
    BodyStatus.ANSWERED_WILL_MEET: AnswerKind.MEET,
    BodyStatus.ANSWERED_DECLINED: AnswerKind.DECLINE,
    BodyStatus.ASKED: AnswerKind.ASK,
}


async def list_campaigns(request: Request) -> Response:
    """The campaigns, newest first."""
    site = site_of(request)
    async with site.database.reading() as tx:
        rows = [row async for row in QUERIES.campaigns(tx, most=MOST)]
        waiting = await INCOMING.count_open(tx)
        to_chase = await due(tx, most=1)
    campaigns = [
        {**row, "href": campaign_href(row["id"]), "state_words": CAMPAIGN_STAGES[row["state"]].staff}
        for row in rows
    ]
    response: Response = site.page(
        request,
        "campaigns.html",
        campaigns=campaigns,
        new_href=f"{MOUNT}/campaigns/new",
        stops_href=stops_href(),
        incoming_href=INCOMING_HREF,
        incoming_open=waiting["held"] + waiting["turn"],
        to_chase=to_chase[0]["in_all"] if to_chase else 0,
        chasing_href=chasing_href(),
        flash=flash_of(request),
    )
    return response


async def show(request: Request) -> Response:
    """The board."""
    site, id = site_of(request), read_id(request)
    async with site.database.reading() as tx:
        board = await _read(tx, id)
    status = request.query_params.get("status", "")[:40]
    query = request.query_params.get("q", "").strip()[:100]
    response: Response = site.page(
        request,
        "campaign.html",
        **board.page(),
        rows=[row for row in board.rows() if _fits(row, status, query)],
        chosen=status,
        query=query,
        key=new_key(request),
        flash=flash_of(request),
    )
    return response


#: What a viewer's stream knows of a draft that was thrown away meanwhile.
_GONE = "gone"


async def follow(request: Request) -> Response:
    """One event whenever something about the campaign changes."""
    site, id = site_of(request), read_id(request)

    async def version() -> str:
        async with site.database.reading() as tx:
            pulse = await QUERIES.pulse_of(tx, campaign_id=id)
        return str(tuple(pulse)) if pulse else _GONE

    if await version() == _GONE:
        raise NotFound
    return live(request, version)


async def download(request: Request) -> Response:
    """The table of the bodies as CSV, in which no cell can be taken for a formula."""
    site, id = site_of(request), read_id(request)
    async with site.database.reading() as tx:
        board = await _read(tx, id)
    head = ("Body", "Areas", "State", "Asked (£)", "Letters", "Arrived", "Chased", "Last event", "Note")

    async def rows() -> AsyncIterator[list[Sequence[object]]]:
        yield [_cells(row) for row in board.rows()]

    return give_table(f"campaign-{board.campaign['number']}.csv", head, rows())


def _cells(row: Mapping[str, Any]) -> Sequence[object]:
    asked = f"{row['ask_pence'] / 100:.2f}" if row["ask_pence"] else ""
    said = (row["body_name"], "; ".join(row["areas"]), row["status_words"], asked, row["letters"])
    return (*said, row["arrived"], row["chased"], when(row["last_at"]), row["note"])


def _fits(row: dict[str, Any], status: str, query: str) -> bool:
    text = " ".join([row["body_name"], *row["areas"]]).casefold()
    return (not status or row["status"] == status) and query.casefold() in text


async def _read(tx: Transaction, id: Any) -> "_Board":
    found = await figures(tx, id)
    board = _Board(tx, await QUERIES.campaign(tx, id=id), found)
    words = QUERIES.words_of(tx, campaign_id=id)
    board.words = {(row["organisation_id"], row["kind"]): row async for row in words}
    board.open_answers = [row async for row in QUERIES.open_answers_of(tx, campaign_id=id)]
    board.problems = [row async for row in QUERIES.problems_of(tx, campaign_id=id)]
    board.evidence = await QUERIES.evidence_of(tx, campaign_id=id)
    board.to_chase = {row["organisation_id"] for row in await due(tx, campaign_id=id, most=_ALL)}
    board.first_letter = await QUERIES.first_letter(tx, campaign_id=id)
    return board


class _Board:
    """One campaign with its bodies, as the page wants them."""

    #: By body and kind of answer.
    words: dict[tuple[UUID, str], Any]
    open_answers: Sequence[Any]
    problems: Sequence[Any]
    evidence: Any
    first_letter: Any
    #: Bodies that are chased today.
    to_chase: Set[UUID]

    def __init__(self, tx: Transaction, campaign: Any, found: Figures) -> None:
        self._areas = tx.context.house.lists["areas"]
        self._professions = tx.context.house.lists["professions"]
        self.campaign = campaign
        self.figures = found
        self.before = CampaignState(campaign["state"]).is_before_sending

    def page(self) -> dict[str, Any]:
        """Everything on the page but the rows."""
        href = campaign_href(self.campaign["id"])
        asks = self.figures.asks
        return {
            **framed(self.campaign),
            "campaign": self._campaign(),
            "headline": self._headline(),
            "funnel": self._funnel(),
            "totals": {
                "asked_pence": sum(asks),
                "pledged_pence": self.figures.pledged_pence,
                "received_pence": self.figures.received_pence,
                "least_pence": min(asks, default=None),
                "most_pence": max(asks, default=None),
            },
            "tiles": self._tiles(),
            **self._needs_you(),
            "progress": self._progress(),
            "live_href": f"{href}/live",
            "before": self.before,
            "go_on_href": step_href(self.campaign["id"], next_step(self.campaign)),
            "discard_href": f"{href}/discard" if self.campaign["state"] == CampaignState.DRAFT else None,
            "preview_href": letter_href(self.first_letter) if self.first_letter else None,
            "csv_href": f"{href}.csv",
            "chase": {"count": len(self.to_chase), "href": chasing_href(self.campaign["id"])},
            "chasing_href": None if self.before else f"{href}/chasing",
        }

    def _campaign(self) -> dict[str, Any]:
        profession = self._professions.get(self.campaign["profession"])
        formula = formula_of(self.campaign)
        person = profession.name.lower() if profession else "person"
        return {
            **self.campaign,
            "formula_words": formula.words(person) if formula else None,
            "evidence_source": self.evidence["source"] or "no registration has been counted yet",
            "evidence_as_of": self.evidence["as_of"],
        }

    def _needs_you(self) -> dict[str, Any]:
        """What recipients wait for, then the letters in trouble; and how many letters that makes."""
        problems = [
            {
                "href": letter_href(row["id"]),
                "body_name": row["body_name"],
                "what": row["failure"],
                "cure": row["cure"] or "",
            }
            for row in self.problems
        ]
        letters = {row["letter_id"] for row in self.open_answers} | {row["id"] for row in self.problems}
        return {"problems": [*map(_open_matter, self.open_answers), *problems], "needing": len(letters)}

    def _headline(self) -> dict[str, Any]:
        found = self.figures
        if self.before:
            sendable = found.count(not body.blocked for body in found.bodies)
            return {"number": sendable, "of": sendable, "words": "to ask", "say": "Nothing is sent yet"}
        number, of, words = found.never_acknowledged, found.asked, "have not acknowledged"
        say = f"{number} of {of} {words}" if of else "No letter has arrived yet"
        return {"number": number, "of": of, "words": words, "say": say}

    def _funnel(self) -> list[dict[str, Any]]:
        found, all_bodies = self.figures, len(self.figures.bodies)
        steps = [
            ("Asked", found.asked, all_bodies, "Bodies whose mail server took at least one letter"),
            ("Acknowledged", found.acknowledged, found.asked, "Bodies that said the letter is there"),
            ("Answered", found.answered, found.asked, "Pledged, will meet, declined or asked a question"),
            ("Pledged", found.pledged_bodies, found.asked, "Bodies whose pledge we have confirmed"),
        ]
        return [{"label": label, "count": n, "of": of, "words": words} for label, n, of, words in steps]

    def _progress(self) -> dict[str, int]:
        letters = self.figures.letters
        waiting = letters["draft"] + letters["ready"] + letters["sending"]
        total = sum(letters.values()) - letters["blocked"]
        return {"sent": total - waiting, "total": total}

    def _by_area(self) -> dict[str, Body]:
        """The body that a tile stands for: the first that serves the area."""
        areas: dict[str, Body] = {}
        for body in self.figures.bodies:
            for code in body.areas:
                areas.setdefault(code, body)
        return areas

    def _tiles(self) -> list[dict[str, Any]]:
        bodies = self._by_area()
        return [self._tile(area, bodies[code]) for code, area in self._areas.items() if code in bodies]

    def _tile(self, area: Entry, body: Body) -> dict[str, Any]:
        return {
            "name": area.name,
            "short": short_name(area.name),
            "column": area.attributes.get("column", 0),
            "row": area.attributes.get("row", 0),
            **self._status(body),
            "href": letter_href(body.letter_id),
            "ask_pence": body.ask_pence,
        }

    def _status(self, body: Body) -> dict[str, str]:
        if body.blocked and self.campaign["state"] == CampaignState.STOPPED:
            return {"status": "stopped", "status_words": "Not written to"}
        if body.blocked:
            return {"status": "blocked", "status_words": "Cannot go"}
        if body.status is BodyStatus.ASKED and body.organisation_id not in self._asking:
            return {"status": "acknowledged", "status_words": "Acknowledged"}  # we have answered: their turn
        return {"status": SHOWN[body.status], "status_words": BODY_STATUSES[body.status].staff}

    def rows(self) -> list[dict[str, Any]]:
        """One row for each body: what needs a person first, then whom to chase, then by name."""
        waiting = {row["organisation_id"] for row in self.open_answers}

        def order(body: Body) -> tuple[bool, bool, str]:
            needs_us = body.organisation_id in waiting or body.status is BodyStatus.PROBLEM
            return not needs_us, body.organisation_id not in self.to_chase, body.name.casefold()

        return [self._row(body) for body in sorted(self.figures.bodies, key=order)]

    @cached_property
    def _asking(self) -> set[UUID]:
        """The bodies with a question that we have not answered yet."""
        return {row["organisation_id"] for row in self.open_answers if row["kind"] == AnswerKind.ASK}

    def _row(self, body: Body) -> dict[str, Any]:
        return {
            "href": letter_href(body.letter_id),
            "body_name": body.name,
            "areas": [self._areas[code].name if code in self._areas else code for code in body.areas],
            "ask_pence": body.ask_pence,
            **self._status(body),
            "letters": body.letters,
            "arrived": body.arrived,
            "chased": body.chased,
            "chased_words": times(body.chased),
            "last_at": None if self.before else body.changed_at,
            "note": self._note(body),
        }

    def _note(self, body: Body) -> str:
        """What was said that led to the state in the row; an open question stands beside any other answer."""
        kind = _SAID.get(body.status)
        said = self.words.get((body.organisation_id, kind)) if kind else None
        notes = [_note_of(said)] if said else []
        if kind is not AnswerKind.ASK and body.organisation_id in self._asking:
            notes.append(_note_of(self.words[body.organisation_id, AnswerKind.ASK]))
        return " ".join(filter(None, notes))


def _note_of(said: Any) -> str:
    if said["kind"] == "pledge":
        return "Confirmed by us" if said["confirmed_at"] else "To be confirmed by us"
    words = _quoted(said["detail"])
    if said["kind"] == "ask":
        return f"{'We answered the question' if said['settled_at'] else 'Question'}: {words}"
    return words


def _quoted(words: str) -> str:
    return f"“{words[:200]}{'…' if len(words) > 200 else ''}”" if words else ""


def _open_matter(row: Any) -> dict[str, str]:
    """An answer that a person has to see to, as the list of problems shows it."""
    if row["kind"] == "pledge":
        what = f"Pledged {pounds(row['pledge_pence'])}, which nobody has confirmed yet."
        cure = "Telephone them, then confirm it on the letter’s page."
    elif row["kind"] == "ask":
        what, cure = f"Asks: {_quoted(row['detail'])}", "Answer them, then say so on the letter’s page."
    elif row["kind"] == "meet":
        what = f"Will meet us. {_quoted(row['detail'])}".strip()
        cure = "Agree on a day with them, then say so on the letter’s page."
    elif row["kind"] == "pass_on":
        what = "Passed our letter on to a colleague, who has no letter yet."
        cure = "Confirm the colleague on the organisation’s page."
    else:
        what = f"Pledged before, and says now that they cannot contribute. {_quoted(row['detail'])}".strip()
        cure = "Telephone them: the pledge was confirmed and still counts."
    return {"href": letter_href(row["letter_id"]), "body_name": row["body_name"], "what": what, "cure": cure}
