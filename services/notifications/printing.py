"""The printer: makes the file of a batch, cover sheet first, a few letters at a time.

Only so many letters are in memory together. The file is kept in the transaction that notes it as made, so
whoever is lost before that has made nothing, and the next one makes the same file from the same letters:
what is in a batch, and what it says, was settled when it was ordered.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from chassis.apart import EndedWithoutAnswer, apart
from chassis.audit import note
from chassis.binding import Binder
from chassis.context import Context
from chassis.database import Database
from chassis.failpoints import reach
from chassis.files import PART, keep_file
from chassis.log import describe, logger
from chassis.press import all_printable, claims_standard
from services.notifications.chasing import chaser_content
from services.notifications.colleagues import done_by
from services.notifications.domain import AnswerState, BlockReason, NotificationsError, day_words
from services.notifications.leaving import check_may_leave
from services.notifications.letters import content_of
from services.notifications.queries import POSTING
from services.notifications.rendering import LetterContent, pages_of, print_cover, print_letters, set_values

_log = logger(__name__)

#: The timer that prints; whoever orders a batch wakes it.
PRINT_POST = "print post"

#: Letters that are in memory together.
TOGETHER = 40
#: Whoever makes a batch and says nothing for so long is lost.
_LEASE = timedelta(minutes=2)


class _Lost(Exception):
    """Somebody else makes this batch by now, or nobody wants it any more."""


class Printer:
    """Makes the files of batches, one after the other."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def turn(self) -> bool:
        """Make the oldest file that is wanted. Whether there was one."""
        async with self._database.transaction() as tx:
            batch = await POSTING.claim_batch(tx, now=tx.now, before=tx.now - _LEASE)
        if batch is None:
            return False
        reach("post.claimed")
        with suppress(_Lost), tempfile.TemporaryDirectory() as folder:
            await _Job(self._database, batch, Path(folder)).make()
        return True


