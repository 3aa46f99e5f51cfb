"""The panel of a round: who is asked to decide, and who takes part."""

from uuid import UUID

from chassis.audit import note
from chassis.database import Transaction
from chassis.errors import NotFound
from services.grants.queries import PANEL


async def answer(tx: Transaction, round_id: UUID, person_id: UUID, takes_part: bool) -> None:
    """A member says whether they take part.

    Raises:
        NotFound: when they are not asked.
    """
    said = {"round_id": round_id, "person_id": person_id, "takes_part": takes_part}
    if await PANEL.answer_invitation(tx, **said, now=tx.now) is None:
        raise NotFound
    note(tx, "panel_answered", "round", round_id, after={"takes_part": takes_part})
