"""Whether the keys are those that a database was filled with: another set opens nothing of what there is.

The audit keeps the mark of a service's keys, from the first start on; so it is in every backup as well, and
nobody can change it unseen.
"""

from chassis.audit import BY_COMMAND, QUERIES, acting, note
from chassis.database import Database
from chassis.keys import KeysError

_KEYS = "keys"


async def refuse_other_keys(database: Database) -> None:
    """Compare the keys with the database, and enter them where none were entered yet.

    Raises:
        KeysError: names the service whose keys are others, where they are, and the cure.
    """
    if not await check_keys(database):
        await enter_keys(database)


async def check_keys(database: Database) -> bool:
    """Compare the keys with the database. Whether any were entered yet.

    Raises:
        KeysError: as `refuse_other_keys`.
    """
    async with database.reading() as tx:
        entered = await QUERIES.keys_entered(tx, object=_KEYS)
    if entered in (None, database.context.keys.mark):
        return entered is not None
    service, folder = database.context.service, database.context.settings.keys_folder
    raise KeysError(
        f"The keys of {service} in {folder} are not those of its database: what is sealed in it would stay "
        "closed, and links that were sent lead nowhere. Move that folder away and bring back the right one "
        "from your backup of the keys. Only if they are lost for good: conduit keys accept"
    )


async def enter_keys(database: Database) -> None:
    """Note that the present keys are those of the database from now on."""
    async with acting(database, BY_COMMAND) as tx:
        note(tx, "keys_entered", "installation", _KEYS, after={"mark": database.context.keys.mark})
