"""The sections of the site as the navigation shows them: one per service, whichever process it runs in."""

from chassis.context import Section

SECTIONS = (
    Section(
        title="Partners",
        href="/partners",
        purpose="The organisations we work with, whom we know there, and what happened between us.",
    ),
    Section(
        title="Grants",
        href="/grants",
        purpose="Who is registered with us, where they live, and what was promised for them.",
    ),
    Section(
        title="Letters",
        href="/letters",
        purpose="Campaigns and every letter in them: who answered, who is silent, and what needs you.",
    ),
)
