"""How like two names are: a question to a person before something is entered twice, never an answer.

Pure: no database. Two measures, of which the larger counts: the words that both have, so that order and
``&`` make no difference, and groups of three letters, so that a slip of the keyboard makes little.
"""

from collections.abc import Sequence
from typing import NamedTuple

from services.partners.domain import Organisation, name_words

#: From this likeness of the names on it may be the same body, and from this one at the same postcode.
ALIKE, ALIKE_AT_THE_SAME_PLACE = 0.7, 0.3

#: As many as a person looks through.
MOST_SHOWN = 8


class Alike(NamedTuple):
    """One that may be the same, and in words why."""

    organisation: Organisation
    why: str


def likeness(one: Sequence[str], other: Sequence[str]) -> float:
    """From 0, nothing in common, to 1. Takes the words of two names."""
    return max(_shared(set(one), set(other)), _shared(_thirds(one), _thirds(other)))


def _shared(one: set[str], other: set[str]) -> float:
    return 2 * len(one & other) / (len(one) + len(other)) if one and other else 0.0


def _thirds(words: Sequence[str]) -> set[str]:
    return {f"  {word} "[at : at + 3] for word in words for at in range(len(word) + 1)}


def alike(new: Organisation, others: Sequence[Organisation]) -> list[Alike]:
    """Those of others that may be the same as a new one, the likest first."""
    words, found = name_words(new.name), list[tuple[float, Alike]]()
    for other in others:
        if other.id == new.id:
            continue
        here = new.postcode is not None and other.postcode == new.postcode
        near = likeness(words, name_words(other.name))
        if other.identifier == new.identifier:
            found.append((2.0, Alike(other, "It has the same identifier.")))
        elif near >= (ALIKE_AT_THE_SAME_PLACE if here else ALIKE):
            why = "Its name is alike" + (", and so is its postcode." if here else ".")
            found.append((near + here, Alike(other, why)))
    found.sort(key=lambda each: -each[0])
    return [each for _, each in found[:MOST_SHOWN]]
