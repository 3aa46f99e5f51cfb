"""Who may do what: the one table of permission, for every page and every operation of every service.

A route names its action; the table says which roles may do it. What else must hold for one object (one's own
session, say) stands beside the action in words, and in the code that reads the object: whoever fails it gets
the answer of an object that does not exist.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from contracts.topology import PARTNERS


class Role(StrEnum):
    """What somebody is trusted with. A person may have several."""

    STAFF = "staff"
    OUTREACH = "outreach"
    GRANTS_OFFICER = "grants_officer"
    PAYER = "payer"
    PANEL_MEMBER = "panel_member"
    #: Sees figures about many, and never one person or one body.
    TRUSTEE = "trustee"
    #: Keeps the installation running, and admits and bars people.
    OPS = "ops"
    #: Reads everything that is not blinded, and changes nothing.
    AUDITOR = "auditor"


#: What each role is called, and what it is for.
ROLES: Mapping[Role, tuple[str, str]] = {
    Role.STAFF: ("Staff", "Works with partners and letters every day."),
    Role.OUTREACH: ("Outreach", "Writes campaigns and follows the answers."),
    Role.GRANTS_OFFICER: (
        "Grants officer",
        "Keeps funds and rounds, confirms pledges, prepares the panel's work.",
    ),
    Role.PAYER: ("Payer", "Makes the payments that somebody else has prepared."),
    Role.PANEL_MEMBER: ("Panel member", "Reads and scores applications, and decides in a meeting."),
    Role.TRUSTEE: ("Trustee", "Sees figures; never one person or one body."),
    Role.OPS: ("Operations", "Keeps Conduit running; admits and bars people."),
    Role.AUDITOR: ("Auditor", "Reads everything that is not blinded; changes nothing."),
}

#: The roles that go with no other: what to say to whoever gives them another one, and why it is so.
ALONE: Mapping[Role, tuple[str, str]] = {
    Role.PANEL_MEMBER: (
        "A panel member has no other role.",
        "Whoever decides on cases must not see on other pages what the panel’s pages keep from them.",
    ),
    Role.AUDITOR: (
        "An auditor has no other role.",
        "Whoever checks what others have done must have no part in it.",
    ),
}


class Action(StrEnum):
    """What a route does, as far as permission is concerned."""

    #: For everybody, signed in or not.
    BE_PUBLIC = "be_public"
    #: What everybody who has signed in may do with what is their own.
    KEEP_ACCOUNT = "keep_account"
    #: To show one's second factor.
    PROVE = "prove"
    READ_PARTNERS = "read_partners"
    WRITE_PARTNERS = "write_partners"
    READ_PEOPLE = "read_people"
    READ_AUDIT = "read_audit"
    ADMINISTER_PEOPLE = "administer_people"
    #: What people ask about what is held on them: that they have asked; and all that was gathered.
    READ_RIGHTS = "read_rights"
    ANSWER_RIGHTS = "answer_rights"
    READ_EVIDENCE = "read_evidence"
    #: Numbers of registered people that are so small that they could tell who somebody is.
    READ_SMALL_COUNTS = "read_small_counts"
    #: To take in whole lists of registrations.
    KEEP_REGISTRATIONS = "keep_registrations"
    READ_PLEDGES = "read_pledges"
    #: Single funds with their ledgers, and rounds. Figures of all funds together are evidence.
    READ_FUNDS = "read_funds"
    #: What money there is and what it may be spent on.
    KEEP_FUNDS = "keep_funds"
    #: What may be applied for, by whom, until when, and how it is scored.
    KEEP_ROUNDS = "keep_rounds"
    #: Who applies, for what, and with which papers.
    READ_APPLICATIONS = "read_applications"
    #: To say whether an application may go to the panel.
    JUDGE_APPLICATIONS = "judge_applications"
    #: Who sits on the panel, and what it reads of an application.
    KEEP_PANEL = "keep_panel"
    #: What a member of a panel does: read, score, say what they are close to, be at the meeting.
    REVIEW_CASES = "review_cases"
    #: To lead a meeting, and to record what the panel decides.
    RECORD_DECISIONS = "record_decisions"
    READ_PAYMENTS = "read_payments"
    PREPARE_PAYMENTS = "prepare_payments"
    #: To pay what somebody else has prepared, and to see where the money goes.
    MAKE_PAYMENTS = "make_payments"
    READ_LETTERS = "read_letters"
    WRITE_LETTERS = "write_letters"
    #: To let a campaign go that somebody else has written.
    APPROVE_LETTERS = "approve_letters"
    SEND_LETTERS = "send_letters"
    SETTLE_ANSWERS = "settle_answers"
    CONFIRM_PLEDGES = "confirm_pledges"
    #: How the services are.
    READ_OPERATIONS = "read_operations"
    #: To have messages tried again that could not be handled, or to let them go.
    SETTLE_PARKED = "settle_parked"
    #: What was sent from a computer without a mail server: everybody's names. Who has not signed in reads it
    #: too, because the links to sign in with are in it.
    READ_MAIL_BOX = "read_mail_box"


@dataclass(frozen=True)
class Rule:
    """Which roles may do an action, and what must hold for the object besides."""

    roles: frozenset[Role]
    of_object: str = ""
    #: Everybody may who has signed in, whatever their roles; or everybody at all.
    signed_in: bool = False
    public: bool = False
    #: Whoever does it shows their second factor again, unless they have done so within this time.
    proof: timedelta | None = None
    #: It is about money, or decides something: nobody does it while it is not known who may still act.
    weighs: bool = False


#: Who signs sessions, and says who may still act. The others go by its sign of life.
SIGNED_BY = PARTNERS


#: Where one signs in, renews a session without a word, and looks after one's own account. Partners owns these
#: pages; every service sends people there.
SIGN_IN, RENEW, ACCOUNT = "/partners/sign-in", "/partners/renew", "/partners/account"
#: Where one begins to read what people have done.
AUDIT = "/partners/audit"
#: Where one person is shown, by their id, to whoever may read about people.
PEOPLE = "/partners/people"
#: Where it is shown how the services are.
OPERATIONS = "/partners/ops"
#: Where requests are that people make about what is held on them.
RIGHTS = "/partners/rights"
#: Below these anybody's programs read what is published for all, pages of other sites among them. Nobody
#: signs in there, and whoever has signed in is not known there.
OPEN_DATA = ("/partners/openreferral", "/grants/360giving.json", "/grants/360giving.csv")
#: Where one shows one's second factor.
PROVE = "/partners/prove"

_COLUMNS = tuple(Role)

#: How long a second factor that was shown is good: for one act and what belongs to it; for leading a meeting.
JUST_NOW, ONE_MEETING = timedelta(minutes=10), timedelta(hours=3)

_PROOFS = {"2": JUST_NOW, "m": ONE_MEETING}


def _row(marks: str, of_object: str = "") -> Rule:
    """``x`` may; ``£`` may while whoever signs is heard; ``2`` with a second factor that was shown just now;
    ``m`` with one that was shown within a meeting.
    """
    columns = marks.split()
    if len(columns) != len(_COLUMNS):
        raise ValueError(f"a row has {len(_COLUMNS)} columns")
    roles = frozenset(role for role, mark in zip(_COLUMNS, columns, strict=True) if mark in "x£2m")
    proofs = [_PROOFS[mark] for mark in columns if mark in _PROOFS]
    weighs = bool(proofs) or "£" in columns
    return Rule(roles, of_object, proof=min(proofs, default=None), weighs=weighs)


# fmt: off
RULES: Mapping[Action, Rule] = {
    #                             staff  outreach  grants_officer  payer  panel_member  trustee  ops  auditor
    Action.READ_PARTNERS:     _row("x        x            x          .          .           .      .     x"),
    Action.WRITE_PARTNERS:    _row("x        x            .          .          .           .      .     ."),
    Action.READ_PEOPLE:       _row(".        .            .          .          .           .      x     x"),
    Action.READ_AUDIT:        _row(".        .            .          .          .           .      .     x"),
    Action.ADMINISTER_PEOPLE: _row(".        .            .          .          .           .      2     ."),
    Action.READ_RIGHTS:       _row("x        .            .          .          .           .      .     x"),
    Action.ANSWER_RIGHTS:     _row("2        .            .          .          .           .      .     ."),
    Action.READ_EVIDENCE:     _row("x        x            x          x          .           x      .     x"),
    Action.READ_SMALL_COUNTS: _row("x        x            x          .          .           .      .     ."),
    Action.KEEP_REGISTRATIONS: _row("x       .            .          .          .           .      .     ."),
    Action.READ_PLEDGES:      _row("x        x            x          x          .           .      .     x"),
    Action.READ_FUNDS:        _row("x        .            x          x          .           .      .     x"),
    Action.KEEP_FUNDS:        _row(".        .            £          .          .           .      .     ."),
    Action.KEEP_ROUNDS:       _row(".        .            x          .          .           .      .     ."),
    Action.READ_APPLICATIONS: _row(".        .            x          .          .           .      .     x"),
    Action.JUDGE_APPLICATIONS: _row(".       .            £          .          .           .      .     ."),
    Action.KEEP_PANEL:        _row(".        .            £          .          .           .      .     ."),
    Action.REVIEW_CASES:      _row(".        .            .          .          x           .      .     ."),
    Action.RECORD_DECISIONS:  _row(".        .            m          .          .           .      .     ."),
    Action.READ_PAYMENTS:     _row(".        .            x          x          .           .      .     x"),
    Action.PREPARE_PAYMENTS:  _row(".        .            £          .          .           .      .     ."),
    Action.MAKE_PAYMENTS:     _row(".        .            .          2          .           .      .     ."),
    Action.READ_LETTERS:      _row("x        x            x          .          .           .      .     x"),
    Action.WRITE_LETTERS:     _row("x        x            .          .          .           .      .     ."),
    Action.APPROVE_LETTERS:   _row("x        x            .          .          .           .      .     ."),
    Action.SEND_LETTERS:      _row("x        x            .          .          .           .      .     ."),
    Action.SETTLE_ANSWERS:    _row("x        x            x          .          .           .      .     ."),
    Action.CONFIRM_PLEDGES:   _row("£        .            £          .          .           .      .     ."),
    Action.READ_OPERATIONS:   _row(".        .            .          .          .           .      x     ."),
    Action.SETTLE_PARKED:     _row(".        .            .          .          .           .      2     ."),
    Action.READ_MAIL_BOX:     _row("x        .            .          .          .           .      x     ."),
    Action.KEEP_ACCOUNT:      Rule(frozenset(), "a person's own sessions", signed_in=True),
    Action.PROVE:             Rule(frozenset(), "a person's own second factor", signed_in=True),
    Action.BE_PUBLIC:         Rule(frozenset(), "what a secret link, if any, names", public=True),
}
# fmt: on


def needs_proof(roles: Iterable[str]) -> bool:
    """Whether somebody with these roles needs a second factor."""
    return any(rule.proof and not rule.roles.isdisjoint(roles) for rule in RULES.values())


def may(action: Action, roles: Iterable[str]) -> bool:
    """Whether somebody who has signed in with these roles may do this, as far as roles decide."""
    rule = RULES[action]
    return rule.public or rule.signed_in or not rule.roles.isdisjoint(roles)
