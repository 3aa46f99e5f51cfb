"""What grants says: how many people are registered, and later what became of the money."""

from marshmallow import fields, validate

from contracts.chains import ChainHead
from contracts.envelope import Fact, WholeNumber
from contracts.rights import Answered, Gathered, Scrubbed
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS


class RegistrationsCounted(Fact):
    """The number of registered people of one profession living in one area changed.

    Says how many, never who. The subject is ``<area>/<profession>``.
    """

    OWNER = GRANTS
    NAME = "registrations_counted"
    SUBSCRIBERS = (NOTIFICATIONS,)

    #: A GSS code.
    area = fields.String(required=True, validate=validate.Length(min=1, max=60))
    profession = fields.String(required=True, validate=validate.Length(min=1, max=60))
    count = WholeNumber(required=True, validate=validate.Range(min=0, max=10**9))
    counted_on = fields.Date(required=True)


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
    ChainHeadTold,
    PersonDataGathered,
    ErasureAnswered,
    PersonScrubbed,
)
