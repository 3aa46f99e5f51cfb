"""What grants says: how many people are registered, which money came, and which rounds there are."""

from marshmallow import Schema, fields, validate

from contracts.chains import ChainHead
from contracts.envelope import Fact, Money, Sealed, WholeNumber
from contracts.rights import Answered, Gathered, Scrubbed
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS

_CODE = validate.Length(min=1, max=60)
_NAME = validate.Length(min=1, max=200)


class RegistrationsCounted(Fact):
    """The number of registered people of one profession living in one area changed.

    Says how many, never who. The subject is ``<area>/<profession>``.
    """

    OWNER = GRANTS
    NAME = "registrations_counted"
    SUBSCRIBERS = (NOTIFICATIONS,)

    #: A GSS code.
    area = fields.String(required=True, validate=_CODE)
    profession = fields.String(required=True, validate=_CODE)
    count = WholeNumber(required=True, validate=validate.Range(min=0, max=10**9))
    counted_on = fields.Date(required=True)


class RegistrantAddress(Schema):
    """Where to write to somebody who registers. Travels sealed."""

    email = fields.String(required=True, validate=validate.Length(min=3, max=254))


class RegistrationLink(Schema):
    """The address of the page where somebody confirms their registration, and leaves. Travels sealed."""

    link = fields.String(required=True, validate=validate.Length(min=1, max=500))


class RegistrationAsked(Fact):
    """Somebody filled in the form to register, and must show that the address is theirs before they count."""

    OWNER = GRANTS
    NAME = "registration_asked"
    SUBSCRIBERS = (NOTIFICATIONS,)

    asking_id = fields.UUID(required=True)
    #: After this moment the link confirms nothing, and need not be sent.
    expires_at = fields.AwareDateTime(required=True)
    address = Sealed(to=NOTIFICATIONS, part=RegistrantAddress)
    link = Sealed(to=NOTIFICATIONS, part=RegistrationLink)


class _Contribution(Fact):
    """Money of a body that gives, for one fund."""

    OWNER = GRANTS

    contribution_id = fields.UUID(required=True)
    fund_id = fields.UUID(required=True)
    fund = fields.String(required=True, validate=_NAME)
    organisation_id = fields.UUID(required=True)
    #: The campaign that asked for it; nothing where none did.
    campaign_id = fields.UUID(required=True, allow_none=True)
    amount = fields.Nested(Money, required=True)


class ContributionReceived(_Contribution):
    """Money came for a fund: what was pledged, a part of it, or what nobody had pledged."""

    NAME = "contribution_received"
    SUBSCRIBERS = (PARTNERS, NOTIFICATIONS)

    received_on = fields.Date(required=True)


class ContributionRefunded(_Contribution):
    """Money that had come went back to the body that gave it, in whole or in part."""

    NAME = "contribution_refunded"
    SUBSCRIBERS = (PARTNERS, NOTIFICATIONS)

    refunded_on = fields.Date(required=True)


class _Round(Fact):
    """A round: an invitation to apply for the money of one fund."""

    OWNER = GRANTS

    round_id = fields.UUID(required=True)
    name = fields.String(required=True, validate=_NAME)
    fund_id = fields.UUID(required=True)
    fund = fields.String(required=True, validate=_NAME)
    #: Codes: who may apply, and what for.
    professions = fields.List(fields.String(validate=_CODE), required=True)
    purposes = fields.List(fields.String(validate=_CODE), required=True)
    #: The most that one award may be.
    most = fields.Nested(Money, required=True)
    #: The first and the last day on which one may apply.
    opens_on = fields.Date(required=True)
    closes_on = fields.Date(required=True)


class RoundOpened(_Round):
    """People may apply for money in a round, from its first day on."""

    NAME = "round_opened"
    SUBSCRIBERS = ()


class RoundClosed(_Round):
    """Nobody may apply in a round any more."""

    NAME = "round_closed"
    SUBSCRIBERS = ()


class PersonDataGathered(Gathered):
    """One thing that is held here on somebody who has asked for it."""

    OWNER = GRANTS
    NAME = "person_data_gathered"
    SUBSCRIBERS = (PARTNERS,)


class ErasureAnswered(Answered):
    """Whether something is against forgetting somebody here."""

    OWNER = GRANTS
    NAME = "erasure_answered"
    SUBSCRIBERS = (PARTNERS,)


class PersonScrubbed(Scrubbed):
    """Somebody was forgotten here."""

    OWNER = GRANTS
    NAME = "person_scrubbed"
    SUBSCRIBERS = (PARTNERS,)


class ChainHeadTold(ChainHead):
    """Grants has said how far its record of what people have done goes, as it does once a week."""

    OWNER = GRANTS
    NAME = "chain_head_told"
    SUBSCRIBERS = (PARTNERS,)


FACTS: tuple[type[Fact], ...] = (
    RegistrationsCounted,
    RegistrationAsked,
    ContributionReceived,
    ContributionRefunded,
    RoundOpened,
    RoundClosed,
    ChainHeadTold,
    PersonDataGathered,
    ErasureAnswered,
    PersonScrubbed,
)
