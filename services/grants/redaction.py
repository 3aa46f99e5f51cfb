"""Taking out of an applicant's words what says who they are, as far as a machine can. Pure.

It finds what the applicant wrote of themselves. Somebody of ours reads the rest: what a machine cannot know
is who else is named, or what everybody would recognise.
"""

import re
from collections.abc import Iterator, Sequence

from services.grants.applicants import Applicant
from services.grants.phrases import Word, bare, places, plain_words, words_of

_EMAIL = re.compile(r"[\w.+%'’-]+@[\w-]+(?:\.[\w-]+)+")
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

#: Letters of a part of a name from which on it is one wherever it stands. A shorter one is often a word: it
#: counts where it begins with a capital letter, or beside another.
_LEAST = 3
#: Letters up to which a part of a name in small letters is taken for a word.
_WORD_LIKE = 4
#: What may stand between two parts of a name.
_BETWEEN = re.compile(r"[\s'’·–-]{1,2}")


def redact(words: str, who: Applicant) -> str:
    """Words without name, addresses, telephone number and place of work, as far as they are known."""
    for shape, instead in _SHAPES:
        words = shape.sub(instead, words)
    for start, end in reversed(list(_names(words, who))):
        words = f"{words[:start]}[name]{words[end:]}"
    for phrase, instead in _phrases(who):
        for start, end in reversed(list(places(phrase, words_of(words)))):
            words = words[:start] + instead + words[end:]
    return words


def _names(words: str, who: Applicant) -> Iterator[tuple[int, int]]:
    """Where parts of the applicant's name stand, one or several beside each other."""
    parts, run = set(bare(plain_words(who.name))), list[Word]()
    for word in (*words_of(words), None):
        beside = word and run and _BETWEEN.fullmatch(words[run[-1].end : word.start])
        if run and not (word and beside and word.plain in parts):
            if any(len(each.plain) >= _LEAST for each in run) or _capital(words, run):
                yield run[0].start, run[-1].end
            run = []
        if word and word.plain in parts:
            run.append(word)


def _capital(words: str, run: Sequence[Word]) -> bool:
    """Whether short parts of a name are no words: each has a capital letter, and the first begins nothing."""
    return (
        all(words[each.start].isupper() for each in run) and words[: run[0].start].rstrip()[-1:] not in ".!?"
    )


def _phrases(who: Applicant) -> Iterator[tuple[tuple[str, ...], str]]:
    """What else is looked for, the longest first where one holds the other."""
    yield plain_words(who.workplace), "[place of work]"
    for line in (who.address, *who.address.splitlines()):
        if len(address := plain_words(line)) > 1:
            yield address, "[address]"
    yield plain_words(who.registration), "[number]"


def names_whom(words: str, who: Applicant) -> list[str]:
    """Where words that a panel reads name who applies, each in a sentence.

    A short word in small letters is rather a word than a name: “we will”, though somebody is called Will.
    """
    parts = sorted({words[start:end] for start, end in _names(words, who)})
    found = [part for part in parts if not part.islower() or len(part) > _WORD_LIKE]
    said = [f"“{part}” is in the applicant’s name." for part in found]
    if any(places(plain_words(who.workplace), words_of(words))):
        said.append("The applicant’s place of work is named.")
    return said


def still_says(words: str, who: Applicant) -> list[str]:
    """What words for the panel still say of who applies, each in a sentence."""
    parts = sorted({words[start:end] for start, end in _names(words, who)})
    said = [f"“{part}” is in the applicant’s name." for part in parts]
    if any(places(plain_words(who.workplace), words_of(words))):
        said.append("The applicant’s place of work is named.")
    return said + [
        f"There is something that looks like {what}." for what, shape in _LOOKS if shape.search(words)
    ]


_LOOKS = (
    ("an e-mail address", _EMAIL),
    ("a web address", _WEB),
    ("a telephone number", _TELEPHONE),
    ("a postcode", _POSTCODE),
)
