"""How faults quote what stands in a file: cut short, on one line, with nothing that cannot be seen."""

import difflib
import re
import unicodedata
from collections.abc import Collection


def sentence(words: str) -> str:
    """The words with a full stop, unless they end with one or the like."""
    return words if words.endswith((".", "?", "!")) else f"{words}."


def shown(words: str, most: int = 40) -> str:
    """The words as they can safely be printed on a line, at most so many characters of them."""
    cut = words if len(words) <= most else words[: most - 1] + "…"
    return "".join(character if character.isprintable() else "·" for character in cut)


def quoted(cell: str) -> str:
    """What a cell says, between quotation marks."""
    return f"“{shown(cell)}”"


def listed(words: Collection[str], most: int = 40) -> str:
    """Each of the words between quotation marks, and of many how many more there are."""
    names = [f"“{word}”" for word in list(words)[:most]]
    if len(words) > most:
        names.append(f"{len(words) - most:,} more")
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def header_key(header: str) -> str:
    """By what two spellings of one header are the same."""
    return re.sub(r"[\s_-]+", "_", unicodedata.normalize("NFC", header).strip().casefold())


def nearest_of(word: str, names: Collection[str]) -> str | None:
    """The known name most like the word, whatever its case, if any is like it at all."""
    by_key = {header_key(name): name for name in names}
    near = difflib.get_close_matches(header_key(word[:100]), by_key, n=1, cutoff=0.65)
    return by_key[near[0]] if near else None
