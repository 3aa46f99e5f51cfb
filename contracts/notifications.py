"""What notifications says: which letters went out, what came back, and what was promised.

No event carries what a person wrote: a reason for declining may name somebody, so it stays with the
letter and is read there.
"""

from marshmallow import Schema, fields, validate

from contracts.chains import ChainHead
from contracts.envelope import Fact, Money, Sealed, WholeNumber
from contracts.operations import ServiceReport
from contracts.rights import Answered, Gathered, Scrubbed
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS

_NAME = validate.Length(min=1, max=200)


class LetterFact(Fact):
    """What every fact about one letter says: which letter, to whom, in which campaign."""

    OWNER = NOTIFICATIONS

    letter_id = fields.UUID(required=True)
    campaign_id = fields.UUID(required=True)
    campaign = fields.String(required=True, validate=_NAME)
    organisation_id = fields.UUID(required=True)
    contact_id = fields.UUID(required=True)
    contact_role = fields.String(required=True, validate=validate.Length(min=1, max=60))


class LetterSent(LetterFact):
    """The recipient's mail server accepted a letter, or it was posted."""

    NAME = "letter_sent"
    SUBSCRIBERS = (PARTNERS, GRANTS)

    sent_at = fields.AwareDateTime(required=True)
    #: What was asked for; none in a campaign without an ask.
    ask = fields.Nested(Money, required=True, allow_none=True)


class LetterFailed(LetterFact):
    """A letter did not arrive: the recipient's mail server refused it for good."""

    NAME = "letter_failed"
    SUBSCRIBERS = (PARTNERS,)

    failed_at = fields.AwareDateTime(required=True)


class LetterBounced(LetterFact):
    """A letter that had left came back: it did not arrive."""

    NAME = "letter_bounced"
    SUBSCRIBERS = (PARTNERS,)

    bounced_at = fields.AwareDateTime(required=True)
    #: Whether the address itself is bad. A full mailbox is not.
    permanent = fields.Boolean(required=True)


class LetterAcknowledged(LetterFact):
    """The recipient said that the letter arrived, which commits them to nothing."""

    NAME = "letter_acknowledged"
    SUBSCRIBERS = (PARTNERS,)

    acknowledged_at = fields.AwareDateTime(required=True)


class LetterAnswered(LetterFact):
    """The recipient gave an answer: a pledge, a meeting, a refusal or a question."""

    NAME = "letter_answered"
    SUBSCRIBERS = (PARTNERS, GRANTS)

    answered_at = fields.AwareDateTime(required=True)
    answer = fields.String(
        required=True, validate=validate.OneOf(["pledged", "will_meet", "declined", "asked"])
    )


class LetterAnswerCorrected(LetterFact):
    """A member of staff put right what was recorded as the answer to a letter."""

    NAME = "letter_answer_corrected"
    SUBSCRIBERS = (PARTNERS,)

    corrected_at = fields.AwareDateTime(required=True)
    #: Where the answer stands now.
    answer = fields.String(
        required=True,
        validate=validate.OneOf(
            ["silent", "auto_replied", "acknowledged", "asked", "declined", "will_meet", "pledged"]
        ),
    )


class SuggestedContact(Schema):
    """Somebody to whom a letter was passed on, in the words of whoever did. Travels sealed."""

    name = fields.String(required=True, validate=_NAME)
    #: What they do there, in words.
    role = fields.String(required=True, validate=validate.Length(max=200))
    email = fields.String(required=True, validate=validate.Length(min=3, max=254))


class ContactSuggested(LetterFact):
    """Whoever had a letter passed it on to a colleague, whom a member of staff may enter as a contact."""

    NAME = "contact_suggested"
    SUBSCRIBERS = (PARTNERS,)

    #: The contact will have this id.
    suggestion_id = fields.UUID(required=True)
    suggested_at = fields.AwareDateTime(required=True)
    colleague = Sealed(to=PARTNERS, part=SuggestedContact)


class LetterOverdue(LetterFact):
    """A letter has waited for an answer for longer than courtesy allows: late, then very late."""

    NAME = "letter_overdue"
    SUBSCRIBERS = (PARTNERS,)

    #: Since when an answer is waited for: the letter was sent, or somebody said that it is there.
    waiting_since = fields.AwareDateTime(required=True)
    overdue_on = fields.Date(required=True)
    #: ``late`` after 20 working days, ``very_late`` after 40.
    lateness = fields.String(required=True, validate=validate.OneOf(["late", "very_late"]))


class ContactFact(Fact):
    """What every fact about the address of a contact says: whose."""

    OWNER = NOTIFICATIONS

    contact_id = fields.UUID(required=True)
    organisation_id = fields.UUID(required=True)
    contact_role = fields.String(required=True, validate=validate.Length(min=1, max=60))


class ContactSuspected(ContactFact):
    """An address of a contact may be dead: it swallowed all mail for 25 working days, or post came back."""

    NAME = "contact_suspected"
    SUBSCRIBERS = (PARTNERS,)

    #: Which address: ``email``, also where it is not said, or ``post``.
    channel = fields.String(validate=validate.OneOf(["email", "post"]))
    suspected_at = fields.AwareDateTime(required=True)


