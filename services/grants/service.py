"""The grants service: wiring only."""

from collections.abc import Sequence
from pathlib import Path

from chassis.extensions import Announcements, Pages, Store, every, subscribe
from chassis.heads import LOOK, tell_head
from chassis.inbox import Inbox
from chassis.reports import LOOK as REPORT_LOOK
from chassis.reports import report
from chassis.retention import nightly
from chassis.transports import Delivery
from contracts.grants import ChainHeadTold, ServiceReported
from contracts.topology import GRANTS
from services.grants import applying, awards, metrics, reporting, web
from services.grants.handlers import SUBSCRIPTIONS
from services.grants.held import TERMS
from services.grants.imports import IMPORTING, TAKE_FILES

MIGRATIONS = Path(__file__).parent / "migrations"


class Grants:
    """Counts who is registered, keeps the money that is there for them, and shares it out."""

    name = GRANTS

    store = Store(MIGRATIONS)
    announcements = Announcements()
    pages = Pages(web.build, "/grants")

    @every(seconds=600, name="retention", longest=900)
    async def retain(self) -> None:
        """Once a night, let go of what has had its time."""
        await nightly(self.store, TERMS)  # nameko puts the database here

    @every(seconds=LOOK, name="tell head")
    async def tell_head(self) -> None:
        """Say how far the chain of what people have done goes, once a week."""
        async with self.store.transaction() as tx:  # nameko puts the database here
            await tell_head(tx, ChainHeadTold)

    @every(seconds=REPORT_LOOK, name="report")
    async def report(self) -> None:
        """Say how this service is, where that is new."""
        async with self.store.transaction() as tx:  # nameko puts the database here
            await report(tx, ServiceReported, metrics.figures)

    @every(seconds=60, name="count money")
    async def count(self) -> None:
        """Bring the gauges up to date."""
        await metrics.observe(self.store)  # nameko puts the database here

    @every(seconds=5, name=TAKE_FILES, longest=1800)
    async def take_files(self) -> bool:
        """Read a file of registrations, or take in what was read; true when there may be more to do."""
        return await IMPORTING.turn(self.store)  # nameko puts the database here

    @every(seconds=600, name="see to drafts")
    async def see_to_drafts(self) -> None:
        """Tell whoever has not sent their application that the last day is near; end what comes too late."""
        async with self.store.transaction() as tx:  # nameko puts the database here
            await applying.remind(tx)
            await applying.lapse(tx)

    @every(seconds=600, name="see to awards")
    async def see_to_awards(self) -> None:
        """Remind of awards, end those not answered; ask how the exam went, and later about their work."""
        async with self.store.transaction() as tx:  # nameko puts the database here
            await awards.remind(tx)
            await awards.lapse(tx)
            await reporting.ask(tx)
            await reporting.ask_post(tx)

    @subscribe(SUBSCRIPTIONS)
    async def receive(self, inbox: Inbox, deliveries: Sequence[Delivery]) -> None:
        """Take in what was received."""
        await inbox.take(deliveries)
