"""What an organisation and a contact are, and what a later word about them changes.

Pure: no database, no clock.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any, Self
from uuid import UUID


class HandedOver(StrEnum):
    """What may go from a closed body to its successor."""

    LETTERS = "letters"
    REFERRALS = "referrals"
    AGREEMENTS = "agreements"
    SERVICES = "services"


@dataclass(frozen=True, kw_only=True)
class Organisation:
    """A body that we work with, wrote to, or know."""

    id: UUID
    #: An org-id such as ``GB-NHS-5LA``.
    identifier: str
    name: str
    #: What it is to us, as codes of the house's list; several may apply.
    kinds: tuple[str, ...]
    #: The areas it serves, as codes of the house's list.
    areas: tuple[str, ...]
    #: How closely we work, as a code of the house's list.
    closeness: str
    opened_on: date | None
    closed_on: date | None
    #: The body that took over from a closed one.
    successor_id: UUID | None
    #: The lines of its postal address, without the postcode.
    postal_address: tuple[str, ...] = ()
    postcode: str | None = None
    telephone: str | None = None
    #: An address that begins with https:// or http://.
    website: str | None = None
    #: What the successor took over, as codes of ``HandedOver``; what is not named here has ended.
    handed_over: tuple[str, ...] = ()
    #: The entry that this one was merged into; everything that was here is there.
    merged_into: UUID | None = None
    #: Counted from 1, one more with every change.
    version: int = 1

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """The organisation in a row of the table."""
        names = (
            *("id", "identifier", "name", "closeness", "opened_on", "closed_on", "successor_id"),
            *("postcode", "telephone", "website", "merged_into", "version"),
        )
        lists = ("kinds", "areas", "postal_address", "handed_over")
        said = {name: row[name] for name in names} | {name: tuple(row[name]) for name in lists}
        return cls(**said)

    @property
    def listed_as(self) -> str:
        """What lists are sorted and searched by."""
        return folded(self.name)

    def closed_by(self, day: date) -> bool:
        """Whether it is closed on a day; a closing date may still be to come."""
        return self.closed_on is not None and self.closed_on <= day


@dataclass(frozen=True, kw_only=True)
class Contact:
    """Somebody at an organisation, in one role, whom we may write to unless they were withdrawn."""

    id: UUID
    organisation_id: UUID
    #: A code of the house's list.
    role: str
    name: str
    #: ``email`` or ``post``.
    channel: str
    email: str | None
    #: The lines of a postal address, without the postcode.
    postal_address: tuple[str, ...]
    postcode: str | None
    #: Where we got the address.
    source: str
    listed_on: date
    withdrawn_on: date | None
    #: Counted from 1, one more with every change.
    version: int = 1

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """The contact in a row of the table."""
        names = (
            *("id", "organisation_id", "role", "name", "channel", "email", "postcode"),
            *("source", "listed_on", "withdrawn_on", "version"),
        )
        return cls(**{name: row[name] for name in names}, postal_address=tuple(row["postal_address"]))

    @property
    def key(self) -> tuple[UUID, str, str]:
        """What a contact is recognised by."""
        return (self.organisation_id, self.role, self.name)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How the lines of one file are taken."""

    #: The columns of which they may change what the register has.
    speaks_of: frozenset[str]
    #: Another register's, so that what a line leaves empty it does not deny.
    foreign: bool = False
    #: What an organisation is to us that only this file knows.
    kinds: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    closeness: str = ""


#: No body that we deal with is older, and nothing is planned further ahead.
_FIRST, _YEARS_AHEAD = date(1800, 1, 1), 50


def day_fault(on: date, today: date, *, ahead: bool = True) -> tuple[str, str] | None:
    """Why a day cannot be right, and the cure; nothing when it can.

    Args:
        ahead: whether it may be still to come.
    """
    if on < _FIRST:
        return f"This day is before {_FIRST.year}.", "Check the year."
    if on > today and not ahead:
        return "This day is still to come.", "Give the day of today or an earlier one."
    if on.year > today.year + _YEARS_AHEAD:
        return f"This day is more than {_YEARS_AHEAD} years ahead.", "Check the year."
    return None


