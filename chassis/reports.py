"""How a service is, gathered for whoever shows it: said once by all replicas, and no oftener than is of use.

What the process measures anyway is read from its gauges, the rest from the database as of one moment.
"""

import json
import math
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from prometheus_client import Gauge

from chassis import metrics
from chassis.access import silence_after
from chassis.audit import QUERIES as AUDIT
from chassis.clock import real_now
from chassis.database import Transaction
from chassis.outbox import QUERIES, announce
from chassis.signs import signs_heard
from contracts.access import SIGNED_BY
from contracts.operations import MOST_PARKED, MOST_SETTLED, ServiceReport

#: Seconds between two looks at whether there is something to say.
LOOK = 5.0

#: No two reports are nearer to each other, unless somebody waits for what they have asked for; and no two are
#: farther apart.
LEAST, MOST = timedelta(minutes=1), timedelta(minutes=5)

#: Older than this many seconds, an unpublished event is a fault and no longer a queue.
STUCK = 120

#: Seconds after the start of a process in which its timers may still come to their first success.
_STARTING = 600

#: What a service counts of its own work: numbers by their names. What ends in ``_seconds`` changes by itself.
Figures = Callable[[Transaction], Awaitable[Mapping[str, int]]]

_STARTED = time.time()


async def nothing_counted(tx: Transaction) -> Mapping[str, int]:
    """For a service of which there is nothing to say besides."""
    return {}


async def report(tx: Transaction, fact: type[ServiceReport], figures: Figures = nothing_counted) -> None:
    """Announce how this service is, where it is time to."""
    taken = await take_report(tx, figures)
    if taken is not None:
        number, said = taken
        await announce(tx, fact, subject=tx.context.service, sequence=number, **said)


async def take_report(
    tx: Transaction, figures: Figures = nothing_counted
) -> tuple[int, dict[str, Any]] | None:
    """The next report with its number, for whoever asks first; nothing while there is nothing new to say."""
    last = await QUERIES.lock_last_report(tx)
    if last is None:
        return None
    if await _awaits_sign(tx):
        return None
    since = tx.now - last["told_at"].astimezone(UTC) if last["number"] else MOST
    # A clock that was set back must not keep a service silent.
    if timedelta(0) <= since < LEAST and not last["owes"]:
        return None
    said = await gather(tx, figures)
    worth = _worth_saying(tx, said)
    if timedelta(0) <= since < MOST and worth == last["worth"] and not last["owes"]:
        return None
    number = last["number"] + 1
    await QUERIES.note_report(tx, number=number, worth=worth, now=tx.now)
    return number, said


async def _awaits_sign(tx: Transaction) -> bool:
    """Whether a service has only just started, so that its report would take for silence what is none."""
    if tx.context.service == SIGNED_BY:
        return False
    return (await signs_heard(tx)).awaited(SIGNED_BY, tx.context.settings.silence)


async def gather(tx: Transaction, figures: Figures) -> dict[str, Any]:
    """How this service is now."""
    service = tx.context.service
    outbox = await QUERIES.outbox_state(tx)
    head = await AUDIT.last_row(tx)
    heard = (await signs_heard(tx)).silent_for(SIGNED_BY)
    return {
        "build": metrics.VERSION,
        "revision": await QUERIES.revision(tx),
        "outbox_pending": outbox["pending"],
        "outbox_seconds": _whole((tx.now - outbox["oldest"]).total_seconds() if outbox["oldest"] else 0),
        "outbox_failure": outbox["failure"] and outbox["failure"][:100],
        "parked_by_reason": [
            {"name": row["reason"], "number": row["count"]} async for row in QUERIES.parked_by_reason(tx)
        ],
        "parked": [_parked(row) async for row in QUERIES.parked_messages(tx, most=MOST_PARKED)],
        **_of_process(service),
        "audit_rows": head["number"] if head else 0,
        "audit_digest": head["digest"] if head else None,
        "heard_seconds": None if heard is None else _whole(heard),
        "figures": [{"name": name, "number": _whole(number)} for name, number in (await figures(tx)).items()],
        "settled": [dict(row) async for row in QUERIES.settled_lately(tx, most=MOST_SETTLED)],
    }


def _parked(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("id", "type", "reason", "failure", "attempts", "parked_at", "next_try")
    said = {name: row[name] for name in names}
    return {**said, **{name: said[name][:100] for name in ("type", "reason", "failure")}}


def _of_process(service: str) -> dict[str, Any]:
    """What the gauges of this process say."""
    size = next((value for _, value in _values(metrics.DISK_SIZE)), 0)
    free = next((value for _, value in _values(metrics.DISK_FREE)), 0)
    ends = [value for _, value in _values(metrics.CERTIFICATE_END) if 0 < value < math.inf]
    return {
        "queues": [
            {"name": labels["queue"], "number": _whole(value)}
            for labels, value in _values(metrics.QUEUE, service)
        ],
        "broker": _broker(service),
        "timers": sorted(_timers(service), key=lambda timer: str(timer["name"])),
        "disk_free": _whole(free) if size else None,
        "disk_size": _whole(size) if size else None,
        "certificate_end": datetime.fromtimestamp(min(ends), UTC) if ends else None,
    }


def _values(gauge: Gauge, service: str = "") -> Iterator[tuple[Mapping[str, str], float]]:
    """What a gauge says, with its labels; of one service, or of whatever has none."""
    for family in gauge.collect():
        for sample in family.samples:
            if sample.labels.get("service", "") == service:
                yield sample.labels, sample.value


def _broker(service: str) -> str:
    if not all(value for _, value in _values(metrics.BROKER_CONNECTED, service)):
        return "away"
    if any(value for _, value in _values(metrics.BROKER_BLOCKED, service)):
        return "blocked"
    return "connected" if list(_values(metrics.BROKER_CONNECTED, service)) else "none"


def _timers(service: str) -> Iterator[dict[str, Any]]:
    now = time.time()
    for whose in (service, "process"):
        patience = {labels["name"]: value for labels, value in _values(metrics.TIMER_PATIENCE, whose)}
        for labels, at in _values(metrics.TIMER_SUCCESS, whose):
            late = now - max(at, _STARTED) > patience.get(labels["name"], math.inf)
            yield {
                "name": labels["name"],
                "seconds": _whole(now - at) if at else None,
                "behind": late and now - _STARTED > _STARTING,
            }


def _whole(number: float) -> int:
    return max(0, round(number))


def _worth_saying(tx: Transaction, said: Mapping[str, Any]) -> str:
    """What is worth saying at once. What changes by itself counts only where it becomes a fault."""
    size = said["disk_size"] or 1
    figures = [each for each in said["figures"] if not each["name"].endswith("_seconds")]
    heard = said["heard_seconds"]
    heard_at = None if heard is None else real_now() - timedelta(seconds=heard)
    worth = {
        "figures": figures,
        "outbox": said["outbox_seconds"] > STUCK,
        "disk": 100 * (said["disk_free"] or 0) // size,
        "behind": [timer["name"] for timer in said["timers"] if timer["behind"]],
        "queues": [each["name"] for each in said["queues"] if each["number"] > 5000],
        "silent": silence_after(heard_at, tx.context.settings.silence) is not None,
    }
    same = ("build", "revision", "outbox_failure", "parked_by_reason", "parked", "broker", "certificate_end")
    worth |= {name: said[name] for name in (*same, "settled")}
    return json.dumps(worth, sort_keys=True, default=str)
