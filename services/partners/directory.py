"""The directory: services that partners offer, so that people can be told where help is.

A service is published to everybody as long as it is active and the body that offers it is open; of the ways
to get it, those that staff have ticked. No person stands in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

import uuid_utils.compat

from chassis.audit import digest_of, note, person_of
from chassis.database import Transaction
from chassis.errors import Conflict, NotFound
from services.partners.domain import folded
from services.partners.holding import hold_open
from services.partners.queries import DIRECTORY
from services.partners.today import Needed

#: Where a service is shown to staff.
SERVICES = "/partners/services"


class Status(StrEnum):
    """How a service stands, in the words of Open Referral."""

    ACTIVE = "active"
    #: Not for the moment.
    INACTIVE = "inactive"
    #: Retired.
    DEFUNCT = "defunct"


class Channel(StrEnum):
    """A way to get a service."""

    TELEPHONE = "telephone"
    EMAIL = "email"
    WEBSITE = "website"
    ADDRESS = "address"


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What somebody says of a service: everything that a form or a file may change."""

    name: str
    description: str
    #: What it helps with, as codes of the house's list; at least one.
    needs: tuple[str, ...]
    #: For whom it is, as codes of the house's list of areas; for everybody when there is none.
    areas: tuple[str, ...]
    #: In which it is given, as codes of the house's list (ISO 639).
    languages: tuple[str, ...]
    free: bool
    #: What it costs, in words; nothing when it is free.
    cost: str
    telephone: str | None
    email: str | None
    #: An address that begins with https:// or http://.
    website: str | None
    #: The lines of the address where it is given, without the postcode.
    postal_address: tuple[str, ...]
    postcode: str | None
    #: In words.
    opening_hours: str
    #: Which ways to get it everybody may read, as codes of ``Channel``.
    public_channels: tuple[str, ...]
    #: Whether people may be sent there now.
    active: bool


@dataclass(frozen=True, kw_only=True)
class OfferedService(Offer):
    """A service that a body offers."""

    id: UUID
    organisation_id: UUID
    checked_on: date
    #: Whoever of ours checked it; nobody where a file said so.
    checked_by: UUID | None
    retired_at: datetime | None = None
    #: Counted from 1, one more with every change.
    version: int = 1

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """The service in a row of the table."""
        said: dict[str, Any] = {name: row[name] for name in cls.__dataclass_fields__}
        lists = ("needs", "areas", "languages", "postal_address", "public_channels")
        return cls(**said | {name: tuple(row[name]) for name in lists})

    @property
    def status(self) -> Status:
        """How it stands; what was retired keeps what it was before, for whoever brings it back."""
        if self.retired_at is not None:
            return Status.DEFUNCT
        return Status.ACTIVE if self.active else Status.INACTIVE

    @property
    def listed_as(self) -> str:
        """What lists are sorted by."""
        return folded(self.name)

    @property
    def offer(self) -> Offer:
        """What somebody says of it."""
        return Offer(**{name: getattr(self, name) for name in Offer.__dataclass_fields__})

    def is_public(self, channel: Channel) -> bool:
        """Whether everybody may read this way to get it."""
        return channel in self.public_channels


# Changes


async def add(tx: Transaction, organisation_id: UUID, offer: Offer) -> UUID:
    """Enter a service, which whoever does so has thereby checked. Its id.

    Raises:
        NotFound, Closed: when the body is not there, or has closed.
    """
    await hold_open(tx, organisation_id, field="identifier")
    service = OfferedService(
        id=uuid_utils.compat.uuid7(),
        organisation_id=organisation_id,
        **asdict(offer),
        checked_on=tx.today,
        checked_by=person_of(tx),
    )
    await write(tx, [service])
    after = {
        "organisation": str(organisation_id),
        "status": service.status,
        "name": digest_of(tx, offer.name),
    }
    note(tx, "service_added", "service", service.id, after=after)
    return service.id


async def locked(tx: Transaction, id: UUID) -> OfferedService:
    """A service that nobody else changes meanwhile.

    Raises:
        NotFound: always the same words.
    """
    row = await DIRECTORY.lock_service(tx, id=id)
    if row is None:
        raise NotFound
    return OfferedService.of(row)


