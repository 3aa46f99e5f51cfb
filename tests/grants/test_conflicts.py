"""Conflicts of interest: what members say, what applicants tick, what follows, what we settle."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from chassis.access import Person
from chassis.audit import BY_COMMAND, acting
from chassis.database import Database
from chassis.errors import Conflict, NotFound, Refused
from chassis.rights import Subject
from services.grants import applying, cases, conflicts, held, panel, web
from services.grants.applicants import Applicant
from services.grants.comparing import Kind, Pattern, Profile, whole_systems
from services.grants.conflicts import MOST_INTERESTS, Interest, Standing, Tie
from services.grants.phrases import plain_words
from services.grants.today import needed
from tests.conftest import client
from tests.grants.applying import ASKED
from tests.grants.filling import a_round
from tests.grants.panelling import (
    OFFICER,
    Case,
    Panelled,
    a_case,
    a_colleague,
    a_member,
    a_panel,
    an_applicant,
    an_eligible,
    closes,
    sits,
)

WARD = Interest(Kind.TEAM, "Maxillofacial team, St Mary’s Hospital")


@pytest.fixture
async def at(grants: Database) -> Panelled:
    return await a_panel(grants, 0, closed=False)


async def says(grants: Database, member: Person, *interests: Interest) -> None:
    async with acting(grants, BY_COMMAND) as tx:
        await conflicts.say_interests(tx, member.id, interests)


async def standing(grants: Database, application: UUID) -> set[tuple[UUID, str, str, str | None]]:
    async with grants.reading() as tx:
        rows = await tx.fetch("SELECT * FROM conflicts WHERE application_id = $1", application)
    return {(row["person_id"], row["source"], row["state"], row["tie"]) for row in rows}


async def the_conflict(grants: Database, application: UUID) -> UUID:
    async with grants.reading() as tx:
        id: UUID = await tx.fetchval("SELECT id FROM conflicts WHERE application_id = $1", application)
    return id


async def sees(grants: Database, member: Person, case: Case) -> bool:
    async with grants.reading() as tx:
        return bool(
            await tx.fetchval("SELECT EXISTS (SELECT FROM cases_for($1) WHERE id = $2)", member.id, case.id)
        )


# Words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Nguyễn Thị Đào", "NGUYEN  thi dao"),
        ("O’Brien", "O'Brien"),
        ("Zyta\u202e Zzyzx", "zyta zzyzx"),
        ("Łukasz Ørsted", "lukasz orsted"),
        ("مُحَمَّد", "محمد"),
        ("ＳＴ Mary’s", "st mary's"),
    ],
)
def test_names_are_the_same_however_they_are_typed(one: str, other: str) -> None:
    assert plain_words(one) == plain_words(other)


async def matched(grants: Database, interest: Interest, who: Applicant, words: str = "") -> bool:
    profile = Profile.of(who.name, who.workplace, words)
    systems = whole_systems(grants.context.house)
    return Pattern.of(interest.kind, interest.words, systems).found_in(profile)


async def test_only_whole_words_are_found(grants: Database) -> None:
    free = Interest(Kind.EMPLOYER, "Royal Free")
    who = an_applicant(1)
    assert await matched(grants, free, who, "I know the Royal Free Hospital.")
    assert not await matched(grants, free, who, "Royal freedom")
    assert not await matched(grants, free, who, "Free Royal")
    assert not await matched(grants, free, replace(who, workplace="Royal"), "Free")


async def test_what_matches_and_what_does_not(grants: Database) -> None:
    who = replace(an_applicant(1), name="Dr Zyta Zzyzxová", workplace="St Mary's Hospital")
    for kind, words in [
        (Kind.EMPLOYER, "ST MARY’S HOSPITAL"),
        (Kind.EMPLOYER, "St Mary's Hospital NHS Trust"),
        (Kind.TEAM, "Cardiology, St Mary's Hospital"),
        (Kind.PERSON, "Zzyzxova, Zyta"),
        (Kind.PERSON, "Prof. Zyta Maria Zzyzxova"),
        (Kind.PERSON, "Zyta"),
    ]:
        assert await matched(grants, Interest(kind, words), who), words
    for kind, words in [
        (Kind.EMPLOYER, "NHS"),
        (Kind.EMPLOYER, "the Forum"),
        (Kind.EMPLOYER, "Mary Hospital"),
        (Kind.TEAM, "Cardiology, London"),
        (Kind.PERSON, "Zy Zzyzxova"),
        (Kind.PERSON, "St"),
        (Kind.EMPLOYER, "  "),
        (Kind.EMPLOYER, "’"),
    ]:
        assert not await matched(grants, Interest(kind, words), who, "I live in London."), words


async def test_a_whole_system_never_matches_whatever_is_written(grants: Database) -> None:
    house = grants.context.house
    who = replace(an_applicant(1), workplace="NHS")
    words = f"I worked for the NHS, the National Health Service, and with {house.name}."
    for name in ("NHS", "the NHS", "n h s", "National Health Service", house.name, house.short_name):
        if name != "n h s":
            assert not await matched(grants, Interest(Kind.EMPLOYER, name), who, words), name
    assert not await matched(grants, Interest(Kind.EMPLOYER, "St Mary's Hospital, NHS"), who, words)


async def test_words_of_the_applicant_count(grants: Database) -> None:
    who = an_applicant(1)
    said = "Dr Amina Haddad of the Royal Free supports me."
    assert await matched(grants, Interest(Kind.PERSON, "Amina Haddad"), who, said)
    assert await matched(grants, Interest(Kind.EMPLOYER, "Royal Free"), who, said)
    assert not await matched(grants, Interest(Kind.PERSON, "May"), who, "I may pay.")


# Interests


async def test_interests_are_said_as_a_whole_and_kept_sealed(grants: Database, at: Panelled) -> None:
    member = at.members[0]
    async with grants.reading() as tx:
        assert await conflicts.interests_of(tx, member.id) is None
    await says(grants, member)
    async with grants.reading() as tx:
        assert await conflicts.interests_of(tx, member.id) == []
    other = Interest(Kind.PERSON, "Ayşe O'Brien")
    await says(grants, member, WARD, other, WARD)
    async with grants.reading() as tx:
        assert await conflicts.interests_of(tx, member.id) == [WARD, other]
        sealed = await tx.fetch("SELECT sealed FROM interests")
        audit = await tx.fetch("SELECT * FROM audit")
    assert all(b"Mary" not in bytes(row["sealed"]) for row in sealed)
    assert "Mary" not in str(audit)
    assert str(member.id) in str(audit)
    await says(grants, member, other)
    async with grants.reading() as tx:
        assert await conflicts.interests_of(tx, member.id) == [other]
        assert await tx.fetchval("SELECT count(*) FROM interests") == 1


async def test_too_many_interests_are_refused(grants: Database, at: Panelled) -> None:
    many = [Interest(Kind.PERSON, f"Marker {number}") for number in range(MOST_INTERESTS + 1)]
    with pytest.raises(Refused, match="at most"):
        await says(grants, at.members[0], *many)


async def test_what_is_said_later_keeps_a_case_until_somebody_has_looked(
    grants: Database, at: Panelled
) -> None:
    who = replace(an_applicant(1), workplace="St Mary's Hospital")
    case = await a_case(grants, at.id, 1, who=who)
    other = await a_case(grants, at.id, 2)
    one, two = at.members[:2]
    await says(grants, one, WARD)
    assert await standing(grants, case.application_id) == {(one.id, "derived", "suggested", None)}
    assert not await sees(grants, one, case)
    assert await sees(grants, one, other)
    assert await sees(grants, two, case)
    await says(grants, one)
    assert not await sees(grants, one, case), "nobody lifts it for themselves"
    id = await the_conflict(grants, case.application_id)
    async with acting(grants) as tx:
        await conflicts.settle(tx, id, OFFICER.id, tie=None, words="Another hospital of that name.")
    assert await sees(grants, one, case)


async def test_what_was_dismissed_comes_up_again_only_for_something_newer(
    grants: Database, at: Panelled
) -> None:
    who = replace(an_applicant(1), workplace="St Mary's Hospital")
    case = await a_case(grants, at.id, 1, who=who)
    member = at.members[0]
    await says(grants, member, WARD)
    async with acting(grants) as tx:
        id = await the_conflict(grants, case.application_id)
        await conflicts.settle(tx, id, OFFICER.id, tie=None, words="Not the same.")
    grants.context.clock.advance(timedelta(minutes=1))
    await says(grants, member, WARD)
    assert await sees(grants, member, case)
    await says(grants, member, WARD, Interest(Kind.PERSON, who.name))
    assert await standing(grants, case.application_id) == {(member.id, "derived", "suggested", None)}


async def test_what_is_added_once_the_panel_has_the_case_waits_for_the_officer(
    grants: Database, at: Panelled
) -> None:
    """A name that takes a case away at once would tell a member that its bearer applies."""
    who = an_applicant(1)
    case = await a_case(grants, at.id, 1, who=who)
    later = await a_case(grants, at.id, 2, who=replace(an_applicant(2), name=who.name), handed=False)
    member, name = at.members[0], Interest(Kind.PERSON, who.name)
    await says(grants, member)
    await says(grants, member, name)
    assert await sees(grants, member, case)
    async with acting(grants, BY_COMMAND) as tx:
        for takes_part in (False, True):
            await panel.answer(tx, at.id, member.id, takes_part)
    assert await sees(grants, member, case), "nor by coming back"
    async with grants.reading() as tx:
        [waits] = await needed(tx, tx.today, 5)
    assert "2 conflicts" in waits.what
    assert "a member reads a case" in waits.why
    async with client(web.build(grants), "/grants", OFFICER) as officer:
        shown = await officer.get(f"/grants/rounds/{at.id}/conflicts")
    assert "They still see it" in shown.text
    assert "Kept from them for now" in shown.text
    await closes(grants, at.id)
    async with acting(grants) as tx:
        with pytest.raises(cases.SuggestionWaits):
            await cases.hand_over(tx, later.application_id, OFFICER.id)
        id = await the_conflict(grants, case.application_id)
        await conflicts.settle(tx, id, OFFICER.id, tie=Tie.FAMILY)
    assert not await sees(grants, member, case)


async def test_whoever_steps_out_already_is_not_asked_about_again(grants: Database, at: Panelled) -> None:
    who = an_applicant(1)
    case = await a_case(grants, at.id, 1, who=who)
    member = at.members[0]
    await says(grants, member)
    await says(grants, member, Interest(Kind.PERSON, who.name))
    found = await the_conflict(grants, case.application_id)
    async with acting(grants) as tx:
        await conflicts.declare(tx, member.id, case.application_id, Tie.FAMILY)
    async with client(web.build(grants), "/grants", OFFICER) as officer:
        for page in (f"/grants/rounds/{at.id}/conflicts", f"/grants/conflicts/{found}"):
            shown = (await officer.get(page)).text
            assert "Steps out for another reason" in shown, page
            assert "They still see it" not in shown, page
    async with acting(grants) as tx:
        assert await needed(tx, tx.today, 5) == []
        [declared] = await tx.fetch("SELECT id FROM conflicts WHERE source = 'declared'")
        seen = Standing.CONFIRMED
        await conflicts.settle(tx, declared["id"], OFFICER.id, tie=None, words="A mistake.", seen=seen)
        [waits] = await needed(tx, tx.today, 5)
    assert "Settle a conflict" in waits.what, "without the other tie it waits again"


async def test_a_member_whose_own_name_or_address_is_there_is_suggested(
    grants: Database, at: Panelled
) -> None:
    named = replace(ASKED, words="Dr Amina Haddad supports me.")
    first = await a_case(grants, at.id, 1, asked=named)
    amina = await a_member(grants, at.id, "Amina Haddad", takes_part=None)
    own = replace(an_applicant(2), email=f"{amina.id}@members.example")
    second = await a_case(grants, at.id, 2, who=own)
    async with acting(grants) as tx:
        await panel.answer(tx, at.id, amina.id, True)
    for case in (first, second):
        assert await standing(grants, case.application_id) == {(amina.id, "derived", "suggested", None)}
        assert not await sees(grants, amina, case)


# Declaring


async def test_a_close_tie_counts_at_once_and_is_not_lifted(grants: Database, at: Panelled) -> None:
    case, member = await a_case(grants, at.id), at.members[0]
    async with acting(grants) as tx:
        await conflicts.declare(tx, member.id, case.application_id, Tie.FAMILY)
    assert not await sees(grants, member, case)
    for tie in Tie:
        with pytest.raises(NotFound):
            async with acting(grants) as tx:
                await conflicts.declare(tx, member.id, case.application_id, tie)
    assert await standing(grants, case.application_id) == {(member.id, "declared", "confirmed", "family")}


async def test_an_acquaintance_stays_and_may_become_closer(grants: Database, at: Panelled) -> None:
    case, member = await a_case(grants, at.id), at.members[0]
    async with acting(grants) as tx:
        await conflicts.declare(tx, member.id, case.application_id, Tie.ACQUAINTANCE)
    assert await sees(grants, member, case)
    async with grants.reading() as tx:
        ids = [case.application_id]
        assert await conflicts.acquainted_with(tx, ids) == {case.application_id: {member.id}}
        assert await conflicts.removed_from(tx, ids) == {case.application_id: set()}
    async with acting(grants) as tx:
        await conflicts.declare(tx, member.id, case.application_id, Tie.MONEY)
    async with grants.reading() as tx:
        assert await conflicts.acquainted_with(tx, ids) == {case.application_id: set()}
        assert await conflicts.removed_from(tx, ids) == {case.application_id: {member.id}}


async def test_nothing_is_declared_on_what_one_does_not_have(grants: Database, at: Panelled) -> None:
    prepared = await a_case(grants, at.id, 1, handed=False)
    stranger = await a_colleague(grants)
    case = await a_case(grants, at.id, 2)
    for member, id in [
        (at.members[0], prepared.application_id),
        (at.members[0], uuid4()),
        (stranger, case.application_id),
    ]:
        with pytest.raises(NotFound):
            async with acting(grants) as tx:
                await conflicts.declare(tx, member.id, id, Tie.FAMILY)


# Ticking


async def test_ticks_are_replaced_until_somebody_has_looked(grants: Database, at: Panelled) -> None:
    application = await an_eligible(grants, at.id)
    one, two = (member.id for member in at.members[:2])

    async def ticks(*people: UUID) -> set[tuple[UUID, str, str, str | None]]:
        async with acting(grants) as tx:
            await conflicts.tick(tx, application, people)
        return await standing(grants, application)

    assert await ticks(one) == {(one, "ticked", "suggested", None)}
    assert await ticks(two) == {(two, "ticked", "suggested", None)}
    async with acting(grants) as tx:
        id = await the_conflict(grants, application)
        await conflicts.settle(tx, id, OFFICER.id, tie=Tie.ACQUAINTANCE)
    assert await ticks(one) == {
        (one, "ticked", "suggested", None),
        (two, "ticked", "confirmed", "acquaintance"),
    }
    async with grants.reading() as tx:
        assert await conflicts.ticked(tx, application) == {one, two}


# Settling


async def test_settling_needs_a_word_a_present_state_and_somebody_else(
    grants: Database, at: Panelled
) -> None:
    case, member = await a_case(grants, at.id), at.members[0]
    async with acting(grants) as tx:
        await conflicts.tick(tx, case.application_id, [member.id])
    id = await the_conflict(grants, case.application_id)

    async def settle(by: UUID, **said: object) -> None:
        async with acting(grants) as tx:
            await conflicts.settle(tx, id, by, **said)  # type: ignore[arg-type]

    with pytest.raises(Refused, match="why"):
        await settle(OFFICER.id, tie=None)
    with pytest.raises(NotFound):
        await settle(member.id, tie=None, words="It is nothing.")
    with pytest.raises(NotFound):
        async with acting(grants) as tx:
            await conflicts.settle(tx, uuid4(), OFFICER.id, tie=Tie.TEAM)
    await settle(OFFICER.id, tie=Tie.TEAM)
    with pytest.raises(Conflict, match="meanwhile"):
        await settle(OFFICER.id, tie=None, words="It is nothing.")
    assert not await sees(grants, member, case)
    await settle(OFFICER.id, tie=None, words="It is nothing.", seen=Standing.CONFIRMED)
    assert await sees(grants, member, case)


async def test_two_officers_at_once_settle_it_once(grants: Database, at: Panelled) -> None:
    case, member = await a_case(grants, at.id), at.members[0]
    async with acting(grants) as tx:
        await conflicts.tick(tx, case.application_id, [member.id])
    id = await the_conflict(grants, case.application_id)

    async def settle(tie: Tie | None) -> None:
        async with acting(grants) as tx:
            await conflicts.settle(tx, id, uuid4(), tie=tie, words="" if tie else "Nothing.")

    came = await asyncio.gather(settle(Tie.TEAM), settle(None), return_exceptions=True)
    assert sorted(type(each).__name__ for each in came) == ["NoneType", "Overtaken"]


async def test_what_an_officer_enters_counts_at_once(grants: Database, at: Panelled) -> None:
    case, member = await a_case(grants, at.id), at.members[0]
    stranger = await a_colleague(grants)
    async with acting(grants) as tx:
        await conflicts.enter(tx, case.application_id, member.id, Tie.REFEREE, OFFICER.id)
    assert not await sees(grants, member, case)
    async with acting(grants) as tx:
        await conflicts.enter(tx, case.application_id, member.id, Tie.ACQUAINTANCE, OFFICER.id)
    assert await sees(grants, member, case)
    for person, by in ((stranger.id, OFFICER.id), (member.id, member.id)):
        with pytest.raises(Refused, match="not on the panel"):
            async with acting(grants) as tx:
                await conflicts.enter(tx, case.application_id, person, Tie.TEAM, by)
    with pytest.raises(NotFound):
        async with acting(grants) as tx:
            await conflicts.enter(tx, uuid4(), member.id, Tie.TEAM, OFFICER.id)


# At once


async def test_handing_over_and_saying_something_new_at_once_let_nothing_through(
    grants: Database, at: Panelled
) -> None:
    """Whichever comes first: no member ever sees what follows from what they have said."""
    found = [
        await a_case(
            grants, at.id, n, who=replace(an_applicant(n), workplace="St Mary's Hospital"), handed=False
        )
        for n in range(1, 7)
    ]
    await closes(grants, at.id)
    member = at.members[0]

    async def hands_over(case: Case) -> None:
        async with acting(grants) as tx:
            await cases.hand_over(tx, case.application_id, OFFICER.id)

    said = says(grants, member, WARD)
    came = await asyncio.gather(said, *map(hands_over, found), return_exceptions=True)
    assert all(each is None or isinstance(each, cases.SuggestionWaits) for each in came), came
    for case in found:
        assert not await sees(grants, member, case)
        assert (member.id, "derived", "suggested", None) in await standing(grants, case.application_id)


# Forgetting


async def test_whoever_is_forgotten_leaves_no_interest_and_no_conflict(
    grants: Database, at: Panelled
) -> None:
    who = replace(an_applicant(1), workplace="St Mary's Hospital")
    case = await a_case(grants, at.id, 1, who=who)
    member = at.members[0]
    await says(grants, member, WARD)
    subject = Subject(ids=(member.id,))

    async def told() -> set[str]:
        async with grants.reading() as tx:
            return {each.path async for each in held.gather(tx, subject)}

    assert "panel-interests.json" in await told()
    assert "panel-conflicts.json" not in await told(), "it would tell them of a case that is kept from them"
    async with grants.transaction() as tx:
        await tx.execute("UPDATE rounds SET state = 'published'")
    assert "panel-conflicts.json" in await told()
    async with grants.transaction() as tx:
        await tx.execute("UPDATE rounds SET state = 'open'")
    async with acting(grants) as tx:
        await held.forget(tx, subject)
    async with grants.reading() as tx:
        for table in ("interests", "interests_said", "conflicts"):
            assert await tx.fetchval(f"SELECT count(*) FROM {table}") == 0, table
    await says(grants, member, WARD)
    async with acting(grants) as tx:
        await applying.forget(tx, [case.application_id])
    async with grants.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM conflicts") == 0
        assert await tx.fetchval("SELECT words FROM cases") == ""


async def test_a_member_of_two_rounds_is_compared_in_both(grants: Database, at: Panelled) -> None:
    other = await a_round(grants, at.fund, opened=True, name="Another round")
    await sits(grants, other, at.members[0])
    who = replace(an_applicant(1), workplace="St Mary's Hospital")
    found = [await a_case(grants, round, n, who=who) for n, round in enumerate((at.id, other), 1)]
    await says(grants, at.members[0], WARD)
    assert [await sees(grants, at.members[0], case) for case in found] == [False, False]
