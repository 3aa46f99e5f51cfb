"""Bodies are merged and closed while letters go and servers die: nothing is lost or points to nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from chassis.audit import BY_COMMAND, acting
from chassis.database import IN_THE_WAY, Transaction
from chassis.embedded import AlreadyRunning
from chassis.errors import Conflict, DatabaseAway
from contracts.topology import NOTIFICATIONS, PARTNERS, SERVICES
from services.messages import opened
from services.partners.closing import close
from services.partners.domain import HandedOver
from services.partners.merging import Side, merge
from tests.faults.test_broker import killed
from tests.faults.test_kill import came_back, deaths
from tests.faults.world import World, eventually

pytestmark = pytest.mark.timeout(600)

#: Pairs of entries: all but two are merged, the last two close.
PAIRS = 6
#: Letters to each entry.
EACH = 2

Act = Callable[[Transaction], Awaitable[None]]


#: Where each service dies; in one process, all that stands for the last of them.
_ANYBODY = ("relay.published", "inbox.before_commit", "inbox.committed")
KILLS = dict.fromkeys(SERVICES, _ANYBODY) | {NOTIFICATIONS: (*_ANYBODY, "mail.claimed")}


def test_merges_and_closings_while_services_die(world: World) -> None:
    """At one place after the other."""
    pairs, campaign = prepared(world)
    whole, before = sum(world.letters(campaign).values()), deaths(world)
    world.order(KILLS)
    at_once(world, pairs, campaign)
    while not world.died(*KILLS):
        world.work()
    came_back(world, KILLS, before)
    world.an_hour_goes_by()
    ends_well(world, pairs, campaign, whole)


def test_merges_and_closings_while_the_broker_dies(three_processes: World) -> None:
    pairs, campaign = prepared(three_processes)
    whole = sum(three_processes.letters(campaign).values())
    with killed(three_processes):
        at_once(three_processes, pairs, campaign)
    ends_well(three_processes, pairs, campaign, whole)


def prepared(world: World) -> tuple[list[tuple[UUID, UUID]], str]:
    """New pairs of entries, and a draft with a letter to each contact there."""
    world.all_promises_are_kept()
    made = world.twins(PAIRS)
    known = {row["identifier"]: row["id"] for row in world.select(PARTNERS, "SELECT * FROM organisations")}
    pairs = [(known[one], known[other]) for one, other in made]
    ids = [id for pair in pairs for id in pair]
    heard = "SELECT count(*) FROM contacts WHERE organisation_id = ANY($1)"
    whole = len(ids) * EACH
    eventually(
        lambda: world.select(NOTIFICATIONS, heard, ids)[0]["count"] == whole,
        lambda: "contacts are not heard of",
    )
    return pairs, world.begin_campaign("school")


def at_once(world: World, pairs: Sequence[tuple[UUID, UUID]], campaign: str) -> None:
    """Letters go, people work, and meanwhile two merge and close one after the other."""
    *merged, handed, ended = pairs
    acts: list[Act] = [merging(*pair) for pair in merged]
    acts += [closing(handed[0], handed[1]), closing(ended[0], None)]
    with ThreadPoolExecutor() as threads:
        work: list[Future[Any]] = [threads.submit(world.send, campaign)]
        work += [threads.submit(persist, world, acts[start::2]) for start in (0, 1)]
        work.append(threads.submit(world.work))
        for each in work:
            each.result()


def merging(stays: UUID, goes: UUID) -> Act:
    async def act(tx: Transaction) -> None:
        await merge(tx, stays, goes, {"areas": Side.BOTH})

    return act


def closing(id: UUID, successor: UUID | None) -> Act:
    async def act(tx: Transaction) -> None:
        handed = [HandedOver.LETTERS] if successor else []
        await close(tx, id, closed_on=date(2013, 3, 31), successor=successor, handed_over=handed)

    return act


def persist(world: World, acts: Sequence[Act]) -> None:
    """Do each until it is done; what was done although nobody could say so is a conflict the next time."""

    async def run(act: Act) -> None:
        async with opened(world.installation, PARTNERS) as database, acting(database, BY_COMMAND) as tx:
            await act(tx)

    def done(act: Act) -> bool:
        try:
            with world.installation.database():
                asyncio.run(run(act))
        except (DatabaseAway, AlreadyRunning, *IN_THE_WAY):
            return False
        except Conflict:
            return True
        return True

    for act in acts:
        eventually(lambda act=act: done(act), lambda: "it cannot be merged or closed")  # type: ignore[misc]


def ends_well(world: World, pairs: Sequence[tuple[UUID, UUID]], campaign: str, whole: int) -> None:
    """Every promise is kept, the copies are what their owners have, and no letter stays behind."""
    over = {"sent", "blocked", "failed", "unknown"}
    eventually(lambda: set(world.letters(campaign)) <= over, lambda: f"{world.letters(campaign)}")
    world.all_promises_are_kept()
    *merged, handed, ended = pairs
    entries: dict[UUID, Any] = {
        row["id"]: row for row in world.select(PARTNERS, "SELECT * FROM organisations")
    }
    assert [entries[goes]["merged_into"] for _, goes in merged] == [stays for stays, _ in merged]
    assert [entries[each[0]]["closed_on"] for each in (handed, ended)] == [date(2013, 3, 31)] * 2
    assert sum(world.letters(campaign).values()) == whole
    compared = world.conduit("check", "--copies")
    assert compared.returncode == 0, compared.stdout
