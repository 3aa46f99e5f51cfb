"""Decisions in which somebody had a part who came out to be too close afterwards."""

import json
from dataclasses import replace
from fractions import Fraction

import pytest

from chassis.audit import acting
from chassis.database import Database
from chassis.errors import Conflict, NotFound, Refused
from contracts.access import Role
from services.grants import conflicts, doubts, meetings, publishing, web
from services.grants.conflicts import Tie
from services.grants.decisions import Decision, Kind
from services.grants.dossiers import digest_of_dossier, enclose, gather, names_in, read_dossier
from services.grants.minutes import values_of
from services.grants.scoring import in_figures
from services.grants.sitting import sitting
from services.grants.today import needed
from services.grants.web.dossiers import tell
from tests.access import form_key
from tests.conftest import client
from tests.grants.panelling import OFFICER, Panelled, a_conflict, a_meeting, a_panel, to_state
from tests.grants.test_conflicts import the_conflict
from tests.grants.test_decisions import AWARD, decide, ends, publishes

AGAIN = Decision(
    kind=Kind.AWARD, amount_pence=14_500, follows=1, why_changed="Without her.", without_missing=True
)


@pytest.fixture
async def at(grants: Database) -> Panelled:
    return await a_panel(grants, 1)


async def declares(grants: Database, at: Panelled, tie: Tie = Tie.FAMILY) -> None:
    async with acting(grants) as tx:
        await conflicts.declare(tx, at.members[0].id, at.cases[0].application_id, tie)


async def against(grants: Database, at: Panelled) -> list[str]:
    async with grants.reading() as tx:
        row = await tx.fetchrow("SELECT * FROM rounds WHERE id = $1", at.id)
        return list((await publishing.ahead(tx, row)).against)


async def asked_for(grants: Database) -> list[str]:
    async with grants.reading() as tx:
        return [line.what for line in await needed(tx, tx.today, 10)]


async def test_a_tie_that_comes_out_after_the_decision_blocks_publishing(
    grants: Database, at: Panelled
) -> None:
    meeting, case = await a_meeting(grants, at), at.cases[0]
    await decide(grants, meeting, case)
    await declares(grants, at)
    async with client(web.build(grants), "/grants", OFFICER) as officer:
        for path in (f"meetings/{meeting}", f"rounds/{at.id}/publish"):
            shown = (await officer.get(f"/grants/{path}")).text
            assert "Decided with somebody who may be too close" in shown
            assert "Marker Doctor One" in shown
    await ends(grants, meeting)
    with pytest.raises(Conflict, match=case.label):
        await publishes(grants, at)
    assert any(line.startswith("Look again at a decision") for line in await asked_for(grants))


async def test_an_acquaintance_throws_no_doubt(grants: Database, at: Panelled) -> None:
    meeting = await a_meeting(grants, at)
    await decide(grants, meeting, at.cases[0])
    await declares(grants, at, Tie.ACQUAINTANCE)
    await ends(grants, meeting)
    assert await against(grants, at) == []


async def test_another_decision_without_them_settles_it(grants: Database, at: Panelled) -> None:
    meeting, case = await a_meeting(grants, at), at.cases[0]
    await decide(grants, meeting, case)
    await declares(grants, at)
    async with acting(grants) as tx:
        await meetings.stand_in(tx, meeting, case.id, at.members[3].id)
    await decide(grants, meeting, case, AGAIN)
    await ends(grants, meeting)
    await publishes(grants, at)


async def test_it_is_said_why_it_stands_and_the_minutes_have_it(grants: Database, at: Panelled) -> None:
    meeting, case = await a_meeting(grants, at), at.cases[0]
    await decide(grants, meeting, case)
    await declares(grants, at)
    await ends(grants, meeting)
    id = await the_conflict(grants, case.application_id)
    async with client(web.build(grants), "/grants", OFFICER) as officer:
        shown = (await officer.get(f"/grants/conflicts/{id}")).text
        assert "Why does the decision stand?" in shown
        sent = {"key": form_key(OFFICER), "stands": " "}
        nothing = await officer.post(f"/grants/conflicts/{id}/uphold", data=sent)
        assert (nothing.status_code, "This is empty." in nothing.text) == (422, True)
        sent |= {"stands": "All others were for it.\u0020Đào’s word did not count."}
        answer = await officer.post(f"/grants/conflicts/{id}/uphold", data=sent)
        assert answer.headers["location"].endswith("done=upheld")
    async with grants.reading() as tx:
        said = str(await values_of(tx, await sitting(tx, meeting), whole=True))
        own = str(await values_of(tx, await sitting(tx, meeting), whole=False))
    assert "Marker Doctor One. The decision stands, because: All others were for it." in said
    assert "stands" not in own
    async with grants.reading() as tx:
        dossier = await gather(tx, case.application_id)
        names = await names_in(tx, dossier)
    told = tell(dossier, names, grants.context.house)
    title, words = told.parts[3].texts[-1]
    assert title == "Why it stands, although Marker Doctor One had a part in it"
    assert words.startswith(
        f"All others were for it.\u0020Đào’s word did not count. (Colleague {str(OFFICER.id)[-8:]}"
    )
    read, digest = read_dossier(json.dumps(enclose(dossier, names)).encode())
    assert digest_of_dossier(read) == digest, "what was added is covered by it"
    read["decisions"][0]["upheld"][0]["words"] = "Other words."
    assert digest_of_dossier(read) != digest
    await publishes(grants, at)
    async with acting(grants) as tx:
        with pytest.raises(Conflict):
            await doubts.uphold(tx, id, OFFICER.id, "Once more.")


