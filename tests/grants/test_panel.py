"""The panel of a round."""

from chassis.database import Database
from tests.grants.panelling import (
    a_conflict,
    a_panel,
    an_award,
    scores,
)


async def test_the_firewall_keeps_what_is_only_suggested(grants: Database) -> None:
    at = await a_panel(grants)
    first, second, _ = at.cases
    member = at.members[0]
    await scores(grants, first, member, dict.fromkeys(at.criteria, 3))
    await a_conflict(grants, first.application_id, member, tie=None, state="suggested", source="derived")
    await a_conflict(grants, second.application_id, member, tie="acquaintance")
    await an_award(grants, at, at.cases[2])
    async with grants.reading() as tx:
        rows = await tx.fetch("SELECT label FROM cases_for($1)", member.id)
    assert {row["label"] for row in rows} == {second.label, at.cases[2].label}
