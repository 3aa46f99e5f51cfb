"""Whether somebody may be close to an applicant, by what both of them say. Pure.

Words are compared whole and in their order, however they were typed. Bodies so large that to belong to one
says nothing of anybody never match.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from chassis.house import Entry, House
from services.grants.phrases import bare, plain_words


class Kind(StrEnum):
    """What somebody can be close to, so that applicants are compared with it."""

    EMPLOYER = "employer"
    TEAM = "team"
    PERSON = "person"


@dataclass(frozen=True)
class Profile:
    """An applicant as they are compared."""

    name: tuple[str, ...]
    workplace: tuple[str, ...]
    #: Their own words and their place of work, between spaces.
    text: str

    @classmethod
    def of(cls, name: str, workplace: str, words: str) -> Self:
        """As they have said it."""
        at, said = plain_words(workplace), plain_words(words)
        return cls(bare(plain_words(name)), bare(at), f"{_line(at)}|{_line(said)}")


def _line(words: Sequence[str]) -> str:
    return f" {' '.join(words)} "


def whole_systems(house: House) -> frozenset[tuple[str, ...]]:
    """Bodies so large that to belong to one says nothing of anybody: by data, and our own."""
    listed = house.lists.get("whole_systems", {}).values()
    also = [str(name) for entry in listed for name in _also(entry)]
    names: list[str] = [house.name, house.short_name, *(entry.name for entry in listed), *also]
    return frozenset(bare(plain_words(name)) for name in names)


def _also(entry: Entry) -> list[object]:
    said = entry.attributes.get("also", [])
    return said if isinstance(said, list) else []


@dataclass(frozen=True)
class Pattern:
    """What somebody is close to, as applicants are compared with it."""

    kind: Kind
    whole: tuple[str, ...]
    #: What counts where it stands in an applicant's text, each between spaces.
    phrases: tuple[str, ...]
    systems: Collection[tuple[str, ...]]

    @classmethod
    def of(cls, kind: Kind, words: str, systems: Collection[tuple[str, ...]]) -> Self:
        """The pattern of what somebody says."""
        whole = bare(plain_words(words))
        if kind is Kind.PERSON:
            # One name alone is many people's: it counts as a name, not as a word.
            return cls(kind, whole, (_line(whole),) if len(whole) > 1 else (), systems)
        # A part of several is often the name of a town: it counts where it is more than one word.
        parts = [part for each in re.split(r"[,;\n]", words) if len(part := bare(plain_words(each))) > 1]
        phrases = [phrase for phrase in dict.fromkeys((whole, *parts)) if phrase and phrase not in systems]
        return cls(kind, whole, tuple(map(_line, phrases)), systems)

    def found_in(self, who: Profile) -> bool:
        """Whether it is found in what an applicant says."""
        if any(phrase in who.text for phrase in self.phrases):
            return True
        if self.kind is Kind.PERSON:
            return self._names(who.name)
        # Theirs may be the shorter name of the same place.
        return len(who.workplace) > 1 and who.workplace not in self.systems and self._holds(who.workplace)

    def _names(self, name: tuple[str, ...]) -> bool:
        """Whether it may be this name, in whatever order and with names in between."""
        here, there = set(self.whole), set(name)
        return bool(here) and (here <= there or (len(there) > 1 and there <= here))

    def _holds(self, words: tuple[str, ...]) -> bool:
        return _line(words) in _line(self.whole)
