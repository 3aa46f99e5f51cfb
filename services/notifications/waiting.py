"""What the calendar does to letters: it notes that an answer is late, and that a campaign is over.

Each is noted once, with its date, however often this looks and however many look at once.
"""

from typing import Any

from chassis.clock import LOCAL
from chassis.database import Transaction
from chassis.outbox import announce
from chassis.working_days import is_working_day, working_days_after
from contracts.notifications import CampaignFinished, LetterOverdue
from services.notifications.chasing import chase_by_itself
from services.notifications.domain import LATE_AFTER, VERY_LATE_AFTER
from services.notifications.letters import facts_of
from services.notifications.patience import LATENESS, chased_before, waiting_before
from services.notifications.queries import CHASING

#: Letters that are noted in one transaction.
MOST = 500
#: Working days after which a body is given up even if nobody there could be chased.
AT_LAST = 2 * VERY_LATE_AFTER

#: The lateness that may be there before each is noted.
_BEFORE = {"late": [""], "very_late": ["", "late"]}


async def note_lateness(tx: Transaction) -> int:
    """Note which letters are late by now, and announce it. How many; as many as MOST means: look again."""
    count = 0
    for lateness, days in LATENESS.items():
        noted = CHASING.note_late(
            tx,
            before=waiting_before(tx.today, days),
            lateness=lateness,
            lateness_before=_BEFORE[lateness],
            what=f"No answer for over {days} working days",
            most=MOST,
            now=tx.now,
        )
        async for letter in noted:
            count += 1
            await _announce(tx, letter, lateness, days)
    return count


async def _announce(tx: Transaction, letter: Any, lateness: str, days: int) -> None:
    since = letter["waits_since"]
    await announce(
        tx,
        LetterOverdue,
        subject=letter["id"],
        sequence=letter["version"],
        waiting_since=since,
        overdue_on=working_days_after(since.astimezone(LOCAL).date(), days + 1),
        lateness=lateness,
        **facts_of(letter),
    )


async def finish_campaigns(tx: Transaction) -> int:
    """Note which campaigns have nothing to wait for any more, and announce it. How many."""
    count = 0
    finished = CHASING.finish_campaigns_waited(
        tx,
        very_late_before=waiting_before(tx.today, VERY_LATE_AFTER),
        at_last_before=waiting_before(tx.today, AT_LAST),
        chased_before=chased_before(tx.today),
        longer=LATE_AFTER,
        now=tx.now,
    )
    async for campaign in finished:
        count += 1
        await announce(
            tx,
            CampaignFinished,
            subject=campaign["id"],
            sequence=campaign["version"],
            campaign_id=campaign["id"],
            campaign=campaign["name"],
            bodies=campaign["bodies"],
            answered=campaign["answered"],
        )
    return count


async def chase_where_wanted(tx: Transaction) -> int:
    """Chase in campaigns that do so by themselves, on working days. How many bodies."""
    return await chase_by_itself(tx) if is_working_day(tx.today) else 0
