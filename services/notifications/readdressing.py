"""Letters follow their bodies: into the entry that one was merged into, to whoever takes over from another.

What is sent already stays as it was said, and counts for the surviving entry. What waits is looked at again
before any letter is claimed, from the copies as they are by then; so the order in which events came makes no
difference. A letter that finds nobody is set aside with the reason, and comes back for as long as its
campaign is being sent.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from chassis.database import Transaction
from services.notifications.campaigns import addressed_to
from services.notifications.domain import BlockReason, LetterState, closed_block, day_words, withdrawn_block
from services.notifications.queries import READDRESSING

#: Letters that are looked at together.
_PAGE = 500
_FIRST = UUID(int=0)


async def follow_merges(tx: Transaction) -> None:
    """Letters to merged entries are of the surviving ones from now on."""
    await READDRESSING.follow_merges(tx, now=tx.now)


async def follow_bodies(tx: Transaction) -> None:
    """Everything that is released and not sent goes where its body's letters go today, or is set aside."""
    await follow_merges(tx)
    today, after = tx.context.clock.today(), _FIRST
    taken: set[tuple[UUID, UUID]] = set()
    while rows := [row async for row in _astray(tx, today, after)]:
        changes = list(_changes(rows, taken))
        if changes:
            await READDRESSING.readdress_letters(tx, letters=changes, now=tx.now)
        after = rows[-1]["id"]


def _astray(tx: Transaction, today: date, after: UUID) -> Any:
    return READDRESSING.letters_astray(tx, today=today, after=after, most=_PAGE)


def _changes(rows: Sequence[Mapping[str, Any]], taken: set[tuple[UUID, UUID]]) -> Iterator[dict[str, Any]]:
    """What becomes of letters; those of which nothing new becomes are left out.

    Args:
        taken: campaigns and contacts that a letter has been turned to; grows.
    """
    for row in rows:
        change = _change(row, taken)
        news = any(change[name] != row[name] for name in ("state", "reason", "failure"))
        if news or change["contact_id"]:
            yield {"id": row["id"], "version": row["version"], **change}


def _change(row: Mapping[str, Any], taken: set[tuple[UUID, UUID]]) -> dict[str, Any]:
    if not row["closed"] and row["reachable"]:
        return _as(LetterState.READY, "Goes after all")
    other = (row["campaign_id"], row["other_id"])
    if (row["heir_id"] if row["closed"] else row["was_folded"]) and row["other_id"] and other not in taken:
        taken.add(other)
        return _to_other(row)
    if row["closed"]:
        words, cure = _why_closed(row, is_written_to=row["is_written_to"] or other in taken)
        what = "Set aside: the body has closed"
        return _as(LetterState.BLOCKED, what, BlockReason.BODY_CLOSED, words, cure)
    block = withdrawn_block()
    what = "Set aside: the contact was withdrawn"
    return _as(LetterState.BLOCKED, what, block.reason, block.words, block.cure)


def _as(
    state: LetterState, what: str, reason: BlockReason | None = None, failure: str = "", cure: str = ""
) -> dict[str, Any]:
    """A letter to whom it was for, in another state."""
    to: dict[str, Any] = {
        "organisation_id": None,
        "contact_id": None,
        "body_name": None,
        "says": {},
        "values": {},
    }
    why = {"reason": reason, "failure": failure or None, "cure": cure or None}
    return {"state": state, "what": what, **why, **to}


def _to_other(row: Mapping[str, Any]) -> dict[str, Any]:
    """A letter to somebody of the same role at the body that takes over, or at the surviving entry."""
    change = _as(LetterState.READY, "Re-addressed: two entries of this contact are one")
    body: dict[str, Any] = {}
    if row["closed"]:
        body = {"organisation_id": row["heir_id"], "body_name": row["heir"]}
        closed = f"{row['body_name']} closed on {day_words(row['closed_on'])}"
        change["what"] = f"Re-addressed to {row['heir']}: {closed}"
    values = {"contact_name": row["other_name"], "body_name": body.get("body_name", row["body_name"])}
    return {**change, **body, "contact_id": row["other_id"], "says": addressed_to(row), "values": values}


def _why_closed(row: Mapping[str, Any], *, is_written_to: bool) -> tuple[str, str]:
    """Why a letter to a closed body is set aside, and what to do about it."""
    block = closed_block(row["closed_on"], row["successor"])
    if row["heir_id"] is None:
        return f"{block.words} Its letters were not handed over.", block.cure
    if is_written_to:
        words = f"{block.words} {row['heir']}, which took over, has a letter of this campaign."
        return words, "There is nothing to do, unless you want to write to somebody else there."
    words = f"{block.words} At {row['heir']}, which took over, nobody has this role and an address."
    return words, f"Add a contact of this role at {row['heir']}, or write to somebody else there."