#: What a line may say of an organisation, besides who succeeds it.
_OF_ORGANISATION = (
    *("name", "kinds", "areas", "closeness", "opened_on", "closed_on"),
    *("postal_address", "postcode", "telephone", "website"),
)
_LISTS = ("kinds", "areas", "postal_address")
#: What a line may leave as it is of a contact, and in which column it stands.
_OF_CONTACT = {
    "email": "contact_email",
    "postal_address": "contact_address",
    "postcode": "contact_postcode",
    "withdrawn_on": "contact_withdrawn_on",
}


def organisation_said(known: Organisation | None, line: Mapping[str, Any], plan: Plan) -> Organisation:
    """The organisation as a line says it is, and the register where the line says nothing."""
    said = {name: line[name] for name in _OF_ORGANISATION}
    for name, value in said.items():
        if known is None:
            said[name] = getattr(plan, name) if value is None and hasattr(plan, name) else value
        elif name not in plan.speaks_of or (plan.foreign and value is None):
            said[name] = getattr(known, name)
    said |= {name: tuple(said[name] or ()) for name in _LISTS}
    here = {"id": line["id"], "identifier": line["identifier"], "successor_id": line["successor_id"]}
    return replace(known, **said, **here) if known else Organisation(**said, **here)


def contact_said(known: Contact | None, line: Mapping[str, Any], plan: Plan) -> Contact:
    """The contact as a line says they are, and the register where its file has no such column."""
    names = ("id", "organisation_id", "role", "name", "channel", "source", "listed_on", *_OF_CONTACT)
    said = {name: line[name] for name in names}
    for name, column in _OF_CONTACT.items():
        if known is not None and column not in plan.speaks_of:
            said[name] = getattr(known, name)
    said["postal_address"] = tuple(said["postal_address"] or ())
    return Contact(**said)


class Fate(StrEnum):
    """What a later word makes of what the register has."""

    NEW = "new"
    SAME = "same"
    CHANGED = "changed"
    #: An organisation that was open until now.
    CLOSED = "closed"
    #: A contact that might be written to until now.
    WITHDRAWN = "withdrawn"


def organisation_after(known: Organisation | None, said: Organisation) -> tuple[Organisation, Fate]:
    """The organisation as it is now said to be, with its next version if anything is different."""
    if known is None:
        return said, Fate.NEW
    if replace(said, version=known.version) == known:
        return known, Fate.SAME
    closed = known.closed_on is None and said.closed_on is not None
    return replace(said, version=known.version + 1), Fate.CLOSED if closed else Fate.CHANGED


def contact_after(known: Contact | None, said: Contact) -> tuple[Contact, Fate]:
    """The contact as they are now said to be, with their next version if anything is different."""
    if known is None:
        return said, Fate.NEW
    if replace(said, version=known.version) == known:
        return known, Fate.SAME
    withdrawn = known.withdrawn_on is None and said.withdrawn_on is not None
    return replace(said, version=known.version + 1), Fate.WITHDRAWN if withdrawn else Fate.CHANGED


#: Letters that NFKD does not take apart, and apostrophes, of which a keyboard has one.
_PLAIN = str.maketrans(
    {"đ": "d", "ð": "d", "ø": "o", "ł": "l", "ı": "i", "ħ": "h", "ŧ": "t", "æ": "ae", "œ": "oe"}
    | dict.fromkeys("‘’ʼ＇´`", "'")
)

#: Words that many names have and that tell nobody apart: small words, legal forms, kinds of health bodies.
_COMMON = frozenset(
    "a an and at for in of on the to with"
    " association cic cio charitable charity co company foundation inc incorporated limited llp ltd plc uk"
    " care ccg nhs pct primary trust".split()
)


def folded(name: str) -> str:
    """The name in small letters without accents, so that Željka is found by zeljka and Đặng by dang."""
    apart = unicodedata.normalize("NFKD", name.translate(_PLAIN).casefold())
    plain = "".join(character for character in apart if not unicodedata.combining(character))
    return " ".join(plain.translate(_PLAIN).split())


def name_words(name: str) -> tuple[str, ...]:
    """The words of a name that tell it from others, folded and sorted; all of them where none does."""
    words = set(re.findall(r"[^\W_]+", folded(name).replace("'", "")))
    return tuple(sorted(words - _COMMON or words))
