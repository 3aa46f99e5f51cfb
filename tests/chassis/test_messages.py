"""Outbox, relay and inbox: what is announced has its effect once, or is parked where a person sees it."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis import failpoints
from chassis.database import Database, Transaction
from chassis.errors import NotYetKnown
from chassis.failpoints import FailPoint
from chassis.inbox import Inbox, copy, reaction
from chassis.outbox import QUERIES, announce
from chassis.relay import Relay
from chassis.transports import Delivery, InProcess, Outgoing
from contracts.catalogue import sample
from contracts.envelope import Event, InvalidFact, encode
from contracts.grants import RegistrationsCounted
from contracts.notifications import CampaignSent
from contracts.topology import GRANTS, NOTIFICATIONS
from tests.conftest import MakeDatabase, announced


async def count(tx: Transaction, subject: str, sequence: int, number: int = 5) -> Event:
    return await announce(
        tx,
        RegistrationsCounted,
        subject=subject,
        sequence=sequence,
        area="E09000020",
        profession="dentist",
        count=number,
        counted_on=tx.now.date(),
    )


async def count_and_fail(database: Database) -> None:
    async with database.transaction() as tx:
        await count(tx, "here", 1)
        raise ZeroDivisionError


async def send_campaign(tx: Transaction) -> Event:
    """Announce something that nobody subscribes to."""
    return await announce(
        tx, CampaignSent, subject="c", sequence=1, campaign_id=uuid4(), campaign="x", bodies=1, letters=1
    )


async def note(tx: Transaction, event: Event) -> None:
    await tx.execute("INSERT INTO effects (subject, sequence) VALUES ($1, $2)", event.subject, event.sequence)


async def note_all(tx: Transaction, events: Sequence[Event]) -> None:
    for event in events:
        await note(tx, event)


async def effects(database: Database) -> list[tuple[str, int]]:
    async with database.reading() as tx:
        return [(r["subject"], r["sequence"]) for r in await tx.fetch("SELECT * FROM effects ORDER BY id")]


async def parked(database: Database) -> list[dict[str, Any]]:
    async with database.reading() as tx:
        return [dict(row) for row in await tx.fetch("SELECT * FROM parked ORDER BY id")]


async def pending(database: Database) -> int:
    async with database.reading() as tx:
        return int((await QUERIES.outbox_state(tx))["pending"])


def message(subject: str = "here", sequence: int = 1, id: UUID | None = None, **changed: Any) -> Delivery:
    document = json.loads(encode(sample(RegistrationsCounted)))
    document |= {"id": str(id or uuid4()), "subject": subject, "sequence": sequence} | changed
    return Delivery(body=json.dumps(document).encode())


async def joined(make_bare: MakeDatabase) -> tuple[Database, Database, InProcess]:
    """An owner, a subscriber that notes what it hears, and the port between them."""
    owner, subscriber = await make_bare(GRANTS), await make_bare(NOTIFICATIONS)
    port = InProcess()
    port.register(NOTIFICATIONS, Inbox(subscriber, [reaction(RegistrationsCounted, note)]).take)
    return owner, subscriber, port


@pytest.fixture
async def database(make_bare: MakeDatabase) -> Database:
    return await make_bare(NOTIFICATIONS)


@pytest.fixture
def inbox(database: Database) -> Inbox:
    return Inbox(database, [reaction(RegistrationsCounted, note)])


class TestAnnouncing:
    async def test_is_undone_with_the_state_it_announces(self, make_bare: MakeDatabase) -> None:
        database = await make_bare(GRANTS)
        with pytest.raises(ZeroDivisionError):
            await count_and_fail(database)
        assert await announced(database) == []

    async def test_refuses_what_the_contract_refuses(self, make_bare: MakeDatabase) -> None:
        database = await make_bare(GRANTS)
        with pytest.raises(InvalidFact, match="count"):
            async with database.transaction() as tx:
                await count(tx, "here", 1, number=-1)
        assert await announced(database) == []

    async def test_carries_the_cause_from_event_to_event(self, make_bare: MakeDatabase) -> None:
        database = await make_bare(NOTIFICATIONS)

        async def answer(tx: Transaction, event: Event) -> None:
            await send_campaign(tx)

        first = uuid4()
        inbox = Inbox(database, [reaction(RegistrationsCounted, answer)])
        await inbox.take([message(id=first, correlationid="story")])
        (event,) = await announced(database)
        assert (event.correlationid, event.causationid) == ("story", str(first))


class TestRelay:
    async def test_publishes_until_nothing_is_pending(self, make_bare: MakeDatabase) -> None:
        owner, subscriber, port = await joined(make_bare)
        async with owner.transaction() as tx:
            for number in range(1_100):
                await count(tx, f"area {number:04}", 1)
        turns = 0
        while await Relay(owner, port).turn():
            turns += 1
        assert turns == 2
        assert await pending(owner) == 0
        assert sorted(await effects(subscriber)) == [(f"area {number:04}", 1) for number in range(1_100)]

    async def test_keeps_what_a_subscriber_that_is_away_has_not_heard(self, make_bare: MakeDatabase) -> None:
        owner, subscriber = await make_bare(GRANTS), await make_bare(NOTIFICATIONS)
        port = InProcess()
        async with owner.transaction() as tx:
            await count(tx, "here", 1)
        await Relay(owner, port).turn()
        async with owner.reading() as tx:
            state = await QUERIES.outbox_state(tx)
        assert (state["pending"], state["failure"]) == (1, "subscriber_away")

        port.register(NOTIFICATIONS, Inbox(subscriber, [reaction(RegistrationsCounted, note)]).take)
        owner.context.clock.advance(timedelta(minutes=2))
        await Relay(owner, port).turn()
        assert await pending(owner) == 0
        assert await effects(subscriber) == [("here", 1)]

    async def test_marks_only_what_was_confirmed(self, make_bare: MakeDatabase) -> None:
        owner = await make_bare(GRANTS)
        async with owner.transaction() as tx:
            kept = await count(tx, "one", 1)
            await count(tx, "two", 1)

        class Half:
            async def publish(self, batch: Sequence[Outgoing]) -> dict[UUID, str]:
                return {kept.id: "queue_refused"}

            async def close(self) -> None: ...

        await Relay(owner, Half()).turn()
        async with owner.reading() as tx:
            rows = await tx.fetch("SELECT id, attempts, last_failure FROM outbox WHERE published_at IS NULL")
        assert [(r["id"], r["attempts"], r["last_failure"]) for r in rows] == [(kept.id, 1, "queue_refused")]

    async def test_a_crash_after_publishing_repeats_and_the_inbox_absorbs_it(
        self, make_bare: MakeDatabase
    ) -> None:
        owner, subscriber, port = await joined(make_bare)
        async with owner.transaction() as tx:
            await count(tx, "here", 1)
        failpoints.arm("relay.published=raise")
        with pytest.raises(FailPoint):
            await Relay(owner, port).turn()
        assert await pending(owner) == 1
        await Relay(owner, port).turn()
        assert (await pending(owner), await effects(subscriber)) == (0, [("here", 1)])

    async def test_two_relays_share_the_work(self, make_bare: MakeDatabase) -> None:
        owner, subscriber, port = await joined(make_bare)
        async with owner.transaction() as tx:
            for number in range(300):
                await count(tx, f"area {number}", 1)

        async def relay() -> None:
            while await Relay(owner, port).turn():
                pass

        await asyncio.gather(relay(), relay())
        assert await pending(owner) == 0
        assert len(await effects(subscriber)) == 300

    async def test_an_event_that_nobody_expects_is_published_to_nobody(self, make_bare: MakeDatabase) -> None:
        owner = await make_bare(NOTIFICATIONS)
        async with owner.transaction() as tx:
            await send_campaign(tx)
        await Relay(owner, InProcess()).turn()
        assert await pending(owner) == 0


class TestInbox:
    async def test_a_message_has_its_effect_once(self, database: Database, inbox: Inbox) -> None:
        twice = message()
        await inbox.take([twice, twice])
        await inbox.take([twice])
        assert await effects(database) == [("here", 1)]

    async def test_parallel_deliveries_of_one_message_have_one_effect(
        self, database: Database, inbox: Inbox
    ) -> None:
        messages = [message(f"s{n}") for n in range(20)]
        await asyncio.gather(*(inbox.take(messages) for _ in range(4)))
        assert len(await effects(database)) == 20

    async def test_handles_a_batch_in_the_order_of_subjects(self, database: Database, inbox: Inbox) -> None:
        await inbox.take([message("b", 2), message("a", 3), message("b", 1)])
        assert await effects(database) == [("a", 3), ("b", 1), ("b", 2)]

    @pytest.mark.parametrize(
        ("delivery", "reason"),
        [
            (Delivery(body=b"not json"), "not_json"),
            (Delivery(body=b"\xff\xfe"), "wrong_charset"),
            (Delivery(body=b"{}", content_type="application/x-python-serialize"), "unknown_content_type"),
            (Delivery(body=b"[]"), "not_an_event"),
            (Delivery(body=b'{"x": NaN}'), "invalid_number"),
            (message(type="grants.registrations_counted.v9"), "unknown_type"),
            (message(data={"area": "x"}), "invalid_data"),
            (Delivery(body=message().body, dead=True), "dead_lettered"),
        ],
    )
    async def test_parks_poison_and_handles_its_neighbours(
        self, database: Database, inbox: Inbox, delivery: Delivery, reason: str
    ) -> None:
        await inbox.take([message("before"), delivery, message("behind")])
        await inbox.take([delivery])
        assert [subject for subject, _ in await effects(database)] == ["before", "behind"]
        (row,) = await parked(database)
        assert (row["reason"], row["next_try"], bytes(row["body"])) == (reason, None, delivery.body)

    async def test_parks_an_id_that_is_used_for_something_else(
        self, database: Database, inbox: Inbox
    ) -> None:
        id = uuid4()
        await inbox.take([message("first", id=id)])
        await inbox.take([message("second", id=id)])
        await inbox.take([message("third", id=id), message("fourth", id=id)])
        assert await effects(database) == [("first", 1)]
        assert [row["reason"] for row in await parked(database)] == ["id_reused"] * 3

    async def test_parks_what_its_handler_refuses_and_tries_again(self, make_bare: MakeDatabase) -> None:
        database = await make_bare(NOTIFICATIONS)
        broken = True

        async def fragile(tx: Transaction, event: Event) -> None:
            await note(tx, event)
            if broken and event.subject == "bad":
                raise LookupError("Jane Doe")

        inbox = Inbox(database, [reaction(RegistrationsCounted, fragile)])
        await inbox.take([message("a"), message("bad"), message("z")])
        assert [subject for subject, _ in await effects(database)] == ["a", "z"]
        (row,) = await parked(database)
        assert (row["reason"], row["failure"], row["attempts"]) == ("handler_failed", "LookupError", 1)
        assert "Jane" not in str({k: v for k, v in row.items() if k != "body"})

        database.context.clock.advance(timedelta(hours=1))
        assert await inbox.retry() is True
        assert (await parked(database))[0]["attempts"] == 2
        broken = False
        database.context.clock.advance(timedelta(hours=1))
        assert await inbox.retry() is True
        assert await inbox.retry() is False
        assert await parked(database) == []
        assert [subject for subject, _ in await effects(database)] == ["a", "z", "bad"]

    async def test_leaves_a_message_to_a_person_after_the_last_try(self, make_bare: MakeDatabase) -> None:
        database = await make_bare(NOTIFICATIONS)

        async def never(tx: Transaction, event: Event) -> None:
            raise NotYetKnown

        inbox = Inbox(database, [reaction(RegistrationsCounted, never)])
        await inbox.take([message()])
        for _ in range(database.context.settings.attempts):
            database.context.clock.advance(timedelta(days=1))
            await inbox.retry()
        (row,) = await parked(database)
        assert (row["reason"], row["next_try"], row["attempts"]) == ("not_yet_known", None, 8)
        assert await inbox.retry() is False

    async def test_parks_what_its_handler_takes_too_long_over(self, make_bare: MakeDatabase) -> None:
        database = await make_bare(NOTIFICATIONS)
        quick = replace(database.context, settings=replace(database.context.settings, handler_timeout=0.1))
        database.context = quick

        async def hang(tx: Transaction, event: Event) -> None:
            await note(tx, event)
            if event.subject == "slow":
                await asyncio.Event().wait()

        await Inbox(database, [reaction(RegistrationsCounted, hang)]).take([message("a"), message("slow")])
        assert await effects(database) == [("a", 1)]
        assert [(row["reason"], row["failure"]) for row in await parked(database)] == [
            ("handler_failed", "HandlerTooSlow")
        ]

    async def test_parks_what_its_handler_waited_for_in_vain(self, make_bare: MakeDatabase) -> None:
        """Its own limit is not the database's silence, for which everything would wait."""
        database = await make_bare(NOTIFICATIONS)

        async def wait_in_vain(tx: Transaction, event: Event) -> None:
            await note(tx, event)
            if event.subject == "silence":
                await asyncio.wait_for(asyncio.Event().wait(), 0.01)

        inbox = Inbox(database, [reaction(RegistrationsCounted, wait_in_vain)])
        await inbox.take([message("a"), message("silence"), message("z")])
        assert await effects(database) == [("a", 1), ("z", 1)]
        assert [row["failure"] for row in await parked(database)] == ["HandlerTooSlow"]

    async def test_reactions_never_see_a_snapshot(self, make_bare: MakeDatabase) -> None:
        database = await make_bare(NOTIFICATIONS)
        await Inbox(database, [reaction(RegistrationsCounted, note)]).take([message(snapshot=True)])
        assert (await effects(database), await parked(database)) == ([], [])

    async def test_copies_take_snapshots(self, database: Database) -> None:
        await Inbox(database, [copy(RegistrationsCounted, note_all)]).take([message(snapshot=True)])
        assert await effects(database) == [("here", 1)]

    async def test_a_copy_is_given_the_newest_of_each_subject_at_once(self, database: Database) -> None:
        calls: list[list[tuple[str, int]]] = []

        async def remember(tx: Transaction, events: Sequence[Event]) -> None:
            calls.append([(event.subject, event.sequence) for event in events])

        older, restored = message("b", 7), message("b", 2, epoch=2)
        batch = [message("c", 1), restored, message("a", 2), older, message("a", 1)]
        await Inbox(database, [copy(RegistrationsCounted, remember)]).take(batch)
        assert calls == [[("a", 2), ("b", 2), ("c", 1)]]
        async with database.reading() as tx:
            assert await QUERIES.handled_count(tx) == len(batch)

    async def test_one_bad_event_does_not_keep_the_others_from_a_copy(self, database: Database) -> None:
        async def remember(tx: Transaction, events: Sequence[Event]) -> None:
            await note_all(tx, events)
            if any(event.subject == "bad" for event in events):
                raise LookupError

        inbox = Inbox(database, [copy(RegistrationsCounted, remember)])
        await inbox.take([message("z"), message("bad"), message("a")])
        assert sorted(await effects(database)) == [("a", 1), ("z", 1)]
        assert [row["subject"] for row in await parked(database)] == ["bad"]

    async def test_a_crash_before_the_commit_leaves_nothing(self, database: Database, inbox: Inbox) -> None:
        failpoints.arm("inbox.before_commit=raise")
        await inbox.take([message("a"), message("b")])
        # The batch was taken back; its messages, taken one by one, went through once each.
        assert await effects(database) == [("a", 1), ("b", 1)]

    async def test_forgets_only_what_is_old_enough(self, database: Database, inbox: Inbox) -> None:
        await inbox.take([message()])
        database.context.clock.advance(timedelta(days=database.context.settings.inbox_days + 1))
        recent = message("recent")
        await inbox.take([recent])
        await inbox.tidy()
        await inbox.take([recent])
        async with database.reading() as tx:
            assert await tx.fetchval("SELECT count(*) FROM inbox") == 1
