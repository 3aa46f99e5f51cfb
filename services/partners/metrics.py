"""What this service counts of what keeps the records safe: reports to auditors, never to whom; backups."""

from prometheus_client import Gauge

from chassis.database import Database
from chassis.metrics import REGISTRY
from contracts.access import Role
from services.partners.queries import BACKUPS, PEOPLE, QUERIES

AUDITORS = Gauge("conduit_auditors", "People who are mailed how far the records go", registry=REGISTRY)
HEADS_REPORTED = Gauge(
    "conduit_heads_last_reported_timestamp_seconds",
    "When auditors were last mailed how far the records go; 0 before the first time",
    registry=REGISTRY,
)
BACKUP_SUCCESS = Gauge(
    "conduit_backup_last_success_timestamp_seconds",
    "When the last backup was complete; 0 where none is known",
    registry=REGISTRY,
)


async def observe(database: Database) -> None:
    """Bring the gauges up to date."""
    async with database.reading() as tx:
        auditors = [row async for row in PEOPLE.people_trusted_as(tx, role=Role.AUDITOR)]
        reported_at = await QUERIES.last_report(tx)
        backed_up_at = await BACKUPS.last_backup(tx)
    AUDITORS.set(len(auditors))
    HEADS_REPORTED.set(reported_at.timestamp() if reported_at else 0)
    BACKUP_SUCCESS.set(backed_up_at.timestamp() if backed_up_at else 0)
