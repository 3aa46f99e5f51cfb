"""Every kind of message to one person: to whom it goes and when, and which fields its words may name.

What a message says stands in ``words/``, a file for each kind and language that can be read as a letter;
staff may say it otherwise on the pages. Which value a field has is said where the event is heard.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class Field:
    """What may stand in braces in the words of one kind."""

    name: str
    #: What it becomes, for whoever writes.
    says: str
    #: As it could be.
    sample: str | date | bool = False
    #: No letter goes without it: what whoever receives it needs, or may not be kept from them.
    needed: bool = False
    #: A locked telephone shows subjects, so this stands in none.
    private: bool = False
    #: Several lines, as somebody typed them.
    lines: bool = False
    #: Says only whether something is so; it stands in a condition and nowhere else.
    asked_only: bool = False
    #: People copy it or click on it: nothing is put around it.
    copied: bool = False


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of message."""

    code: str
    #: What staff call it.
    name: str
    #: To whom it goes: a code of ``GROUPS``.
    to: str
    #: When it is sent: one sentence.
    when: str
    fields: tuple[Field, ...]
    #: Why nobody can change its words; nothing where staff may.
    fixed: str = ""

    @property
    def known(self) -> Mapping[str, str]:
        """Every field by name, with what it becomes."""
        return {field.name: field.says for field in self.fields}

    @property
    def samples(self) -> dict[str, str | date | bool]:
        """A value of each field, as it could be, but those of the house."""
        return {field.name: field.sample for field in self.fields}


#: To whom messages go, in the order of the pages.
GROUPS: Mapping[str, str] = MappingProxyType(
    {
        "applicants": "People who apply",
        "awarded": "People whose application was decided on",
        "registrants": "People who register",
        "panel": "Panel members",
        "partners": "Partners",
        "accounts": "People who sign in",
    }
)


def _said(name: str, says: str, sample: str | date, **more: bool) -> Field:
    return Field(name=name, says=says, sample=sample, **more)


def _whether(name: str, says: str, *, sample: bool = False) -> Field:
    return Field(name=name, says=f"asks whether {says}", asked_only=True, sample=sample)


#: Who writes: every kind has these. The samples are the house's own.
HOUSE = (
    _said("house_name", "our full name", ""),
    _said("house_short_name", "our short name, as used in a sentence", ""),
    _said("house_telephone", "our telephone number", ""),
    _said("house_email", "our e-mail address", "", copied=True),
)

_NAME = _said("name", "the person we write to", "Thị Lan Nguyễn", private=True)
_LINK = "https://conduit.example/grants/applying/8f3k2m9qxa7c4vwz5n6tbd1rhe"


def _link(says: str, sample: str = _LINK, *, needed: bool = True) -> Field:
    return _said("link", says, sample, needed=needed, private=True, copied=True)


_TO_APPLICANT = (
    _said("name", "the person we write to; empty while they have not said it", "Lan Nguyễn", private=True),
    _said("reference", "the reference of the application", "K7QM-X2PD", copied=True),
    _said("round", "what the round is called", "Doctors’ exam fees, spring 2012"),
    _said("help_name", "whom they may ring", "Rosa Marin"),
    _said("help_telephone", "that person’s telephone number", "020 7946 0001"),
)
_MEETS_ON = _said("meets_on", "the day on which the panel meets", date(2012, 5, 14))
_STANDS = _link("where they see how it stands")
_EXAM = _said("exam", "the exam that they applied for; empty where that is not known", "PLAB part 1")
_AWARDED = _said("awarded", "the money that they are offered", "£145")
_OWN_SHARE = _said("own_share", "what they pay to the exam body themselves; empty where we pay all", "£55")
_COMPLAINTS = _said(
    "complaints",
    "how one complains, as the house file says it",
    "To complain, write to our office.",
    needed=True,
)


def _reason(says: str, sample: str, *, needed: bool = True) -> Field:
    return _said("words", says, sample, needed=needed, private=True, lines=True)


def _applicants(code: str, name: str, when: str, *fields: Field, to: str = "applicants") -> Kind:
    return Kind(code=code, name=name, to=to, when=when, fields=(*_TO_APPLICANT, *fields, *HOUSE))


_APPLICANTS = (
    _applicants(
        "application_link",
        "Link to their application",
        "When somebody begins to apply, changes their e-mail address, or asks for their link again.",
        _link("their own link, by which they go on"),
        _said("send_by", "the last day to send it; empty when it was sent", date(2012, 4, 30)),
    ),
    _applicants(
        "application_reminder",
        "The last day is near",
        "Three days before the last day, to whoever has begun and not sent it.",
        _link("where they go on"),
        _said("closes_on", "the last day", date(2012, 4, 30), needed=True),
    ),
    _applicants(
        "application_received",
        "We have your application",
        "When an application was sent, for the first time or again.",
        _STANDS,
        _MEETS_ON,
    ),
    _applicants(
        "application_incomplete",
        "We need more from you",
        "When a grants officer finds that something is missing.",
        _reason(
            "what is missing, as the grants officer wrote it", "Please add a photo of your exam booking."
        ),
        _link("where they add it"),
        _MEETS_ON,
    ),
    _applicants(
        "application_refused",
        "We cannot take your application",
        "When an application cannot go to the panel.",
        _reason("the reason", "You told us that you have passed this exam already."),
        _COMPLAINTS,
    ),
    _applicants(
        "application_reopened",
        "We take it after all",
        "When a refusal was taken back.",
        _STANDS,
        _MEETS_ON,
    ),
    _applicants(
        "application_withdrawn",
        "You have taken it back",
        "When whoever applied has taken the application back.",
    ),
)

