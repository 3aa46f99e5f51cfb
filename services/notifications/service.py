"""The notifications service: wiring only."""

from collections.abc import Sequence
from pathlib import Path

from chassis.extensions import Announcements, Listening, Pages, Store, every, subscribe
from chassis.heads import LOOK, tell_head
from chassis.inbox import Inbox
from chassis.reports import LOOK as REPORT_LOOK
from chassis.reports import report
from chassis.retention import nightly
from chassis.transports import Delivery
from contracts.notifications import ChainHeadTold, ServiceReported
from contracts.topology import NOTIFICATIONS
from services.notifications import metrics, web
from services.notifications.collecting import LOOK as LOOK_FOR_MAIL
from services.notifications.collecting import Collector
from services.notifications.handlers import SUBSCRIPTIONS
from services.notifications.held import TERMS
from services.notifications.hrefs import MOUNT
from services.notifications.lmtp import LmtpServer
from services.notifications.looking_back import keep_outcomes
from services.notifications.notices.courier import Courier
from services.notifications.notices.writing import SEND_NOTICES
from services.notifications.printing import PRINT_POST, Printer
from services.notifications.restored import let_go_of_ledger
from services.notifications.sending import SEND_LETTERS, Sender
from services.notifications.suspecting import MOST as MOST_SUSPECTS
from services.notifications.suspecting import suspect_silent
from services.notifications.waiting import MOST, chase_where_wanted, finish_campaigns, note_lateness

MIGRATIONS = Path(__file__).parent / "migrations"


class Notifications:
    """Writes to people and remembers who answered."""

    name = NOTIFICATIONS

    store = Store(MIGRATIONS)
    announcements = Announcements()
    pages = Pages(web.build, MOUNT)
    lmtp = Listening(LmtpServer)

    @every(seconds=600, name="retention", longest=900)
    async def retain(self) -> None:
        """Once a night, let go of what has had its time."""
        await nightly(self.store, TERMS)  # nameko puts the database here
        await let_go_of_ledger(self.store)

    @subscribe(SUBSCRIPTIONS)
    async def receive(self, inbox: Inbox, deliveries: Sequence[Delivery]) -> None:
        """Take in what was received."""
        await inbox.take(deliveries)

    @every(seconds=2, name=SEND_LETTERS)
    async def send(self) -> bool:
        """Send what is due; true when there is more."""
        return await Sender(self.store).turn()  # nameko puts the database here

    @every(seconds=2, name=PRINT_POST, longest=1800)
    async def print_post(self) -> bool:
        """Make the file of what is to be posted; true when there was one."""
        return await Printer(self.store).turn()  # nameko puts the database here

    @every(seconds=60, name="count time")
    async def count_time(self) -> bool:
        """Note what is late and what is over; chase where a campaign wants it so. True when there is more."""
        async with self.store.transaction() as tx:  # nameko puts the database here
            noted = await note_lateness(tx)
            await finish_campaigns(tx)
            marked = await suspect_silent(tx)
        async with self.store.transaction() as tx:
            chased = await chase_where_wanted(tx)
        return noted >= MOST or chased > 0 or marked >= MOST_SUSPECTS

    @every(seconds=2, name="keep outcomes")
    async def keep_outcomes(self) -> bool:
        """Keep what came of letters that have changed; true when there is more."""
        return await keep_outcomes(self.store)  # nameko puts the database here

    @every(seconds=2, name=SEND_NOTICES)
    async def send_notices(self) -> bool:
        """Send what is to be said to one person; true when there is more."""
        return await Courier(self.store).turn()  # nameko puts the database here

    @every(seconds=LOOK_FOR_MAIL, name="collect mail", longest=600)
    async def collect_mail(self) -> bool:
        """Take in what came to the mailbox; true when there is more."""
        return await Collector(self.store).turn()  # nameko puts the database here

    @every(seconds=60, name="tidy notices")
    async def tidy_notices(self) -> None:
        """Let go of what can no longer be sent."""
        await Courier(self.store).tidy()  # nameko puts the database here

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

    @every(seconds=10, name="count letters")
    async def count(self) -> None:
        """Bring the gauges up to date."""
        await metrics.observe(self.store)  # nameko puts the database here