class _Job:
    """One batch on its way to a file."""

    def __init__(self, database: Database, batch: Any, folder: Path) -> None:
        self._database = database
        self._context = database.context
        self._batch = batch
        self._folder = folder
        self._claimed_at: datetime = batch["claimed_at"]
        #: What the cover sheet says of each letter.
        self._items: list[dict[str, Any]] = []
        self._parts: list[Path] = []
        self._claims = True

    async def make(self) -> None:
        """Set all letters, bind them behind a cover sheet, and keep that."""
        after = done = 0
        while rows := await self._next(after):
            after, done = rows[-1]["place"], done + len(rows)
            await self._set(rows)
            await self._advance(done)
        if not self._items:
            await self._drop()
            return
        path = self._folder / "batch.pdf"
        places, pages = await asyncio.to_thread(self._bind, await self._cover(), path)
        reach("post.printed")
        await self._keep(path, places, pages)
        reach("post.kept")

    async def _next(self, after: int) -> list[Any]:
        async with self._database.reading() as tx:
            found = POSTING.items_to_print(tx, batch_id=self._batch["id"], after=after, most=TOGETHER)
            return [row async for row in found]

    async def _set(self, rows: Sequence[Any]) -> None:
        """Set some letters as a file of their own; what cannot be set is taken out of the batch."""
        letters, faults = await self._values(rows)
        if faults:
            async with self._database.transaction() as tx:
                said = {"exceptions": faults, **done_by(tx, "the printer"), "now": tx.now}
                await POSTING.settle_exceptions(tx, batch_id=self._batch["id"], **said)
        if letters:
            path = self._folder / f"{len(self._parts)}.pdf"
            path.write_bytes(await self._print(letters))
            self._parts.append(path)

    async def _values(self, rows: Sequence[Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        letters: list[dict[str, Any]] = []
        faults: list[dict[str, Any]] = []
        made = await asyncio.gather(*(self._value(row) for row in rows), return_exceptions=True)
        for row, values in zip(rows, made, strict=True):
            if isinstance(values, Exception):  # whatever is wrong with one letter must not stop the others
                _log.error("letter_not_made", id=str(row["id"]), **describe(values))
                faults.append(_fault(row["place"], values))
                continue
            if isinstance(values, BaseException):
                raise values
            letters.append(values)
            told = {"number": row["place"], "body": row["body_name"], "pages": values["pages"]}
            self._items.append({**told, "reference": row["reference"]})
        return letters, faults

    async def _value(self, row: Any) -> dict[str, Any]:
        return await apart(set_values, _content(self._context, row, self._batch))

    async def _print(self, letters: Sequence[Mapping[str, Any]]) -> bytes:
        values = {"title": self._title, "duplex": self._batch["duplex"], "letters": letters}
        pdf = await apart(print_letters, values, self._batch["made_on"])
        self._claims = self._claims and claims_standard(pdf)
        return pdf

    @property
    def _title(self) -> str:
        return f"Post batch {self._batch['number']}"

    def _bind(self, cover: bytes, path: Path) -> tuple[list[dict[str, int]], int]:
        """Write the whole file. Where each letter is in it, and how many pages it has."""
        with path.open("wb") as out:
            binder = Binder(out)
            page = binder.add(cover) + 1
            places = []
            for item in self._items:
                places.append({"number": item["number"], "first_page": page, "pages": item["pages"]})
                page += self._room(item["pages"])
            for part in self._parts:
                binder.add(part.read_bytes())
                part.unlink()
            binder.close()
        return places, binder.pages

    def _room(self, pages: int) -> int:
        """The pages that a letter takes, with an empty one where the next needs a sheet of its own."""
        return pages + pages % 2 if self._batch["duplex"] else pages

    async def _cover(self) -> bytes:
        duplex = self._batch["duplex"]
        pages = sum(self._room(item["pages"]) for item in self._items)
        values = {
            "title": self._title,
            "count": len(self._items),
            "sheets": pages // 2 if duplex else pages,
            "made": day_words(self._batch["made_on"]),
            "campaign": self._batch["campaign"] or "Of all campaigns",
            "steps": list(_steps(duplex=duplex)),
            "duplex": duplex,
            "items": self._items,
            "blank": False,
        }
        values = all_printable(values)
        dated = self._batch["made_on"]
        cover = await apart(print_cover, values, dated, claims=self._claims)
        if duplex and pages_of(cover) % 2:
            return await apart(print_cover, {**values, "blank": True}, dated, claims=self._claims)
        return cover

    async def _advance(self, done: int) -> None:
        """Say how far it is, and that somebody is at it."""
        async with self._database.transaction() as tx:
            now = max(tx.now, self._claimed_at + timedelta(microseconds=1))  # another clock may be behind
            values = {"id": self._batch["id"], "claimed_at": self._claimed_at, "done": done, "now": now}
            claimed_at = await POSTING.advance_batch(tx, **values)
        if claimed_at is None:
            raise _Lost
        self._claimed_at = claimed_at

    async def _drop(self) -> None:
        """Nothing is left of it."""
        id = self._batch["id"]
        async with self._database.transaction() as tx:
            batch = await POSTING.lock_batch(tx, id=id)
            if (batch["state"], batch["claimed_at"]) != ("making", self._claimed_at):
                raise _Lost
            await POSTING.settle_batch(tx, id=id, state="dropped", posted_on=None, by=None, now=tx.now)
            note(tx, "post_dropped", "post_batch", id, before={"state": "making"})

    async def _keep(self, path: Path, places: Sequence[Mapping[str, int]], pages: int) -> None:
        name = f"post-batch-{self._batch['number']}.pdf"
        id = self._batch["id"]
        async with self._database.transaction() as tx:
            with path.open("rb") as file:
                kept = await keep_file(tx, name=name, media_type="application/pdf", content=_parts(file))
            settled = {"id": id, "claimed_at": self._claimed_at, "file_id": kept.id, "pages": pages}
            if await POSTING.complete_batch(tx, **settled) is None:
                raise _Lost
            await POSTING.place_items(tx, batch_id=id, places=list(places))


async def _parts(file: BinaryIO) -> AsyncIterator[bytes]:
    while part := file.read(PART):
        yield part


def _content(context: Context, row: Any, batch: Any) -> LetterContent:
    """What is printed of a letter or of a chaser, with the address of when the batch was ordered."""
    if row["chaser_id"] is None:
        content = content_of(context, row)
    else:
        has_it = row["answer"] == AnswerState.ACKNOWLEDGED
        content = chaser_content(context, row, row["chaser_body"], batch["made_on"], acknowledged=has_it)
    check_may_leave(context.settings, content)
    return as_printed(content, row["says"])


def as_printed(content: LetterContent, says: Mapping[str, Any]) -> LetterContent:
    """The content with what its place in a batch says."""
    return replace(
        content, recipient_address=says["recipient_address"], address_source=says["address_source"]
    )


def _fault(number: int, error: Exception) -> dict[str, Any]:
    if isinstance(error, EndedWithoutAnswer):  # it waits for the next batch
        return {"number": number, "state": "spoiled", "why": error.what, "reason": None, "cure": None}
    words = str(error) if isinstance(error, NotificationsError) else "Its content cannot be printed."
    return {
        "number": number,
        "state": "withheld",
        "why": f"The letter could not be made. {words}",
        "reason": BlockReason.UNPRINTABLE.value,
        "cure": "Put its words or the name of the contact right, and write to them anew.",
    }


def _steps(*, duplex: bool) -> Iterator[str]:
    """What whoever prints it does, in order."""
    yield "Look at the page of this batch: it names those that are not to be posted after all. Take them out."
    if duplex:
        yield "Print on both sides, turned on the long edge, at 100 % (“actual size”, not “fit to page”)."
    else:
        yield "Print on one side, at 100 % (“actual size”, not “fit to page”)."
    yield "Fold each letter at the short marks on its left edge, 99 and 198 mm from the top, address outside."
    yield "Put it into a DL window envelope (110 × 220 mm) so that the whole address shows. Stamp it."
    yield "Post them, and say on the page of this batch on which day. We count two working days for the post."
