"""What grants does when it hears of something."""

from chassis.database import Transaction
from chassis.inbox import Forget, copy, reaction
from contracts.envelope import Event
from contracts.notifications import ContributionPledged
from contracts.partners import OrganisationAmended, OrganisationClosed, OrganisationRegistered
from services.grants.queries import QUERIES


async def remember_organisation(tx: Transaction, event: Event) -> None:
    """Keep what pledges are shown with: the organisation's name, and whether it has closed."""
    epoch, version = event.version
    await QUERIES.remember_organisation(
        tx,
        id=event.data["organisation_id"],
        name=event.data["name"],
        closed_on=event.data["closed_on"],
        epoch=epoch,
        version=version,
    )


async def record_pledge(tx: Transaction, event: Event) -> None:
    """Enter a pledge. Its organisation need not be known yet: the name is looked up when it is shown."""
    await QUERIES.record_pledge(
        tx,
        id=event.data["pledge_id"],
        organisation_id=event.data["organisation_id"],
        campaign_id=event.data["campaign_id"],
        campaign=event.data["campaign"],
        fund=event.data["fund"],
        amount_pence=event.data["amount"]["amount_pence"],
        pledged_on=event.data["pledged_on"],
        now=tx.now,
    )


#: By the name of the copy. What it holds is shown until the snapshots come.
FORGETTING: dict[str, Forget] = {"organisations": QUERIES.forget_organisations}

SUBSCRIPTIONS = (
    copy(OrganisationRegistered, remember_organisation),
    copy(OrganisationAmended, remember_organisation),
    copy(OrganisationClosed, remember_organisation),
    reaction(ContributionPledged, record_pledge),
)
