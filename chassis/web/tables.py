"""Tables to take away as CSV: no cell can be taken for a formula, and only a part is in memory at a time."""

import csv
import io
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence

from starlette.responses import Response

from chassis.sheets import inert
from chassis.web.files import CSV, saved_as
from chassis.web.streamed import Streamed

Cells = Sequence[object]

#: Stands at the beginning and tells spreadsheets that this is UTF-8.
MARK = "\ufeff"


def give_table(name: str, head: Cells, rows: AsyncIterable[Iterable[Cells]]) -> Response:
    """A table as CSV in UTF-8.

    Args:
        name: under which a browser saves it.
        rows: in parts of any length. No transaction should last from one part to the next: the browser
            decides when it goes on reading.
    """
    headers = {"content-disposition": f"attachment; {saved_as(name)}"}
    return Streamed(_written(head, rows), media_type=CSV.media_type, headers=headers)


def table(head: Cells, rows: Iterable[Cells]) -> bytes:
    """A short table as CSV in UTF-8, whole."""
    return f"{MARK}{_lines([head])}{_lines(rows)}".encode()


async def _written(head: Cells, rows: AsyncIterable[Iterable[Cells]]) -> AsyncIterator[str]:
    yield MARK + _lines([head])
    async for part in rows:
        yield _lines(part)


def _lines(rows: Iterable[Cells]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(map(inert, row) for row in rows)
    return text.getvalue()
