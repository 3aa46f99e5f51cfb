"""Entering something for an organisation: it is open, and nobody merges or closes it meanwhile."""

from typing import Any
from uuid import UUID

from chassis.database import Transaction
from chassis.errors import Conflict, NotFound
from services.partners.queries import TIMELINE


class Closed(Conflict):
    """Nothing can be entered for a body that has closed."""


async def hold_open(tx: Transaction, id: UUID, *, field: str = "") -> Any:
    """An open organisation, held until the transaction ends.

    Args:
        field: which field of a form has named it.

    Raises:
        NotFound: when there is none.
        Closed: when it has closed, or was merged into another.
    """
    organisation = await TIMELINE.hold_organisation(tx, id=id)
    if organisation is None:
        raise NotFound
    closed_on = organisation["closed_on"]
    if organisation["merged_into"] or (closed_on is not None and closed_on <= tx.today):
        cure = "Choose the organisation that took over from it."
        raise Closed("This organisation has closed.", cure, field=field)
    return organisation
