"""Taking out of an applicant's words what says who they are, as far as a machine can. Pure.

It finds what the applicant wrote of themselves. Somebody of ours reads the rest: what a machine cannot know
is who else is named, or what everybody would recognise.
"""

import re
from collections.abc import Iterator

from services.grants.applicants import Applicant
from services.grants.phrases import places, plain_words, words_of

_EMAIL = re.compile(r"[^\s@<>()]+@[^\s@<>()]+\.[^\s@<>().,;]+")
_WEB = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_TELEPHONE = re.compile(r"(?:\+\d|\(?0)(?:[\s().-]{0,2}\d){8,}")
_POSTCODE = re.compile(r"\b[A-Z]{1,2}\d[A-Z\d]?\s?\d[A-Z]{2}\b", re.IGNORECASE)

#: What is found by how it looks, and what stands there afterwards.
_SHAPES = (
    (_EMAIL, "[e-mail]"),
    (_WEB, "[web address]"),
    (_TELEPHONE, "[telephone]"),
    (_POSTCODE, "[address]"),
)

#: Letters of a part of a name from which on it is taken out wherever it stands: shorter ones are often words.
_LEAST = 3


def redact(words: str, who: Applicant) -> str:
    """Words without name, addresses, telephone number and place of work, as far as they are known."""
    for shape, instead in _SHAPES:
        words = shape.sub(instead, words)
    for phrase, instead in _phrases(who):
        for start, end in reversed(list(places(phrase, words_of(words)))):
            words = words[:start] + instead + words[end:]
    return re.sub(r"(\[[\w -]+\])(?:[ \t]+\1)+", r"\1", words)


def _phrases(who: Applicant) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is looked for, the longest first where one holds the other."""
    name = plain_words(who.name)
    yield name, "[name]"
    for part in name:
        if len(part) >= _LEAST:
            yield (part,), "[name]"
    yield plain_words(who.workplace), "[place of work]"
    for line in (who.address, *who.address.splitlines()):
        if len(address := plain_words(line)) > 1:
            yield address, "[address]"
    yield plain_words(who.registration), "[number]"


def still_says(words: str, who: Applicant) -> list[str]:
    """What words for the panel still say of who applies, each in a sentence."""
    found, plain = words_of(words), plain_words(words)
    name = plain_words(who.name)
    # A short part of a name counts where it begins with a capital letter: "Do" is one, "do" is a word.
    parts = {
        words[start:end]
        for part in name
        for start, end in places((part,), found)
        if len(part) >= _LEAST or (words[start].isupper() and start)
    }
    said = [f"“{part}” is in the applicant’s name." for part in sorted(parts)]
    workplace = plain_words(who.workplace)
    if any(places(workplace, found)):
        said.append("The applicant’s place of work is named.")
    said += [f"There is something that looks like {what}." for what, shape in _LOOKS if shape.search(words)]
    return said if plain else []


_LOOKS = (
    ("an e-mail address", _EMAIL),
    ("a web address", _WEB),
    ("a telephone number", _TELEPHONE),
    ("a postcode", _POSTCODE),
)
