"""Words as they are compared, however they were typed: to find a name or a place of work. Pure."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

#: Letters, figures and the marks that belong to the letter before.
_WORD = re.compile(r"[^\W_][\w\u0300-\u036f\u0610-\u061a\u064b-\u065f\u0670\u200c\u200d]*")
#: Letters that no rule takes apart.
_PLAIN = str.maketrans({"đ": "d", "ø": "o", "ł": "l", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"})


#: What stands before a name and is none.
_TITLES = frozenset({"dr", "mr", "mrs", "ms", "miss", "prof", "professor", "sir", "the"})


@dataclass(frozen=True)
class Word:
    """One word of a text, and where it stands there."""

    start: int
    end: int
    #: As it is compared.
    plain: str


def words_of(text: str) -> list[Word]:
    """The words of a text."""
    found = ((match.start(), match.end(), _plain(match.group())) for match in _WORD.finditer(text))
    return [Word(start, end, plain) for start, end, plain in found if plain]


def plain_words(text: str) -> tuple[str, ...]:
    """The words of a text as they are compared, signs that cannot be seen left out."""
    if not text.isascii():
        text = "".join(sign for sign in text if unicodedata.category(sign) != "Cf")
    return tuple(word.plain for word in words_of(text))


def bare(words: tuple[str, ...]) -> tuple[str, ...]:
    """Without what stands before a name."""
    while words and words[0] in _TITLES:
        words = words[1:]
    return words


def _plain(word: str) -> str:
    """Small letters without marks."""
    if word.isascii():
        return word.lower()
    apart = unicodedata.normalize("NFKD", word).casefold()
    kept = (sign for sign in apart if unicodedata.category(sign) not in ("Mn", "Cf"))
    return "".join(kept).translate(_PLAIN)


def places(phrase: Sequence[str], words: Sequence[Word]) -> Iterator[tuple[int, int]]:
    """Where a phrase stands in a text, as whole words in this order: from which sign to which."""
    wanted, long = tuple(phrase), len(phrase)
    plain = [word.plain for word in words]
    for at in range(len(plain) - long + 1 if long else 0):
        if tuple(plain[at : at + long]) == wanted:
            yield words[at].start, words[at + long - 1].end
