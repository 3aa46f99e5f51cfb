"""What lists are searched by."""

from services.partners.domain import folded


def cleaned(text: str) -> str:
    """What somebody typed into an address, without what no name contains and at a length that one has."""
    return "".join(character for character in text[:200] if character.isprintable()).strip()


def patterns_of(text: str) -> list[str]:
    """A pattern for each word, all of which are to be found, whatever their case and accents."""
    words = folded(cleaned(text)).split()
    return [f"%{word.translate(_ESCAPED)}%" for word in words]


_ESCAPED = str.maketrans({sign: f"\\{sign}" for sign in "\\%_"})
