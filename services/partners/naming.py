"""How somebody is named in what people wrote, and taking that out without touching what is about others.

A whole name and an address mean one person wherever they stand. A part of a name alone may be anybody's, or a
word: it means them only in what is of their own organisation or in which they took part.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

from chassis.rights import Subject
from services.partners.domain import folded

#: What stands in the place of a name.
GONE = "[somebody who was erased]"

#: Parts of a name that are too short to mean somebody by themselves.
_SHORTEST = 3
_ADDRESS_OR_WORD = re.compile(r"[\w.+'’-]+@[\w.-]+\w|[\w'’\u0300-\u036f-]+")
#: What may stand between the parts of one name; after an initial, a full stop too.
_BETWEEN = re.compile(r"[\s,]{1,3}")

_TITLES = frozenset("mr mrs ms miss mx dr prof professor sir dame lord lady rev reverend".split())
#: Words by which an entry names a place at work and no person.
_ROLES = frozenset(
    "the of and for at to in a an accounts administration administrator admin adviser advisor area assistant "
    "board care case chair chairman chairwoman chief clinic clinical clerk commissioning community contact "
    "coordinator council counsellor deputy desk development director doctor duty enquiries executive finance "
    "general group head health helpdesk hospital housing info information lead leader local manager medical "
    "member mental nurse nursing office officer operations partner partnerships patient practice "
    "practitioner president primary programme project public reception receptionist regional relations "
    "representative safeguarding secretary senior service services social staff support surgery team "
    "treasurer trust trustee unit volunteer volunteering ward welfare worker".split()
)
#: Names of people that are also months, days or words with which a sentence may begin.
_ALSO_WORDS = frozenset(
    "january february march april may june july august september october november december monday tuesday "
    "wednesday thursday friday saturday sunday spring summer autumn winter christmas easter will mark grace "
    "hope faith joy rose bill grant young long short white black brown green grey gray king bishop church "
    "hall hill wood field park lake ford banks north south east west day price law bond best rich sunny art "
    "frank rob pat sue dean page cook baker carer smart wise good new read".split()
)


@dataclass(frozen=True, kw_only=True)
class Name:
    """A name of somebody, by its parts as they are written, without titles."""

    parts: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Self:
        """The name in an entry. One that is typed all in small letters is read as if it were not."""
        words = _ADDRESS_OR_WORD.findall(text.title() if text == text.lower() else text)
        return cls(parts=tuple(word for word in words if folded(word) not in _TITLES))

    @property
    def whole(self) -> list[str]:
        """The parts by which the whole is known, sorted; nothing when it means no person."""
        people = [part for part in self.parts if folded(part) not in _ROLES]
        return sorted(map(folded, self.parts)) if len(people) > 1 else []

    @property
    def alone(self) -> frozenset[str]:
        """The parts that mean somebody by themselves, where it is plain who is spoken of."""
        found = {folded(part) for part in self.parts if not part[0].islower() and len(part) >= _SHORTEST}
        return frozenset(found - _ROLES - _ALSO_WORDS) if self.whole or len(self.parts) == 1 else frozenset()


@dataclass(frozen=True, kw_only=True)
class Naming:
    """Everything by which a text may name somebody."""

    emails: frozenset[str]
    names: Sequence[Name]

    @classmethod
    def of(cls, subject: Subject) -> Self:
        """How somebody is named."""
        return cls(emails=frozenset(subject.emails), names=[Name.of(name) for name in subject.names])

    def looked_for(self) -> list[str]:
        """What a text that names them anywhere holds: an address, or the longest part of a whole name."""
        longest = [max(name.parts, key=len) for name in self.names if name.whole]
        return list({*self.emails, *longest, *map(folded, longest)})

    def without(self, text: str, *, near: bool) -> str:
        """A text without them.

        Args:
            near: it is of their organisation, or they took part: a part of their name means them.
        """
        pieces, end = list[str](), 0
        for start, stop in self._found(text, near):
            follows = bool(pieces) and text[end:start].isspace()
            pieces += [] if follows else [text[end:start], GONE]
            end = stop
        return "".join([*pieces, text[end:]])

    def _found(self, text: str, near: bool) -> Iterator[tuple[int, int]]:
        words = list(_ADDRESS_OR_WORD.finditer(text))
        at = 0
        while at < len(words):
            count = self._whole_at(text, words[at:])
            if not count and self._means(words[at][0], near):
                count = 1
            if count:
                yield words[at].start(), words[at + count - 1].end()
            at += count or 1

    def _whole_at(self, text: str, words: Sequence[re.Match[str]]) -> int:
        """How many words from here on are a whole name."""
        for name in self.names:
            here = words[: len(name.parts)]
            if not name.whole or len(here) < len(name.parts):
                continue
            said = [folded(word[0]) for word in here[:-1]]
            endings = {folded(here[-1][0]), folded(_bare(here[-1][0]))}
            together = all(_adjacent(text, *two) for two in pairwise(here))
            if together and any(sorted([*said, last]) == name.whole for last in endings):
                return len(here)
        return 0

    def _means(self, word: str, near: bool) -> bool:
        if "@" in word:
            return word.casefold() in self.emails
        alone = {folded(word), folded(_bare(word))}
        return near and not word[0].islower() and any(alone & name.alone for name in self.names)


def _adjacent(text: str, one: re.Match[str], two: re.Match[str]) -> bool:
    gap = text[one.end() : two.start()]
    return bool(_BETWEEN.fullmatch(gap.removeprefix(".") if len(one[0]) == 1 else gap))


def _bare(word: str) -> str:
    return word.removesuffix("'s").removesuffix("’s")
