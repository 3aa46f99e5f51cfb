"""The partners service: its wiring, and nothing else."""

from collections.abc import Sequence
from pathlib import Path

from chassis.extensions import Announcements, Pages, Store, every, subscribe
from chassis.heads import LOOK
from chassis.inbox import Inbox
from chassis.reports import LOOK as REPORT_LOOK
from chassis.retention import nightly
from chassis.transports import Delivery
from contracts.topology import PARTNERS
from services.partners import heads, metrics, operations, outcomes, signing_in, web, words
from services.partners.handlers import SUBSCRIPTIONS
from services.partners.held import TERMS
from services.partners.imports import IMPORTING, TAKE_FILES

MIGRATIONS = Path(__file__).parent / "migrations"


class Partners:
    """The register of organisations and contacts, with its pages."""

    name = PARTNERS

    store = Store(MIGRATIONS)
    announcements = Announcements()
    pages = Pages(web.build, "/partners")

    @every(seconds=600, name="tidy sign-ins")
    async def tidy(self) -> None:
        """Forget how people signed in, after the time that it is kept."""
        async with self.store.transaction() as tx:  # nameko puts the database here
            await signing_in.tidy(tx)

    @every(seconds=600, name="retention", longest=900)
    async def retain(self) -> None:
        """Once a night, let go of what has had its time."""
        await nightly(self.store, TERMS)  # nameko puts the database here

    @every(seconds=600, name="words of the register", longest=600)
    async def keep_words(self) -> None:
        """Let the register be found by the house's lists as they are now."""
        await words.keep_words(self.store)  # nameko puts the database here

    @every(seconds=5, name=TAKE_FILES, longest=1800)
    async def take_files(self) -> bool:
        """Read a file, or take in what was read; true when there may be more to do."""
        return await IMPORTING.turn(self.store)  # nameko puts the database here

    @every(seconds=LOOK, name="report heads")
    async def report_heads(self) -> None:
        """Let the auditors be told how far each chain goes, once a week."""
        await heads.turn(self.store)  # nameko puts the database here

    @every(seconds=REPORT_LOOK, name="report")
    async def report(self) -> None:
        """Note how this service is, beside what the others say of themselves."""
        async with self.store.transaction() as tx:  # nameko puts the database here
            await operations.note_own_report(tx)

    @every(seconds=600, name="remind of reviews")
    async def remind(self) -> None:
        """Let both sides of an agreement be told of the reviews that come."""
        await outcomes.remind(self.store)  # nameko puts the database here

    @every(seconds=60, name="count auditors")
    async def count(self) -> None:
        """Bring the gauges up to date."""
        await metrics.observe(self.store)  # nameko puts the database here

    @subscribe(SUBSCRIPTIONS)
    async def receive(self, inbox: Inbox, deliveries: Sequence[Delivery]) -> None:
        """Take in what the other services said."""
        await inbox.take(deliveries)
