"""What the register's pages have in common: where they are, and codes as people read them."""

from collections.abc import Iterable, Mapping, Sequence

from chassis.house import Entry

MOUNT = "/partners"
LIST = f"{MOUNT}/organisations"
EXPORTS = f"{MOUNT}/exports"
API_LIST = f"{MOUNT}/api/v1/organisations"


def word(entries: Mapping[str, Entry], code: str) -> str:
    """A code's name for people; the code itself when the house no longer lists it."""
    return entries[code].name if code in entries else code


def words(entries: Mapping[str, Entry], codes: Iterable[str]) -> Sequence[str]:
    """The names of several codes."""
    return [word(entries, code) for code in codes]
