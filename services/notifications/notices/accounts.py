"""To those who may sign in, and to whoever is forgotten."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from chassis.clock import LOCAL
from chassis.database import Transaction
from contracts.access import SIGN_IN
from contracts.envelope import Event
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS
from services.notifications.domain import day_words
from services.notifications.notices.writing import SIGN_IN_KIND, farewell, opened, write

#: An invitation is worth sending for so long.
_INVITATION = timedelta(days=3)
#: The heads of a week are worth sending until there are those of the next one.
_HEADS = timedelta(days=7)

#: What people call the record of each service: as the section that it belongs to.
_RECORDS = {PARTNERS: "Partners", GRANTS: "Grants", NOTIFICATIONS: "Letters"}


async def welcome(tx: Transaction, event: Event) -> None:
    """Tell somebody that they may sign in, and how."""
    address = opened(tx, event, "address")
    if address is None:
        return
    house, origin = tx.context.house, tx.context.settings.origin
    body = f"""Dear {address["name"]},

you may now use Conduit, where {house.name} keeps its partners, grants and letters.

To sign in, open this page and type this e-mail address:

{origin}{SIGN_IN}

There is no password. Each time you are sent a link and a code.

{farewell(tx)}"""
    not_after = tx.now + _INVITATION
    await write(
        tx, event, "invitation", address["email"], f"You may sign in at {house.short_name}", body, not_after
    )


async def send_keys(tx: Transaction, event: Event) -> None:
    """Send somebody the link and the code that they have asked for."""
    keys = opened(tx, event, "keys")
    if keys is None:
        return
    until: datetime = event.data["expires_at"]
    body = f"""Dear {keys["name"]},

to sign in, open this link in the browser in which you asked for it:

{keys["link"]}

Or type this code there:

{keys["code"][:3]} {keys["code"][3:]}

Both work once, until {until.astimezone(LOCAL):%H:%M}. If you have not asked for this, do nothing: nobody
can sign in without this mail. Never tell anybody the code; we shall not ask you for it.

{farewell(tx)}"""
    await write(tx, event, SIGN_IN_KIND, keys["email"], "Your link and your code to sign in", body, until)


async def say_forgotten(tx: Transaction, event: Event) -> None:
    """Tell somebody, for the last time, that they were forgotten, and what stays and why."""
    address = opened(tx, event, "address")
    if address is None:
        return
    house = tx.context.house
    kept = "\n\n".join(event.data["kept"]) or "Nothing."
    body = f"""Dear {address["name"]},

you have asked us to forget you. We have done so, today, in everything that we keep. This is our last message
to you. We keep neither your name nor this address, unless they stand below.

What stays:

{kept}

If you think that something is wrong, write to us or ring us. You may also complain to the Information
Commissioner's Office.

{farewell(tx)}"""
    subject = f"You are forgotten at {house.short_name}"
    await write(tx, event, "forgotten", address["email"], subject, body, tx.now + _INVITATION)


async def send_heads(tx: Transaction, event: Event) -> None:
    """Tell an auditor how far the record of each service goes, and how to see later whether it still does."""
    address = opened(tx, event, "address")
    if address is None:
        return
    week = day_words(event.data["week"])
    heads = {head["service"]: head for head in event.data["heads"]}
    body = f"""Dear {address["name"]},

everything that people do in Conduit is written down, one row for each act, in one record for each section.
A record shows by itself when a row in it was changed or taken out. It cannot show that its end was cut off,
or that all of it was written anew. So each auditor is told once a week how far every record goes, with the
digest of its last row: 64 letters and figures that are others if that row, or any before it, is changed.

Keep this mail. It helps only where nobody can change or delete it who looks after Conduit.

In the week from Monday, {week}:

{_paragraphs(_as_they_were(heads))}

To see on a later day whether this is still so, have these lines typed on the computer that Conduit runs on:

{_paragraphs(map(_command, _in_order(heads)))}

Each answers whether every row up to that one is still the same. If one says that something was changed or cut
off, and no backup was restored in the meantime, somebody has interfered with the record: tell the trustees.

{farewell(tx)}"""
    not_after = tx.now + _HEADS
    subject = f"Please keep: how far the records go, week from {week}"
    await write(tx, event, "chain_heads", address["email"], subject, body, not_after)


def _as_they_were(heads: Mapping[str, Any]) -> Iterator[str]:
    """How far each record went, also where that is not known."""
    for head in _in_order(heads):
        name = _RECORDS.get(head["service"], head["service"])
        yield f"{name}: the last row is number {head['number']:,}, and its digest is\n{head['digest']}"
    for service, name in _RECORDS.items():
        if service not in heads:
            yield f"{name}: not known. Either nobody has done anything there yet, or it was not running."


def _command(head: Mapping[str, Any]) -> str:
    chosen = f"--service {head['service']} --row {head['number']} --digest {head['digest']}"
    return f"conduit audit verify {chosen}"


def _in_order(heads: Mapping[str, Any]) -> list[Any]:
    """The heads in the order of the sections; one that we have no name for comes last."""
    return [heads[service] for service in sorted(heads, key=[*_RECORDS, *heads].index)]


def _paragraphs(parts: Iterable[str]) -> str:
    return "\n\n".join(parts)