class ContactCleared(ContactFact):
    """No address of a contact is suspected any more: it answered, was put right, or staff say it works."""

    NAME = "contact_cleared"
    SUBSCRIBERS = (PARTNERS,)

    cleared_at = fields.AwareDateTime(required=True)


class ContributionPledged(Fact):
    """A body's pledge was confirmed by a member of staff, for the fund that the letter named."""

    OWNER = NOTIFICATIONS
    NAME = "contribution_pledged"
    SUBSCRIBERS = (PARTNERS, GRANTS)

    pledge_id = fields.UUID(required=True)
    organisation_id = fields.UUID(required=True)
    campaign_id = fields.UUID(required=True)
    campaign = fields.String(required=True, validate=_NAME)
    #: The fund that it is for. Money for one fund never enters another.
    fund = fields.String(required=True, validate=_NAME)
    amount = fields.Nested(Money, required=True)
    pledged_on = fields.Date(required=True)
    #: Pledges that were confirmed before, in whose place this one comes: no more will come of them.
    replaces = fields.List(fields.UUID(), load_default=[])
    #: The person of ours who has asked, and it is so; nobody where a command did.
    confirmed_by = fields.UUID(required=False, allow_none=True, load_default=None)


class CampaignSent(Fact):
    """Every letter of a campaign has left, failed or been set aside for a person."""

    OWNER = NOTIFICATIONS
    NAME = "campaign_sent"
    SUBSCRIBERS = ()

    campaign_id = fields.UUID(required=True)
    campaign = fields.String(required=True, validate=_NAME)
    bodies = WholeNumber(required=True, validate=validate.Range(min=0))
    letters = WholeNumber(required=True, validate=validate.Range(min=0))


class CampaignFinished(Fact):
    """Every body of a campaign has answered, or was given up: chased as often as the campaign chases."""

    OWNER = NOTIFICATIONS
    NAME = "campaign_finished"
    SUBSCRIBERS = ()

    campaign_id = fields.UUID(required=True)
    campaign = fields.String(required=True, validate=_NAME)
    bodies = WholeNumber(required=True, validate=validate.Range(min=0))
    #: Bodies that pledged, declined or asked something.
    answered = WholeNumber(required=True, validate=validate.Range(min=0))


class NoticeFailed(Fact):
    """A message to somebody who may sign in did not arrive, and is not sent again."""

    OWNER = NOTIFICATIONS
    NAME = "notice_failed"
    SUBSCRIBERS = (PARTNERS,)

    person_id = fields.UUID(required=True)
    #: What it was: ``invitation``, ``sign_in`` or ``chain_heads``.
    kind = fields.String(required=True, validate=validate.Length(min=1, max=60))
    failed_at = fields.AwareDateTime(required=True)


#: The languages in which some letter to one person comes with the program, besides English.
TRANSLATED = ("ar",)


class LettersTranslated(Fact):
    """In which languages staff have written some letter to one person is another than before.

    The subject is always ``languages``.
    """

    OWNER = NOTIFICATIONS
    NAME = "letters_translated"
    SUBSCRIBERS = (GRANTS,)

    #: Codes of the house's list, in their order. Those of ``TRANSLATED`` are there besides.
    languages = fields.List(fields.String(validate=validate.Length(min=1, max=60)), required=True)


class PersonDataGathered(Gathered):
    """One thing that is held here on somebody who has asked for it."""

    OWNER = NOTIFICATIONS
    NAME = "person_data_gathered"
    SUBSCRIBERS = (PARTNERS,)


class ErasureAnswered(Answered):
    """Whether something is against forgetting somebody here."""

    OWNER = NOTIFICATIONS
    NAME = "erasure_answered"
    SUBSCRIBERS = (PARTNERS,)


class PersonScrubbed(Scrubbed):
    """Somebody was forgotten here."""

    OWNER = NOTIFICATIONS
    NAME = "person_scrubbed"
    SUBSCRIBERS = (PARTNERS,)


class ChainHeadTold(ChainHead):
    """Notifications has said how far its record of what people have done goes, as it does once a week."""

    OWNER = NOTIFICATIONS
    NAME = "chain_head_told"
    SUBSCRIBERS = (PARTNERS,)


class ServiceReported(ServiceReport):
    """Notifications has said how it is, because that has changed or five minutes have gone by."""

    OWNER = NOTIFICATIONS
    NAME = "service_reported"
    SUBSCRIBERS = (PARTNERS,)


FACTS: tuple[type[Fact], ...] = (
    LetterSent,
    LetterFailed,
    LetterBounced,
    LetterAcknowledged,
    LetterAnswered,
    LetterAnswerCorrected,
    ContactSuggested,
    LetterOverdue,
    ContactSuspected,
    ContactCleared,
    ContributionPledged,
    CampaignSent,
    CampaignFinished,
    NoticeFailed,
    LettersTranslated,
    PersonDataGathered,
    ErasureAnswered,
    PersonScrubbed,
    ChainHeadTold,
    ServiceReported,
)