_DECIDED = (
    _EXAM,
    _whether("replaces", "they were told another decision before"),
)

_AWARDS = (
    _applicants(
        "decision_award",
        "The panel offers money",
        "When a round is published, to whoever is offered money.",
        *_DECIDED,
        _AWARDED,
        _said("asked", "what they asked for; empty where they are offered all of it", "£200"),
        _reason("what the panel says; it may be empty", "You have prepared well.", needed=False),
        _said("answer_by", "the last day to say yes", date(2012, 6, 12), needed=True),
        _link("where they say yes or no"),
        to="awarded",
    ),
    _applicants(
        "decision_decline",
        "The panel says no",
        "When a round is published, to whoever is offered nothing.",
        *_DECIDED,
        _reason("the reason that the panel gives", "There was not enough money for all."),
        _COMPLAINTS,
        to="awarded",
    ),
    _applicants(
        "decision_defer",
        "The panel has not decided yet",
        "When a round is published, to whoever is decided on later.",
        *_DECIDED,
        _reason("what the panel says; it may be empty", "We should like to see your booking.", needed=False),
        _STANDS,
        to="awarded",
    ),
    _applicants(
        "award_reminder",
        "The last day to say yes is near",
        "Before the last day, to whoever was offered money and has not answered.",
        _AWARDED,
        _said("answer_by", "the last day to say yes", date(2012, 6, 12), needed=True),
        _link("where they say yes or no"),
        to="awarded",
    ),
    _applicants(
        "award_accepted",
        "You have said yes",
        "When somebody has said yes to the money.",
        _AWARDED,
        _whether("to_person", "it is paid to them"),
        _whether("to_exam_body", "it is paid to the body that holds the exam", sample=True),
        _whether("otherwise", "neither is known"),
        _OWN_SHARE,
        _link("where they see which paper we need, and add it"),
        to="awarded",
    ),
    _applicants(
        "award_proof",
        "We need another paper",
        "When a grants officer cannot use the booking or the invoice that was sent.",
        _whether("invoice", "it is the invoice of the body that holds the exam, and not their booking"),
        _reason("what is wrong, as the grants officer wrote it", "The invoice is for another exam."),
        _link("where they add another one"),
        to="awarded",
    ),
    _applicants(
        "award_paid",
        "We have paid",
        "When money has left the bank.",
        _said("paid", "the money", "£145"),
        _said("paid_on", "the day on which it was paid", date(2012, 5, 28)),
        _whether("to_exam_body", "it went to the body that holds the exam, and not to them"),
        _OWN_SHARE,
        _link("where they tell us how it went"),
        to="awarded",
    ),
    _applicants(
        "award_returned",
        "The money came back, or will not be paid",
        "When money came back, the bank refused it, or it is not needed any more.",
        _said("returned", "the money", "£145"),
        _whether("came_back", "the bank sent it back", sample=True),
        _whether("bank_refused", "the bank did not take the payment"),
        _whether("not_answered", "they did not answer by the last day"),
        _whether("given_up", "it is not needed any more"),
        _whether("not_sat", "the exam was not sat"),
        _whether("otherwise", "it is none of these"),
        _reason("what else there is to say; it may be empty", "Your exam was moved.", needed=False),
        _STANDS,
        to="awarded",
    ),
    _applicants(
        "report_due",
        "How did your exam go?",
        "After an exam that we paid for, and again when there is no answer.",
        _said("due_on", "the day by which we ask for it", date(2012, 7, 20)),
        _whether("second", "they were asked once before"),
        _whether("last", "they were asked twice before, or more often"),
        _link("where they tell us"),
        to="awarded",
    ),
    _applicants(
        "post_asked",
        "Do you work in your profession now?",
        "Half a year after somebody told us that they passed, if they had no post then.",
        _link("where they tell us"),
        to="awarded",
    ),
)

_AGREEMENT = (
    _NAME,
    _said("organisation", "the organisation that it is with", "Westminster PCT"),
    _said("title", "the name of the agreement", "Training dentists together", private=True),
)
_REFERRAL = (
    _NAME,
    _said("organisation", "the organisation that we write to", "Southwark Law Centre"),
    _said("reference", "the reference; it tells nobody else who it is", "SG-00417", needed=True, copied=True),
    _said("need", "what the person needs", "Housing", private=True),
    _link(
        "where the partner answers", "https://conduit.example/partners/referred/3k8f2m9qxa7c4vwz5n6tbd1rhe"
    ),
)
_AGREED = "https://conduit.example/partners/agree/0123456789abcdefghjkmnpqrs"

