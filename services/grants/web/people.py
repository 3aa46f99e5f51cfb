"""Colleagues by name, as pages of staff say who did something. Nobody outside reads these pages."""

from collections.abc import Iterable, Mapping
from typing import Self
from uuid import UUID

from chassis.database import Transaction
from services.grants.colleagues import called

#: Whoever was erased.
FORMER = "a former colleague"
#: Whoever acts at the computer itself.
NOBODY = "a command"


class People:
    """Colleagues who did something."""

    def __init__(self, names: Mapping[UUID, str]) -> None:
        self._names = names

    @classmethod
    async def of(cls, tx: Transaction, ids: Iterable[UUID | None]) -> Self:
        """These, by one statement."""
        return cls(await called(tx, {id for id in ids if id}))

    def name(self, person: UUID) -> str:
        """What somebody is called, where a sentence begins with it or it stands alone."""
        return self._names.get(person, FORMER.capitalize())

    def within(self, person: UUID | None) -> str:
        """What somebody is called in the midst of a sentence."""
        return self._names.get(person, FORMER) if person else NOBODY

    def by(self, person: UUID | None) -> str:
        """``By`` somebody; nothing where it was nobody of ours."""
        return f"By {self.within(person)}" if person else ""
