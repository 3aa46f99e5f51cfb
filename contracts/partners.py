"""What partners says: which bodies there are, and whom one may write to there."""

from marshmallow import Schema, fields, validate

from contracts.chains import Head
from contracts.envelope import Fact, Sealed, WholeNumber
from contracts.operations import ParkedAsk
from contracts.rights import RightsRequest
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS

_CODE = validate.Length(min=1, max=60)


class OrganisationState(Fact):
    """The whole public state of an organisation, so that a copy can be made from any one event."""

    OWNER = PARTNERS

    organisation_id = fields.UUID(required=True)
    name = fields.String(required=True, validate=validate.Length(min=1, max=200))
    #: An org-id such as ``GB-NHS-5LA``.
    identifier = fields.String(required=True, validate=validate.Length(min=1, max=60))
    #: What it is to us; several may apply.
    kinds = fields.List(fields.String(validate=_CODE), required=True)
    #: The areas it serves, as GSS codes.
    areas = fields.List(fields.String(validate=_CODE), required=True)
    #: How closely we work: strategic, working or contact.
    closeness = fields.String(required=True, validate=_CODE)
    opened_on = fields.Date(required=True, allow_none=True)
    closed_on = fields.Date(required=True, allow_none=True)
    #: The body that took over from a closed one.
    successor_id = fields.UUID(required=True, allow_none=True)
    #: What it took over: letters, referrals, agreements, services. What is not named has ended.
    handed_over = fields.List(fields.String(validate=_CODE), load_default=[])
    #: The entry that this one was merged into. Whoever points here means that one.
    merged_into = fields.UUID(load_default=None, allow_none=True)


class OrganisationRegistered(OrganisationState):
    """A body was entered in the register of partners."""

    NAME = "organisation_registered"
    SUBSCRIBERS = (GRANTS, NOTIFICATIONS)


class OrganisationAmended(OrganisationState):
    """Something that others rely on about a body was put right."""

    NAME = "organisation_amended"
    SUBSCRIBERS = (GRANTS, NOTIFICATIONS)


class OrganisationClosed(OrganisationState):
    """A body closed, with or without a successor."""

    NAME = "organisation_closed"
    SUBSCRIBERS = (GRANTS, NOTIFICATIONS)


class ContactAddress(Schema):
    """Who the contact is and where to write to them. Travels sealed."""

    name = fields.String(required=True, validate=validate.Length(min=1, max=200))
    email = fields.String(required=True, allow_none=True, validate=validate.Length(max=254))
    #: The lines of a postal address, without the postcode.
    postal_address = fields.List(fields.String(validate=validate.Length(max=200)), required=True)
    postcode = fields.String(required=True, allow_none=True, validate=validate.Length(max=10))
    #: Where we got the address: printed on every letter.
    source = fields.String(required=True, validate=validate.Length(max=300))


class ContactState(Fact):
    """The whole public state of a contact, with the person's part sealed to notifications."""

    OWNER = PARTNERS

    contact_id = fields.UUID(required=True)
    organisation_id = fields.UUID(required=True)
    #: Chief executive, dental care, equality and diversity …: a code of the house's list.
    role = fields.String(required=True, validate=_CODE)
    #: How they are written to: ``email`` or ``post``.
    channel = fields.String(required=True, validate=validate.OneOf(["email", "post"]))
    listed_on = fields.Date(required=True)
    withdrawn_on = fields.Date(required=True, allow_none=True)
    address = Sealed(to=NOTIFICATIONS, part=ContactAddress)


class ContactListed(ContactState):
    """Somebody at a body may be written to, or how to write to them changed."""

    NAME = "contact_listed"
    SUBSCRIBERS = (NOTIFICATIONS,)


class ContactWithdrawn(ContactState):
    """Somebody at a body is no longer to be written to. Carries no address."""

    NAME = "contact_withdrawn"
    SUBSCRIBERS = (NOTIFICATIONS,)


class ContactSuggestionSettled(Fact):
    """Somebody to whom a letter was passed on was entered as a contact by a member of staff, or left out."""

    OWNER = PARTNERS
    NAME = "contact_suggestion_settled"
    SUBSCRIBERS = (NOTIFICATIONS,)

    suggestion_id = fields.UUID(required=True)
    letter_id = fields.UUID(required=True)
    organisation_id = fields.UUID(required=True)
    #: Who is to have the letter now; nobody where they were left out.
    contact_id = fields.UUID(required=True, allow_none=True)
    #: The person of ours who has decided; nobody where a command did.
    settled_by = fields.UUID(required=False, allow_none=True, load_default=None)


