"""The timeline of an organisation as people read it: by kind, page by page, with who wrote what."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.clock import LOCAL
from chassis.database import Transaction
from chassis.errors import NotFound
from chassis.house import House
from chassis.web import BadRequest, read_id, site_of
from services.partners import timeline
from services.partners.queries import QUERIES
from services.partners.timeline import GROUPS, KINDS, Kind
from services.partners.web.hrefs import LIST as ORGANISATIONS

ENTRIES = "/partners/timeline"
#: Where a letter is shown, and a referral.
LETTER, REFERRALS = "/letters/letters", "/partners/referrals"

#: Entries on one page of a timeline, and of an organisation's own page.
PAGE, FEW = 50, 12
#: Characters of a text that a list shows.
_SHOWN = 300

#: Who told us what nobody here has entered, by how its kind begins.
_TOLD_BY = {
    "letter": "Told us by Letters",
    "contribution_pledged": "Told us by Letters",
    "contribution": "Told us by Grants",
    "referral": "Told us by them, by the link",
}


def shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """An entry as a list shows it: who wrote it, or who told it, and where more stands."""
    by_person = row["kind"] in list(Kind)
    detail = row["detail"]
    if len(detail) > _SHOWN:
        detail = f"{detail[:_SHOWN].rstrip()} …"
    href = f"{ENTRIES}/{row['id']}" if by_person else None
    for column, base in (("letter_id", LETTER), ("referral_id", REFERRALS)):
        href = f"{base}/{row[column]}" if row[column] else href
    return {
        "at": row["happened_at"],
        "what": row["what"],
        "detail": detail,
        "source_words": " · ".join(_source(row)),
        "href": href,
    }


def _source(row: Mapping[str, Any]) -> list[str]:
    if row["kind"] in list(Kind):
        words = [f"{KINDS[Kind(row['kind'])]} by {author(row)}"]
        if row["kind"] == Kind.MEETING:
            local = row["happened_at"].astimezone(LOCAL)
            words.append(f"{local:%H:%M}{', ' + row['place'] if row['place'] else ''}")
        if row["files"]:
            words.append(f"{row['files']} {'file' if row['files'] == 1 else 'files'}")
        return words
    if row["written_by"]:
        return [f"Entered by {author(row)}"]
    told = next((words for start, words in _TOLD_BY.items() if row["kind"].startswith(start)), "")
    return [told, f"confirmed by {row['confirmed_by']}"] if row["confirmed_by"] else [told]


def author(row: Mapping[str, Any]) -> str:
    """Who wrote something, by name where they are still known."""
    return row["author"] or "somebody who is no longer listed"


async def of_organisation(tx: Transaction, house: House, organisation_id: UUID) -> dict[str, Any]:
    """What the page of an organisation shows of its timeline: what is to come, and what happened last."""
    rows = await timeline.listed(tx, organisation_id, most=FEW + 1)
    to_come = [row for row in rows if row["happened_at"] > tx.now]
    return {
        "timeline": [shown(row) for row in rows[:FEW] if row not in to_come],
        "timeline_to_come": [shown(row) for row in reversed(to_come)],
        "timeline_href": f"{ORGANISATIONS}/{organisation_id}/timeline",
        "timeline_more": len(rows) > FEW,
        "timeline_groups": _groups(organisation_id, ""),
        "timeline_kinds": _kinds(organisation_id),
    }


def _groups(organisation_id: UUID, chosen: str) -> list[dict[str, Any]]:
    base = f"{ORGANISATIONS}/{organisation_id}/timeline"
    found = [{"words": "Everything", "href": base, "chosen": not chosen}]
    for code, (words, _) in GROUPS.items():
        found.append(
            {"words": words, "href": f"{base}?{urlencode({'kind': code})}", "chosen": code == chosen}
        )
    return found


def _kinds(organisation_id: UUID) -> list[dict[str, str]]:
    words = {Kind.NOTE: "Add a note", Kind.CALL: "Add a call", Kind.MEETING: "Add a meeting"}
    base = f"{ORGANISATIONS}/{organisation_id}/timeline/new"
    return [{"words": words[kind], "href": f"{base}?{urlencode({'kind': kind})}"} for kind in Kind]


async def show_all(request: Request) -> Response:
    """A page of the timeline of one organisation, of all kinds or of one."""
    id, site = read_id(request), site_of(request)
    group = request.query_params.get("kind", "")
    if group and group not in GROUPS:
        raise BadRequest("There is no such kind of entry.", "Choose one from the list above the timeline.")
    after = _after(request)
    async with site.database.reading() as tx:
        organisation = await QUERIES.organisation_by_id(tx, id=id)
        if organisation is None:
            raise NotFound
        rows = await timeline.listed(tx, id, group=group, after=after, most=PAGE + 1)
    older = {"kind": group} if group else {}
    more = len(rows) > PAGE
    return site.page(
        request,
        "timeline.html",
        organisation={"name": organisation["name"], "href": f"{ORGANISATIONS}/{id}"},
        timeline=[shown(row) for row in rows[:PAGE]],
        groups=_groups(id, group),
        kinds=_kinds(id),
        group=GROUPS[group][0] if group else "",
        after=after,
        older_href=f"?{urlencode({**older, 'after': rows[PAGE - 1]['id']})}" if more else None,
    )


def _after(request: Request) -> UUID | None:
    text = request.query_params.get("after", "")
    try:
        return UUID(text) if text else None
    except ValueError:
        raise BadRequest("There is no such page of this list.", "Begin the list again.") from None
