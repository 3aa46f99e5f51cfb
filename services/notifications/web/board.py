"""The list of campaigns, and the board of one: who is silent, who answered what, what needs a person."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.clock import LOCAL
from chassis.database import Transaction, rows_of
from chassis.errors import NotFound
from chassis.gathering import Gathered
from chassis.house import Entry, House
from chassis.web import (
    Site,
    day,
    give_table,
    live,
    new_key,
    pounds,
    read_id,
    short_name,
    signed_in,
    site_of,
)
from contracts.access import Action, may
from services.notifications.answers import turn_words
from services.notifications.campaigns import formula_words_of
from services.notifications.chasing import count_due
from services.notifications.domain import (
    BODY_STATUSES,
    AnswerKind,
    BodyStatus,
    CampaignState,
)
from services.notifications.figures import APART, Figures, Group, Standings, figures, lateness
from services.notifications.hrefs import INCOMING as INCOMING_HREF
from services.notifications.hrefs import (
    MOUNT,
    RESTORED,
    campaign_href,
    chasing_href,
    letter_href,
    post_href,
    step_href,
    stops_href,
    worked_href,
)
from services.notifications.needs import needs
from services.notifications.pacing import waiting
from services.notifications.patience import times
from services.notifications.queries import BOARD, INCOMING, POSTING, QUERIES
from services.notifications.restored import standing
from services.notifications.sending import lease
from services.notifications.web.acts import acts_on
from services.notifications.web.posting import of_campaign
from services.notifications.web.roles import roles_that_may
from services.notifications.web.steps import FOR_THE_POST, flash_of, framed, next_step, state_words

#: Campaigns on the list.
MOST = 200

#: Who may confirm a pledge: everybody reads the same board, and not everybody may.
_CONFIRMERS = roles_that_may(Action.CONFIRM_PLEDGES)

#: Bodies on one page of a board.
BODIES = 100
#: Letters in trouble that a board names.
TROUBLES = 50
#: Bodies that are read together for a table to take away.
_PART = 1_000

#: What gives a badge its shape where the status alone does not.
_LOOKS = {BodyStatus.PROBLEM: "failed", BodyStatus.WAITING: "ready", BodyStatus.WRITTEN_BACK: "closed"}

#: What the answer of each state was, for the note in a row.
_SAID = {
    BodyStatus.WILL_MEET: AnswerKind.MEET,
    BodyStatus.DECLINED: AnswerKind.DECLINE,
    BodyStatus.ASKED: AnswerKind.ASK,
}

#: What a body has promised, as `pledges_of` has it, in words.
_PROMISED = {
    "confirmed": "confirmed by us",
    "open": "to be confirmed by us",
    "written_back": "will not come",
}

#: Where the bodies of a state stand in the order of the table: see the column ``place``.
_PLACES = {
    BodyStatus.PROBLEM: (0, 0),
    BodyStatus.BLOCKED: (0, 0),
    BodyStatus.VERY_LATE: (1, 1),
    BodyStatus.LATE: (1, 1),
    BodyStatus.SILENT: (1, 1),
    BodyStatus.WAITING: (2, 2),
    BodyStatus.ACKNOWLEDGED: (3, 4),
    BodyStatus.ASKED: (4, 4),
    BodyStatus.WILL_MEET: (4, 4),
    BodyStatus.DECLINED: (5, 5),
    BodyStatus.PLEDGED: (5, 5),
    BodyStatus.WRITTEN_BACK: (5, 5),
}
_EVERY_PLACE = (0, 5)

#: What came back, and what a person can do about it.
_CAME_BACK = {
    "bounced": ("Our letter came back by e-mail.", "Find another address, or somebody else there."),
    "returned": ("Our letter came back by post.", "Find another address, or somebody else there."),
}


async def list_campaigns(request: Request) -> Response:
    """The campaigns, newest first."""
    site = site_of(request)
    async with site.database.reading() as tx:
        rows, waiting, restored, to_print = await tx.together(
            rows_of(QUERIES.campaigns(tx, most=MOST)),
            INCOMING.count_open(tx),
            standing(tx),
            rows_of(POSTING.waiting_to_be_printed(tx, campaign_id=None)),
        )
        to_chase = await count_due(tx)
        ids = [row["id"] for row in rows]
        groups = await request.app.state.standings.of(tx, ids)
        going = {row["id"] async for row in BOARD.going_by_themselves(tx, campaigns=ids)}
        in_trouble = {id: sum(group.in_trouble for group in some) for id, some in groups.items()}
        signed = signed_in(request)
        approves = may(Action.APPROVE_LETTERS, signed.roles)
        waits = await needs(tx, rows, in_trouble, signed.id, approves=approves)
    campaigns = [{**row, **_line(row, groups[row["id"]], goes=row["id"] in going)} for row in rows]
    response: Response = site.page(
        request,
        "campaigns.html",
        restored=restored,
        restored_href=RESTORED,
        campaigns=campaigns,
        new_href=f"{MOUNT}/campaigns/new",
        stops_href=stops_href(),
        incoming_href=INCOMING_HREF,
        incoming_open=waiting["held"] + waiting["turn"],
        to_chase=to_chase,
        needs=waits,
        worked_href=worked_href(),
        chasing_href=chasing_href(),
        to_print=sum(row["letters"] + row["chasers"] for row in to_print),
        post_href=post_href(),
        key=new_key(request),
        flash=flash_of(request),
    )
    return response


def _line(campaign: Mapping[str, Any], groups: Sequence[Group], *, goes: bool) -> dict[str, Any]:
    """A campaign on the list: to how many bodies it writes, and how many of them have said a word."""
    waiting = sum(group.waiting for group in groups)
    return {
        "href": campaign_href(campaign["id"]),
        **_whereabouts(campaign, waiting, goes=goes),
        "bodies": sum(group.bodies for group in groups if group.status is not BodyStatus.BLOCKED),
        "acknowledged": sum(group.bodies for group in groups if BODY_STATUSES[group.status].acknowledged),
        "letters": sum(group.letters for group in groups),
        "gone": sum(group.letters - group.blocked for group in groups) - waiting,
    }


def _whereabouts(campaign: Mapping[str, Any], waiting: int, *, goes: bool) -> dict[str, str]:
    """Where a campaign stands, and the look of that; one of which all that waits is to be posted says so."""
    state = campaign["state"]
    if state == CampaignState.SENDING and waiting and not goes:
        return {"look": "ready", "state_words": FOR_THE_POST}
    look = "done" if state == CampaignState.SENT else state
    return {"look": look, "state_words": state_words(campaign)}


@dataclass(frozen=True)
class _Look:
    """What somebody wants to see of a board."""

    campaign: UUID
    status: str
    query: str
    after: UUID | None


async def show(request: Request) -> Response:
    """The board."""
    site, look = site_of(request), _look(request)
    if look.query or (look.status and look.status not in set(BodyStatus)):  # as hardly anybody else asks
        seen = (await _seen(site, request.app.state.standings, [look])).get(look)
    else:
        seen = await request.app.state.boards.get(look)
    if seen is None:
        raise NotFound
    response: Response = site.page(
        request, "campaign.html", **seen, key=new_key(request), flash=flash_of(request, seen["campaign"])
    )
    return response


def _look(request: Request) -> _Look:
    asked = request.query_params
    return _Look(
        read_id(request),
        asked.get("status", "")[:40],
        asked.get("q", "").strip()[:100],
        _id_in(asked.get("after", "")),
    )


def seeing(site: Site, standings: Standings) -> Gathered[_Look, Mapping[str, Any]]:
    """Boards as everybody sees them: read and set once for all who ask for the same at the same moment."""

    async def ask(looks: Sequence[_Look]) -> Mapping[_Look, Mapping[str, Any]]:
        return await _seen(site, standings, looks)

    return Gathered(ask)


async def _seen(
    site: Site, standings: Standings, looks: Sequence[_Look]
) -> Mapping[_Look, Mapping[str, Any]]:
    """What is on these boards; nothing of a campaign that does not exist."""
    found: dict[_Look, Mapping[str, Any]] = {}
    async with site.database.reading() as tx:
        for campaign in {look.campaign for look in looks}:
            theirs = [look for look in looks if look.campaign == campaign]
            try:
                board = await _Board.read(tx, campaign, standings)
            except NotFound:
                continue
            page = board.page()
            parts = (board.rows(tx, look.status, look.query, look.after) for look in theirs)
            for look, rows in zip(theirs, await tx.together(*parts), strict=True):
                table = {
                    "rows": rows[:BODIES],
                    "more_after": rows[BODIES - 1]["organisation_id"] if len(rows) > BODIES else None,
                    "is_first": not look.after,
                    "chosen": look.status,
                    "chosen_words": board.status_words(look.status),
                    "query": look.query,
                    "csv_href": f"{campaign_href(campaign)}.csv{_asked(look)}",
                }
                found[look] = {**page, "counted": site.part("campaign_counted.html", **page, **table)}
    return found


def _asked(look: _Look) -> str:
    """What an address asks for, so that whatever it leads to shows the same bodies."""
    asked = {"status": look.status, "q": look.query}
    return (
        f"?{urlencode({name: said for name, said in asked.items() if said})}" if any(asked.values()) else ""
    )


def _id_in(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise NotFound from None


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
    """The bodies that somebody is looking at, as CSV in which no cell can be taken for a formula."""
    site, id = site_of(request), read_id(request)
    look = _look(request)
    async with site.database.reading() as tx:
        board = await _Board.read(tx, id, request.app.state.standings)
    head = (
        "Body",
        "Areas",
        "State",
        "Asked (£)",
        "Pledged and confirmed (£)",
        "Pledged, to be confirmed (£)",
        "Pledged, will not come (£)",
        "Letters",
        "By post",
        "Arrived",
        "Chased",
        "Last event",
        "Note",
    )

    async def rows() -> AsyncIterator[list[Sequence[object]]]:
        after: UUID | None = None
        while True:
            async with site.database.reading() as tx:
                part = await board.rows(tx, look.status, look.query, after, _PART)
            if part:
                yield [*map(_cells, part)]
            if len(part) <= _PART:
                return
            after = part[-1]["organisation_id"]

    return give_table(f"campaign-{board.campaign['number']}.csv", head, rows())


def _cells(row: Mapping[str, Any]) -> Sequence[object]:
    sums = (row["ask_pence"], *(row["pledged"].get(what) for what in _PROMISED))
    said = (row["body_name"], "; ".join(row["areas"]), row["status_words"], *map(_in_pounds, sums))
    return (
        *(*said, row["letters"], row["by_post"], row["arrived"], row["chased"]),
        *(_sortable(row["last_at"]), _in_one(row["notes"])),
    )


def _in_pounds(pence: int | None) -> str:
    return f"{pence / 100:.2f}" if pence else ""


def _sortable(moment: datetime | None) -> str:
    """A moment in the users' own time, as every spreadsheet reads and sorts it."""
    return f"{moment.astimezone(LOCAL):%Y-%m-%d %H:%M}" if moment else ""