class PersonAddress(Schema):
    """Who a person is and where their mail goes. Travels sealed."""

    name = fields.String(required=True, validate=validate.Length(min=1, max=200))
    email = fields.String(required=True, validate=validate.Length(min=3, max=254))


class PersonName(Schema):
    """What a person is called. Travels sealed."""

    name = fields.String(required=True, validate=validate.Length(min=1, max=200))


class PersonState(Fact):
    """The whole public state of a person who may sign in; sealed, their name and, to grants, their address.

    A session token carries the version that it was made at; one that is older than what is known of the
    person is no longer good. So whatever changes here ends what was signed before.
    """

    OWNER = PARTNERS

    person_id = fields.UUID(required=True)
    #: The body that they belong to, our own included.
    organisation_id = fields.UUID(required=True)
    #: What they are trusted with, as codes of ``contracts.access.Role``.
    roles = fields.List(fields.String(validate=_CODE), required=True)
    barred = fields.Boolean(required=True)
    #: For the panel's pages and minutes, and to invite its members. Nothing of somebody who was erased.
    who = Sealed(to=GRANTS, part=PersonAddress, required=False, load_default=None)
    #: For the histories of letters and campaigns. Nothing of somebody who was erased.
    name = Sealed(to=NOTIFICATIONS, part=PersonName, required=False, load_default=None)


class PersonAdmitted(PersonState):
    """Somebody may sign in, for the first time or again."""

    NAME = "person_admitted"
    SUBSCRIBERS = (GRANTS, NOTIFICATIONS)


class RolesChanged(PersonState):
    """What somebody is trusted with has changed."""

    NAME = "roles_changed"
    SUBSCRIBERS = (GRANTS, NOTIFICATIONS)


class PersonBarred(PersonState):
    """Somebody may no longer sign in, and is signed out everywhere."""

    NAME = "person_barred"
    SUBSCRIBERS = (GRANTS, NOTIFICATIONS)


class PersonSignedOut(PersonState):
    """Somebody has ended one of their sessions, or all of them."""

    NAME = "person_signed_out"
    SUBSCRIBERS = (GRANTS, NOTIFICATIONS)


class TokenState(Fact):
    """What a program may do in a person's name. Carries a digest, and never the token."""

    OWNER = PARTNERS

    token_id = fields.UUID(required=True)
    #: Whose it is. It is good for nothing once they are barred or have lost the role.
    person_id = fields.UUID(required=True)
    #: SHA-256 of the token, in hexadecimal digits. A token has 160 random bits.
    digest = fields.String(required=True, validate=validate.Length(equal=64))
    role = fields.String(required=True, validate=_CODE)
    #: Whether it may also change something.
    writes = fields.Boolean(required=True)
    expires_at = fields.AwareDateTime(required=True)
    revoked = fields.Boolean(required=True)


class TokenIssued(TokenState):
    """A program may act in somebody's name."""

    NAME = "token_issued"
    SUBSCRIBERS = (GRANTS, NOTIFICATIONS)


class TokenRevoked(TokenState):
    """A program may no longer act in somebody's name."""

    NAME = "token_revoked"
    SUBSCRIBERS = (GRANTS, NOTIFICATIONS)


class PersonInvited(Fact):
    """Somebody was admitted, and is to be told how to sign in."""

    OWNER = PARTNERS
    NAME = "person_invited"
    SUBSCRIBERS = (NOTIFICATIONS,)

    person_id = fields.UUID(required=True)
    address = Sealed(to=NOTIFICATIONS, part=PersonAddress)


class SignInKeys(Schema):
    """How somebody can sign in, and where to send it. Travels sealed."""

    name = fields.String(required=True, validate=validate.Length(min=1, max=200))
    email = fields.String(required=True, validate=validate.Length(min=3, max=254))
    #: The address of a page with a button.
    link = fields.String(required=True, validate=validate.Length(min=1, max=500))
    #: Six digits, to be typed where signing in was begun.
    code = fields.String(required=True, validate=validate.Length(min=6, max=6))


