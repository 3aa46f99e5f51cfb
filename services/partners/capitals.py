"""Names and addresses that a register keeps in capitals, as people write them: ``Kingston PCT``, not
``KINGSTON PCT`` and not ``Kingston Pct``.
"""

import re

#: What stays in capitals, as far as it does not show by having no vowel.
_ACRONYMS = frozenset(
    "NHS PCT CCG ICB ICS SHA GP GPS UK GB EU HQ CIC CIO CAB CABS ILPA BMA GMC A&E IT II III IV VI USA".split()
)
#: Short forms without a vowel that are written in small letters.
_WORDS = frozenset("ST DR MR MRS MS LTD RD SQ BLVD LN CT PK MT FT JR SR TH ND BY MY".split())
#: Words that are small except at the beginning.
_SMALL = frozenset("and of the in on for at with by to a an upon under next le la de".split())


def readable(text: str) -> str:
    """A text without small letters, with them where people write them; any other text as it is."""
    if any(character.islower() for character in text):
        return text
    words = text.split(" ")
    return " ".join(_word(word, first=number == 0) for number, word in enumerate(words))


def _word(word: str, *, first: bool) -> str:
    """One word, whose parts may be joined by hyphens or strokes: ``Stoke-on-Trent``."""
    parts = re.split(r"([-/])", word)
    return "".join(_part(part, first=first and number == 0) for number, part in enumerate(parts))


def _part(part: str, *, first: bool) -> str:
    bare = part.strip("().,;:’&'")
    if bare in _ACRONYMS or (len(bare) > 1 and _is_code(bare)):
        return part
    if bare.lower() in _SMALL and not first and not part.startswith("("):
        return part.lower()
    return re.sub(r"[^\W\d_]+(?:['’][^\W\d_]+)*", lambda found: _capital(found[0]), part)


def _is_code(bare: str) -> bool:
    """Whether it is pronounced letter by letter, as far as one can see: figures in it, or no vowel."""
    if any(character.isdigit() for character in bare):
        return True
    return bare.isascii() and len(bare) <= 5 and bare not in _WORDS and not set(bare) & set("AEIOUY")


def _capital(word: str) -> str:
    """``St George's``, ``O'Brien``, ``McDonald``."""
    plain = word[:1] + word[1:].lower()
    of_a_family = re.match(r"([OD]['’])([a-z])(?=[a-z]{2})", plain)
    if of_a_family:
        return plain[:2] + plain[2].upper() + plain[3:]
    if re.match(r"Mc[a-z]{3}", plain):
        return f"Mc{plain[2].upper()}{plain[3:]}"
    return plain
