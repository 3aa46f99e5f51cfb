"""The sections of the site as the navigation shows them, whichever process each runs in."""

from chassis.context import Section
from contracts.access import AUDIT, PEOPLE, RIGHTS, Action

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
