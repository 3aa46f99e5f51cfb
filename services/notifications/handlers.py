"""What this service does when it hears of something: it keeps copies, and notes what must be said.

Every event that feeds a copy carries the whole state and its version, so the order of arrival does not
matter. One letter of a campaign alone is sent because an event arrived: that to a colleague to whom another
was passed on, once a person has entered them.
"""

from collections.abc import Sequence
from typing import Any

from chassis.access import remember_standings, remember_tokens
from chassis.database import Transaction
from chassis.inbox import Forget, copy, reaction
from chassis.parking import discard_asked, retry_asked
from chassis.sealed import unseal
from contracts.envelope import Event
from contracts.grants import (
    ApplicationDecided,
    ApplicationLinkRequested,
    ApplicationRefused,
    ApplicationReminded,
    ApplicationReopened,
    ApplicationReturned,
    ApplicationSubmitted,
    ApplicationWithdrawn,
    AwardAccepted,
    AwardPaid,
    AwardProofReturned,
    AwardReminded,
    AwardReturned,
    ContributionReceived,
    ContributionRefunded,
    ContributionWrittenBack,
    PanelInvited,
    PostAsked,
    RegistrationAsked,
    RegistrationsCounted,
    ReportDue,
)
from contracts.partners import (
    AgreementOffered,
    AgreementReviewDue,
    ChainHeadsReported,
    ContactListed,
    ContactSuggestionSettled,
    ContactWithdrawn,
    ErasureCompleted,
    ErasureRequested,
    OrganisationAmended,
    OrganisationClosed,
    OrganisationRegistered,
    ParkedDiscardAsked,
    ParkedRetryAsked,
    PersonAdmitted,
    PersonBarred,
    PersonDataRequested,
    PersonErased,
    PersonInvited,
    PersonSignedOut,
    ReferralMade,
    ReferralReminded,
    RolesChanged,
    SignInRequested,
    TokenIssued,
    TokenRevoked,
)
from services.notifications.answers import write_back
from services.notifications.colleagues import remember_colleagues
from services.notifications.held import KEEPER
from services.notifications.notices import accounts, applicants, awards, panel, partners
from services.notifications.passing_on import write_to_colleague
from services.notifications.queries import COLLEAGUES, QUERIES
from services.notifications.readdressing import follow_merges

#: What remains of a contact that may no longer be written to.
_STONE: dict[str, Any] = dict.fromkeys(("name", "email", "postal_address", "postcode", "source"))


async def remember_organisations(tx: Transaction, events: Sequence[Event]) -> None:
    """Keep what letters need to know of bodies. Letters of one that was merged are of the surviving one."""
    await QUERIES.remember_organisations(tx, states=[event.state for event in events])
    await follow_merges(tx)


async def remember_people(tx: Transaction, events: Sequence[Event]) -> None:
    """Keep who may act, and what they are called."""
    await remember_standings(tx, events)
    await remember_colleagues(tx, events)


async def remember_contacts(tx: Transaction, events: Sequence[Event]) -> None:
    """Enter contacts in the address book; of one that was withdrawn, keep only that there was one."""
    await QUERIES.remember_contacts(tx, states=[event.state | _address(tx, event) for event in events])


def _address(tx: Transaction, event: Event) -> dict[str, Any]:
    sealed = event.data["address"]
    if sealed is None or event.data["withdrawn_on"] is not None:
        return _STONE
    return unseal(tx.context.keys, event.fact, "address", sealed)


async def remember_counts(tx: Transaction, events: Sequence[Event]) -> None:
    """Keep how many people of one profession are registered in one area."""
    await QUERIES.remember_counts(tx, states=[event.state for event in events])


async def count_received(tx: Transaction, event: Event) -> None:
    """Count what came for a campaign, and what of it went back. Other money is no campaign's."""
    sign = 1 if event.fact is ContributionReceived else -1
    if event.data["campaign_id"] is not None:
        await QUERIES.count_received(
            tx,
            id=event.id,
            campaign_id=event.data["campaign_id"],
            amount_pence=sign * event.data["amount"]["amount_pence"],
            now=tx.now,
        )


#: By the name of the copy. What it holds stays in use until the snapshots come.
FORGETTING: dict[str, Forget] = {
    "organisations": QUERIES.forget_organisations,
    "contacts": QUERIES.forget_contacts,
    "colleagues": COLLEAGUES.forget_versions,
    "registration_counts": QUERIES.forget_registration_counts,
}

SUBSCRIPTIONS = (
    copy(OrganisationRegistered, remember_organisations),
    copy(OrganisationAmended, remember_organisations),
    copy(OrganisationClosed, remember_organisations),
    copy(ContactListed, remember_contacts),
    copy(ContactWithdrawn, remember_contacts),
    copy(RegistrationsCounted, remember_counts),
    copy(PersonAdmitted, remember_people),
    copy(RolesChanged, remember_people),
    copy(PersonBarred, remember_people),
    copy(PersonSignedOut, remember_people),
    copy(TokenIssued, remember_tokens),
    copy(TokenRevoked, remember_tokens),
    reaction(ContactSuggestionSettled, write_to_colleague),
    reaction(ContributionReceived, count_received),
    reaction(ContributionRefunded, count_received),
    reaction(ContributionWrittenBack, write_back),
    reaction(PersonInvited, accounts.welcome),
    reaction(SignInRequested, accounts.send_keys),
    reaction(ErasureCompleted, accounts.say_forgotten),
    *KEEPER.subscriptions(requested=PersonDataRequested, erasure=ErasureRequested, erased=PersonErased),
    reaction(ChainHeadsReported, accounts.send_heads),
    reaction(AgreementOffered, partners.offer_agreement),
    reaction(AgreementReviewDue, partners.remind_of_review),
    reaction(ReferralMade, partners.send_referral),
    reaction(ReferralReminded, partners.remind_of_referral),
    reaction(RegistrationAsked, applicants.ask_to_confirm_registration),
    reaction(ApplicationLinkRequested, applicants.send_application_link),
    reaction(ApplicationReminded, applicants.remind_of_draft),
    reaction(ApplicationSubmitted, applicants.acknowledge_application),
    reaction(ApplicationReturned, applicants.ask_for_more),
    reaction(ApplicationRefused, applicants.refuse_application),
    reaction(ApplicationReopened, applicants.take_refusal_back),
    reaction(ApplicationWithdrawn, applicants.confirm_withdrawal),
    reaction(PanelInvited, panel.invite_to_panel),
    reaction(ApplicationDecided, awards.say_decision),
    reaction(AwardReminded, awards.remind_of_award),
    reaction(AwardAccepted, awards.confirm_acceptance),
    reaction(AwardProofReturned, awards.ask_for_proof),
    reaction(AwardPaid, awards.say_paid),
    reaction(AwardReturned, awards.say_returned),
    reaction(ReportDue, awards.ask_for_report),
    reaction(PostAsked, awards.ask_for_post),
    reaction(ParkedRetryAsked, retry_asked),
    reaction(ParkedDiscardAsked, discard_asked),
)
