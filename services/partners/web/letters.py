"""What the page of an organisation says of letters: how many, to whom, and who never answered."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chassis.database import Transaction, rows_of
from chassis.house import House
from chassis.web import day
from services.partners.queries import REGISTER
from services.partners.web.timeline import LETTER

#: The newest letters and pledges that the page shows.
FEW = 5

#: After so long without a word "not yet" becomes "never": twenty working days.
PATIENCE = timedelta(days=28)

#: What can have been the last with a letter: its look, and in words.
_STATES = {
    "letter_sent": ("silent", ""),
    "letter_failed": ("failed", "Did not arrive."),
    "letter_acknowledged": ("acknowledged", "Not answered yet."),
    "letter_answered": ("answered", ""),
    "letter_overdue": ("silent", "Has not answered."),
}

#: What may be said of a contact.
_OF_CONTACTS = ["letter_sent", "letter_failed", "letter_acknowledged", "letter_answered"]
_OF_CONTACTS += ["contact_suspected", "contact_cleared"]

#: What each figure counts.
_COUNTED = ("sent", "acknowledged", "answered")


async def of_organisation(tx: Transaction, house: House, organisation_id: UUID) -> dict[str, Any]:
    """The figures of all letters, what came of those to each contact, and the newest letters and pledges."""
    of_one = {"organisation_id": organisation_id}
    by_contact, lately, pledges = await tx.together(
        rows_of(REGISTER.letters_by_contact(tx, **of_one, kinds=_OF_CONTACTS)),
        rows_of(REGISTER.letters_lately_of(tx, **of_one, most=FEW)),
        rows_of(REGISTER.pledges_of(tx, **of_one, most=FEW)),
    )
    return {
        "letters_figures": {name: sum(row[name] for row in by_contact) for name in _COUNTED},
        "letters_by_contact": {row["contact_id"]: _came_of(row, tx.now) for row in by_contact},
        "letters": [_letter(row, tx.now) for row in lately],
        "pledges": [_short(row) for row in pledges],
    }


def _came_of(row: Mapping[str, Any], now: datetime) -> dict[str, str]:
    """What came of the letters to somebody, in words: ``Never answered our letter of 8 October 2026``."""
    if row["suspected_at"] and not (row["cleared_at"] and row["cleared_at"] > row["suspected_at"]):
        words = (
            f"An address of theirs may be dead, noticed on {day(row['suspected_at'])}: what happened says why"
        )
        return {"look": "failed", "words": words}
    moments = {kind: row[f"{kind}_at"] for kind in ("sent", "failed", "acknowledged", "answered")}
    last = max((at, kind) for kind, at in moments.items() if at)[1]
    if last == "answered":
        return {"look": "answered", "words": f"Answered on {day(moments[last])}"}
    if last == "acknowledged":
        return {"look": "acknowledged", "words": f"Acknowledged on {day(moments[last])}, not answered yet"}
    if last == "failed":
        return {"look": "failed", "words": f"Our letter of {day(moments[last])} did not arrive"}
    letter = f"our letter of {day(moments[last])}"
    if now - moments[last] < PATIENCE:
        return {"look": "silent", "words": f"No answer yet to {letter}"}
    return {"look": "silent", "words": f"{'Has not' if row['answered'] else 'Never'} answered {letter}"}


def _letter(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    look, words = _STATES.get(row["kind"], ("unknown", ""))
    if row["kind"] == "letter_sent":
        words = "No answer yet." if now - row["happened_at"] < PATIENCE else "Never answered."
    return {**_short(row), "status": look, "came_of_it": words}


def _short(row: Mapping[str, Any]) -> dict[str, Any]:
    href = f"{LETTER}/{row['letter_id']}" if row["letter_id"] else None
    return {"at": row["happened_at"], "what": row["what"], "href": href}
