"""Mail that came, as staff see it: what is held, what is our turn, and each mail shown without harm.

What others wrote is shown as text. Their HTML has an address of its own, in a sandbox that fetches nothing;
files are given out only when they are what they say, and everything else is in the mail as it came.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction, rows_of
from chassis.errors import NotFound
from chassis.files import file_content
from chassis.message import Mail
from chassis.web import (
    CSV,
    DOCX,
    JPEG,
    PDF,
    PNG,
    BadRequest,
    Faults,
    fault,
    give_bytes,
    kind_of,
    new_key,
    read_asked_id,
    read_form,
    read_id,
    see,
    site_of,
)
from chassis.web.words import size_in_words
from contracts.access import Action, may
from services.notifications.hrefs import INCOMING as HERE
from services.notifications.hrefs import incoming_href, letter_href
from services.notifications.queries import INCOMING
from services.notifications.reading.kinds import Kind
from services.notifications.receiving import match_by_hand, set_aside, settle_mail, unmatch
from services.notifications.web.pressing import press

#: What others wrote: no scripts, no forms, nothing fetched, nothing opened.
HTML_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

#: Mails on one page, letters that are suggested, mails on the page of a letter, files of one mail.
MOST, MOST_LETTERS, MOST_OF_ONE, MOST_FILES = 50, 8, 10, 50

#: Kinds of files that are given out by themselves.
_KINDS = (PDF, PNG, JPEG, DOCX, CSV)

_REFERENCE = re.compile(r"\bC\d{1,9}-\d{3,6}\b", re.IGNORECASE)

_VIEWS = {"held": "To be matched", "turn": "Our turn", "all": "Everything"}

KIND_WORDS = {
    Kind.ANSWER: "An answer",
    Kind.STOP: "Wants no more letters",
    Kind.AUTO_REPLY: "An automatic reply",
    Kind.BOUNCE: "A letter came back",
    Kind.NOTICE: "A notice of a mail system",
    Kind.UNREADABLE: "Cannot be read",
}
_LOOKS = {
    Kind.ANSWER: "answered",
    Kind.STOP: "stopped",
    Kind.AUTO_REPLY: "auto_replied",
    Kind.BOUNCE: "bounced",
    Kind.NOTICE: "auto_replied",
    Kind.UNREADABLE: "failed",
}

_BECAUSE = {
    1: "Its reference stands in the mail.",
    2: "It was written to the address that this mail is from.",
    3: "The mail names this body.",
    4: "It was written to somebody at the same mail domain.",
    5: "Found by what you typed.",
}

#: Where a mail is from a mail system, which tells whom a letter did not reach.
_BECAUSE_IT_CAME_BACK = {2: "It was written to an address that this mail says it did not reach."}

_DONE = {
    "matched": "Matched. It stands beside the letter now.",
    "unmatched": "It waits for its letter again. What it had changed is taken back.",
    "aside": "Set aside. It is kept with everything that came.",
    "settled": "Noted. It is no longer our turn.",
}


# Many


async def show_all(request: Request) -> Response:
    """What is held, oldest first; what is our turn; or everything, newest first."""
    site = site_of(request)
    view = request.query_params.get("show", "held")
    if view not in _VIEWS:
        raise BadRequest("There is no such list.", "Begin again with what is to be matched.")
    after = read_asked_id(request.query_params.get("after", ""))
    async with site.database.reading() as tx:
        counts = await INCOMING.count_open(tx)
        if view == "all":
            found = await rows_of(INCOMING.all_incoming(tx, after=after, most=MOST + 1))
        else:
            state = "held" if view == "held" else "matched"
            found = await rows_of(INCOMING.open_incoming(tx, state=state, after=after, most=MOST + 1))
    return site.page(
        request,
        "incoming.html",
        mails=[_line(row) for row in found[:MOST]],
        view=view,
        views=[
            {"code": code, "words": words, "count": counts[code] if code in ("held", "turn") else None}
            for code, words in _VIEWS.items()
        ],
        next_href=f"?show={view}&after={found[MOST - 1]['id']}" if len(found) > MOST else None,
        reads=bool(site.context.settings.imap_url or site.context.settings.lmtp),
        flash=_DONE.get(request.query_params.get("done", "")),
    )


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    kind = Kind(row["kind"])
    return {
        **row,
        "href": incoming_href(row["id"]),
        "letter_href": letter_href(row["letter_id"]) if row.get("letter_id") else None,
        "kind_words": KIND_WORDS[kind],
        "look": _LOOKS[kind],
        "from_": row["sender_name"] or row["sender"] or "Sender not named",
        "subject": row["subject"] or "(no subject)",
    }


async def of_letter(tx: Transaction, letter_id: UUID, roles: Collection[str]) -> dict[str, Any]:
    """What the page of a letter shows of the mail that came for it, to those who may settle answers."""
    if not may(Action.SETTLE_ANSWERS, roles):
        return {"came": []}
    found = await rows_of(INCOMING.incoming_of(tx, letter_id=letter_id, most=MOST_OF_ONE))
    return {"came": [_line(row) for row in found]}


# One


async def show(request: Request) -> Response:
    """One mail, and for a held one the letters that it may be about."""
    return await _page(request, {})


async def _page(request: Request, faults: Faults, status: int = 200) -> Response:
    site = site_of(request)
    row, mail = await _read(request)
    query = request.query_params.get("q", "").strip()[:100]
    letters = await _letters(request, row, query) if row["state"] == "held" else []
    here = incoming_href(row["id"])
    return site.page(
        request,
        "incoming_mail.html",
        status=status,
        mail=_line(row),
        html_href=f"{here}/html" if mail is not None and mail.html else None,
        raw_href=f"{here}/raw" if mail is not None else None,
        files=_files(here, mail) if mail is not None and row["kind"] != Kind.UNREADABLE else [],
        letters=letters,
        query=query,
        partner_href=f"/partners/organisations/{row['organisation_id']}" if row["organisation_id"] else None,
        key=new_key(request),
        faults=faults,
        flash=_DONE.get(request.query_params.get("done", "")),
    )


async def _read(request: Request) -> tuple[Mapping[str, Any], Mail | None]:
    """One mail as it is known, and taken apart while it is still kept as it came."""
    row, raw = await _raw(request)
    return row, await asyncio.to_thread(Mail, raw) if raw is not None else None


async def _raw(request: Request) -> tuple[Mapping[str, Any], bytes | None]:
    async with site_of(request).database.reading() as tx:
        row = await INCOMING.incoming_by_id(tx, id=read_id(request))
        if row is None:
            raise NotFound
        return row, await file_content(tx, row["file_id"]) if row["file_id"] is not None else None


async def _letters(request: Request, row: Mapping[str, Any], query: str) -> list[dict[str, Any]]:
    """Letters to choose from: found by what was typed, or else suggested."""
    async with site_of(request).database.reading() as tx:
        if query:
            pattern = re.sub(r"([\\%_])", r"\\\1", query.lower())
            found = await rows_of(INCOMING.letters_found(tx, pattern=pattern, most=MOST_LETTERS))
        else:
            found = await rows_of(INCOMING.suggested(tx, **_clues(row), most=MOST_LETTERS))
    because = _BECAUSE | (_BECAUSE_IT_CAME_BACK if row["kind"] == Kind.BOUNCE else {})
    return [{**each, "href": letter_href(each["id"]), "because": because[each["rank"]]} for each in found]


def _clues(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a mail says that may lead to a letter."""
    text = "\n".join(row[field] for field in ("subject", "sender_name", "words", "folded"))
    references = dict.fromkeys(match.upper() for match in _REFERENCE.findall(text))
    return {
        "references": list(references)[:20],
        "addresses": [address for address in (row["sender"], *row["failed"]) if address],
        "domain": row["sender"].rpartition("@")[2],
        "text": text.lower(),
    }


