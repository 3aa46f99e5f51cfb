"""Writing one down, in the transaction that heard of what it is about."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from chassis.database import Transaction
from chassis.house import House
from chassis.press import printable
from chassis.sealed import unseal
from contracts.envelope import Event
from services.notifications.domain import day_words
from services.notifications.notices.kinds import KINDS, Field, Kind
from services.notifications.notices.versions import ENGLISH, Words, choose
from services.notifications.queries import QUERIES
from services.notifications.wording import merge

#: The timer that sends; whoever writes a notice wakes it.
SEND_NOTICES = "send notices"

#: Whoever waits for this one asks again by themselves: that it came too late is no news.
SIGN_IN_KIND = "sign_in"

#: What a field can be. A day is written in the language of the message; what is so or not is asked for only.
Value = str | date | bool

# What turns the direction of the text around it, and what parts lines without looking like it.
_TURNS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069\u061c]|[\u2028\u2029\x0b\x0c\x85]")
#: Around what is written from the other side, so that the words around it keep their order.
_APART, _END = "\u2068", "\u2069"

# What runs its own way whatever stands around it: fields, what is set apart, addresses.
_WAYLESS = re.compile(r"\{[^{}]*\}|\u2068[^\u2069]*\u2069|https?://\S+|\S+@\S+")
_WAYS = {"L": "ltr", "R": "rtl", "AL": "rtl"}


def opened(tx: Transaction, event: Event, name: str) -> dict[str, Any] | None:
    """The sealed part of an event; nothing when it was scrubbed."""
    sealed = event.data[name]
    return unseal(tx.context.keys, event.fact, name, sealed) if sealed is not None else None


async def write(
    tx: Transaction,
    event: Event,
    kind: str,
    whom: Mapping[str, Any],
    values: Mapping[str, Value],
    not_after: datetime,
) -> None:
    """Note what is to be said to somebody, in their language where there are words in it.

    Args:
        whom: whose ``email`` it goes to, and whose ``language`` it is in, where one is known.
    """
    chosen = await choose(tx, KINDS[kind], whom.get("language") or ENGLISH)
    said = merged(KINDS[kind], chosen.words, chosen.language, {**values, **house_values(tx.context.house)})
    await QUERIES.write_notice(
        tx,
        id=event.id,
        kind=kind,
        person_id=event.data.get("person_id"),
        email=whom["email"],
        language=chosen.language,
        runs=direction(chosen.words.body),
        words=chosen.version,
        subject=said.subject,
        body=said.body,
        not_after=not_after,
        now=tx.now,
        correlationid=tx.cause.correlationid,
        traceparent=tx.cause.traceparent,
    )
    tx.context.wake(SEND_NOTICES)


def house_values(house: House) -> dict[str, str]:
    """Who writes; nothing where the house file is not filled in, because people have to sign in before."""
    shown = house.shown
    return {
        "house_name": shown.name,
        "house_short_name": shown.short_name,
        "house_telephone": shown.telephone,
        "house_email": shown.email,
        "complaints": shown.complaints,
    }


def merged(kind: Kind, words: Words, language: str, values: Mapping[str, Value]) -> Words:
    """What one message says. Whatever somebody typed stays text, and what is one line stays one."""
    from_right = direction(words.body) == "rtl"
    filled = {field.name: _filled(field, values[field.name], language, from_right) for field in kind.fields}
    subject = " ".join(merge(words.subject, filled).split())
    # Mail programs decode what begins like this, and some would read what is in it as a header.
    return Words(subject.replace("=?", "= ?"), merge(words.body, filled).strip() + "\n")


def _filled(field: Field, value: Value, language: str, from_right: bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, date):
        value = day_words(value) if language == ENGLISH else f"{value.day}/{value.month}/{value.year}"
    said = _TURNS.sub(" ", printable(value)).strip()
    if field.lines:
        return said
    said = " ".join(said.split())
    return f"{_APART}{said}{_END}" if from_right and said and not field.copied else said


def direction(text: str) -> str:
    """Which way a text runs: that of most of its letters, ``ltr`` or ``rtl``."""
    return Counter(_ways(text)).most_common(1)[0][0] if ways_of(text) else "ltr"


def ways_of(text: str) -> set[str]:
    """The ways in which letters of a text run: ``ltr``, ``rtl``, both, or none where there are no letters."""
    return set(_ways(text))


def _ways(text: str) -> Iterator[str]:
    kinds = map(unicodedata.bidirectional, _WAYLESS.sub("", text))
    return (_WAYS[kind] for kind in kinds if kind in _WAYS)
