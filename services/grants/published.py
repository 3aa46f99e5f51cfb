"""What everybody may read of grants: each as 360Giving 1.4 has it, and how many there were.

A grant is there once the decisions of its round are published and whoever was awarded it has said yes, as
long as some of it is promised or paid: what nobody took, and what came back in full, was not given. A round
of which fewer than five can be shown is not shown at all. Nobody's name can get in: what is read of an
application is its exam, and the number under which a grant stands is made for this alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Self
from uuid import UUID

from chassis.clock import LOCAL
from chassis.database import Transaction
from chassis.house import House
from services.grants.disclosure import LEAST
from services.grants.queries import SHOW

#: Of the standard.
VERSION = "1.4"
#: Under which everybody may use it: Creative Commons, attribution.
LICENCE = "https://creativecommons.org/licenses/by/4.0/"

#: Of the standard's lists for grants to people: education and training, because of a chance to develop.
PURPOSE, REASON = "GTIP130", "GTIR110"
#: Stands for whoever got it.
SOMEBODY = "Individual Recipient"


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What everybody may know of one award."""

    #: Made for this alone.
    number: UUID
    round_id: UUID
    round: str
    fund: str
    #: The code of an exam.
    purpose: str
    amount_pence: int
    #: When the decisions were published.
    awarded_on: date

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """The grant in a row."""
        same = {name: row[name] for name in ("round_id", "round", "fund", "purpose", "amount_pence")}
        return cls(number=row["published_as"], awarded_on=_day(row["offered_at"]), **same)


@dataclass(frozen=True, kw_only=True)
class RoundShown:
    """What a round that is shown comes to."""

    name: str
    fund: str
    awarded_on: date
    grants: int
    pence: int


@dataclass(frozen=True, kw_only=True)
class Published:
    """All that is published, and since when it is as it is."""

    grants: Sequence[Grant]
    #: Nothing while nothing is published.
    modified: datetime | None

    @property
    def pence(self) -> int:
        """What all of them come to."""
        return sum(grant.amount_pence for grant in self.grants)

    def by_round(self) -> list[RoundShown]:
        """The rounds, the newest first."""
        rounds: dict[UUID, list[Grant]] = {}
        for grant in self.grants:
            rounds.setdefault(grant.round_id, []).append(grant)
        shown = [_shown(grants) for grants in rounds.values()]
        return sorted(shown, key=lambda each: (each.awarded_on, each.name), reverse=True)


def _shown(grants: Sequence[Grant]) -> RoundShown:
    return RoundShown(
        name=grants[0].round,
        fund=grants[0].fund,
        awarded_on=min(grant.awarded_on for grant in grants),
        grants=len(grants),
        pence=sum(grant.amount_pence for grant in grants),
    )


async def published(tx: Transaction) -> Published:
    """What is published at this moment; nothing for a house that does not say under which names."""
    house = tx.context.house.shown
    if not (house.identifier and house.publisher and house.website):
        return Published(grants=[], modified=None)
    grants = [Grant.of(row) async for row in SHOW.published_grants(tx, least=LEAST)]
    return Published(grants=grants, modified=await SHOW.published_last(tx) if grants else None)


def _day(moment: datetime) -> date:
    return moment.astimezone(LOCAL).date()


def package(found: Published, house: House, address: str) -> dict[str, Any]:
    """All of it as one file of 360Giving.

    Args:
        address: of the page about it; the file is to be had beside it.
    """
    days = [grant.awarded_on for grant in found.grants]
    described = {
        "title": f"Grants of {house.name}",
        "description": "Grants to people towards the fees of exams that let them work in their profession.",
        "identifier": f"360G-{house.publisher}",
    }
    dates = {"issued": min(days), "modified": found.modified and found.modified.isoformat(timespec="seconds")}
    return {
        "version": VERSION,
        **described,
        **{name: str(value) for name, value in dates.items()},
        "publisher": {"identifier": house.identifier, "name": house.name, "website": _whole(house.website)},
        "license": LICENCE,
        "accessURL": address,
        "downloadURL": address.removesuffix("data") + "360giving.json",
        "grants": [grant_document(grant, house) for grant in found.grants],
    }


def _whole(website: str) -> str:
    """An address of the web, also where it is written as people say it: the standard takes no other."""
    return website if "://" in website else f"https://{website}"


def grant_document(grant: Grant, house: House) -> dict[str, Any]:
    """One grant. Two of one person have nothing in common: not even the number of whoever got them."""
    entry = house.lists["purposes"].get(grant.purpose)
    exam = entry.name if entry else grant.purpose
    prefix = f"360G-{house.publisher}"
    whole, pence = divmod(grant.amount_pence, 100)
    return {
        "id": f"{prefix}-{grant.number}",
        "title": f"Exam fee: {exam}",
        "description": f"Towards the fee of an exam ({exam}) that lets a qualified person work here.",
        "currency": "GBP",
        "amountAwarded": grant.amount_pence / 100 if pence else whole,
        "awardDate": grant.awarded_on.isoformat(),
        "recipientIndividual": {"id": f"{prefix}-IND-{grant.number}", "name": SOMEBODY},
        "fundingOrganization": [{"id": house.identifier, "name": house.name}],
        "grantProgramme": [{"title": grant.fund}],
        "fromOpenCall": "Yes",
        "toIndividualsDetails": {"primaryGrantReason": REASON, "grantPurpose": [PURPOSE]},
    }


#: The columns of the table: as the standard calls each, and what of a grant stands in it.
COLUMNS: Mapping[str, tuple[str | int, ...]] = {
    "Identifier": ("id",),
    "Title": ("title",),
    "Description": ("description",),
    "Currency": ("currency",),
    "Amount Awarded": ("amountAwarded",),
    "Award Date": ("awardDate",),
    "Recipient Ind:Identifier": ("recipientIndividual", "id"),
    "Recipient Ind:Name": ("recipientIndividual", "name"),
    "Funding Org:Identifier": ("fundingOrganization", 0, "id"),
    "Funding Org:Name": ("fundingOrganization", 0, "name"),
    "Grant Programme:Title": ("grantProgramme", 0, "title"),
    "From An Open Call?": ("fromOpenCall",),
    "To Individuals Details:Primary Grant Reason": ("toIndividualsDetails", "primaryGrantReason"),
    "To Individuals Details:Grant Purpose": ("toIndividualsDetails", "grantPurpose", 0),
}


def lines(found: Published, house: House) -> Iterable[list[object]]:
    """All of it as the lines of a table, under ``COLUMNS``."""
    for grant in found.grants:
        document = grant_document(grant, house)
        yield [_at(document, path) for path in COLUMNS.values()]


def _at(document: Any, path: Iterable[str | int]) -> object:
    for step in path:
        document = document[step]
    return document
