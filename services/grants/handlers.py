"""What grants does when it hears of something."""

from collections.abc import Sequence

from chassis.access import remember_standings, remember_tokens
from chassis.database import Transaction
from chassis.inbox import Forget, copy, reaction
from chassis.parking import discard_asked, retry_asked
from contracts.envelope import Event
from contracts.notifications import ContributionPledged, LetterAnswered, LetterSent, LettersTranslated
from contracts.partners import (
    ErasureRequested,
    OrganisationAmended,
    OrganisationClosed,
    OrganisationRegistered,
    OutcomeMet,
    ParkedDiscardAsked,
    ParkedRetryAsked,
    PersonAdmitted,
    PersonBarred,
    PersonDataRequested,
    PersonErased,
    PersonSignedOut,
    ReferralClosed,
    RolesChanged,
    TokenIssued,
    TokenRevoked,
)
from services.grants.colleagues import remember_colleagues
from services.grants.contributions import record_pledge
from services.grants.heard import hear_of_answer, hear_of_outcome, hear_of_referral, hear_of_sending
from services.grants.held import KEEPER
from services.grants.languages import hear_of_languages
from services.grants.queries import COLLEAGUES, QUERIES


async def remember_organisations(tx: Transaction, events: Sequence[Event]) -> None:
    """Keep what pledges are shown with: the organisations' names, and whether they have closed."""
    await QUERIES.remember_organisations(tx, states=[event.state for event in events])


async def remember_people(tx: Transaction, events: Sequence[Event]) -> None:
    """Keep who may act, and who they are."""
    await remember_standings(tx, events)
    await remember_colleagues(tx, events)


#: By the name of the copy. What it holds is shown until the snapshots come.
FORGETTING: dict[str, Forget] = {
    "organisations": QUERIES.forget_organisations,
    "colleagues": COLLEAGUES.forget_versions,
}

SUBSCRIPTIONS = (
    copy(OrganisationRegistered, remember_organisations),
    copy(OrganisationAmended, remember_organisations),
    copy(OrganisationClosed, remember_organisations),
    copy(PersonAdmitted, remember_people),
    copy(RolesChanged, remember_people),
    copy(PersonBarred, remember_people),
    copy(PersonSignedOut, remember_people),
    copy(TokenIssued, remember_tokens),
    copy(TokenRevoked, remember_tokens),
    reaction(ContributionPledged, record_pledge),
    reaction(LetterSent, hear_of_sending),
    reaction(LetterAnswered, hear_of_answer),
    reaction(LettersTranslated, hear_of_languages),
    reaction(OutcomeMet, hear_of_outcome),
    reaction(ReferralClosed, hear_of_referral),
    *KEEPER.subscriptions(requested=PersonDataRequested, erasure=ErasureRequested, erased=PersonErased),
    reaction(ParkedRetryAsked, retry_asked),
    reaction(ParkedDiscardAsked, discard_asked),
)
