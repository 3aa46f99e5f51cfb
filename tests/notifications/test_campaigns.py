"""From a plan to letters that are due: who gets one, what it asks, and what is frozen into it."""

import asyncio
import io
import re
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from pypdf import PdfReader

from chassis.database import Database
from chassis.errors import Conflict, NotFound, Refused
from services.notifications.campaigns import create_campaign
from services.notifications.domain import AskFormula
from services.notifications.figures import figures
from services.notifications.letters import content_of
from services.notifications.plans import read_plan
from services.notifications.preparing import prepare_letters
from services.notifications.queries import QUERIES
from services.notifications.rendering import render_html, render_pdf, render_text
from services.notifications.stages import send_campaign, submit_campaign
from tests.conftest import MakeDatabase
from tests.notifications.conftest import (
    AREAS,
    WRITER,
    address_of,
    approved,
    contact,
    contact_of,
    counted,
    drafted,
    example_document,
    example_plan,
    fill,
    hear,
    letters,
    organisation,
    released,
    rows,
    trust_of,
    withdrawn,
)


async def test_each_contact_of_the_chosen_roles_gets_one_letter(book: Database) -> None:
    await drafted(book)
    made = await letters(book)
    assert len(made) == 9
    assert {letter["contact_id"] for letter in made} == {
        contact_of(area, role)
        for area in AREAS
        for role in ("chief_executive", "dental_care", "equality_and_diversity")
    }
    assert [letter["number"] for letter in made] == list(range(1, 10))


async def test_roles_that_were_not_chosen_get_none(book: Database) -> None:
    await drafted(book, example_plan(roles=("dental_care",)))
    assert {letter["role"] for letter in await letters(book)} == {"dental_care"}


async def test_the_ask_follows_the_count_of_the_area(book: Database) -> None:
    await drafted(book)
    asks = {letter["organisation_id"]: letter["ask_pence"] for letter in await letters(book)}
    # £3,000 and £10 for each of 52, 187 and 260; rounded down to £100, at most £5,000.
    assert asks == {
        trust_of("E09000020"): 350_000,
        trust_of("E09000033"): 480_000,
        trust_of("E09000007"): 500_000,
    }


async def test_two_areas_of_one_body_are_summed_and_both_named(make_database: MakeDatabase) -> None:
    database = await make_database("notifications")
    body = uuid4()
    await hear(
        database,
        organisation(body, "Sutton and Merton Primary Care Trust", ["E09000029", "E09000024"]),
        contact(database, uuid4(), body),
        counted("E09000029", 60),
        counted("E09000024", 44),
    )
    await drafted(database)
    [letter] = await letters(database)
    assert (letter["count"], letter["ask_pence"], letter["state"]) == (104, 400_000, "draft")
    assert letter["frozen"]["figure"] == "104 registered dentists in Sutton and Merton"


@pytest.mark.parametrize(
    ("count", "reason"), [(None, "not_counted"), (0, "no_registrations")], ids=["missing", "zero"]
)
async def test_a_missing_or_zero_count_blocks_the_letter(
    make_database: MakeDatabase, count: int | None, reason: str
) -> None:
    database = await make_database("notifications")
    await fill(database, {"E09000020": 7}, roles=["chief_executive"])
    other = uuid4()
    await hear(
        database, organisation(other, "Another Trust", ["E09000033"]), contact(database, uuid4(), other)
    )
    if count is not None:
        await hear(database, counted("E09000033", count))
    await drafted(database)
    found = {letter["body_name"]: (letter["state"], letter["reason"]) for letter in await letters(database)}
    assert found == {"Another Trust": ("blocked", reason), "Trust E09000020": ("draft", None)}


@pytest.mark.parametrize("areas", [["E09000033"], ["E09000020", "E09000033"]], ids=["none", "some"])
async def test_a_letter_whose_sum_is_not_known_says_so_to_whoever_looks_at_it(
    make_database: MakeDatabase, areas: list[str]
) -> None:
    """The first area of two was counted, the other was not."""
    database = await make_database("notifications")
    body = uuid4()
    await hear(
        database,
        organisation(body, "Another Trust", areas),
        contact(database, uuid4(), body),
        counted("E09000020", 7),
    )
    await drafted(database)
    async with database.reading() as tx:
        [made] = await letters(database)
        content = content_of(database.context, await QUERIES.letter(tx, id=made["id"]))
    assert (made["state"], made["reason"]) == ("blocked", "not_counted")
    assert "a sum that is not known yet" in content.body
    assert not re.search(r"(?<!\w)\?", content.subject + render_text(content)), "no bare sign stands for it"


