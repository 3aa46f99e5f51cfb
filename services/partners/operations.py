"""How every service is, as each has said itself, and what is asked of the messages that they have put aside.

The services never ask each other: partners hears reports and signs of life, and shows them. What somebody
wants to be done with another service's messages is announced. It is done there once, and the next report from
there says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import uuid_utils.compat

from chassis.audit import note
from chassis.database import Transaction
from chassis.errors import Conflict, NotFound
from chassis.outbox import QUERIES as MESSAGES
from chassis.outbox import announce
from chassis.parking import discard, retry
from chassis.reports import take_report
from chassis.signs import Signs, signs_heard
from contracts.access import Role
from contracts.envelope import Event
from contracts.operations import ParkedAsk, ServiceReport
from contracts.partners import ParkedDiscardAsked, ParkedRetryAsked
from contracts.topology import PARTNERS, SERVICES
from services.partners.people import unreached_count
from services.partners.queries import BACKUPS, OPERATIONS, PEOPLE, QUERIES

#: Requests that are shown, and for how long.
MOST_ASKS, SHOWN_FOR, KEPT_FOR = 20, timedelta(days=1), timedelta(days=30)


class Act(StrEnum):
    """What can be done with a parked message."""

    RETRY = "retry"
    DISCARD = "discard"


_FACTS: Mapping[Act, type[ParkedAsk]] = {Act.RETRY: ParkedRetryAsked, Act.DISCARD: ParkedDiscardAsked}


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a service was when it last said so."""

    service: str
    #: Nothing where it has never said anything.
    report: Mapping[str, Any] | None
    version: int
    reported_at: datetime | None
    #: Seconds since its last sign of life; nothing where there was none. Our own is now.
    silent_for: float | None
    #: Seconds since we began to listen for it; nothing where we never did.
    awaited_for: float | None

    @property
    def figures(self) -> Mapping[str, int]:
        said = self.report["figures"] if self.report else ()
        return {each["name"]: each["number"] for each in said}


@dataclass(frozen=True, kw_only=True)
class Whole:
    """Everything that the page of ops shows."""

    now: datetime
    standings: Sequence[Standing]
    asks: Sequence[Mapping[str, Any]]
    backup: Mapping[str, Any] | None
    #: When auditors were last told how far the records go, and how many there are.
    heads_reported_at: datetime | None
    auditors: int
    #: People to whom a message did not arrive.
    unreached: int


async def remember_reports(tx: Transaction, events: Sequence[Event]) -> None:
    """Keep how services are: each speaks for itself. An older report still says what came of requests."""
    await _remember(tx, [(event.fact.OWNER, event.version, event.time, event.data) for event in events])


async def note_own_report(tx: Transaction) -> None:
    """The same of our own, where it is time to."""
    taken = await take_report(tx)
    if taken is not None:
        number, said = taken
        epoch = await MESSAGES.present_epoch(tx)
        await _remember(tx, [(PARTNERS, (epoch, number), tx.now, said)])
        await OPERATIONS.purge_asks(tx, before=tx.now - KEPT_FOR)


async def _remember(
    tx: Transaction, said: Sequence[tuple[str, tuple[int, int], datetime, Mapping[str, Any]]]
) -> None:
    written = [(service, version, at, ServiceReport().dump(report)) for service, version, at, report in said]
    states = [
        {"service": service, "epoch": epoch, "version": version, "reported_at": at, "report": report}
        for service, (epoch, version), at, report in written
    ]
    await OPERATIONS.remember_reports(tx, states=states)
    for service, _, _, report in written:
        if report["settled"]:
            await OPERATIONS.settle_asks(tx, service=service, settled=report["settled"])


async def standings(tx: Transaction) -> list[Standing]:
    """How each service is, in the order of the topology; of one that never said anything as well."""
    reports = {row["service"]: row async for row in OPERATIONS.reports(tx)}
    signs = await signs_heard(tx)
    return [_standing(tx, service, reports.get(service), signs) for service in SERVICES]


