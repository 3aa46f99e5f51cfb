"""The relay: takes due rows from the outbox to the publish port and marks what was confirmed.

Rows are claimed with ``SKIP LOCKED`` and stay locked until they are marked, so that any number of replicas
may relay and a relay that dies gives its rows back at once. There is no "last id": sequences commit out of
order.
"""

import random
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from chassis import metrics
from chassis.database import Database
from chassis.failpoints import reach
from chassis.outbox import QUERIES
from chassis.traces import Kind, Span, begin, collecting, end
from chassis.transports import Outgoing, PublishPort
from contracts.envelope import traceparent_in

#: Reasons that mean that not one subscriber has the event: trying again soon multiplies nothing.
NOBODY_HEARD = frozenset({"broker_away", "not_confirmed", "subscriber_away", "DatabaseAway"})


class Relay:
    """Publishes one service's outbox."""

    def __init__(self, database: Database, port: PublishPort) -> None:
        self._database = database
        self._port = port
        self._service = database.context.service
        self._settings = database.context.settings

    async def turn(self) -> bool:
        """Publish one batch.

        Returns:
            whether there may be more to do at once.
        """
        async with self._database.transaction() as tx:
            rows = [row async for row in QUERIES.claim_outbox(tx, now=tx.now, most=self._settings.batch)]
            if not rows:
                return False
            reach("relay.claimed")
            spans = self._spans(rows)
            refused = await self._port.publish([_outgoing(row) for row in rows])
            for row, span in spans:
                end(span, failed=row["id"] in refused)
            reach("relay.published")
            confirmed = [row["id"] for row in rows if row["id"] not in refused]
            if confirmed:
                await QUERIES.mark_published(tx, ids=confirmed, now=tx.now)
            late = [row for row in rows if row["id"] in refused]
            if late:
                await QUERIES.postpone(
                    tx,
                    ids=[row["id"] for row in late],
                    failures=[refused[row["id"]] for row in late],
                    tries=[tx.now + self._pause(row["attempts"], refused[row["id"]]) for row in late],
                )
        for reason, count in Counter(refused.values()).items():
            metrics.RELAY_FAILURES.labels(self._service, reason).inc(count)
        for type, count in Counter(row["type"] for row in rows if row["id"] not in refused).items():
            metrics.ANNOUNCED.labels(self._service, type).inc(count)
        return len(confirmed) == self._settings.batch

    async def next_due(self) -> datetime | None:
        """When the earliest postponed row is due."""
        async with self._database.reading() as tx:
            due: datetime | None = await QUERIES.next_due(tx)
            return due

    async def observe(self) -> None:
        """Bring the gauges of the outbox up to date."""
        async with self._database.reading() as tx:
            state = await QUERIES.outbox_state(tx)
            age = (tx.now - state["oldest"]).total_seconds() if state["oldest"] else 0
        metrics.OUTBOX_PENDING.labels(self._service).set(state["pending"])
        metrics.OUTBOX_AGE.labels(self._service).set(max(age, 0))

    def _spans(self, rows: Sequence[Any]) -> list[tuple[Any, Span]]:
        """One for each event, in the story of what announced it, where anybody wants them."""
        return [
            (
                row,
                begin(
                    self._service,
                    f"publish {row['type']}",
                    Kind.PRODUCER,
                    traceparent_in(row["body"]),
                    **_named(row),
                ),
            )
            for row in (rows if collecting() else ())
        ]

    def _pause(self, attempts: int, reason: str) -> timedelta:
        """Back-off with jitter: short where nobody got a copy, long where somebody gets one more."""
        limit = 5.0 if reason in NOBODY_HEARD else 60.0
        longest = min(self._settings.retry_first * 2 ** min(attempts, 20), limit)
        return timedelta(seconds=random.uniform(longest / 2, longest))


def _named(row: Any) -> dict[str, str | int]:
    """What a span says of an event."""
    return {"messaging.message.id": str(row["id"])}


def _outgoing(row: Any) -> Outgoing:
    return Outgoing(id=row["id"], type=row["type"], body=bytes(row["body"]), expected=row["expected"])
