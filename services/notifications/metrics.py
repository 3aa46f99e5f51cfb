"""What this service counts about its letters: states and tries, never who they are to."""

from collections.abc import Mapping

from prometheus_client import Counter, Gauge

from chassis.database import Database, Transaction
from chassis.metrics import REGISTRY
from services.notifications.domain import LetterState
from services.notifications.handover import Fate
from services.notifications.queries import QUERIES
from services.notifications.reading.kinds import Kind

LETTERS = Gauge("conduit_letters", "Letters by state", ["state"], registry=REGISTRY)
TRIES = Counter(
    "conduit_letter_tries_total", "Tries to hand over a letter, by result", ["result"], registry=REGISTRY
)
NOTICES = Counter(
    "conduit_notice_tries_total",
    "Tries to hand over what is said to one person, by result",
    ["result"],
    registry=REGISTRY,
)
OLDEST_WAITING = Gauge(
    "conduit_letters_oldest_waiting_seconds",
    "How long the letter that is due longest has waited",
    registry=REGISTRY,
)

WAITING = Gauge("conduit_mail_waiting", "Letters and notices that are to be mailed", registry=REGISTRY)
LONGEST_WAITING = Gauge(
    "conduit_mail_oldest_waiting_seconds",
    "For how long the oldest letter or notice has been waiting",
    registry=REGISTRY,
)

INCOMING = Counter(
    "conduit_incoming_mails_total",
    "Mails that came, by kind; again when taken in before",
    ["kind"],
    registry=REGISTRY,
)
MAILBOX = Counter(
    "conduit_mailbox_looks_total", "Looks into the mailbox, by result", ["result"], registry=REGISTRY
)
HANDED_OVER = Counter(
    "conduit_lmtp_mails_total",
    "Mails that this computer's mail server handed over, by result; one for nobody here is no mail yet",
    ["result"],
    registry=REGISTRY,
)

RESULTS = ("sent", "later", "refused", "unknown", "not_made", "held_back", "server_away", "ledger_away")

for _state in LetterState:
    LETTERS.labels(_state.value).set(0)
for _result in RESULTS:
    TRIES.labels(_result)
for _fate in Fate:
    NOTICES.labels(_fate.value)
NOTICES.labels("ledger_away")
for _kind in (*(kind.value for kind in Kind), "again"):
    INCOMING.labels(_kind)
for _result in ("looked", "away"):
    MAILBOX.labels(_result)
for _result in ("kept", "put_off", "too_large"):
    HANDED_OVER.labels(_result)


async def observe(database: Database) -> None:
    """Bring the gauges up to date."""
    async with database.reading() as tx:
        counts = {row["state"]: row["count"] async for row in QUERIES.letters_by_state(tx)}
        oldest = await QUERIES.oldest_due(tx, now=tx.now)
        waiting = await QUERIES.waiting_since(tx)
    for state in LetterState:
        LETTERS.labels(state.value).set(counts.get(state.value, 0))
    OLDEST_WAITING.set((tx.now - oldest).total_seconds() if oldest else 0)
    WAITING.set(waiting["count"])
    LONGEST_WAITING.set((tx.now - waiting["since"]).total_seconds() if waiting["since"] else 0)


async def figures(tx: Transaction) -> Mapping[str, int]:
    """What whoever keeps Conduit running is told of the mail: what waits, and what a person must settle."""
    counts = {row["state"]: row["count"] async for row in QUERIES.letters_by_state(tx)}
    waiting = await QUERIES.waiting_since(tx)
    return {
        "letters_unknown": counts.get(LetterState.UNKNOWN.value, 0),
        "mail_waiting": waiting["count"],
        "mail_waiting_seconds": int((tx.now - waiting["since"]).total_seconds()) if waiting["since"] else 0,
    }
