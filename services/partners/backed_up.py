"""When everything was backed up last. It stands here because the page of ops does."""

from datetime import datetime

from chassis.database import Transaction
from services.partners.queries import BACKUPS


async def enter_backup(tx: Transaction, name: str, made_at: datetime, size: int, seconds: float) -> None:
    """Note that a backup was made.

    Args:
        size: bytes.
        seconds: how long it took.
    """
    await BACKUPS.enter_backup(tx, name=name, made_at=made_at, size=size, seconds=seconds)
