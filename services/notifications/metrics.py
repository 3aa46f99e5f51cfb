"""What this service counts about its letters: states and tries, never who they are to."""

from prometheus_client import Counter, Gauge

from chassis.database import Database
from chassis.metrics import REGISTRY
from services.notifications.domain import LetterState
from services.notifications.queries import QUERIES

LETTERS = Gauge("conduit_letters", "Letters by state", ["state"], registry=REGISTRY)
TRIES = Counter(
    "conduit_letter_tries_total", "Tries to hand over a letter, by result", ["result"], registry=REGISTRY
)
NOTICES = Counter(
    "conduit_notice_tries_total",
    "Tries to hand over a notice, by kind and result",
    ["kind", "result"],
    registry=REGISTRY,
)
OLDEST_WAITING = Gauge(
    "conduit_letters_oldest_waiting_seconds",
    "How long the letter that is due longest has waited",
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

RESULTS = ("sent", "later", "refused", "unknown", "not_made", "held_back", "server_away")

for _state in LetterState:
    LETTERS.labels(_state.value).set(0)
for _result in RESULTS:
    TRIES.labels(_result)


async def observe(database: Database) -> None:
    """Bring the gauges up to date."""
    async with database.reading() as tx:
        counts = {row["state"]: row["count"] async for row in QUERIES.letters_by_state(tx)}
        oldest = await QUERIES.oldest_due(tx, now=tx.now)
    for state in LetterState:
        LETTERS.labels(state.value).set(counts.get(state.value, 0))
    OLDEST_WAITING.set((tx.now - oldest).total_seconds() if oldest else 0)