def _standing(tx: Transaction, service: str, row: Mapping[str, Any] | None, signs: Signs) -> Standing:
    return Standing(
        service=service,
        report=row["report"] if row else None,
        version=row["version"] if row else 0,
        reported_at=row["reported_at"] if row else None,
        silent_for=0.0 if service == tx.context.service else signs.silent_for(service),
        awaited_for=signs.listening_for,
    )


async def whole(tx: Transaction) -> Whole:
    """Everything, as of now."""
    since = tx.now - SHOWN_FOR
    return Whole(
        now=tx.now,
        standings=await standings(tx),
        asks=[dict(row) async for row in OPERATIONS.asks_lately(tx, since=since, most=MOST_ASKS)],
        backup=await BACKUPS.newest_backup(tx),
        heads_reported_at=await QUERIES.last_report(tx),
        auditors=len([row async for row in PEOPLE.people_trusted_as(tx, role=Role.AUDITOR)]),
        unreached=await unreached_count(tx),
    )


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Messages of one service that somebody has seen in a report: one, or all of a reason."""

    service: str
    message: UUID | None = None
    reason: str | None = None


async def find(tx: Transaction, chosen: Chosen) -> tuple[Mapping[str, Any], list[Mapping[str, Any]], int]:
    """The report in which they stand, those of them that it names, and how many there are.

    Raises:
        NotFound: when the service has none of them.
    """
    row = await OPERATIONS.report_of(tx, service=chosen.service)
    if row is None:
        raise NotFound
    report = row["report"]
    if chosen.message is not None:
        named = [each for each in report["parked"] if each["id"] == str(chosen.message)]
        count = len(named)
    else:
        named = [each for each in report["parked"] if each["reason"] == chosen.reason]
        counts = {each["name"]: each["number"] for each in report["parked_by_reason"]}
        count = counts.get(chosen.reason, 0)
    if not count:
        raise NotFound
    return row, named, count


async def ask(tx: Transaction, act: Act, chosen: Chosen, seen: datetime) -> bool:
    """Let something be done with messages. Whether it is done already, because they are our own.

    Args:
        seen: the moment of the report that somebody has looked at: what was parked later is left alone.

    Raises:
        NotFound: when the service has none of them.
        Conflict: when the same was asked and the service has not yet said that it is done.
    """
    row, _, _ = await find(tx, chosen)
    until = min(seen, row["reported_at"])
    id = uuid_utils.compat.uuid7()
    about = {"message_id": chosen.message, "reason": chosen.reason}
    note(
        tx,
        f"parked_{act}",
        "parked",
        chosen.message or chosen.reason,
        after={"service": chosen.service, "until": until},
    )
    if await OPERATIONS.enter_ask(tx, id=id, service=chosen.service, act=act, now=tx.now, **about) is None:
        cure = "Nothing more is needed: this page says when it is done."
        raise Conflict("This was asked already.", cure)
    if chosen.service != tx.context.service:
        said = {"ask_id": id, "service": chosen.service, "until": until, **about}
        await announce(tx, _FACTS[act], subject=id, sequence=1, **said)
        return False
    await _settle_own(tx, id, act, until, about)
    return True


async def _settle_own(tx: Transaction, id: UUID, act: Act, until: datetime, about: Mapping[str, Any]) -> None:
    found = MESSAGES.parked_chosen(tx, id=about["message_id"], reason=about["reason"], until=until)
    ids = [each["id"] async for each in found]
    do = retry if act is Act.RETRY else discard
    number = await do(tx, ids) if ids else 0
    done = {"ask_id": id, "number": number, "done_at": tx.now}
    await OPERATIONS.settle_asks(tx, service=tx.context.service, settled=[done])
    # So that our next report comes at once.
    await MESSAGES.note_settled(tx, ask_id=id, number=number, now=tx.now)