class SignInRequested(Fact):
    """Somebody whom we know wants to sign in."""

    OWNER = PARTNERS
    NAME = "sign_in_requested"
    SUBSCRIBERS = (NOTIFICATIONS,)

    person_id = fields.UUID(required=True)
    #: After this moment the keys open nothing, and need not be sent.
    expires_at = fields.AwareDateTime(required=True, format="iso")
    keys = Sealed(to=NOTIFICATIONS, part=SignInKeys)


class PersonDataRequested(RightsRequest):
    """Somebody has asked for everything that is held on them."""

    NAME = "person_data_requested"
    SUBSCRIBERS = (GRANTS, NOTIFICATIONS)


class ErasureRequested(RightsRequest):
    """Somebody has asked to be forgotten. Whoever has something against it says so."""

    NAME = "erasure_requested"
    SUBSCRIBERS = (GRANTS, NOTIFICATIONS)


class PersonErased(RightsRequest):
    """Somebody is forgotten, in every service."""

    NAME = "person_erased"
    SUBSCRIBERS = (GRANTS, NOTIFICATIONS)


class ErasureCompleted(Fact):
    """Every service has forgotten somebody, who is to be told so, and what stays and why."""

    OWNER = PARTNERS
    NAME = "erasure_completed"
    SUBSCRIBERS = (NOTIFICATIONS,)

    request_id = fields.UUID(required=True)
    #: Sentences that name nobody.
    kept = fields.List(fields.String(validate=validate.Length(min=1, max=300)), required=True)
    address = Sealed(to=NOTIFICATIONS, part=PersonAddress)


class ChainHeadsReported(Fact):
    """It is known how far the record of each service goes in a week, and an auditor is to be told.

    The subject is ``<person>/<week>``.
    """

    OWNER = PARTNERS
    NAME = "chain_heads_reported"
    SUBSCRIBERS = (NOTIFICATIONS,)

    person_id = fields.UUID(required=True)
    #: The Monday of the week.
    week = fields.Date(required=True)
    #: One of each service that has told its own; the others have not, in this week.
    heads = fields.List(fields.Nested(Head), required=True)
    address = Sealed(to=NOTIFICATIONS, part=PersonAddress)


_NUMBER = validate.Range(min=1, max=10_000)


class AgreementNotice(Schema):
    """Who is to be told something of an agreement, and where they see it. Travels sealed."""

    name = fields.String(required=True, validate=validate.Length(min=1, max=200))
    email = fields.String(required=True, validate=validate.Length(min=3, max=254))
    #: The name of the agreement, and of the body that it is with.
    title = fields.String(required=True, validate=validate.Length(min=1, max=200))
    organisation = fields.String(required=True, validate=validate.Length(min=1, max=200))
    #: The address of a page: a secret one where the reader has no account. Empty when there is none.
    link = fields.String(required=True, validate=validate.Length(max=500))


class AgreementOffered(Fact):
    """A version of an agreement was offered, and somebody at the other body is told where to sign it."""

    OWNER = PARTNERS
    NAME = "agreement_offered"
    SUBSCRIBERS = (NOTIFICATIONS,)

    agreement_id = fields.UUID(required=True)
    organisation_id = fields.UUID(required=True)
    contact_id = fields.UUID(required=True)
    version = WholeNumber(required=True, validate=_NUMBER)
    notice = Sealed(to=NOTIFICATIONS, part=AgreementNotice)


class AgreementSigned(Fact):
    """Both sides have signed a version of an agreement."""

    OWNER = PARTNERS
    NAME = "agreement_signed"
    SUBSCRIBERS = ()

    agreement_id = fields.UUID(required=True)
    organisation_id = fields.UUID(required=True)
    version = WholeNumber(required=True, validate=_NUMBER)
    signed_on = fields.Date(required=True)
    #: How many outcomes were agreed on.
    outcomes = WholeNumber(required=True, validate=_NUMBER)


class AgreementReviewDue(Fact):
    """The day is near on which both sides wanted to look at an agreement again; one of them is to be told.

    The subject is ``<agreement>/<day>/<whoever is told>``.
    """

    OWNER = PARTNERS
    NAME = "agreement_review_due"
    SUBSCRIBERS = (NOTIFICATIONS,)

    agreement_id = fields.UUID(required=True)
    organisation_id = fields.UUID(required=True)
    review_on = fields.Date(required=True)
    #: A person of ours or a contact of theirs.
    recipient_id = fields.UUID(required=True)
    notice = Sealed(to=NOTIFICATIONS, part=AgreementNotice)


