"""The pages on which files are taken in: choosing one, how far it is, what becomes of every line, going on.

Nothing changes before somebody has seen what would, and what is then done is exactly that. The looks and
words that all services share stand here and in ``import_parts.html``; a service adds what lines are about.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from chassis.audit import Actor
from chassis.database import Transaction
from chassis.errors import NotFound, Refused
from chassis.files import StoredFile, keep_file
from chassis.house import House
from chassis.imports import OPEN, File, Importing, State, moved_on
from chassis.web.access import actor_of, new_key
from chassis.web.errors import BadRequest
from chassis.web.fields import Faults, fault_of
from chassis.web.files import Kind, Upload, read_table
from chassis.web.idempotency import once, see
from chassis.web.pages import site_of
from chassis.web.reading import read_form, read_id
from chassis.web.stream import live

#: Lines on one page of a report, and files on the list.
PAGE, MOST = 50, 50

#: What becomes of a line: the look, and the words before and after it is done.
FATES = {
    "refused": ("failed", "Refused", "Refused"),
    "new": ("done", "New", "New"),
    "changed": ("sending", "Changes", "Changed"),
    "closed": ("closed", "Closes", "Closed"),
    "withdrawn": ("withdrawn", "Withdrawn", "Withdrawn"),
    "same": ("silent", "Same", "Same"),
    "passed_over": ("auto_replied", "Passed over", "Passed over"),
}
#: Those that change something.
_DO = ("new", "changed", "closed", "withdrawn")

#: What stands in an address for the lines of every fate.
_ALL = "all"

_STATES = {
    State.CHOSEN: ("draft", "To be looked at"),
    State.READING: ("sending", "Being read"),
    State.READY: ("asked", "To be confirmed"),
    State.APPLYING: ("sending", "Being taken in"),
    State.APPLIED: ("done", "Taken in"),
    State.CANCELLED: ("stopped", "Cancelled"),
    State.FAILED: ("failed", "Not readable"),
}

_DONE = {"cancelled": "Cancelled. Nothing was changed, and the file is gone."}

_F = TypeVar("_F", bound=File)

#: Enters a file that was chosen and kept; its id.
Enter = Callable[[Transaction, Upload, StoredFile, Actor], Awaitable[UUID]]


@dataclass(frozen=True, kw_only=True)
class ImportPages(Generic[_F]):
    """What the pages of one service show of the files that it takes in."""

    importing: Importing[_F]
    #: The address of the list. That of each file stands below it.
    href: str
    #: What each column is called in a report.
    columns: Mapping[str, str]
    #: What stands in a column, as people say it.
    in_words: Callable[[House, str, str], str]
    #: The fates of the lines that are shown when nobody has chosen; every line without.
    telling: Sequence[str] = ()

    # The list

    async def listed(self, tx: Transaction) -> list[dict[str, Any]]:
        """The newest files, each with its address and how it stands."""
        return [
            {**row, "href": self.of(row["id"]), **_standing(State(row["state"]), refused=row["refused"])}
            async for row in self.importing.queries.imports_listed(tx, most=MOST)
        ]

    def of(self, id: UUID) -> str:
        """The address of one file."""
        return f"{self.href}/{id}"

    async def begin(
        self,
        request: Request,
        kinds: Iterable[Kind],
        enter: Enter,
        again: Callable[[Faults, int], Awaitable[Response]],
    ) -> Response:
        """Keep a file that somebody has chosen, or show the list again with what is wrong with it."""
        form, site = await read_form(request), site_of(request)

        async def act(tx: Transaction) -> Response:
            upload = await read_table(form, "file", kinds)
            kept = await keep_file(
                tx, name=upload.name, media_type=upload.kind.media_type, content=upload.parts()
            )
            return see(self.of(await enter(tx, upload, kept, whoever(request))))

        try:
            response = await once(request, act)
        except Refused as refused:
            if refused.field != "file":
                raise
            return await again(fault_of(refused), refused.status)
        site.context.wake(self.importing.timer)
        return response

    # One file

    async def found(self, tx: Transaction, id: UUID) -> _F:
        """One file.

        Raises:
            NotFound: when there is none, or no longer.
        """
        file = await self.importing.found(tx, id)
        if file is None:
            raise NotFound
        return file

    async def report(self, request: Request, tx: Transaction, file: _F) -> dict[str, Any]:
        """What the page of a file is given: how it stands, what becomes of which lines, what may be done."""
        fate = request.query_params.get("fate", "")
        fate = fate if fate in (*FATES, _ALL) else ""
        fates = list(FATES) if fate == _ALL else [fate] if fate else list(self.telling or FATES)
        line, number = _read_place(request.query_params.get("after", ""))
        queries, asked = self.importing.queries, {"fates": fates, "line": line, "number": number}
        counts = [row async for row in queries.fates_counted(tx, import_id=file.id)]
        rows = [row async for row in queries.fates_after(tx, import_id=file.id, **asked, most=PAGE + 1)]
        counted = {each: sum(row["count"] for row in counts if row["fate"] == each) for each in FATES}
        return {
            **_standing(file.state, refused=bool(counted["refused"])),
            "file": file,
            "href": self.of(file.id),
            "list_href": self.href,
            "open": file.state in OPEN,
            "going": file.state in (State.READING, State.APPLYING),
            "counts": counts,
            "counted": counted,
            "refused": counted["refused"],
            "does": sum(counted[each] for each in _DO),
            "choices": self._choices(file, fate, counted),
            "rows": [self._row(tx.context.house, row, file) for row in rows[:PAGE]],
            "next_href": self._next(file, fate, rows),
            "key": new_key(request),
            "flash": done(request),
        }

    def _choices(self, file: _F, chosen: str, counted: Mapping[str, int]) -> list[dict[str, Any]]:
        """The lines that one may choose to see: by fate, each with how many there are."""
        first: dict[str, Any] = {"fate": "", "words": "All"}
        last: list[dict[str, Any]] = []
        if self.telling:
            words = "What changed" if file.state is State.APPLIED else "What changes"
            first |= {"words": words, "count": sum(counted[each] for each in ("refused", *_DO))}
            last = [{"fate": _ALL, "words": "All", "count": sum(counted.values())}]
        fates = [
            {"fate": fate, "count": count, **_fate(fate, file)} for fate, count in counted.items() if count
        ]
        href = self.of(file.id)
        return [
            {
                "href": f"{href}?fate={each['fate']}#lines" if each["fate"] else f"{href}#lines",
                "current": each["fate"] == chosen,
                **each,
            }
            for each in (first, *fates, *last)
        ]

    def _row(self, house: House, row: Mapping[str, Any], file: _F) -> dict[str, Any]:
        changes = row["changes"]
        return {
            **row,
            **_fate(row["fate"], file),
            "column": self.columns.get(row["column_name"], row["column_name"]),
            "changes": [
                {
                    "column": self.columns[column],
                    "before": self.in_words(house, column, before),
                    "after": self.in_words(house, column, after),
                }
                for column, before, after in zip(changes[::3], changes[1::3], changes[2::3], strict=True)
            ],
        }

    def _next(self, file: _F, fate: str, rows: Sequence[Mapping[str, Any]]) -> str | None:
        if len(rows) <= PAGE:
            return None
        last, asked = rows[PAGE - 1], f"fate={fate}&" if fate else ""
        return f"{self.of(file.id)}?{asked}after={last['line']}-{last['number']}#lines"

    async def follow(self, request: Request) -> Response:
        """One event whenever a file is further."""
        site, id = site_of(request), read_id(request)

        async def version() -> str:
            async with site.database.reading() as tx:
                row = await self.importing.queries.import_by_id(tx, id=id)
            return str((row["state"], row["done"], row["moved_at"])) if row else ""

        if not await version():
            raise NotFound
        return live(request, version)

    async def apply(self, request: Request) -> Response:
        """Let what was shown be done."""
        form, site, id = await read_form(request), site_of(request), read_id(request)
        shown = _read_order(form)

        async def act(tx: Transaction) -> Response:
            await self.found(tx, id)
            await self.importing.order(tx, id, shown=shown, actor=whoever(request))
            return see(self.of(id))

        response = await once(request, act)
        site.context.wake(self.importing.timer)
        return response

    async def cancel(self, request: Request) -> Response:
        """Nobody wants the file any more."""
        id = read_id(request)

        async def act(tx: Transaction) -> Response:
            await self.found(tx, id)
            await self.importing.cancel(tx, id)
            return see(f"{self.href}?done=cancelled")

        return await once(request, act)


def done(request: Request) -> str | None:
    """What was just done, in words."""
    return _DONE.get(request.query_params.get("done", ""))


def whoever(request: Request) -> Actor:
    """Who takes a file in.

    Raises:
        NotFound: when that is nobody.
    """
    actor = actor_of(request)
    if actor is None:
        raise NotFound
    return actor


def _standing(state: State, *, refused: bool) -> dict[str, str]:
    """How a file stands, as a look and in words."""
    trouble = state is State.READY and refused
    look, words = ("failed", "To be corrected") if trouble else _STATES[state]
    return {"look": look, "words": words}


def _fate(fate: str, file: File) -> dict[str, str]:
    """What becomes of a line, as a look and in words."""
    look, before, after = FATES[fate]
    return {"look": look, "words": after if file.state is State.APPLIED else before}


def _read_order(form: FormData) -> bytes:
    """The digest of what somebody has looked at who lets it be done.

    Raises:
        Refused, Conflict: when they have not said so, or the form is of another time.
    """
    if form.get("confirm") != "yes":
        cure = "Go back, look at what would change and tick the box."
        raise Refused("You have not said that it may be taken in.", cure, field="confirm")
    try:
        return bytes.fromhex(str(form.get("shown", "")))
    except ValueError:
        raise moved_on() from None


def _read_place(text: str) -> tuple[int, int]:
    """After which line of a file, and which word about it, a page of its report begins.

    Raises:
        BadRequest: when it says neither.
    """
    if not text:
        return -1, 0
    line, _, number = text.partition("-")
    if not all(each.isascii() and each.isdecimal() and len(each) < 10 for each in (line, number)):
        raise BadRequest("There is no such page of this list.", "Begin the list again.")
    return int(line), int(number)
