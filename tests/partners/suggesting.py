"""A letter that was passed on to a colleague, as letters tells it."""

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from chassis.database import Database
from chassis.sealed import seal
from contracts.envelope import Event
from contracts.notifications import ContactSuggested
from tests.partners.conftest import told

MAI = {"name": "Mai Nguyễn", "role": "Dental care", "email": "mai@trust.example"}


def passed_on(register: Database, organisation: UUID, **said: Any) -> Event:
    """To Mai, or to whom is said."""
    id = uuid4()
    event = told(
        ContactSuggested,
        organisation_id=organisation,
        suggestion_id=id,
        suggested_at=register.context.clock.now(),
        colleague=seal(register.context.keys, ContactSuggested, "colleague", {**MAI, **said}),
    )
    return replace(event, id=uuid4(), subject=str(id))
