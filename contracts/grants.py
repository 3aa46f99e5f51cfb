"""What grants says: how many are registered, which money came, which rounds there are, and who applies."""

from marshmallow import Schema, fields, validate

from contracts.chains import ChainHead
from contracts.envelope import Fact, Money, Sealed, WholeNumber
from contracts.operations import ServiceReport
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
    #: In which they would like to be written to: a code of the house's list; nothing is English.
    language = fields.String(validate=validate.Length(max=60), load_default="")


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


class ContributionWrittenBack(Fact):
    """So much of a pledge will not come, and nobody waits for it; £0 where it is expected after all.

    The subject is the pledge. What is said last holds.
    """

    OWNER = GRANTS
    NAME = "contribution_written_back"
    SUBSCRIBERS = (PARTNERS, NOTIFICATIONS)

    pledge_id = fields.UUID(required=True)
    organisation_id = fields.UUID(required=True)
    #: The campaign in which it was pledged; nothing where it came by none.
    campaign_id = fields.UUID(required=True, allow_none=True)
    #: As the pledge names it.
    fund = fields.String(required=True, validate=_NAME)
    #: What will not come, in all.
    amount = fields.Nested(Money, required=True)
    #: The day on which that was said.
    written_back_on = fields.Date(required=True)
    #: How much is expected after all; nothing where less is, or where an earlier release did not say it.
    expected_again = fields.Nested(Money, required=False, allow_none=True, load_default=None)


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


class ApplicantLetter(Schema):
    """Who applies, where to write to them, and what a letter says to them alone. Travels sealed."""

    #: Nothing while they have not said it.
    name = fields.String(required=True, validate=validate.Length(max=200))
    email = fields.String(required=True, validate=validate.Length(min=3, max=254))
    #: Of the application; it tells neither who they are nor who came first.
    reference = fields.String(required=True, validate=_CODE)
    #: What the round is called.
    round = fields.String(required=True, validate=_NAME)
    #: The address by which they go on, or see where it stands.
    link = fields.String(required=True, validate=validate.Length(min=1, max=500))
    #: Whom they may ring.
    help_name = fields.String(required=True, validate=validate.Length(min=1, max=200))
    help_telephone = fields.String(required=True, validate=_CODE)
    #: What is missing, or why it was refused.
    words = fields.String(required=True, validate=validate.Length(max=2_000))
    #: In which they would like to be written to: a code of the house's list; nothing is English.
    language = fields.String(validate=validate.Length(max=60), load_default="")


class _Application(Fact):
    """An application in a round. Says nothing of who applies but in what is sealed."""

    OWNER = GRANTS

    application_id = fields.UUID(required=True)
    round_id = fields.UUID(required=True)
    letter = Sealed(to=NOTIFICATIONS, part=ApplicantLetter)


class ApplicationLinkRequested(_Application):
    """Somebody who applies is to be sent the link to their application: at the beginning, or again."""

    NAME = "application_link_requested"
    SUBSCRIBERS = (NOTIFICATIONS,)

    #: The last day on which it can be sent; nothing when it was, or cannot be any more.
    send_by = fields.Date(required=True, allow_none=True)


class ApplicationReminded(_Application):
    """Somebody has begun to apply and not sent it, and the last day is near."""

    NAME = "application_reminded"
    SUBSCRIBERS = (NOTIFICATIONS,)

    closes_on = fields.Date(required=True)


class ApplicationSubmitted(_Application):
    """Somebody has sent an application, for the first time or with what had been missing."""

    NAME = "application_submitted"
    SUBSCRIBERS = (NOTIFICATIONS,)

    #: A code of the house's list.
    purpose = fields.String(required=True, validate=_CODE)
    asked = fields.Nested(Money, required=True)
    #: When the panel meets.
    meets_on = fields.Date(required=True)


class ApplicationReturned(_Application):
    """Something is missing in an application; whoever applies is asked for it."""

    NAME = "application_returned"
    SUBSCRIBERS = (NOTIFICATIONS,)

    #: It can be sent again before the panel meets.
    meets_on = fields.Date(required=True)


class ApplicationRefused(_Application):
    """An application was refused before it came to the panel, by a rule that the refusal names."""

    NAME = "application_refused"
    SUBSCRIBERS = (NOTIFICATIONS,)

    rule = fields.String(required=True, validate=_CODE)


class ApplicationReopened(_Application):
    """A refusal was taken back: the application goes to the panel after all."""

    NAME = "application_reopened"
    SUBSCRIBERS = (NOTIFICATIONS,)

    meets_on = fields.Date(required=True)


class ApplicationWithdrawn(_Application):
    """Whoever had applied has taken it back, or was forgotten."""

    NAME = "application_withdrawn"
    SUBSCRIBERS = (NOTIFICATIONS,)


class PanelLetter(Schema):
    """Who is asked to sit on a panel, and how. Travels sealed."""

    name = fields.String(required=True, validate=validate.Length(min=1, max=200))
    email = fields.String(required=True, validate=validate.Length(min=3, max=254))
    #: What the round is called.
    round = fields.String(required=True, validate=_NAME)
    #: Where they answer, once they have signed in.
    link = fields.String(required=True, validate=validate.Length(min=1, max=500))
    #: Whom they may ring.
    help_name = fields.String(required=True, validate=validate.Length(min=1, max=200))
    help_telephone = fields.String(required=True, validate=_CODE)