class _Board:
    """One campaign with its bodies, as the page wants them."""

    def __init__(self, house: House, found: Figures) -> None:
        self._areas = house.lists["areas"]
        self._house = house
        self.campaign = found.campaign
        self.figures = found
        self.before = CampaignState(found.state).is_before_sending
        #: Domains that take no more at once, and how many letters a minute each takes.
        self.slow: Sequence[Any] = ()
        self.a_minute = 0
        #: What was said and a person has to see to.
        self.open_answers: Sequence[Any] = ()
        #: The first letters in trouble.
        self.problems: Sequence[Any] = ()
        #: Bodies to chase today.
        self.to_chase = 0
        self.first_letter: UUID | None = None
        #: What goes by post, and whether anything goes without it.
        self.post: Mapping[str, Any] = {}
        self.goes = self.more_to_go = False
        #: Letters for which the mail server has not answered yet.
        self.handed_over: Mapping[str, Any] | None = None
        #: What colleagues did with it.
        self.acts: Sequence[Any] = ()

    @classmethod
    async def read(cls, tx: Transaction, id: UUID, standings: Standings) -> "_Board":
        found, slow, open_answers, problems, first_letter, acts, going = await tx.together(
            figures(tx, id, standings),
            waiting(tx, id),
            rows_of(QUERIES.open_answers_of(tx, campaigns=[id])),
            rows_of(QUERIES.problems_of(tx, campaign_id=id, most=TROUBLES)),
            QUERIES.first_letter(tx, campaign_id=id),
            acts_on(tx, id),
            rows_of(BOARD.going_by_themselves(tx, campaigns=[id])),
        )
        board = cls(tx.context.house, found)
        board.a_minute = round(tx.context.settings.mail_domain_rate)
        board.slow, board.open_answers, board.problems = slow, open_answers, problems
        board.first_letter, board.to_chase = first_letter, await count_due(tx, id)
        board.post, board.acts = await of_campaign(tx, id), acts
        if going:
            [under_way] = going
            board.goes, board.handed_over = True, _handed_over(under_way, lease(tx.context.settings))
            board.more_to_go = under_way["waiting"]
        return board

    def page(self) -> dict[str, Any]:
        """Everything on the page but the rows."""
        href = campaign_href(self.campaign["id"])
        found, asks = self.figures, self.figures.asks
        return {
            **framed(self.campaign),
            **_whereabouts(self.campaign, found.letters("waiting"), goes=self.goes),
            "goes": self.goes,
            "more_to_go": self.more_to_go,
            "handed_over": self.handed_over,
            "campaign": self._campaign(),
            "headline": self._headline(),
            "funnel": self._funnel(),
            "totals": {
                "asked_pence": asks["total"],
                "pledged_pence": found.pledged_pence,
                "written_back_pence": found.written_back_pence,
                "received_pence": found.received_pence,
                "least_pence": asks["min"] if asks["total"] else None,
                "most_pence": asks["max"] if asks["total"] else None,
            },
            "apart": self._apart(),
            "tiles": self._tiles(),
            "states": self._states(),
            **self._needs_you(),
            **self.post,
            "acts": self.acts,
            "progress": self._progress(),
            "slow": [self._slow(row) for row in self.slow],
            "live_href": f"{href}/live",
            "before": self.before,
            "go_on_href": step_href(self.campaign["id"], next_step(self.campaign)),
            "discard_href": f"{href}/discard" if self.campaign["state"] == CampaignState.DRAFT else None,
            "preview_href": letter_href(self.first_letter) if self.first_letter else None,
            "chase": {"count": self.to_chase, "href": chasing_href(self.campaign["id"])},
            "chasing_href": None if self.before else f"{href}/chasing",
            "worked_href": None if self.before else worked_href(self.campaign["id"]),
        }

    def _campaign(self) -> dict[str, Any]:
        return {
            **self.campaign,
            "formula_words": formula_words_of(self._house, self.campaign),
            "evidence_source": self.figures.evidence_source or self._no_evidence(),
            "evidence_as_of": " to ".join(map(day, self.figures.evidence_days)),
        }

    def _no_evidence(self) -> str:
        """Why there is no count behind the asks: the letters take theirs when they are made."""
        made = self.figures.letters() > 0
        return "no registration has been counted yet" if made else "taken when the letters are made"

    def _slow(self, row: Any) -> dict[str, Any]:
        """A domain for which letters wait, and until when if its mail server was given too much."""
        return {
            "domain": row["domain"],
            "letters": row["letters"],
            "until": row["next_at"] if row["slowed"] else None,
            "a_minute": self.a_minute,
        }

    def _needs_you(self) -> dict[str, Any]:
        """What recipients wait for, then the letters in trouble; how many letters that makes, and matters."""
        letters = {row["letter_id"] for row in self.open_answers}
        in_trouble = {row["id"] for row in self.problems}
        more = self.figures.letters("in_trouble") - len(in_trouble)
        return {
            "problems": [*map(_open_matter, self.open_answers), *map(_trouble, self.problems)],
            "needing": len(letters | in_trouble) + more,
            "matters": len(self.open_answers) + len(self.problems) + more,
            "more_problems": more,
        }

    def _headline(self) -> dict[str, Any]:
        found = self.figures
        if self.before:
            sendable = found.bodies(BodyStatus.WAITING)
            return {"number": sendable, "of": sendable, "words": "to ask", "say": "Nothing is sent yet"}
        number, of, words = found.never_acknowledged, found.asked, "have not acknowledged"
        say = f"{number} of {of} {words}" if of else "No letter has arrived yet"
        return {"number": number, "of": of, "words": words, "say": say}

    def _funnel(self) -> list[dict[str, Any]]:
        found, all_bodies = self.figures, self.figures.bodies()
        steps = [
            (
                "Asked",
                found.asked,
                all_bodies,
                "Bodies that at least one letter has reached, as far as we know",
            ),
            ("Acknowledged", found.acknowledged, found.asked, "Bodies that said the letter is there"),
            ("Answered", found.answered, found.asked, "Pledged, will meet, declined or asked a question"),
            ("Pledged", found.pledged_bodies, found.asked, "Bodies with a confirmed pledge that counts"),
        ]
        return [{"label": label, "count": n, "of": of, "words": words} for label, n, of, words in steps]

    def _apart(self) -> dict[str, Any]:
        """Letters that did not arrive as far as we know, and how many bodies are left without one."""
        letters = {APART[what]: count for what, count in self.figures.apart.items() if count}
        return {"letters": letters, "bodies": self.figures.bodies(BodyStatus.PROBLEM)}

    def _progress(self) -> dict[str, int]:
        found = self.figures
        total = found.letters() - found.letters("blocked")
        return {"sent": total - found.letters("waiting"), "total": total, "all": found.letters()}

    def _states(self) -> list[dict[str, Any]]:
        """Which states there are, each with how many bodies."""
        counts = {status: self.figures.bodies(status) for status in BodyStatus}
        return [{**self._status(status), "key": status, "count": n} for status, n in counts.items() if n]

    def _tiles(self) -> list[dict[str, Any]]:
        served: dict[str, list[Group]] = {}
        for group in self.figures.groups:
            for code in group.areas:
                served.setdefault(code, []).append(group)
        return [self._tile(area, served[code]) for code, area in self._areas.items() if code in served]

    def _tile(self, area: Entry, groups: Sequence[Group]) -> dict[str, Any]:
        """An area with the body that serves it; where there are several, with how many have said a word."""
        tile = {
            "name": area.name,
            "short": short_name(area.name),
            "column": area.attributes.get("column", 0),
            "row": area.attributes.get("row", 0),
            "ask_pence": None,
        }
        bodies = sum(group.bodies for group in groups)
        if bodies == 1:
            [group] = groups
            ask = {"ask_pence": group.asked_pence, "href": letter_href(group.letter_id)}
            return {**tile, **self._status(group.status), **ask}
        heard = sum(group.bodies for group in groups if BODY_STATUSES[group.status].acknowledged)
        words = f"{heard:,} of {bodies:,} have acknowledged"
        found = {"figure": f"{heard / bodies:.0%}", "share": heard / bodies}
        href = f"?q={area.name.replace(' ', '+')}#bodies-title"
        return {**tile, **found, "status": "acknowledged", "status_words": words, "href": href}

    def status_words(self, status: str) -> str:
        """A state as the page calls it; nothing where there is no such state."""
        return self._status(BodyStatus(status))["status_words"] if status in set(BodyStatus) else ""

    def _status(self, status: BodyStatus) -> dict[str, str]:
        if status is BodyStatus.BLOCKED and self.campaign["state"] == CampaignState.STOPPED:
            return {"status": "stopped", "status_words": "Not written to"}
        return {"status": _LOOKS.get(status, status.value), "status_words": BODY_STATUSES[status].staff}

    async def rows(
        self,
        tx: Transaction,
        status: str = "",
        query: str = "",
        after: UUID | None = None,
        most: int = BODIES,
    ) -> list[dict[str, Any]]:
        """The next bodies, one more than wanted: what waits for us, what did not arrive, who is silent …"""
        ours = list({row["organisation_id"] for row in self.open_answers})
        areas = [
            code for code, area in self._areas.items() if query and query.casefold() in area.name.casefold()
        ]
        first_place, last_place = _PLACES[BodyStatus(status)] if status in set(BodyStatus) else _EVERY_PLACE
        campaign_id = self.campaign["id"]
        chosen = {"campaign_id": campaign_id, "status": status, "query": query.lower(), "areas": areas}
        chosen |= lateness(tx)
        found: list[Any] = []
        past = after if after not in ours else None
        if ours and (after is None or after in ours):
            among = BOARD.bodies_among(tx, only=ours, after=after, most=most + 1, **chosen)
            found = await rows_of(among)
        if len(found) <= most:
            places = {"first_place": first_place, "last_place": last_place}
            rest = {"but": ours, "after": past, "most": most + 1 - len(found)}
            found += await rows_of(BOARD.bodies_in_order(tx, **places, **rest, **chosen))
        ids = [row["organisation_id"] for row in found]
        said, pledged, chased, posted, turned = await tx.together(
            rows_of(QUERIES.words_of(tx, campaign_id=campaign_id, bodies=ids)),
            rows_of(BOARD.pledges_of(tx, campaign_id=campaign_id, bodies=ids)),
            rows_of(BOARD.chased_of(tx, campaign_id=campaign_id, bodies=ids)),
            rows_of(BOARD.by_post_of(tx, campaign_id=campaign_id, bodies=ids)),
            rows_of(BOARD.turns_of(tx, campaign_id=campaign_id, bodies=ids)),
        )
        words = {(row["organisation_id"], row["kind"]): row for row in said}
        pledges = {row["organisation_id"]: row for row in pledged}
        times_of = {row["organisation_id"]: row["chased"] for row in chased}
        by_post = {row["organisation_id"]: row for row in posted}
        turns = {row["organisation_id"]: row for row in turned}
        return [
            self._row(row, times_of.get(id, 0), pledges.get(id, {}))
            | {"notes": self._notes(row, words, pledges.get(id, {}), turns.get(id))}
            | _by_post(by_post.get(id))
            for id, row in zip(ids, found, strict=True)
        ]

    @cached_property
    def _asking(self) -> set[UUID]:
        """The bodies with a question that we have not answered yet."""
        return {row["organisation_id"] for row in self.open_answers if row["kind"] == AnswerKind.ASK}

    def _row(self, row: Any, chased: int, pledged: Mapping[str, int]) -> dict[str, Any]:
        status = BodyStatus(row["status"])
        return {
            "organisation_id": row["organisation_id"],
            "href": letter_href(row["letter_id"]),
            "body_name": row["name"],
            "areas": [self._areas[code].name if code in self._areas else code for code in row["areas"]],
            "ask_pence": row["ask_pence"],
            **self._status(status),
            "letters": row["letters"],
            "letters_href": f"{campaign_href(self.campaign['id'])}/letters?body={row['organisation_id']}",
            "arrived": row["arrived"],
            "chased": chased,
            "chased_words": times(chased),
            "last_at": None if self.before else row["changed_at"],
            "pledged": pledged,
        }

    def _notes(
        self, row: Any, words: Mapping[tuple[UUID, str], Any], pledged: Mapping[str, int], turn: Any
    ) -> list[dict[str, str]]:
        """What was said that led to the state in the row; an open question stands beside any other answer."""
        body, standing = row["organisation_id"], BodyStatus(row["standing"])
        kind = _SAID.get(standing)
        said = words.get((body, kind)) if kind else None
        notes = [_note_of(said)] if said else []
        promised = _promised(pledged) if standing is BodyStatus.PLEDGED else ""
        turned = _turned(standing, turn, pledged) if turn else ""
        notes.append({"what": ". ".join(filter(None, [promised, turned])), "words": ""})
        if kind is not AnswerKind.ASK and body in self._asking:
            notes.append(_note_of(words[body, AnswerKind.ASK]))
        return [note for note in notes if any(note.values())]


