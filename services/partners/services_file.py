"""The directory as a CSV file, and what its columns may hold: a form is read as a line of the file is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uuid_utils.compat

from chassis import sheets
from chassis.audit import Actor, acting, note
from chassis.database import Database, Transaction
from chassis.house import House
from chassis.sheets import Column, Fault, Row, Unreadable, read_sheet
from services.partners import directory
from services.partners.directory import Channel, Offer, OfferedService
from services.partners.queries import DIRECTORY

FREE = "free"

#: The lists of the house from which codes come.
LISTS = ("needs", "areas", "languages")


def columns(house: House, known: Offer | None = None) -> list[Column]:
    """What a line or a form says of a service; codes are those of the house's lists.

    Args:
        known: what was said before, of which codes stay good that the house no longer lists.
    """
    lists = {name: [*house.lists[name], *(getattr(known, name) if known else ())] for name in LISTS}
    return [
        Column(name="name", read=sheets.text(200), required=True),
        Column(name="description", read=sheets.text(2_000), required=True, multiline=True),
        Column(name="needs", read=sheets.many_of(lists["needs"]), required=True),
        Column(name="areas", read=sheets.many_of(lists["areas"])),
        Column(name="languages", read=sheets.many_of(lists["languages"])),
        Column(name="cost", read=sheets.text(300), required=True),
        Column(name="telephone", read=sheets.telephone),
        Column(name="email", read=sheets.email_address),
        Column(name="website", read=sheets.web_address),
        Column(name="postal_address", read=_address, multiline=True),
        Column(name="postcode", read=sheets.postcode),
        Column(name="opening_hours", read=sheets.text(500), multiline=True),
        Column(name="public_channels", read=sheets.many_of(tuple(Channel))),
        Column(name="status", read=sheets.one_of(("active", "inactive")), required=True),
    ]


def offer_of(cells: Mapping[str, Any]) -> Offer:
    """What the cells of a line say, once each was read.

    Raises:
        Unreadable: when there is no way to get it.
    """
    if not any(cells[name] for name in ("telephone", "email", "website", "postal_address")):
        raise Unreadable(
            "Nobody could find this service.",
            "Give a telephone number, an e-mail address, a website or an address.",
        )
    free = cells["cost"].casefold() == FREE
    lists = ("areas", "languages", "postal_address", "public_channels")
    same = ("name", "description", "needs", "telephone", "email", "website", "postcode")
    said: dict[str, Any] = {name: cells[name] for name in same} | {name: cells[name] or () for name in lists}
    return Offer(
        **said,
        free=free,
        cost="" if free else cells["cost"],
        opening_hours=cells["opening_hours"] or "",
        active=cells["status"] == "active",
    )


_lines = sheets.lines()


def _address(cell: str) -> tuple[str, ...]:
    lines = _lines(cell)
    if len(lines) > 6 or any(len(line) > 100 for line in lines):
        raise Unreadable("This address is too long.", "Write at most 6 lines of 100 characters.")
    return lines


# The file


async def import_services(
    database: Database, source: Path | bytes, *, actor: Actor | None = None
) -> list[Fault]:
    """Add the services of a file whose names their bodies do not have yet; with a fault, none. The faults.

    Each line names the body by its identifier, and the day on which somebody checked the service: today, when
    it does not say.
    """
    async with acting(database, actor) as tx:
        house = tx.context.house
        of_body = Column(name="identifier", read=sheets.text(60), required=True)
        checked = Column(name="checked_on", read=sheets.iso_date)
        items = list(read_sheet(source, [of_body, checked, *columns(house)]))
        rows = [item for item in items if isinstance(item, Row)]
        faults = [item for item in items if isinstance(item, Fault)]
        services, unusable = await _services_of(tx, rows)
        faults += unusable
        if not faults:
            await directory.write(tx, services)
            note(tx, "services_imported", "file", "", after={"new": len(services)})
        else:
            tx.actor = None  # nothing was done
    return faults


async def _services_of(tx: Transaction, rows: list[Row]) -> tuple[list[OfferedService], list[Fault]]:
    named = {row.cells["identifier"] for row in rows}
    found = DIRECTORY.organisations_identified(tx, identifiers=sorted(named))
    bodies = {row["identifier"]: row["id"] async for row in found}
    called = DIRECTORY.services_called(tx, organisations=list(bodies.values()))
    known = {(row["organisation_id"], row["name"]) async for row in called}
    services, faults = [], []
    for row in rows:
        body = bodies.get(row.cells["identifier"])
        if body is None:
            cure = "Import the list of partners first, or correct the identifier."
            faults.append(
                Fault(line=row.line, column="identifier", fault="There is no such organisation.", cure=cure)
            )
        elif (body, row.cells["name"]) not in known:
            known.add((body, row.cells["name"]))
            try:
                offer = offer_of(row.cells)
            except Unreadable as error:
                faults.append(Fault(line=row.line, column="telephone", fault=error.fault, cure=error.cure))
                continue
            services.append(
                OfferedService(
                    id=uuid_utils.compat.uuid7(),
                    organisation_id=body,
                    **vars(offer),
                    checked_on=row.cells["checked_on"] or tx.today,
                    checked_by=None,
                )
            )
    return services, faults
