"""What programs hand to the API of letters, and what it gives them. Amounts are whole pence."""

from marshmallow import Schema, fields, validate

from contracts.envelope import WholeNumber
from services.notifications.domain import ByPost, LetterState

_PENCE = validate.Range(min=-100_000_000, max=100_000_000)


class RecipientsDocument(Schema):
    """Whom a campaign is for."""

    #: A code of the list of kinds.
    kind = fields.String(required=True)
    #: Codes of the list of areas; none means everywhere.
    areas = fields.List(fields.String(), load_default=list)
    #: Codes of the list of roles that contacts have.
    roles = fields.List(fields.String(), required=True)
    #: One role after the other, in this order, instead of all at once.
    in_turn = fields.Boolean(load_default=False, truthy={True}, falsy={False})
    #: Who gets it by post: those who are listed so, those without an e-mail address as well, or all.
    by_post = fields.String(load_default="listed", validate=validate.OneOf([each.value for each in ByPost]))


class AskDocument(Schema):
    """The formula of what each letter asks for."""

    version = WholeNumber(required=True, validate=_PENCE)
    least_pence = WholeNumber(required=True, validate=_PENCE)
    #: For each registered person of the profession.
    each_pence = WholeNumber(required=True, validate=_PENCE)
    #: Rounded to a multiple of this.
    step_pence = WholeNumber(required=True, validate=_PENCE)
    most_pence = WholeNumber(required=True, validate=_PENCE)


class PlanDocument(Schema):
    """What a campaign is to be."""

    name = fields.String(required=True)
    purpose = fields.String(required=True)
    #: What the money is for; left out with the ask.
    fund = fields.String(load_default="")
    #: Both with merge fields in braces.
    subject = fields.String(required=True)
    body = fields.String(required=True)
    #: A code of the house's signatories.
    signatory = fields.String(required=True)
    #: A code of the list of professions; left out with the ask.
    profession = fields.String(load_default="")
    recipients = fields.Nested(RecipientsDocument, required=True)
    #: None, when the campaign asks for no money: then nobody need be counted.
    ask = fields.Nested(AskDocument, load_default=None, allow_none=True)


class DraftDocument(Schema):
    """A campaign that was made."""

    id = fields.UUID(required=True)
    state = fields.String(required=True)
    letters = WholeNumber(required=True)
    href = fields.String(required=True)


class SubmittedDocument(Schema):
    """A campaign that waits for somebody else to approve it."""

    id = fields.UUID(required=True)
    state = fields.String(required=True)
    href = fields.String(required=True)


class SendingDocument(Schema):
    """A campaign whose letters go."""

    id = fields.UUID(required=True)
    state = fields.String(required=True)
    letters = WholeNumber(required=True)


class AsksDocument(Schema):
    """What was asked for."""

    min = WholeNumber(required=True)
    max = WholeNumber(required=True)
    total = WholeNumber(required=True)


class PledgedDocument(Schema):
    """What was pledged, confirmed by staff, but for what will not come; and how much that is."""

    bodies = WholeNumber(required=True)
    pence = WholeNumber(required=True)
    written_back_pence = WholeNumber(required=True)


#: How many letters stand how.
LettersDocument = Schema.from_dict(
    {state.value: WholeNumber(required=True) for state in LetterState}, name="LettersDocument"
)


class CampaignDocument(Schema):
    """What a campaign has come to, counted by body."""

    id = fields.UUID(required=True)
    name = fields.String(required=True)
    purpose = fields.String(required=True)
    fund = fields.String(required=True)
    state = fields.String(required=True)
    created_at = fields.AwareDateTime(required=True)
    released_at = fields.AwareDateTime(required=True, allow_none=True)
    sent_at = fields.AwareDateTime(required=True, allow_none=True)
    asked = WholeNumber(required=True)
    acknowledged = WholeNumber(required=True)
    answered = WholeNumber(required=True)
    declined = WholeNumber(required=True)
    never_acknowledged = WholeNumber(required=True)
    problems = WholeNumber(required=True)
    chased = WholeNumber(required=True)
    asks_pence = fields.Nested(AsksDocument, required=True)
    pledged = fields.Nested(PledgedDocument, required=True)
    letters = fields.Nested(LettersDocument, required=True)
