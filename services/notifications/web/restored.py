"""After a backup was restored: what it believes unsent although it was begun, and what became of it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import Refused
from chassis.web import new_key, once, read_form, see, site_of
from services.notifications.hrefs import RESTORED, letter_href
from services.notifications.notices.writing import SEND_NOTICES
from services.notifications.restored import MOST, held, settle_held, standing
from services.notifications.sending import SEND_LETTERS

_DONE = {
    "sent": "Noted as sent. None of these goes again.",
    "again": "They go again now, each under the same Message-ID.",
}
_KINDS = ("letter", "chaser", "notice")


async def show(request: Request) -> Response:
    """What is held, first what the mail server has taken."""
    site = site_of(request)
    async with site.database.reading() as tx:
        found, rows = await standing(tx), await held(tx)
    response: Response = site.page(
        request,
        "restored.html",
        found=found,
        rows=[_row(row) for row in rows],
        href=RESTORED,
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )
    return response


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    if row["kind"] == "notice":
        what, about = "Message to one person", row["notice_kind"].replace("_", " ")
    else:
        number = row["chaser_number"]
        what, about = row["body_name"], f"Chaser {number}" if number else "Letter"
    return {
        "value": f"{row['kind']}:{row['id']}",
        "what": what,
        "about": about,
        "campaign": row["campaign"],
        "href": letter_href(row["letter_id"]) if row["letter_id"] else None,
        "begun_at": row["begun_at"],
        "taken": row["taken"],
    }


async def settle(request: Request) -> Response:
    """Those that are ticked were sent, or go again."""
    form = await read_form(request)
    chosen = [_chosen(str(text)) for text in form.getlist("held")]
    if not chosen:
        raise Refused("You have ticked nothing.", "Go back and tick what you know of.", field="held")
    sent = form.get("became") == "sent"
    if not sent and form.get("became") != "again":
        raise Refused("It is not said what became of them.", "Open the page again and try again.")

    async def act(tx: Transaction) -> Response:
        await settle_held(tx, chosen[:MOST], sent=sent)
        return see(f"{RESTORED}?done={'sent' if sent else 'again'}")

    site = site_of(request)
    response = await once(request, act)
    site.context.wake(SEND_LETTERS)
    site.context.wake(SEND_NOTICES)
    return response


def _chosen(text: str) -> tuple[str, UUID]:
    kind, _, id = text.partition(":")
    try:
        if kind not in _KINDS:
            raise ValueError(kind)
        return kind, UUID(id)
    except ValueError:
        raise Refused("We could not read what is meant.", "Open the page again and try again.") from None