def _handed_over(under_way: Any, lease: timedelta) -> Mapping[str, Any] | None:
    """How many letters the mail server has not answered for, since when, and when a person is asked."""
    if not under_way["handed_over"]:
        return None
    since = under_way["since"]
    return {"letters": under_way["handed_over"], "since": since, "until": since + lease}


def _by_post(row: Any) -> dict[str, Any]:
    """How many letters to a body go by post, and how many of them wait to be posted."""
    return {"by_post": row["letters"] if row else 0, "printed": row["printed"] if row else 0}


def _promised(pledged: Mapping[str, int]) -> str:
    """What a body has pledged, and how that stands."""
    sums = ((pledged.get(what), words) for what, words in _PROMISED.items())
    return ", ".join(f"{pounds(pence)} {words}" for pence, words in sums if pence)


def _turned(standing: BodyStatus, turn: Any, pledged: Mapping[str, int]) -> str:
    """Whose place the answer that stands has taken; or why a later one does not stand."""
    said = BodyStatus.DECLINED if turn["kind"] == AnswerKind.DECLINE else BodyStatus.PLEDGED
    if said is standing:
        return f"In place of {turn_words(turn)}."
    if standing is BodyStatus.PLEDGED and pledged.get("confirmed"):
        return "They have declined since. The pledge that we have confirmed counts until a person changes it."
    return ""


