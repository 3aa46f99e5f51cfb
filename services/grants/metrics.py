"""What this service counts about money: how much of it is in which state, never whose it is."""

from collections.abc import Mapping

from prometheus_client import Gauge

from chassis.database import Database, Transaction
from chassis.metrics import REGISTRY
from services.grants import ledger
from services.grants.queries import LEDGER

MONEY = Gauge(
    "conduit_fund_money_pence", "Money of all funds together, by state", ["state"], registry=REGISTRY
)
DIFFERING = Gauge(
    "conduit_funds_differing", "Funds whose entries do not come to their balance", registry=REGISTRY
)

STATES = ("pledged", "free", "committed", "paid", "refunded")

for _state in STATES:
    MONEY.labels(_state).set(0)


async def observe(database: Database) -> None:
    """Bring the gauges up to date."""
    async with database.reading() as tx:
        balance = await ledger.balance_of_all(tx)
        promised = await LEDGER.promised_pence(tx)
        differing = await ledger.differing(tx)
    pence = {
        "pledged": promised,
        "free": balance.free_pence,
        "committed": balance.committed_pence,
        "paid": balance.paid_pence - balance.returned_pence,
        "refunded": balance.refunded_pence,
    }
    for state in STATES:
        MONEY.labels(state).set(pence[state])
    DIFFERING.set(len(differing))


async def figures(tx: Transaction) -> Mapping[str, int]:
    """What whoever keeps Conduit running is told of the money: whether the ledger is whole."""
    return {"funds_differing": len(await ledger.differing(tx))}