async def amend(tx: Transaction, known: OfferedService, offer: Offer, *, checked: bool) -> None:
    """Put right what is said of a locked service.

    Args:
        checked: whether all of it was checked with those who offer it.

    Raises:
        Conflict: when it is retired.
    """
    if known.retired_at is not None:
        raise Conflict("This service is retired.", "Bring it back first, then change it.")
    said = replace(known, **asdict(offer))
    changed = [name for name in Offer.__dataclass_fields__ if getattr(said, name) != getattr(known, name)]
    if checked:
        said = replace(said, checked_on=tx.today, checked_by=person_of(tx))
    if said != known:
        await _replace(tx, said)
        note(tx, "service_amended", "service", known.id, after={"fields": changed, "checked": checked})


async def check(tx: Transaction, id: UUID) -> None:
    """Note that all of it is still right.

    Raises:
        NotFound, Conflict: when there is none, or it is retired.
    """
    known = await locked(tx, id)
    await amend(tx, known, known.offer, checked=True)


async def retire(tx: Transaction, id: UUID) -> None:
    """Take a service out of the directory; it can be brought back as it was.

    Raises:
        NotFound: when there is none.
    """
    known = await locked(tx, id)
    if known.retired_at is None:
        await _replace(tx, replace(known, retired_at=tx.now))
        note(tx, "service_retired", "service", id, before={"status": known.status})


async def bring_back(tx: Transaction, id: UUID) -> None:
    """Undo that a service was retired.

    Raises:
        NotFound: when there is none.
        Closed: when the body that offered it has closed.
    """
    row = await DIRECTORY.service_by_id(tx, id=id, today=tx.today)
    if row is None:
        raise NotFound
    await hold_open(tx, row["organisation_id"])
    known = await locked(tx, id)
    if known.retired_at is not None:
        again = replace(known, retired_at=None)
        await _replace(tx, again)
        note(tx, "service_brought_back", "service", id, after={"status": again.status})


async def _replace(tx: Transaction, service: OfferedService) -> None:
    await write(tx, [replace(service, version=service.version + 1)])


async def write(tx: Transaction, services: Sequence[OfferedService]) -> None:
    """Enter services, or bring those that are there up to date, by one statement."""

    def each(name: str) -> list[Any]:
        return [getattr(service, name) for service in services]

    def joined(name: str) -> list[str]:
        return ["\n".join(values) for values in each(name)]

    await DIRECTORY.write_services(
        tx,
        ids=each("id"),
        organisations=each("organisation_id"),
        names=each("name"),
        listed_as=each("listed_as"),
        descriptions=each("description"),
        searched=[folded(f"{service.name} {service.description}") for service in services],
        needs=joined("needs"),
        areas=joined("areas"),
        languages=joined("languages"),
        free=each("free"),
        costs=each("cost"),
        telephones=each("telephone"),
        emails=each("email"),
        websites=each("website"),
        postal_addresses=joined("postal_address"),
        postcodes=each("postcode"),
        opening_hours=each("opening_hours"),
        public_channels=joined("public_channels"),
        active=each("active"),
        checked_on=each("checked_on"),
        checked_by=each("checked_by"),
        retired_at=each("retired_at"),
        versions=each("version"),
        now=tx.now,
    )


# Bodies that are merged or close


async def move(tx: Transaction, losing: UUID, surviving: UUID) -> int:
    """Give everything that one body offers to the one that it is merged into. How many services that are."""
    return _moved(await DIRECTORY.move_services(tx, losing=losing, surviving=surviving, now=tx.now))


async def hand_over(tx: Transaction, closed: UUID, successor: UUID) -> int:
    """Give what a closed body still offered to the one that took over from it."""
    return _moved(await DIRECTORY.hand_over_services(tx, closed=closed, successor=successor, now=tx.now))


async def end(tx: Transaction, closed: UUID) -> int:
    """Retire what a closed body still offered."""
    return _moved(await DIRECTORY.end_services(tx, closed=closed, now=tx.now))


async def open_of(tx: Transaction, organisation_id: UUID) -> int:
    """How many services of a body are not retired."""
    return int(await DIRECTORY.open_services_of(tx, organisation_id=organisation_id))


def _moved(status: str) -> int:
    """PostgreSQL says ``UPDATE 3``."""
    return int(status.rpartition(" ")[2])


# Today's work


async def needed(tx: Transaction, today: date, most: int) -> list[Needed]:
    """Services that nobody has checked for a year, the longest first."""
    return [
        Needed(
            kind="service_unchecked",
            what=f"Check that “{row['name']}” is still there",
            organisation_id=row["organisation_id"],
            organisation=row["organisation"],
            due_on=row["due_on"],
            href=f"{SERVICES}/{row['id']}#checked-title",
        )
        async for row in DIRECTORY.services_unchecked(tx, today=today, most=most)
    ]
