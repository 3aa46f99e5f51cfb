"""The grants service: wiring only."""

from collections.abc import Sequence
from pathlib import Path

from chassis.extensions import Announcements, Pages, Store, every, subscribe
from chassis.inbox import Inbox
from chassis.retention import nightly
from chassis.transports import Delivery
from contracts.topology import GRANTS
from services.grants import web
from services.grants.handlers import SUBSCRIPTIONS
from services.grants.held import TERMS

MIGRATIONS = Path(__file__).parent / "migrations"


class Grants:
    """Counts who is registered and keeps what was pledged for them."""

    name = GRANTS

    store = Store(MIGRATIONS)
    announcements = Announcements()
    pages = Pages(web.build, "/grants")

    @every(seconds=600, name="retention", longest=900)
    async def retain(self) -> None:
        """Once a night, let go of what has had its time."""
        await nightly(self.store, TERMS)  # nameko puts the database here

    @subscribe(SUBSCRIPTIONS)
    async def receive(self, inbox: Inbox, deliveries: Sequence[Delivery]) -> None:
        """Take in what was received."""
        await inbox.take(deliveries)
