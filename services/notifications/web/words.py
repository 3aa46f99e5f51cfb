"""Words while they are written: what is wrong with them, how they would read, and how they have changed."""

from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.web import read_id, site_of
from services.notifications.campaigns import template_faults
from services.notifications.letters import values_of
from services.notifications.queries import COMPOSING, QUERIES
from services.notifications.web.letter import HIDDEN
from services.notifications.web.steps import called, framed, read_campaign
from services.notifications.wording import fields_for, merge

#: Versions that the page shows.
MOST_VERSIONS = 50


async def checked(
    tx: Transaction, campaign: Any, subject: str, body: str, letter: Any = None
) -> dict[str, Any]:
    """What a page says of a template.

    Args:
        letter: whose values are filled in; the campaign's first when not given. Where it has none, each
            field is described instead.
    """
    faults = [
        {"part": {"subject": "Subject", "body": "Text"}[wrong.field], "what": wrong.what, "place": wrong.cure}
        for wrong in template_faults(subject, body, asks=campaign["asks"])
    ]
    fields = fields_for(asks=campaign["asks"])
    found: dict[str, Any] = {"faults": faults, "fields": fields, "say": _said(len(faults)), "preview": None}
    if not faults:
        letter = letter or await _first_letter(tx, campaign)
        values = _values(tx, letter, fields)
        found["preview"] = {
            "subject": merge(subject, values),
            "body": merge(body, values),
            "to": values["body_name"] if letter else None,
        }
    return found


def _said(faults: int) -> str:
    if not faults:
        return "The words can be used."
    return f"There {'is one thing' if faults == 1 else f'are {faults} things'} to mend."


async def _first_letter(tx: Transaction, campaign: Any) -> Any:
    first = await QUERIES.first_letter(tx, campaign_id=campaign["id"])
    return await QUERIES.letter(tx, id=first) if first else None


def _values(tx: Transaction, letter: Any, fields: Mapping[str, str]) -> dict[str, str]:
    described = {name: f"[{words}]" for name, words in fields.items()}
    return described | (values_of(tx.context, letter, HIDDEN) if letter else {})


async def versions(request: Request) -> Response:
    """All versions of a campaign's words, newest first, each with what is other than before."""
    async with site_of(request).database.reading() as tx:
        campaign = await read_campaign(tx, read_id(request))
        rows = COMPOSING.versions_of(tx, campaign_id=campaign["id"], most=MOST_VERSIONS + 1)
        found = [row async for row in rows]
    before = [*found[1:], {"subject": "", "body": ""}]
    shown = [
        {
            "number": row["number"],
            "who": called(request, row["written_by"]),
            "at": row["written_at"],
            "is_first": row["number"] == 1,
            "lines": list(_changes(_text(old), _text(row))),
        }
        for row, old in zip(found, before, strict=True)
    ]
    response: Response = site_of(request).page(
        request, "campaign_versions.html", **framed(campaign, "words"), versions=shown[:MOST_VERSIONS]
    )
    return response


def _text(row: Any) -> list[str]:
    return [row["subject"], *row["body"].split("\n")]


def _changes(old: list[str], new: list[str]) -> Iterator[dict[str, str]]:
    """The lines that went and those that came, in their order."""
    for what, from_old, to_old, from_new, to_new in SequenceMatcher(
        None, old, new, autojunk=False
    ).get_opcodes():
        if what != "equal":
            yield from ({"what": "gone", "words": line} for line in old[from_old:to_old] if line.strip())
            yield from ({"what": "new", "words": line} for line in new[from_new:to_new] if line.strip())
