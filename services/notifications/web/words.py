"""Words while they are written: what is wrong with them, how they would read, and how they have changed."""

import asyncio
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import Refused
from chassis.house import House, word, word_within
from chassis.web import read_id, site_of
from services.notifications.chasing import chaser_content
from services.notifications.chasing_settings import chaser_doubts, chaser_fields, chaser_words_faults
from services.notifications.colleagues import called
from services.notifications.doubts import doubts_of
from services.notifications.letters import HIDDEN, content_of
from services.notifications.plans import template_faults
from services.notifications.preparing import signed_by
from services.notifications.queries import COMPOSING, QUERIES
from services.notifications.rendering import LetterContent, said
from services.notifications.specimen import specimen
from services.notifications.web.steps import framed, read_campaign
from services.notifications.wording import fields_for

#: Versions that the page shows.
MOST_VERSIONS = 50


async def checked(
    tx: Transaction, campaign: Any, subject: str, body: str, *, signatory: str = "", letter: Any = None
) -> dict[str, Any]:
    """What a page says of a template.

    Args:
        signatory: who is to sign it, where that is still chosen with it.
        letter: of which it is said; the campaign's first when not given. Where it has none, each field is
            described instead.
    """

    def content(letter: Any) -> LetterContent:
        frozen = letter["frozen"]
        signed = frozen["values"] | signed_by(tx.context.house, signatory)
        typed = {**letter, "subject": subject, "body": body, "frozen": frozen | {"values": signed}}
        return content_of(tx.context, typed, HIDDEN)

    faults = template_faults(subject, body, asks=campaign["asks"])
    found = await _judged(tx, campaign, faults, subject, body)
    if not found["faults"]:
        letter = letter or await _first_letter(tx, campaign)
        typed = content(letter or specimen(tx.context, campaign, signatory))
        found["preview"] = _preview(letter, typed, typed)
    return found


async def chaser_checked(tx: Transaction, campaign: Any, words: str) -> dict[str, Any]:
    """What a page says of the words of a campaign's chasers, as `checked` does of its letters'.

    Where they say something else to those who have said that the letter is there, that is shown as well.
    """
    faults = chaser_words_faults(words, asks=campaign["asks"])
    doubts = list(chaser_doubts(words))
    found = await _judged(tx, campaign, faults, f"Re: {campaign['subject']}", words, doubts)
    found["fields"] = chaser_fields(asks=campaign["asks"])
    if not found["faults"]:
        letter = await _first_letter(tx, campaign)
        shown = letter or specimen(tx.context, campaign, campaign["signatory"])
        first, thanks = (
            chaser_content(tx.context, shown, words, token=HIDDEN, acknowledged=said_so)
            for said_so in (False, True)
        )
        otherwise = thanks if thanks != first else None
        found["preview"] = _preview(letter, first, content_of(tx.context, shown, HIDDEN), otherwise)
    return found


async def _judged(
    tx: Transaction,
    campaign: Any,
    wrongs: Iterator[Refused],
    subject: str,
    body: str,
    more_doubts: Sequence[str] = (),
) -> dict[str, Any]:
    faults = [fault_shown(wrong) for wrong in wrongs]
    doubts = [*more_doubts, *await looked_over(tx.context.house, campaign, subject, body)]
    return {
        "faults": faults,
        "doubts": doubts,
        "fields": fields_for(asks=campaign["asks"]),
        "say": " ".join(filter(None, [said_of(len(faults)), _doubted(len(doubts))])),
        "preview": None,
    }


def _preview(
    letter: Any, content: LetterContent, printed: LetterContent, acknowledged: LetterContent | None = None
) -> dict[str, Any]:
    """The whole letter, and who would read it so; nobody where none is written yet. What its e-mail is of.

    Args:
        acknowledged: what those read who have said that the letter is there, where it is something else.
    """
    to, otherwise = letter["body_name"] if letter else None, said(acknowledged) if acknowledged else None
    return {"letter": said(content), "to": to, "mail": (content, printed), "acknowledged": otherwise}


async def looked_over(house: House, campaign: Any, subject: str, body: str) -> list[str]:
    """What of these words may not be meant as it stands, to those whom the campaign is for."""
    roles = house.lists["contact_roles"]
    unsaid = {
        word(roles, code): word_within(roles, code)
        for code in campaign["roles"]
        if code not in roles or "whom" not in roles[code].attributes
    }
    return await asyncio.to_thread(lambda: list(doubts_of(subject, body, unsaid)))


def _doubted(doubts: int) -> str:
    if not doubts:
        return ""
    return f"Look at {'one thing' if doubts == 1 else f'{doubts} things'} once more."


def fault_shown(wrong: Refused) -> dict[str, str]:
    """One thing to mend, as the pages show it."""
    return {
        "part": {"subject": "Subject", "body": "Text", "words": "Text"}[wrong.field],
        "what": wrong.what,
        "place": wrong.cure,
    }


def said_of(faults: int) -> str:
    """In one sentence, whether words can be used."""
    if not faults:
        return "The words can be used."
    return f"There {'is one thing' if faults == 1 else f'are {faults} things'} to mend."


async def _first_letter(tx: Transaction, campaign: Any) -> Any:
    first = await QUERIES.first_letter(tx, campaign_id=campaign["id"])
    return await QUERIES.letter(tx, id=first) if first else None


async def versions(request: Request) -> Response:
    """All versions of a campaign's words, newest first, each with what is other than before."""
    async with site_of(request).database.reading() as tx:
        campaign = await read_campaign(tx, read_id(request))
        rows = COMPOSING.versions_of(tx, campaign_id=campaign["id"], most=MOST_VERSIONS + 1)
        found = [row async for row in rows]
        names = await called(tx, [row["written_by"] for row in found])
    shown = [
        {
            "number": row["number"],
            "who": names[row["written_by"]],
            "at": row["written_at"],
            "is_first": row["number"] == 1,
            "lines": lines,
        }
        for row, lines in with_changes(found)
    ]
    response: Response = site_of(request).page(
        request, "campaign_versions.html", **framed(campaign, "words"), versions=shown[:MOST_VERSIONS]
    )
    return response


def with_changes(found: Sequence[Any]) -> Iterator[tuple[Any, list[dict[str, str]]]]:
    """Each version, newest first, with the lines that are other than in the one before it."""
    before = [*found[1:], {"subject": "", "body": ""}]
    return ((row, list(_changes(_text(old), _text(row)))) for row, old in zip(found, before, strict=False))


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