async def test_under_five_is_never_printed_as_a_figure(make_database: MakeDatabase) -> None:
    database = await make_database("notifications")
    await fill(database, {"E09000020": 3}, roles=["chief_executive"])
    plan = example_plan()
    await drafted(
        database, replace(plan, body=f"{plan.body}\n\n{{registered}} {{profession_plural}} live here.")
    )
    async with database.reading() as tx:
        [made] = await letters(database)
        letter = await QUERIES.letter(tx, id=made["id"])
        content = content_of(database.context, letter)
    assert letter["count"] == 3
    assert "fewer than five dentists" in content.body
    for form in (render_text(content), render_html(content), _said(render_pdf(content))):
        assert "Fewer than five dentists live here." in form, "every form says it alike"
    assert content.evidence is not None
    assert content.evidence.figure == "fewer than five registered dentists in Kensington and Chelsea"


def _said(pdf: bytes) -> str:
    return " ".join(" ".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages).split())


async def test_who_cannot_be_mailed_is_made_a_letter_that_says_why(make_database: MakeDatabase) -> None:
    database = await make_database("notifications")
    closed, open_one = uuid4(), uuid4()
    successor = organisation(uuid4(), "The Clinical Group", [])
    await hear(
        database,
        successor,
        organisation(
            closed,
            "A Closed Trust",
            ["E09000020"],
            closed_on=date(2011, 12, 1),
            successor_id=successor.data["organisation_id"],
        ),
        organisation(open_one, "Trust", ["E09000020"]),
        contact(database, uuid4(), closed),
        contact(database, uuid4(), open_one, role="chief_executive", email=None),
        contact(database, uuid4(), open_one, role="dental_care", channel="post", postal_address=[]),
        counted("E09000020", 10),
    )
    await drafted(database)
    found = [(letter["reason"], letter["state"], letter["cure"]) for letter in await letters(database)]
    assert [reason for reason, _, _ in found] == ["body_closed", "no_email", "no_postal_address"]
    assert {state for _, state, _ in found} == {"blocked"}
    assert "The Clinical Group" in found[0][2]


async def test_withdrawn_contacts_get_no_letter(book: Database) -> None:
    gone = contact_of("E09000020", "chief_executive")
    await hear(book, withdrawn(gone, trust_of("E09000020")))
    await drafted(book)
    assert gone not in {letter["contact_id"] for letter in await letters(book)}


async def test_what_was_frozen_stays_when_everything_else_changes(book: Database) -> None:
    await released(book)
    [letter, *_] = await letters(book)
    async with book.reading() as tx:
        before = content_of(book.context, await QUERIES.letter(tx, id=letter["id"]))
    [area] = letter["areas"]
    await hear(
        book,
        counted(area, 4000, sequence=2),
        organisation(letter["organisation_id"], "Another Name", [area], sequence=2),
        contact(book, letter["contact_id"], letter["organisation_id"], sequence=2, name="Somebody Else"),
    )
    book.context.clock.advance(timedelta(days=30))
    async with book.reading() as tx:
        after = content_of(book.context, await QUERIES.letter(tx, id=letter["id"]))
    assert after == before
    assert after.evidence is not None
    assert (after.evidence.version, after.evidence.counted_on) == (1, "31 December 2011")


async def test_the_link_of_a_letter_stands_nowhere_in_the_database(book: Database) -> None:
    await released(book)
    for letter in await letters(book):
        content = content_of(book.context, {**letter, "subject": "x", "body": "{response_url}"})
        token = content.response_url.rpartition("/")[2]
        assert content.body == content.response_url
        assert token not in str(letter)
    digests = {bytes(letter["token_digest"]) for letter in await letters(book)}
    assert len(digests) == 9


async def test_letters_of_a_draft_can_be_made_anew(book: Database) -> None:
    id = await drafted(book)
    await hear(book, counted("E09000020", 187, sequence=2))
    async with book.transaction() as tx:
        assert (await prepare_letters(tx, id)).letters == 9
    asks = {letter["organisation_id"]: letter["ask_pence"] for letter in await letters(book)}
    assert asks[trust_of("E09000020")] == 480_000
    assert len(await rows(book, "SELECT FROM letter_history")) == 9


