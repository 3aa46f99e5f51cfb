"""To those who may sign in, and to whoever is forgotten."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from chassis.clock import LOCAL
from chassis.database import Transaction
from contracts.access import SIGN_IN
from contracts.envelope import Event
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS
from services.notifications.notices.writing import SIGN_IN_KIND, opened, write

#: An invitation is worth sending for so long.
_INVITATION = timedelta(days=3)
#: The heads of a week are worth sending until there are those of the next one.
_HEADS = timedelta(days=7)

#: What people call the record of each service: as the section that it belongs to.
_RECORDS = {PARTNERS: "Partners", GRANTS: "Grants", NOTIFICATIONS: "Letters"}


async def welcome(tx: Transaction, event: Event) -> None:
    """Tell somebody that they may sign in, and how."""
    if (address := opened(tx, event, "address")) is not None:
        values = {"name": address["name"], "link": f"{tx.context.settings.origin}{SIGN_IN}"}
        await write(tx, event, "invitation", address, values, tx.now + _INVITATION)


async def send_keys(tx: Transaction, event: Event) -> None:
    """Send somebody the link and the code that they have asked for."""
    if (keys := opened(tx, event, "keys")) is None:
        return
    until: datetime = event.data["expires_at"]
    code = f"{keys['code'][:3]} {keys['code'][3:]}"
    clock = f"{until.astimezone(LOCAL):%H:%M}"
    values = {"name": keys["name"], "link": keys["link"], "code": code, "until": clock}
    await write(tx, event, SIGN_IN_KIND, keys, values, until)


async def say_forgotten(tx: Transaction, event: Event) -> None:
    """Tell somebody, for the last time, that they were forgotten, and what stays and why."""
    if (address := opened(tx, event, "address")) is not None:
        values = {"name": address["name"], "kept": _paragraphs(event.data["kept"]) or "Nothing."}
        await write(tx, event, "forgotten", address, values, tx.now + _INVITATION)


async def send_heads(tx: Transaction, event: Event) -> None:
    """Tell an auditor how far the record of each service goes, and how to see later whether it still does."""
    if (address := opened(tx, event, "address")) is None:
        return
    heads = {head["service"]: head for head in event.data["heads"]}
    values = {
        "name": address["name"],
        "week": event.data["week"],
        "rows": _paragraphs(_as_they_were(heads)),
        "commands": _paragraphs(map(_command, _in_order(heads))),
    }
    await write(tx, event, "chain_heads", address, values, tx.now + _HEADS)


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