class PanelInvited(Fact):
    """Somebody is asked to sit on the panel of a round, for the first time or once more.

    The subject is ``<round>/<person>``.
    """

    OWNER = GRANTS
    NAME = "panel_invited"
    SUBSCRIBERS = (NOTIFICATIONS,)

    round_id = fields.UUID(required=True)
    person_id = fields.UUID(required=True)
    #: They are asked to be there if another member cannot.
    reserve = fields.Boolean(required=True)
    meets_on = fields.Date(required=True)
    letter = Sealed(to=NOTIFICATIONS, part=PanelLetter)


class ApplicationDecided(_Application):
    """The panel has decided on an application, and the decisions of its round are published."""

    NAME = "application_decided"
    SUBSCRIBERS = (NOTIFICATIONS,)

    decision = fields.String(required=True, validate=validate.OneOf(["award", "decline", "defer"]))
    #: Goes up where another decision follows.
    number = WholeNumber(required=True, validate=validate.Range(min=1))
    #: The applicant was told an earlier decision, which this one takes the place of.
    replaces = fields.Boolean(load_default=False)
    #: The exam: a code of the house's list.
    purpose = fields.String(validate=_CODE, load_default=None, allow_none=True)
    #: What was asked for, and what is awarded; nothing where nothing is.
    asked = fields.Nested(Money, required=True)
    awarded = fields.Nested(Money, required=True, allow_none=True)
    #: The last day on which an award can be accepted.
    answer_by = fields.Date(required=True, allow_none=True)


class AwardReminded(_Application):
    """Somebody has not answered what they were awarded, and the last day is near."""

    NAME = "award_reminded"
    SUBSCRIBERS = (NOTIFICATIONS,)

    awarded = fields.Nested(Money, required=True)
    #: The last day on which it can be accepted.
    answer_by = fields.Date(required=True)


class AwardAccepted(_Application):
    """Somebody has said yes to what they were awarded."""

    NAME = "award_accepted"
    SUBSCRIBERS = (NOTIFICATIONS,)

    awarded = fields.Nested(Money, required=True)
    #: To whom it is to be paid.
    paid_to = fields.String(
        validate=validate.OneOf(["person", "exam_body"]), load_default=None, allow_none=True
    )
    #: What they pay themselves of the exam, as far as it is known; nothing where all of it is awarded.
    own_share = fields.Nested(Money, load_default=None, allow_none=True)


class AwardProofReturned(_Application):
    """What shows that an exam is to be paid for cannot be used: another one is asked for, with the reason."""

    NAME = "award_proof_returned"
    SUBSCRIBERS = (NOTIFICATIONS,)

    #: That the exam is booked, or what the body that holds it asks for.
    proof = fields.String(required=True, validate=validate.OneOf(["booking", "invoice"]))


class AwardPaid(_Application):
    """Money of an award left the bank: to the person, or to the body that holds the exam."""

    NAME = "award_paid"
    SUBSCRIBERS = (NOTIFICATIONS,)

    payment_id = fields.UUID(required=True)
    paid = fields.Nested(Money, required=True)
    paid_to = fields.String(required=True, validate=validate.OneOf(["person", "exam_body"]))
    paid_on = fields.Date(required=True)
    #: Where the body is paid by an invoice: what of it they pay themselves.
    own_share = fields.Nested(Money, load_default=None, allow_none=True)


class AwardReturned(_Application):
    """Money of an award is free again: it came back, the bank refused it, or the award was given up."""

    NAME = "award_returned"
    SUBSCRIBERS = (NOTIFICATIONS,)

    returned = fields.Nested(Money, required=True)
    why = fields.String(required=True, validate=_CODE)
    returned_on = fields.Date(required=True)


class ReportDue(_Application):
    """Somebody whose exam was paid for is asked how it went."""

    NAME = "report_due"
    SUBSCRIBERS = (NOTIFICATIONS,)

    due_on = fields.Date(required=True)
    #: How often they were asked before.
    asked_before = WholeNumber(required=True, validate=validate.Range(min=0))


class PostAsked(_Application):
    """Somebody who has passed their exam, and had no post in their profession then, is asked once more."""

    NAME = "post_asked"
    SUBSCRIBERS = (NOTIFICATIONS,)


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


class ServiceReported(ServiceReport):
    """Grants has said how it is, because that has changed or five minutes have gone by."""

    OWNER = GRANTS
    NAME = "service_reported"
    SUBSCRIBERS = (PARTNERS,)


FACTS: tuple[type[Fact], ...] = (
    RegistrationsCounted,
    RegistrationAsked,
    ContributionReceived,
    ContributionRefunded,
    ContributionWrittenBack,
    RoundOpened,
    RoundClosed,
    ApplicationLinkRequested,
    ApplicationReminded,
    ApplicationSubmitted,
    ApplicationReturned,
    ApplicationRefused,
    ApplicationReopened,
    ApplicationWithdrawn,
    PanelInvited,
    ApplicationDecided,
    AwardReminded,
    AwardAccepted,
    AwardProofReturned,
    AwardPaid,
    AwardReturned,
    ReportDue,
    PostAsked,
    ChainHeadTold,
    PersonDataGathered,
    ErasureAnswered,
    PersonScrubbed,
    ServiceReported,
)