async def test_a_campaign_is_sent_once(book: Database) -> None:
    id = await approved(book)

    async def send() -> int:
        async with book.transaction() as tx:
            return await send_campaign(tx, id)

    outcomes = await asyncio.gather(*(send() for _ in range(5)), return_exceptions=True)
    assert sorted(map(str, outcomes)).count("9") == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 4
    assert {letter["state"] for letter in await letters(book)} == {"ready"}
    with pytest.raises(Conflict):
        async with book.transaction() as tx:
            await prepare_letters(tx, id)


async def test_a_campaign_of_which_no_letter_can_go_is_refused(make_database: MakeDatabase) -> None:
    database = await make_database("notifications")
    id = await drafted(database)
    with pytest.raises(Refused, match="None of these letters can go"):
        async with database.transaction() as tx:
            await submit_campaign(tx, id, WRITER)
    with pytest.raises(NotFound):
        async with database.transaction() as tx:
            await send_campaign(tx, uuid4())


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"subject": "two\nlines"}, "subject"),
        ({"body": "Dear {contact_nme},"}, "body"),
        ({"body": "Dear {contact_name"}, "body"),
        ({"body": "A bell \x07"}, "body"),
        ({"name": "Turned \u202eround"}, "name"),
        ({"body": "Kept \u2066apart\u2069"}, "body"),
        ({"kind": "circus"}, "kind"),
        ({"profession": "juggler"}, "profession"),
        ({"signatory": "nobody"}, "signatory"),
        ({"roles": ()}, "roles"),
        ({"roles": ("juggler",)}, "roles"),
    ],
)
async def test_a_plan_with_a_fault_names_its_field(
    book: Database, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(Refused) as refused:
        async with book.transaction() as tx:
            await create_campaign(tx, example_plan(**changes), WRITER)
    assert refused.value.field == field
    assert refused.value.cure


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (("ask", "least_pence"), 3000.5, "ask.least_pence"),
        (("ask", "least_pence"), -1, "ask"),
        (("ask", "step_pence"), 0, "ask"),
        (("ask", "most_pence"), 10**15, "ask.most_pence"),
        (("ask", "version"), True, "ask.version"),
        (("recipients", "roles"), "all", "recipients.roles"),
        (("recipients", "kind"), None, "recipients.kind"),
    ],
)
def test_a_document_with_a_fault_names_its_field(path: tuple[str, str], value: object, field: str) -> None:
    document = example_document()
    document[path[0]][path[1]] = value
    with pytest.raises(Refused) as refused:
        read_plan(document)
    assert refused.value.field == field


async def test_fifteen_hundred_letters_are_made_with_the_same_number_of_statements(
    make_database: MakeDatabase,
) -> None:
    database = await make_database("notifications")
    async with database.transaction() as tx:
        await tx.execute(
            """
            INSERT INTO organisations
            SELECT gen_random_uuid(), 'School ' || n, '{primary_care_trust}', '{E09000020}', NULL, NULL, 1, 1
            FROM generate_series(1, 1500) AS n
            """
        )
        await tx.execute(
            """
            INSERT INTO contacts
            SELECT gen_random_uuid(), id, 'chief_executive', 'email', 'Head', 'head@school.example', '{}',
                   NULL, 'the register', '2011-01-01', NULL, 1, 1
            FROM organisations
            """
        )
    await hear(database, counted("E09000020", 12))
    id = await released(database)
    async with database.reading() as tx:
        found = await figures(tx, id)
    assert (found.bodies(), found.letters("waiting")) == (1500, 1500)


async def test_a_formula_of_another_version_is_frozen_with_its_number(book: Database) -> None:
    formula = AskFormula(version=7, least_pence=0, each_pence=100, step_pence=100, most_pence=10_000)
    await drafted(book, replace(example_plan(), formula=formula))
    made = {letter["areas"][0]: letter for letter in await letters(book)}
    assert {letter["formula_version"] for letter in made.values()} == {7}
    assert made["E09000020"]["ask_pence"] == 5_200


def test_addresses_of_the_fixture_differ() -> None:
    assert len({address_of(area, role) for area in AREAS for role in ("a", "b")}) == 2 * len(AREAS)
