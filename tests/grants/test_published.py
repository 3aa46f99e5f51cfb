"""Grants as everybody may read them: what 360Giving 1.4 asks for, and nothing of a person."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import flattentool
import httpx
import jsonschema
import pytest

from chassis.database import Database
from chassis.web import Gate, environment
from services.grants import ledger, web
from services.grants.rounds import RoundState
from services.grants.web.published import AS_CSV, AS_JSON, HREF
from tests.conftest import client
from tests.grants.panelling import Case, Panelled, a_panel, an_applicant, an_award, to_state
from tests.grants.threesixty import GRANT, PACKAGE, check

#: What every applicant of these tests has in common.
NAME = "Marker Applicant"


@pytest.fixture
async def anybody(grants: Database) -> AsyncIterator[httpx.AsyncClient]:
    """A program that has never signed in."""
    async with client(web.build(grants), "/grants", None) as program:
        yield program


async def accepts(grants: Database, case: Case) -> None:
    """Whoever was awarded it says yes."""
    async with grants.transaction() as tx:
        await tx.execute(
            "UPDATE awards SET accepted_at = $1 WHERE application_id = $2", tx.now, case.application_id
        )
    await to_state(grants, case.application_id, "accepted")


async def comes_back(grants: Database, at: Panelled, case: Case, pence: int, back: int) -> None:
    """What was awarded is paid, and some of it comes back."""
    async with grants.transaction() as tx:
        award = case.application_id
        ids = [await tx.fetchval("SELECT gen_random_uuid()") for _ in range(2)]
        await ledger.pay(tx, at.fund, pence, award=award, payment=ids[0], on=tx.today)
        await ledger.take_back(tx, at.fund, back, award=award, cause=ids[1], on=tx.today)
    await to_state(grants, award, "paid")


async def a_decided(grants: Database, awards: int = 5, more: int = 0, **plan: Any) -> Panelled:
    """A round whose decisions are published: so many awards that were accepted, and others that were not."""
    at = await a_panel(grants, awards + more, **plan)
    for number, case in enumerate(at.cases):
        await an_award(grants, at, case, pence=10_000 + 50 * number)
    for case in at.cases[:awards]:
        await accepts(grants, case)
    return at


async def the_json(program: httpx.AsyncClient) -> Any:
    answer = await program.get(AS_JSON)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


async def test_the_standard_accepts_every_grant(grants: Database, anybody: httpx.AsyncClient) -> None:
    await a_decided(grants, 6)
    document = await the_json(anybody)
    check(document)
    today = grants.context.clock.today().isoformat()
    assert document["publisher"]["identifier"] == "GB-CHC-1234567"
    assert document["license"] == "https://creativecommons.org/licenses/by/4.0/"
    assert sorted(grant["amountAwarded"] for grant in document["grants"]) == [
        100, 100.5, 101, 101.5, 102, 102.5,
    ]  # fmt: skip
    for grant in document["grants"]:
        assert grant["id"].startswith("360G-forum-")
        assert grant["recipientIndividual"]["name"] == "Individual Recipient"
        assert grant["awardDate"] == today
        assert grant["title"] == "Exam fee: PLAB 1"
        assert grant["toIndividualsDetails"] == {"primaryGrantReason": "GTIR110", "grantPurpose": ["GTIP130"]}
        assert grant["fundingOrganization"][0]["id"] == "GB-CHC-1234567"


async def test_the_rules_that_it_is_checked_by_refuse_what_is_wrong(
    grants: Database, anybody: httpx.AsyncClient
) -> None:
    jsonschema.Draft4Validator.check_schema(PACKAGE)
    await a_decided(grants)
    sound = await the_json(anybody)
    check(sound)
    mistakes: tuple[dict[str, Any], ...] = (
        {"amountAwarded": "1"},
        {"amountAwarded": 0},
        {"awardDate": "26/11/2026"},
        {"awardDate": "2026-02-30"},
        {"currency": "pounds"},
        {"recipientIndividual": {"id": "1"}},
        {"recipientOrganization": [{"id": "GB-CHC-1", "name": "A"}]},
        {"fundingOrganization": []},
        {"beneficiaryLocation": [{"name": "Brent"}]},
        {"toIndividualsDetails": {"primaryGrantReason": "GTIP130"}},
    )
    for wrong in mistakes:
        with pytest.raises(jsonschema.ValidationError):
            check(sound | {"grants": [sound["grants"][0] | wrong]})
    for field, value in {
        "grants": [],
        "version": "1.4.0",
        "issued": "2026-11-26T10:00:00Z",
        "modified": "2026-11-26",
        "license": "CC BY 4.0",
        "downloadURL": "/grants/360giving.json",
        "publisher": {"name": "A", "identifier": "1234567", "website": "https://forum.example"},
    }.items():
        with pytest.raises(jsonschema.ValidationError):
            check(sound | {field: value})


async def test_a_website_as_people_write_it_is_published_as_an_address(grants: Database) -> None:
    await a_decided(grants)
    house = replace(grants.context.house, website="www.forum.example")
    grants.context = replace(grants.context, house=house)
    async with client(web.build(grants), "/grants", None) as program:
        document = await the_json(program)
    check(document)
    assert document["publisher"]["website"] == "https://www.forum.example"


async def test_the_table_comes_back_as_the_same_grants(
    grants: Database, anybody: httpx.AsyncClient, tmp_path: Path
) -> None:
    await a_decided(grants)
    document = await the_json(anybody)
    answer = await anybody.get(AS_CSV)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    (folder := tmp_path / "csv").mkdir()
    (folder / "grants.csv").write_bytes(answer.content)
    (tmp_path / "schema.json").write_text(json.dumps(GRANT))
    back = tmp_path / "back.json"
    flattentool.unflatten(
        str(folder),
        input_format="csv",
        output_name=str(back),
        root_list_path="grants",
        encoding="utf-8-sig",
        schema=str(tmp_path / "schema.json"),
        convert_titles=True,
    )
    read = json.loads(back.read_text("utf-8"))["grants"]
    for grant in read:  # a list of codes is one cell, with semicolons between them
        assert isinstance(grant["toIndividualsDetails"]["grantPurpose"], list)
        grant["awardDate"] = grant["awardDate"][:10]
    assert read == document["grants"]


async def test_a_few_grants_of_a_round_are_not_shown(grants: Database, anybody: httpx.AsyncClient) -> None:
    at = await a_decided(grants, 4, more=1)
    assert (await anybody.get(AS_JSON)).status_code == 404
    assert (await anybody.get(AS_CSV)).status_code == 404
    assert "Nothing is published yet" in (await anybody.get(HREF)).text
    await accepts(grants, at.cases[4])
    assert len((await the_json(anybody))["grants"]) == 5
    page = (await anybody.get(HREF)).text
    for said in ("£505", AS_JSON, AS_CSV, "360G-forum", "Creative Commons Attribution 4.0"):
        assert said in page


async def test_only_what_is_published_and_was_given_is_shown(
    grants: Database, anybody: httpx.AsyncClient
) -> None:
    at = await a_decided(grants, 8, more=1)
    await comes_back(grants, at, at.cases[0], 10_000, 10_000)
    await comes_back(grants, at, at.cases[1], 10_050, 50)
    await to_state(grants, at.cases[2].application_id, "withdrawn")
    document = await the_json(anybody)
    check(document)
    given = sorted(grant["amountAwarded"] for grant in document["grants"])
    assert given == [100.5, 101.5, 102, 102.5, 103, 103.5]
    async with grants.transaction() as tx:
        await tx.execute("UPDATE rounds SET state = $1 WHERE id = $2", RoundState.DECIDED.value, at.id)
    assert (await anybody.get(AS_JSON)).status_code == 404


async def test_nothing_of_who_applied_is_in_it(grants: Database, anybody: httpx.AsyncClient) -> None:
    at = await a_decided(grants)
    async with grants.reading() as tx:
        rows = await tx.fetch(
            "SELECT applications.id, reference, cases.id AS case_id, label, published_as"
            " FROM applications JOIN cases ON application_id = applications.id"
            " JOIN awards ON awards.application_id = applications.id"
        )
    said = [(await anybody.get(path)).text for path in (AS_JSON, AS_CSV, HREF)]
    assert len(rows) == len(at.cases) == 5
    for text in said:
        assert NAME not in text
        for number in range(1, 6):
            assert an_applicant(number).email not in text
        for row in rows:
            for secret in (row["id"], row["reference"], row["case_id"], row["label"]):
                assert str(secret) not in text
    assert all(str(row["published_as"]) in said[0] for row in rows)
    assert len({row["published_as"] for row in rows}) == 5


async def test_the_order_does_not_tell_who_came_first(grants: Database, anybody: httpx.AsyncClient) -> None:
    await a_decided(grants, 7)
    ids = [grant["id"] for grant in (await the_json(anybody))["grants"]]
    assert ids == sorted(ids)


async def test_it_is_not_sent_twice(grants: Database, anybody: httpx.AsyncClient) -> None:
    at = await a_decided(grants, 6)
    for path in (AS_JSON, AS_CSV):
        first = await anybody.get(path)
        assert first.headers["cache-control"] == "public, max-age=300"
        modified = parsedate_to_datetime(first.headers["last-modified"])
        assert modified <= grants.context.clock.now()
        tag, since = first.headers["etag"], first.headers["last-modified"]
        for headers in (
            {"if-none-match": f'"other", W/{tag}'},
            {"if-modified-since": since},
            {"if-none-match": tag, "if-modified-since": "Mon, 01 Jan 2001 00:00:00 GMT"},
        ):
            again = await anybody.get(path, headers=headers)
            assert (again.status_code, again.content) == (304, b"")
        for headers in (
            {"if-none-match": '"other"', "if-modified-since": since},
            {"if-modified-since": "yesterday"},
            {"if-modified-since": "Mon, 01 Jan 2001 00:00:00 GMT"},
        ):
            assert (await anybody.get(path, headers=headers)).status_code == 200
    grants.context.clock.advance(timedelta(minutes=1))
    await comes_back(grants, at, at.cases[0], 10_000, 10_000)
    assert (await anybody.get(AS_JSON, headers={"if-modified-since": since})).status_code == 200


@pytest.mark.parametrize("lacks", [{"publisher": ""}, {"website": "TO DO: https://…"}], ids=str)
async def test_a_house_that_has_no_prefix_or_no_website_publishes_nothing(
    grants: Database, lacks: dict[str, Any]
) -> None:
    await a_decided(grants)
    house = replace(grants.context.house, **lacks)
    grants.context = replace(grants.context, house=house)
    async with client(web.build(grants), "/grants", None) as program:
        assert (await program.get(AS_JSON)).status_code == 404


async def test_names_that_would_break_a_table_stay_in_their_cells(
    grants: Database, anybody: httpx.AsyncClient
) -> None:
    hostile = "=1+1, “Zoë” O'Brien\u202e النزاع"
    at = await a_decided(grants)
    async with grants.transaction() as tx:
        await tx.execute("UPDATE funds SET name = $1 WHERE id = $2", hostile, at.fund)
    document = await the_json(anybody)
    check(document)
    assert document["grants"][0]["grantProgramme"] == [{"title": hostile}]
    table = (await anybody.get(AS_CSV)).text
    assert "\"'=1+1, " in table
    assert "&lt;" not in table


async def test_pages_of_other_sites_may_read_it_and_nothing_beside_it(grants: Database) -> None:
    await a_decided(grants)
    fetched = {
        "origin": "https://other.example",
        "sec-fetch-site": "cross-site",
        "sec-fetch-mode": "cors",
        "sec-fetch-dest": "empty",
    }
    gate = Gate(web.build(grants), grants.context.settings, environment(grants.context.house, ()))
    transport = httpx.ASGITransport(gate, root_path="/grants")
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as browser:
        for path in (AS_JSON, AS_CSV):
            answer = await browser.get(path, headers=fetched)
            assert answer.status_code == 200
            assert answer.headers["access-control-allow-origin"] == "*"
        for path in (HREF, f"{AS_JSON}x", "/grants/figures.csv", "/grants/apply/1"):
            answer = await browser.get(path, headers=fetched)
            assert answer.status_code == 403
            assert "access-control-allow-origin" not in answer.headers
