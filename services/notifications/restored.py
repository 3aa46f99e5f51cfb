"""What the send ledger knows better than the database: after a crash, and after a backup was restored.

How an attempt ended is settled by it where the sender was lost in between.

Whatever the ledger says was begun and this database does not know of is held as `unknown` until a person
says what became of it. The comparison goes on from where this database last was, so that one that was put
back in time begins again by itself, and one that was not has next to nothing to do.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from chassis.audit import note
from chassis.database import Database, Transaction, rows_of
from chassis.errors import Conflict
from chassis.log import logger
from services.notifications.chasing import mark_chaser_sent, send_chaser_again
from services.notifications.ledger import drop_old, files_of, read_page
from services.notifications.letters import mark_sent, send_again
from services.notifications.outgoing import CHASERS, LETTERS, Claim
from services.notifications.queries import RESTORED
from services.notifications.settling import interrupted

_log = logger(__name__)

#: Of what is held, shown and settled at once.
MOST = 200

_FAILURE = "A restored backup believes this unsent, but the send ledger says that it was begun."
_CURE = "Ask the recipient, then mark it as sent or send it again."


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What the ledger knows and this database does not."""

    letters: int
    chasers: int
    #: Messages to one person.
    notices: int
    #: How many of these the mail server has taken.
    taken: int
    #: What was begun and does not exist here at all, and between which moments.
    elsewhere: int
    first_elsewhere: datetime | None
    last_elsewhere: datetime | None

    @property
    def held(self) -> int:
        return self.letters + self.chasers + self.notices


async def compare_with_ledger(database: Database) -> None:
    """Read on in every file of the ledger, and note what this database does not know of."""
    files = await asyncio.to_thread(files_of, database.context.settings.ledger_folder)
    async with database.reading() as tx:
        reached = {row["name"]: row["reached"] async for row in RESTORED.files_reached(tx)}
    for path, size in files.items():
        if reached.get(path.name, 0) != size:
            while await _read_on(database, path, size):
                pass


async def _read_on(database: Database, path: Path, size: int) -> bool:
    """Compare one part of a file. Whether there may be more."""
    async with database.transaction() as tx:
        await RESTORED.begin_file(tx, name=path.name)
        reached = await RESTORED.lock_file(tx, name=path.name)
        start = (
            reached if reached <= size else 0
        )  # shorter than before: somebody has put another in its place
        # No further than it went before this transaction, which does not see what was claimed since.
        page = await asyncio.to_thread(read_page, path, start, end=size)
        unknown = await RESTORED.enter_begun(tx, lines=list(page.begun)) if page.begun else 0
        if page.ended:
            await _settle_ended(tx, page.ended)
        await RESTORED.reach_file(tx, name=path.name, reached=page.reached)
    if unknown:
        _log.warning("begun_elsewhere", count=unknown)
    return page.reached > start and page.reached < size


async def _settle_ended(tx: Transaction, ended: Sequence[Mapping[str, Any]]) -> None:
    """What has ended is known, also where the sender was lost before it could say so."""
    if await RESTORED.any_begun(tx):
        await RESTORED.end_begun(tx, lines=list(ended))
    for row in await rows_of(RESTORED.not_settled(tx, lines=list(ended))):
        kind = LETTERS if row["number"] is None else CHASERS
        claim = Claim(**{name: row[name] for name in ("id", "letter_id", "number", "claimed_at")})
        await kind.settle(tx, claim, interrupted(tx, row["fate"], row["ended"]))


async def doubt_without_ledger(tx: Transaction) -> int:
    """Where the ledger is gone too, doubt whatever this database believes unsent. How many that is.

    For a database that has just been put back in time. Where every file is there that it knew of, and at
    least one, the ledger is taken for whole.
    """
    files = await asyncio.to_thread(files_of, tx.context.settings.ledger_folder)
    sizes = {path.name: size for path, size in files.items()}
    reached = {row["name"]: row["reached"] async for row in RESTORED.files_reached(tx)}
    if sizes and all(sizes.get(name, -1) >= size for name, size in reached.items()):
        return 0
    doubted: int = await RESTORED.doubt_unsent(tx, now=tx.now)
    return doubted


async def hold_begun(tx: Transaction) -> int:
    """Hold what is about to be sent although it was begun before. How many."""
    if not await RESTORED.any_begun(tx):
        return 0
    words = {"failure": _FAILURE, "cure": _CURE, "now": tx.now}
    held = int(await RESTORED.hold_letters(tx, **words)) + int(await RESTORED.hold_chasers(tx, **words))
    return held + int(await RESTORED.hold_notices(tx))


async def standing(tx: Transaction) -> Standing:
    """How much is held, and how much is not known here at all."""
    return Standing(**await RESTORED.held_by_kind(tx))


async def not_compared(tx: Transaction, files: Mapping[Path, int]) -> int:
    """Attempts of the ledger that this database does not know of and has not looked at yet.

    Args:
        files: as `files_of` gave them before the transaction began. What is begun while it lasts is known to
            the database, and not to the transaction.
    """
    reached = {row["name"]: row["reached"] async for row in RESTORED.files_reached(tx)}
    count = 0
    for path, size in files.items():
        start = reached.get(path.name, 0) if reached.get(path.name, 0) <= size else 0
        while start < size:
            page = await asyncio.to_thread(read_page, path, start, end=size)
            count += int(await RESTORED.count_unknown_to_us(tx, lines=list(page.begun)))
            if page.reached == start:
                break
            start = page.reached
    return count


async def held(tx: Transaction, *, only_taken: bool = False) -> list[Any]:
    """What is held, first what the mail server has taken."""
    return [row async for row in RESTORED.held(tx, only_taken=only_taken, most=MOST)]


async def settle_held(tx: Transaction, chosen: Sequence[tuple[str, UUID]], *, sent: bool) -> None:
    """A person says of these (kind, id) that they were sent, or that they go again.

    Raises:
        Conflict: when one of them is held no longer.
    """
    for kind, id in chosen:
        if kind == "letter":
            await (mark_sent if sent else send_again)(tx, id)
        elif kind == "chaser":
            await (mark_chaser_sent if sent else send_chaser_again)(tx, id)
        else:
            await _settle_notice(tx, id, sent=sent)


async def _settle_notice(tx: Transaction, id: UUID, *, sent: bool) -> None:
    notice = await RESTORED.lock_held_notice(tx, id=id)
    if notice is None:
        raise Conflict(
            "This message has moved on meanwhile.", "Open the page again to see what is still held."
        )
    note(tx, "message_marked_sent" if sent else "message_sent_again", "notice", id)
    await (RESTORED.mark_notice_sent if sent else RESTORED.resend_notice)(tx, id=id, now=tx.now)


async def let_go_of_ledger(database: Database) -> None:
    """Delete what is older than any backup that somebody could restore."""
    before = database.context.clock.now() - timedelta(days=database.context.settings.inbox_days)
    folder = database.context.settings.ledger_folder
    await asyncio.to_thread(drop_old, folder, before)
    names = [path.name for path in await asyncio.to_thread(files_of, folder)]
    async with database.transaction() as tx:
        await RESTORED.forget_files(tx, names=names)
        await RESTORED.forget_begun(tx, before=before)