async def test_what_is_not_settled_is_settled_first_and_nobody_settles_their_own(
    grants: Database, at: Panelled
) -> None:
    meeting, case = await a_meeting(grants, at), at.cases[0]
    await decide(grants, meeting, case, AWARD)
    id = await a_conflict(
        grants, case.application_id, at.members[0], tie=None, source="ticked", state="suggested"
    )
    assert len(await against(grants, at)) == 2
    async with acting(grants) as tx:
        with pytest.raises(Conflict, match="not settled"):
            await doubts.uphold(tx, id, OFFICER.id, "It stands.")
        with pytest.raises(NotFound):
            await doubts.uphold(tx, id, at.members[0].id, "It stands.")
        await conflicts.settle(tx, id, OFFICER.id, tie=Tie.TEAM)
        with pytest.raises(Refused):
            await doubts.uphold(tx, id, OFFICER.id, "")


async def test_words_of_a_decision_do_not_say_who_applies(grants: Database, at: Panelled) -> None:
    meeting, case = await a_meeting(grants, at), at.cases[0]
    named = "Well done, Marker."
    for field, said in (
        ("words", replace(AWARD, words=named)),
        ("why_changed", replace(AWARD, why_changed=named)),
    ):
        with pytest.raises(Refused, match="“Marker” is in the applicant’s name") as refused:
            await decide(grants, meeting, case, said)
        assert refused.value.field == field
    await decide(grants, meeting, case, replace(AWARD, words="Well done. You will find the rest below."))


async def test_a_round_whose_cases_were_all_taken_back_can_be_published(
    grants: Database, at: Panelled
) -> None:
    meeting, case = await a_meeting(grants, at), at.cases[0]
    await decide(grants, meeting, case)
    await to_state(grants, case.application_id, "withdrawn")
    await ends(grants, meeting)
    assert any(line.startswith("Publish") for line in await asked_for(grants))
    async with grants.reading() as tx:
        said = await values_of(tx, await sitting(tx, meeting), whole=True)
    assert (said["money"], "taken back since" in str(said)) == ("Awarded in this meeting: £0.", True)
    await publishes(grants, at)


async def test_an_auditor_reads_meetings_and_changes_nothing(grants: Database, at: Panelled) -> None:
    meeting = await a_meeting(grants, at)
    async with acting(grants) as tx:
        await meetings.open_item(tx, meeting, at.cases[0].id)
    auditor = replace(OFFICER, roles=frozenset({Role.AUDITOR}))
    async with client(web.build(grants), "/grants", auditor) as browser:
        for path in ("", "/minutes.pdf"):
            assert (await browser.get(f"/grants/meetings/{meeting}{path}")).status_code == 200
        shown = (await browser.get(f"/grants/meetings/{meeting}")).text
        assert f"/grants/meetings/{meeting}/" in shown
        assert 'method="post" action="/grants/meetings' not in shown
        assert "/simulation" not in shown
        assert f"/grants/meetings/{meeting}" in (await browser.get(f"/grants/rounds/{at.id}")).text


async def test_nobody_is_sent_where_they_may_not_go(grants: Database, at: Panelled) -> None:
    await a_conflict(
        grants, at.cases[0].application_id, at.members[0], tie=None, source="ticked", state="suggested"
    )
    for role, told in ((Role.GRANTS_OFFICER, True), (Role.STAFF, False), (Role.PAYER, False)):
        person = replace(OFFICER, roles=frozenset({role}))
        async with client(web.build(grants), "/grants", person) as browser:
            shown = (await browser.get("/grants/")).text
        assert ("Settle a conflict" in shown) is told
        assert ("/conflicts" in shown) is told


def test_a_mean_is_read_with_a_half_upwards() -> None:
    assert [in_figures(Fraction(*each)) for each in ((121, 40), (3, 1), (0, 1))] == ["3.03", "3.00", "0.00"]
