"""Mail in: taken apart, told apart, matched to its letter and kept, as the service does it, one by one.

A campaign of 15,000 letters, all sent. Half of the mails answer one, a quarter are automatic replies, an
eighth are letters that came back, and an eighth names no letter and is held.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

from chassis.database import Database
from contracts.topology import NOTIFICATIONS
from services.notifications.reading.kinds import read
from services.notifications.receiving import receive
from tests.benchmarks import letters
from tests.benchmarks.servers import DurablePostgres

#: Mails that come, and letters that they may be about.
MAILS = 10_000
ROUNDS = 3

_DAY = date(2026, 11, 26)

_WORDS = "\r\n".join(
    [
        "Dear colleagues,",
        "",
        "Thank you for your letter. The board will look at it when it meets next, and we shall write again.",
        *["It was good to hear of the work, of which we had not known. "] * 8,
        "",
        "-- ",
        "The office",
        "",
        "On Monday the Forum wrote:",
        *["> We are writing to ask for your help with the training of people who live in your area."] * 30,
    ]
)


def measure() -> dict[str, Any]:
    """Mails a second: read alone, and read, matched and kept."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conduit-bench-")))
        postgres = stack.enter_context(DurablePostgres())
        return asyncio.run(_measure(folder, postgres))


async def _measure(folder: Path, postgres: DurablePostgres) -> dict[str, Any]:
    async with letters.services(folder, postgres) as databases:
        database = databases[NOTIFICATIONS]
        await letters.tell_of_everything(databases, folder)
        size, kind = list(letters.KINDS.items())[-1]
        await letters.draft(database, size, kind)
        ids = await _sent(database)
        mails = list(_mails(ids))
        began = time.perf_counter()
        kinds: dict[str, int] = {}
        for raw in mails:
            await receive(database, raw)
        took = time.perf_counter() - began
        async with database.reading() as tx:
            found = await tx.fetch(
                "SELECT kind || ' ' || state AS what, count(*) AS n FROM incoming GROUP BY 1"
            )
            kinds = {row["what"]: row["n"] for row in found}
    return {
        "read_per_s": round(median(_read(mails) for _ in range(ROUNDS)), 1),
        "matched_per_s": round(MAILS / took, 1),
        "mails": kinds,
    }


async def _sent(database: Database) -> list[str]:
    """The Message-IDs of a campaign's letters, all of which have left."""
    async with database.transaction() as tx:
        await tx.execute(
            "UPDATE letters SET state = 'sent', sent_at = $1, dated = $2 WHERE state = 'draft'", tx.now, _DAY
        )
        rows = await tx.fetch("SELECT message_id FROM letters WHERE state = 'sent' ORDER BY number")
    return [row["message_id"] for row in rows]


def _mails(ids: list[str]) -> Iterator[bytes]:
    for number in range(MAILS):
        id = ids[number % len(ids)]
        head = [f"From: Office <office{number}@body.example>", f"Message-ID: <{number}@body.example>"]
        match number % 8:
            case 0 | 1 | 2 | 3:
                head += ["Subject: Re: Training", f"In-Reply-To: {id}"]
            case 4 | 5:
                head += [
                    "Subject: Automatic reply: Training",
                    "Auto-Submitted: auto-replied",
                    f"In-Reply-To: {id}",
                ]
            case 6:
                yield _report(number, id)
                continue
            case _:
                head += ["Subject: A question"]
        yield "\r\n".join([*head, "", _WORDS]).encode()


def _report(number: int, id: str) -> bytes:
    return "\r\n".join(
        [
            f"From: MAILER-DAEMON@mx{number}.example",
            f"Message-ID: <{number}@mx.example>",
            "Subject: Undelivered Mail Returned to Sender",
            'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
            "",
            *("--b", "Content-Type: text/plain", "", "It could not be delivered."),
            *("--b", "Content-Type: message/delivery-status", "", "Reporting-MTA: dns; mx.example", ""),
            *("Final-Recipient: rfc822; a@body.example", "Action: failed", "Status: 5.1.1", ""),
            *("--b", "Content-Type: text/rfc822-headers", "", f"Message-ID: {id}", "", "--b--"),
        ]
    ).encode()


def _read(mails: list[bytes]) -> float:
    began = time.perf_counter()
    for raw in mails:
        read(raw, on=_DAY)
    return len(mails) / (time.perf_counter() - began)
