"""Outbox, relay and inbox: what is announced has its effect once, or is parked where a person sees it."""

import asyncio
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis import failpoints, metrics
from chassis.clock import real_now
from chassis.database import Database, Transaction
from chassis.errors import DatabaseAway, NotYetKnown
from chassis.failpoints import FailPoint
from chassis.inbox import Inbox, copy, reaction
from chassis.outbox import QUERIES, announce
from chassis.relay import Relay
from chassis.transports import Delivery, InProcess, Outgoing, sign_of_life
from contracts.catalogue import sample
from contracts.envelope import Event, InvalidFact, encode
from contracts.grants import RegistrationsCounted
from contracts.notifications import CampaignSent
from contracts.topology import EXCHANGES, GRANTS, NOTIFICATIONS, PARTNERS, SERVICES
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
        counted_on=tx.today,
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

            async def observe(self) -> None: ...

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
            (replace(message(), exchange=EXCHANGES[PARTNERS]), "not_theirs"),
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

    async def test_what_another_service_said_of_ours_is_never_handled_and_is_not_in_the_way_of_the_owner(
        self, database: Database, inbox: Inbox
    ) -> None:
        """Whoever may write to one exchange can put any fact there: who owns the fact says it, or nobody."""
        true = replace(message("true"), exchange=EXCHANGES[GRANTS])
        forged = replace(true, exchange=EXCHANGES[PARTNERS])
        await inbox.take([forged, message("behind")])
        async with database.transaction() as tx:
            await tx.execute("UPDATE parked SET next_try = $1", tx.now)
        assert await inbox.retry()
        (row,) = await parked(database)
        assert (row["reason"], row["next_try"]) == ("not_theirs", None)
        await inbox.take([true])
        assert [subject for subject, _ in await effects(database)] == ["behind", "true"]

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
        quick = replace(database.context, settings=replace(database.context.settings, handler_timeout=1.0))
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


async def heard_at(database: Database) -> datetime | None:
    """When the newest sign of life of partners was sent, as far as a service has heard."""
    async with database.reading() as tx:
        return {row["service"]: row["sent_at"] async for row in QUERIES.signs_of_life(tx)}.get(PARTNERS)


def sign(sent_at: datetime | str, of: str = PARTNERS) -> Delivery:
    body = sent_at if isinstance(sent_at, str) else sent_at.isoformat()
    return Delivery(body=body.encode(), life_of=of)


