"""The sections of the site as the navigation shows them, whichever process each runs in."""

from chassis.context import Section, WayIn
from contracts.access import AUDIT, OPERATIONS, PEOPLE, RIGHTS, Action

SECTIONS = (
    Section(
        title="Partners",
        href="/partners",
        purpose="The organisations we work with, whom we know there, and what happened between us.",
        action=Action.READ_PARTNERS,
    ),
    Section(
        title="Grants",
        href="/grants",
        purpose="Which money there is, how it is shared out, and who is registered with us.",
        action=Action.READ_EVIDENCE,
    ),
    Section(
        title="Panel",
        href="/grants/desk",
        purpose="What you are asked to read and score, and when the panel meets.",
        action=Action.REVIEW_CASES,
    ),
    Section(
        title="Figures",
        href="/grants/figures",
        purpose="What was asked, promised, received, spent and achieved, each with how it is counted.",
        action=Action.READ_EVIDENCE,
    ),
    Section(
        title="Letters",
        href="/letters",
        purpose="Campaigns and every letter in them: who answered, who is silent, and what needs you.",
        action=Action.READ_LETTERS,
    ),
    Section(
        title="People",
        href=PEOPLE,
        purpose="Everybody who may sign in, and what each of them is trusted with.",
        action=Action.READ_PEOPLE,
    ),
    Section(
        title="Operations",
        href=OPERATIONS,
        purpose="Whether everything is well, and what to do about what is not.",
        action=Action.READ_OPERATIONS,
    ),
    Section(
        title="Requests",
        href=RIGHTS,
        purpose="Who wants to see what is held on them, or to be forgotten, and by when.",
        action=Action.READ_RIGHTS,
    ),
    Section(
        title="Audit",
        href=AUDIT,
        purpose="Who has done what, and whether the record of it is whole.",
        action=Action.READ_AUDIT,
    ),
)

#: Where the start page leads those who have no account.
WAYS_IN = (
    WayIn("Apply for help with an exam fee", "/grants/apply", "See whether a round is open, and begin."),
    WayIn("Register with us", "/grants/register", "If you qualified in another country and live in London."),
    WayIn("Our grants as open data", "/grants/data", "What we gave, and for what. It names nobody."),
)
