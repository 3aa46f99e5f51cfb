"""Whether the keys are those that a database was filled with: another set opens nothing of what there is.

The audit keeps the mark of a service's keys, from the first start on; so it is in every backup as well, and
nobody can change it unseen.
"""

from collections.abc import Sequence

from chassis.audit import BY_COMMAND, QUERIES, acting, note
from chassis.database import Database
from chassis.keys import KeysError

_KEYS = "keys"


async def refuse_other_keys(*databases: Database) -> None:
    """Compare the keys with the databases, and enter them where none were entered yet.

    Raises:
        KeysError: names every service whose keys are others, where they are, and the cure.
    """
    for database in await check_keys(*databases):
        await enter_keys(database)


async def check_keys(*databases: Database) -> Sequence[Database]:
    """Compare the keys with the databases. Those into which none were entered yet.

    Raises:
        KeysError: as `refuse_other_keys`.
    """
    entered = [(database, await _entered(database)) for database in databases]
    others = [database for database, mark in entered if mark not in (None, database.context.keys.mark)]
    if others:
        raise KeysError(_said_of(others))
    return [database for database, mark in entered if mark is None]


async def _entered(database: Database) -> str | None:
    async with database.reading() as tx:
        mark: str | None = await QUERIES.keys_entered(tx, object=_KEYS)
    return mark


def _said_of(others: Sequence[Database]) -> str:
    *before, last = (database.context.service for database in others)
    services = f"{', '.join(before)} and {last}" if before else last
    whose, there = ("their databases", "them") if before else ("its database", "it")
    folder = others[0].context.settings.keys_folder
    return (
        f"The keys of {services} in {folder} are not those of {whose}: what is sealed in {there} would stay "
        "closed, and links that were sent lead nowhere. Move that folder away and bring back the right one "
        "from your backup of the keys. Only if they are lost for good: conduit keys accept"
    )


async def enter_keys(database: Database) -> None:
    """Note that the present keys are those of the database from now on."""
    async with acting(database, BY_COMMAND) as tx:
        note(tx, "keys_entered", "installation", _KEYS, after={"mark": database.context.keys.mark})