class OutcomeMet(Fact):
    """What was agreed on was achieved."""

    OWNER = PARTNERS
    NAME = "outcome_met"
    SUBSCRIBERS = (GRANTS,)

    outcome_id = fields.UUID(required=True)
    agreement_id = fields.UUID(required=True)
    organisation_id = fields.UUID(required=True)
    met_on = fields.Date(required=True)


class ReferralLetter(Schema):
    """What a partner is asked about somebody who was sent on to them, and where to write. Travels sealed."""

    name = fields.String(required=True, validate=validate.Length(min=1, max=200))
    email = fields.String(required=True, validate=validate.Length(min=3, max=254))
    organisation = fields.String(required=True, validate=validate.Length(min=1, max=200))
    #: Ours; it tells nobody else who it is.
    reference = fields.String(required=True, validate=validate.Length(max=24))
    #: In words.
    need = fields.String(required=True, validate=validate.Length(min=1, max=200))
    #: The address of the page on which the partner answers.
    link = fields.String(required=True, validate=validate.Length(min=1, max=500))


class ReferralFact(Fact):
    """What every fact about a referral says: which, to whom, for what need. Never about whom."""

    OWNER = PARTNERS

    referral_id = fields.UUID(required=True)
    organisation_id = fields.UUID(required=True)
    #: A code of the house's list.
    need = fields.String(required=True, validate=_CODE)


class ReferralMade(ReferralFact):
    """Somebody was sent on to a partner, who is written to unless the slip goes by hand."""

    NAME = "referral_made"
    SUBSCRIBERS = (NOTIFICATIONS,)

    made_on = fields.Date(required=True)
    #: Whom the letter is for.
    contact_id = fields.UUID(required=True, allow_none=True)
    letter = Sealed(to=NOTIFICATIONS, part=ReferralLetter)


class ReferralReminded(ReferralFact):
    """A partner was asked once more, by a letter or by somebody of ours."""

    NAME = "referral_reminded"
    SUBSCRIBERS = (NOTIFICATIONS,)

    #: Whether they take somebody on, or what came of it.
    wanted = fields.String(required=True, validate=validate.OneOf(["answer", "outcome"]))
    #: Whom the letter is for.
    contact_id = fields.UUID(required=True, allow_none=True)
    letter = Sealed(to=NOTIFICATIONS, part=ReferralLetter)


class ReferralAnswered(ReferralFact):
    """A partner said whether they take somebody on."""

    NAME = "referral_answered"
    SUBSCRIBERS = ()

    answer = fields.String(required=True, validate=validate.OneOf(["accepted", "declined"]))


class ReferralClosed(ReferralFact):
    """What came of a referral is known, or that nothing will be. A later one puts an earlier one right."""

    NAME = "referral_closed"
    SUBSCRIBERS = (GRANTS,)

    outcome = fields.String(
        required=True,
        validate=validate.OneOf(["helped", "not_helped", "not_known", "taken_back", "ended"]),
    )


class ParkedRetryAsked(ParkedAsk):
    """Somebody who keeps Conduit running wants messages tried again that a service has put aside."""

    OWNER = PARTNERS
    NAME = "parked_retry_asked"
    SUBSCRIBERS = (GRANTS, NOTIFICATIONS)


class ParkedDiscardAsked(ParkedAsk):
    """Somebody who keeps Conduit running has decided that messages need not be handled."""

    OWNER = PARTNERS
    NAME = "parked_discard_asked"
    SUBSCRIBERS = (GRANTS, NOTIFICATIONS)


FACTS: tuple[type[Fact], ...] = (
    OrganisationRegistered,
    OrganisationAmended,
    OrganisationClosed,
    ContactListed,
    ContactWithdrawn,
    ContactSuggestionSettled,
    PersonAdmitted,
    RolesChanged,
    PersonBarred,
    PersonSignedOut,
    TokenIssued,
    TokenRevoked,
    PersonInvited,
    SignInRequested,
    PersonDataRequested,
    ErasureRequested,
    PersonErased,
    ErasureCompleted,
    ChainHeadsReported,
    AgreementOffered,
    AgreementSigned,
    AgreementReviewDue,
    OutcomeMet,
    ReferralMade,
    ReferralReminded,
    ReferralAnswered,
    ReferralClosed,
    ParkedRetryAsked,
    ParkedDiscardAsked,
)