def _files(here: str, mail: Mail) -> list[dict[str, Any]]:
    """The files of a mail. Only those that are what they say have a link."""
    return [
        {
            "name": each.name,
            "size": size_in_words(each.size),
            "href": f"{here}/files/{number}" if kind_of(each.name, each.content[:16], _KINDS) else None,
        }
        for number, each in enumerate(mail.attachments[:MOST_FILES], 1)
    ]


async def as_html(request: Request) -> Response:
    """What somebody wrote as they formatted it, in a sandbox."""
    _, mail = await _read(request)
    if mail is None or not mail.html:
        raise NotFound
    page = mail.html.encode("utf-8", "replace")
    headers = {"content-security-policy": HTML_POLICY, "x-content-type-options": "nosniff"}
    return Response(page, headers=headers, media_type="text/html; charset=utf-8")


async def as_it_came(request: Request) -> Response:
    """The mail as it came, to be saved."""
    _, raw = await _raw(request)
    if raw is None:
        raise NotFound
    return give_bytes("mail.eml", "application/octet-stream", raw)


async def attachment(request: Request) -> Response:
    """A file that came with a mail, to be saved, if it is what it says."""
    row, mail = await _read(request)
    number = request.path_params["number"]
    if mail is None or row["kind"] == Kind.UNREADABLE or not re.fullmatch("[1-9][0-9]?", number):
        raise NotFound
    files = mail.attachments[:MOST_FILES]
    if int(number) > len(files):
        raise NotFound
    found = files[int(number) - 1]
    kind = kind_of(found.name, found.content[:16], _KINDS)
    if kind is None:
        raise NotFound
    return give_bytes(found.name, kind.media_type, found.content)


# Acts


async def match(request: Request) -> Response:
    """A person says which letter it is about."""
    form, id = await read_form(request), read_id(request)
    try:
        letter_id = UUID(str(form.get("letter", "")))
    except ValueError:
        none_chosen = fault("No letter is chosen.", "Choose the letter that this mail is about.")
        return await _page(request, {"letter": none_chosen}, 422)

    async def act(tx: Transaction) -> Response:
        await match_by_hand(tx, id, letter_id)
        return see(there)

    there = f"{incoming_href(id)}?done=matched"
    return await press(request, act, id, {"mail_matched": there}, incoming_href(id), letter=letter_id)


async def aside(request: Request) -> Response:
    """A person says that it is about no letter."""
    return await _act(request, set_aside, f"{HERE}?done=aside", "mail_set_aside")


async def unmatched(request: Request) -> Response:
    """It does not belong to this letter."""
    there = f"{incoming_href(read_id(request))}?done=unmatched"
    return await _act(request, unmatch, there, "mail_unmatched")


async def settle(request: Request) -> Response:
    """A person has seen to it."""
    return await _act(request, settle_mail, f"{HERE}?show=turn&done=settled", "mail_settled")


async def _act(
    request: Request, change: Callable[[Transaction, UUID], Awaitable[None]], then: str, noted: str
) -> Response:
    id = read_id(request)

    async def act(tx: Transaction) -> Response:
        await change(tx, id)
        return see(then)

    return await press(request, act, id, {noted: then}, incoming_href(id))
