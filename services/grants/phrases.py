"""Words as they are compared, however they were typed: to find a name or a place of work. Pure."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

#: Letters, figures, and the marks and joiners that belong to the letter before.
_WORD = re.compile(r"[^\W_](?:[^\W_]|[\u0300-\u036f\u0610-\u061a\u064b-\u065f\u0670\u200c\u200d])*")
_PLAIN_WORD = re.compile(r"[^\W_]+")
#: What stands before a name and is none.
_TITLES = frozenset({"dr", "mr", "mrs", "ms", "miss", "prof", "professor", "sir", "the"})


class _Plain(dict[int, int | str | None]):
    """What becomes of each sign: marks and signs that cannot be seen go. Fills itself as signs come."""

    def __missing__(self, code: int) -> int | None:
        kept = None if unicodedata.category(chr(code)) in ("Mn", "Cf") else code
        self[code] = kept
        return kept


#: Letters that no rule takes apart.
_APART = {"đ": "d", "ø": "o", "ł": "l", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"}
_PLAIN = _Plain({ord(letter): plain for letter, plain in _APART.items()})


@dataclass(frozen=True)
class Word:
    """One word of a text, and where it stands there."""

    start: int
    end: int
    #: As it is compared.
    plain: str


def words_of(text: str) -> list[Word]:
    """The words of a text."""
    return [Word(match.start(), match.end(), _plain(match.group())) for match in _WORD.finditer(text)]


def plain_words(text: str) -> tuple[str, ...]:
    """The words of a text as they are compared, signs that cannot be seen left out."""
    return tuple(_PLAIN_WORD.findall(_plain(text)))


def _plain(text: str) -> str:
    """Small letters without marks."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKD", text).casefold().translate(_PLAIN)


def bare(words: tuple[str, ...]) -> tuple[str, ...]:
    """Without what stands before a name."""
    while words and words[0] in _TITLES:
        words = words[1:]
    return words


def places(phrase: Sequence[str], words: Sequence[Word]) -> Iterator[tuple[int, int]]:
    """Where a phrase stands in a text, as whole words in this order: from which sign to which."""
    wanted, long = tuple(phrase), len(phrase)
    plain = [word.plain for word in words]
    for at in range(len(plain) - long + 1 if long else 0):
        if tuple(plain[at : at + long]) == wanted:
            yield words[at].start, words[at + long - 1].end