def _note_of(said: Any) -> dict[str, str]:
    """Our words on an answer, and apart from them those that somebody typed."""
    words = _quoted(said["detail"])
    if said["kind"] == "ask":
        return {"what": "We answered the question:" if said["settled_at"] else "Question:", "words": words}
    return {"what": "", "words": words}


def _in_one(notes: Sequence[Mapping[str, str]]) -> str:
    """Notes as they stand in one cell of a file."""
    return " ".join(words for note in notes for words in (note["what"], note["words"]) if words)


def _quoted(words: str) -> str:
    return f"“{words[:200]}{'…' if len(words) > 200 else ''}”" if words else ""


def _trouble(row: Any) -> dict[str, str]:
    """A letter in trouble, as the list of problems shows it."""
    what, cure = _CAME_BACK.get(row["delivery"], (row["failure"], row["cure"] or ""))
    said = {"what": what, "words": "", "cure": cure}
    return {"href": letter_href(row["id"]), "body_name": row["body_name"], **said}


def _open_matter(row: Any) -> dict[str, str]:
    """An answer that a person has to see to, as the list of problems shows it."""
    if row["kind"] == "pledge":
        what = f"Pledged {pounds(row['pledge_pence'])}, which nobody has confirmed yet."
        cure = f"Telephone them. Then it is confirmed on the letter’s page; these roles may: {_CONFIRMERS}."
    elif row["kind"] == "ask":
        what, cure = "Asks:", "Answer them, then say so on the letter’s page."
    elif row["kind"] == "meet":
        what = "Will meet us."
        cure = "Agree on a day with them, then say so on the letter’s page."
    elif row["kind"] == "pass_on":
        what = "Passed our letter on to a colleague, who has no letter yet."
        cure = "Confirm the colleague on the organisation’s page."
    else:
        what = "Pledged before, and says now that they cannot contribute."
        cure = "Telephone them: the pledge still counts. The letter’s page says how to change it."
    said = {"what": what, "words": _quoted(row["detail"]), "cure": cure}
    return {"href": letter_href(row["letter_id"]), "body_name": row["body_name"], **said}
