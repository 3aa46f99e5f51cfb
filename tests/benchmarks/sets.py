"""The small services of the chassis's tests, with a handler that takes many events by one statement."""

import sys
from collections.abc import Sequence

from chassis.database import Transaction
from chassis.extensions import Announcements, Pages, Store, subscribe
from chassis.inbox import Inbox, copy
from chassis.transports import Delivery
from contracts.envelope import Event
from contracts.grants import RegistrationsCounted
from contracts.topology import NOTIFICATIONS
from tests.chassis import hosted

_NOTE = "INSERT INTO effects (subject, sequence) SELECT * FROM unnest($1::text[], $2::integer[])"


async def note_all(tx: Transaction, events: Sequence[Event]) -> None:
    await tx.execute(_NOTE, [event.subject for event in events], [event.sequence for event in events])


class Notifications:
    """Hears, and notes many at once."""

    name = NOTIFICATIONS
    store = Store(hosted.MIGRATIONS)
    announcements = Announcements()
    pages = Pages(lambda database: hosted.build(database).app, "/notifications")

    @subscribe([copy(RegistrationsCounted, note_all)])
    async def receive(self, inbox: Inbox, deliveries: Sequence[Delivery]) -> None:
        await inbox.take(deliveries)


if __name__ == "__main__":
    hosted.CLASSES[NOTIFICATIONS] = Notifications
    sys.exit(hosted.main(sys.argv[1:]))