class TestSignsOfLife:
    """They are no events: noted in their place among them, and nowhere else."""

    @pytest.fixture
    async def deaf(self, database: Database) -> Database:
        """A service that has heard of nobody yet."""
        async with database.transaction() as tx:
            await tx.execute("DELETE FROM signs_of_life")
        return database

    async def test_one_that_is_published_in_the_process_reaches_those_who_hear_it_and_nobody_else(
        self, make_bare: MakeDatabase
    ) -> None:
        port, databases = InProcess(), {service: await make_bare(service) for service in SERVICES}
        for service, database in databases.items():
            async with database.transaction() as tx:
                await tx.execute("DELETE FROM signs_of_life")
            port.register(service, Inbox(database, []).take)
        before = real_now()
        for service in SERVICES:
            assert await port.publish([sign_of_life(service)]) == {}
        for service, database in databases.items():
            moment = await heard_at(database)
            assert (moment is None) is (service == PARTNERS)
            assert moment is None or before <= moment <= real_now()
            async with database.reading() as tx:
                for table in ("inbox", "parked", "outbox"):
                    assert await tx.fetchval(f"SELECT count(*) FROM {table}") == 0

    async def test_one_that_somebody_missed_is_said_to_be_refused(self, database: Database) -> None:
        port = InProcess()
        port.register(NOTIFICATIONS, Inbox(database, []).take)
        assert list((await port.publish([sign_of_life(PARTNERS)])).values()) == ["subscriber_away"]

    async def test_it_is_counted_as_no_event(self, database: Database, inbox: Inbox) -> None:
        def counted() -> list[tuple[str, float]]:
            families = (metrics.HANDLED.collect(), metrics.HANDLING.collect())
            return [
                (each.name + str(each.labels), each.value)
                for family in families
                for metric in family
                for each in metric.samples
                if not each.name.endswith("_created")
            ]

        before = counted()
        await inbox.take([sign(real_now()), sign("broken")])
        assert counted() == before

    async def test_the_newest_counts_in_whatever_order_they_come(self, deaf: Database, inbox: Inbox) -> None:
        now = real_now()
        moments = [now - timedelta(seconds=seconds) for seconds in (30, 10, 50)]
        await inbox.take([sign(moment) for moment in moments])
        assert await heard_at(deaf) == moments[1]
        await inbox.take([sign(moments[0])])
        assert await heard_at(deaf) == moments[1]

    async def test_a_clock_that_runs_ahead_gives_no_credit(self, deaf: Database, inbox: Inbox) -> None:
        await inbox.take([sign(real_now() + timedelta(hours=5))])
        moment = await heard_at(deaf)
        assert moment is not None
        assert abs(real_now() - moment) < timedelta(seconds=5)

    @pytest.mark.parametrize(
        "body",
        [
            "",
            "soon",
            "2026-11-25",
            "2026-11-25T12:00:00",
            "9999-12-31T23:59:59-23:59",
            "0001-01-01T00:00:00+23:59",
            "\x00",
            "é",
            "9" * 100_000,
        ],
    )
    async def test_a_broken_one_is_ignored_and_its_neighbours_are_handled(
        self, deaf: Database, inbox: Inbox, body: str
    ) -> None:
        await inbox.take([message("before"), sign(body), message("behind")])
        assert [subject for subject, _ in await effects(deaf)] == ["before", "behind"]
        assert (await heard_at(deaf), await parked(deaf)) == (None, [])
        good = real_now()
        await inbox.take([sign(body), sign(good)])
        assert await heard_at(deaf) == good

    async def test_one_of_somebody_whom_nobody_goes_by_is_ignored(self, deaf: Database, inbox: Inbox) -> None:
        await inbox.take([sign(real_now(), of=GRANTS), message("here")])
        async with deaf.reading() as tx:
            assert await tx.fetchval("SELECT count(*) FROM signs_of_life") == 0
        assert await effects(deaf) == [("here", 1)]

    async def test_it_comes_last_when_its_batch_was_taken_one_by_one(
        self, deaf: Database, inbox: Inbox
    ) -> None:
        failpoints.arm("inbox.before_commit=raise")
        await inbox.take([message("a"), sign(real_now()), message("b")])
        # The batch was taken back, its messages were taken one by one, and the sign came after all of them.
        assert await effects(deaf) == [("a", 1), ("b", 1)]
        assert await heard_at(deaf) is not None

    @pytest.mark.parametrize("neighbours", [[], ["fine"]])
    async def test_what_is_parked_does_not_hold_it_up(self, deaf: Database, neighbours: list[str]) -> None:
        noted_before: list[bool] = []

        async def refuse(tx: Transaction, event: Event) -> None:
            noted_before.append(await tx.fetchval("SELECT count(*) FROM signs_of_life") > 0)
            if event.subject == "bad":
                raise LookupError

        inbox = Inbox(deaf, [reaction(RegistrationsCounted, refuse)])
        await inbox.take([sign(real_now()), message("bad"), *map(message, neighbours)])
        assert [row["subject"] for row in await parked(deaf)] == ["bad"]
        assert await heard_at(deaf) is not None
        assert not any(noted_before)

    async def test_with_the_database_away_it_is_offered_again(self, database: Database, inbox: Inbox) -> None:
        await database.close()
        with pytest.raises(DatabaseAway):
            await inbox.take([sign(real_now())])

    async def test_replicas_note_one_each_at_the_same_time(self, deaf: Database, inbox: Inbox) -> None:
        now = real_now()
        moments = [now - timedelta(seconds=seconds) for seconds in range(20)]
        batches = [
            [message(f"{n} {m}") for m in range(5)] + [sign(moment)] for n, moment in enumerate(moments)
        ]
        await asyncio.gather(*map(inbox.take, batches))
        assert await heard_at(deaf) == now
        assert len(await effects(deaf)) == 100
        assert await parked(deaf) == []

    async def test_a_gauge_says_how_long_ago_it_was_sent(self, deaf: Database, inbox: Inbox) -> None:
        def shown() -> float:
            labels = {"service": NOTIFICATIONS, "sender": PARTNERS}
            return metrics.REGISTRY.get_sample_value("conduit_sign_of_life_age_seconds", labels) or 0.0

        await inbox.observe()
        assert shown() == math.inf
        await inbox.take([sign(real_now() - timedelta(seconds=30))])
        await inbox.observe()
        assert 30 <= shown() < 35