_PARTNERS = (
    Kind(
        code="agreement_offered",
        name="An agreement to sign",
        to="partners",
        when="When an agreement is offered to somebody at a partner.",
        fields=(*_AGREEMENT, _link("where they read and sign it", _AGREED), *HOUSE),
    ),
    Kind(
        code="agreement_review",
        name="An agreement to look at together",
        to="partners",
        when="Before the day on which both sides look at an agreement again, to either side.",
        fields=(
            *_AGREEMENT,
            _said("review_on", "the day", date(2012, 12, 10), needed=True),
            _link("where they read it; it may be empty", _AGREED, needed=False),
            *HOUSE,
        ),
    ),
    Kind(
        code="referral",
        name="Can you help somebody?",
        to="partners",
        when="When somebody is sent on to a partner, unless the slip goes by hand.",
        fields=(*_REFERRAL, *HOUSE),
    ),
    Kind(
        code="referral_reminder",
        name="A question about a referral",
        to="partners",
        when="When a partner has not said whether they can help, or whether it did.",
        fields=(
            *_REFERRAL,
            _whether("helped", "they said that they can help, and we ask whether it did"),
            *HOUSE,
        ),
    ),
)

_OTHERS = (
    Kind(
        code="registration",
        name="Please confirm that you register",
        to="registrants",
        when="When somebody fills in the form to register.",
        fields=(
            _said("until", "the last day on which the button works", date(2012, 5, 3)),
            _link(
                "where they confirm, and leave", "https://conduit.example/grants/register/8f3k2m9qxa7c4vwz"
            ),
            *HOUSE,
        ),
    ),
    Kind(
        code="panel_invitation",
        name="Will you sit on our panel?",
        to="panel",
        when="When somebody is asked to sit on a panel, or asked again.",
        fields=(
            _NAME,
            _said("round", "what the round is called", "Doctors’ exam fees, spring 2012", private=True),
            _MEETS_ON,
            _whether("reserve", "they are asked to be a reserve"),
            _link("where they sign in and answer", "https://conduit.example/grants/desk"),
            _said("help_name", "whom they may ring", "Rosa Marin"),
            _said("help_telephone", "that person’s telephone number", "020 7946 0001"),
            *HOUSE,
        ),
    ),
    Kind(
        code="invitation",
        name="You may sign in",
        to="accounts",
        when="When somebody is given an account.",
        fields=(_NAME, _link("where they sign in", "https://conduit.example/partners/sign-in"), *HOUSE),
    ),
    Kind(
        code="sign_in",
        name="Link and code to sign in",
        to="accounts",
        when="When somebody wants to sign in.",
        fixed="This mail opens an account. Nobody can change its words, so nobody can be misled by them.",
        fields=(
            _NAME,
            _link("signs them in", "https://conduit.example/partners/sign-in/8f3k2m9qxa7c4vwz5n6tbd1rhe"),
            _said("code", "the code", "012 345", needed=True, private=True, copied=True),
            _said("until", "until when both work", "14:30"),
            *HOUSE,
        ),
    ),
    Kind(
        code="forgotten",
        name="You are forgotten",
        to="accounts",
        when="When everything about somebody was deleted because they asked for it.",
        fields=(
            _NAME,
            _said(
                "kept",
                "what stays, and why",
                "That letters went to your organisation, without a name.",
                needed=True,
                private=True,
                lines=True,
            ),
            *HOUSE,
        ),
    ),
    Kind(
        code="chain_heads",
        name="How far the records go",
        to="accounts",
        when="Once a week, to each auditor.",
        fixed="An auditor checks our work by this mail. So nobody here can change what it says.",
        fields=(
            _NAME,
            _said("week", "the Monday of the week", date(2012, 12, 28)),
            _said(
                "rows",
                "how far each record goes",
                "Partners: the last row is number 1,204, and its digest is\n" + "0123456789abcdef" * 4,
                needed=True,
                lines=True,
            ),
            _said(
                "commands",
                "what is typed to compare",
                "conduit audit verify --service partners --row 1204 --digest " + "0123456789abcdef" * 4,
                needed=True,
                lines=True,
            ),
            *HOUSE,
        ),
    ),
)


def _by_code(kinds: Iterable[Kind]) -> Mapping[str, Kind]:
    """In the order of the groups."""
    order = list(GROUPS)
    return {kind.code: kind for kind in sorted(kinds, key=lambda kind: order.index(kind.to))}


KINDS: Mapping[str, Kind] = MappingProxyType(_by_code((*_APPLICANTS, *_AWARDS, *_PARTNERS, *_OTHERS)))
