"""How a decision came about: all of it, nobody who applied, and a digest that anybody can check."""

import asyncio
import hashlib
import html
import io
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pypdf import PdfReader

from chassis.database import Database
from contracts.topology import GRANTS
from services.dossiers import Checked, verify
from services.grants import ledger, web
from services.grants.dossiers import NoDossier, digest_of_dossier, read_dossier
from services.installation import Installation
from services.messages import opened
from tests.access import EVERYTHING
from tests.conftest import client
from tests.grants.panelling import (
    OFFICER,
    Case,
    Panelled,
    a_conflict,
    a_decision,
    a_meeting,
    a_meeting_of,
    a_panel,
    an_applicant,
    scores,
)

HOSTILE = "O'Brien <b>\u202e النزاع Nguyễn " + "x" * 300


@pytest.fixture
async def officer(grants: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(web.build(grants), "/grants", OFFICER) as browser:
        yield browser


@dataclass(frozen=True)
class Decided:
    at: Panelled
    case: Case

    @property
    def href(self) -> str:
        return f"/grants/applications/{self.case.application_id}/dossier"


async def a_decided(grants: Database) -> Decided:
    """A case with two conflicts, scores, and a decision that follows on another one."""
    at = await a_panel(grants)
    case, criteria = at.cases[1], list(at.criteria)
    await scores(grants, case, at.members[0], dict.fromkeys(criteria, 4), comment=HOSTILE)
    await scores(grants, case, at.members[1], dict.fromkeys(criteria, 1))
    await scores(grants, case, at.members[2], dict.fromkeys(criteria), submitted=False)
    await scores(grants, case, at.members[3], dict.fromkeys(criteria, 5))
    await a_conflict(grants, case.application_id, at.members[1], tie="family")
    await a_conflict(grants, case.application_id, at.members[0], tie="acquaintance", source="declared")
    meeting = await a_meeting(grants, at)
    await a_decision(grants, at, case, meeting, kind="defer", words="More is needed.")
    counted = [at.members[0].id]
    why = "More has come."
    await a_decision(grants, at, case, meeting, pence=14_500, words=HOSTILE, why_changed=why, counted=counted)
    return Decided(at, case)


async def the_file(browser: httpx.AsyncClient, decided: Decided) -> Any:
    answer = await browser.get(f"{decided.href}.json")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_it_tells_all_and_not_who_applied(grants: Database, officer: httpx.AsyncClient) -> None:
    decided = await a_decided(grants)
    members = decided.at.members
    file = await the_file(officer, decided)
    dossier = file["dossier"]
    assert dossier["application"]["case"]["words"] == "Case words 2."
    assert [each["tie"] for each in dossier["conflicts"]] == ["family", "acquaintance"]
    assert [each["kind"] for each in dossier["decisions"]] == ["defer", "award"]
    assert dossier["decisions"][1]["reason"] == HOSTILE
    assert [each["why_changed"] for each in dossier["decisions"]] == ["", "More has come."]
    assert [each["kind"] for each in dossier["ledger"]] == ["committed"]
    by_member = {each["person_id"]: each for each in dossier["scores"]}
    assert len(by_member) == 4
    assert by_member[str(members[1].id)]["kept_from"] is True
    assert by_member[str(members[0].id)]["kept_from"] is False
    assert {one["score"] for one in by_member[str(members[0].id)]["given"]} == {4}
    assert {one["score"] for one in by_member[str(members[2].id)]["given"]} == {None}
    assert file["names"][str(members[0].id)] == "Marker Doctor One"

    pdf = await officer.get(f"{decided.href}.pdf")
    assert pdf.headers["content-type"] == "application/pdf"
    page = (await officer.get(decided.href)).text
    sheets = PdfReader(io.BytesIO(pdf.content)).pages
    told = " ".join(" ".join(sheet.extract_text() for sheet in sheets).split())
    for text in (json.dumps(file, ensure_ascii=False), page, told):
        for number in range(1, 4):
            who = an_applicant(number)
            assert who.name not in text
            assert who.email not in text
            assert who.address not in text
    for said in (
        "Marker Doctor One",
        "Marker Funder",
        "More has come.",
        "Family, partner or close friend",
        "Deferred",
        "Awarded £145",
        "Case words 2.",
    ):
        assert said in page, said
        assert said in told, said
    assert "O&#39;Brien &lt;b&gt;" in page
    note = r'<th scope="row">([^<]+)</th>(?:(?!</tr>).)*data-label="Note"[^>]*>([^<]*)<'
    notes = {name: words.split(".")[0] for name, words in re.findall(note, page, re.DOTALL)}
    assert notes == {
        "Marker Doctor One": html.escape(HOSTILE, quote=False).replace("'", "&#39;"),
        "Marker Doctor Two": "Not counted",
        "Marker Funder": "Not handed in",
        "Marker Reserve": "Not counted",
    }
    assert file["sha256"] in page
    assert file["sha256"] in told


async def test_anybody_can_work_out_the_digest(grants: Database, officer: httpx.AsyncClient) -> None:
    file = await the_file(officer, await a_decided(grants))
    written = json.dumps(file["dossier"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert file["sha256"] == hashlib.sha256(written.encode()).hexdigest()


async def test_what_is_taken_away_is_noted_and_looking_is_not(
    grants: Database, officer: httpx.AsyncClient
) -> None:
    decided = await a_decided(grants)
    query = "SELECT person_id, object, after FROM audit WHERE action = 'dossier_made'"
    await officer.get(decided.href)
    async with grants.reading() as tx:
        assert await tx.fetch(query) == []
    digest = (await the_file(officer, decided))["sha256"]
    await officer.get(f"{decided.href}.pdf")
    async with grants.reading() as tx:
        rows = [tuple(row) for row in await tx.fetch(query)]
    assert rows == [(OFFICER.id, str(decided.case.application_id), {"sha256": digest})] * 2
    page = (await officer.get(decided.href)).text
    assert page.count(f'href="{decided.href}?digest={digest}"') == 2


async def test_the_page_says_whether_it_is_still_the_same(
    grants: Database, officer: httpx.AsyncClient
) -> None:
    decided = await a_decided(grants)
    digest = (await the_file(officer, decided))["sha256"]
    same = await officer.get(decided.href, params={"digest": f" {digest.upper()} "})
    assert "It is the same" in same.text
    assert "A dossier with this digest was made here" in same.text
    never = (await officer.get(decided.href, params={"digest": "0" * 64})).text
    assert "It is not the same any more" in never
    assert "was ever made here" in never
    async with grants.transaction() as tx:
        award = decided.case.application_id
        await ledger.pay(tx, decided.at.fund, 14_500, award=award, payment=uuid4(), on=tx.today)
    later = (await officer.get(decided.href, params={"digest": digest})).text
    assert "It is not the same any more" in later
    assert "A dossier with this digest was made here" in later


@pytest.mark.parametrize("typed", ["abc", "'; DROP TABLE awards", "\u202e", "１" * 64, "g" * 64, "0" * 65])
async def test_what_is_no_digest_is_said(grants: Database, officer: httpx.AsyncClient, typed: str) -> None:
    decided = await a_decided(grants)
    answer = await officer.get(decided.href, params={"digest": typed})
    assert answer.status_code == 422
    assert "This is no digest." in answer.text


async def test_before_anything_is_decided_there_is_none(grants: Database, officer: httpx.AsyncClient) -> None:
    at = await a_panel(grants)
    await scores(grants, at.cases[0], at.members[0], dict.fromkeys(at.criteria, 5), comment="Hidden words.")
    for path in ("dossier", "dossier.json", "dossier.pdf"):
        answer = await officer.get(f"/grants/applications/{at.cases[0].application_id}/{path}")
        assert answer.status_code == 404
        assert "Nothing is decided on this application yet." in answer.text
        assert "Hidden words" not in answer.text
        assert (await officer.get(f"/grants/applications/{uuid4()}/{path}")).status_code == 404


async def test_a_member_whose_name_was_forgotten_changes_no_digest(
    grants: Database, officer: httpx.AsyncClient
) -> None:
    decided = await a_decided(grants)
    before = await the_file(officer, decided)
    forgotten = decided.at.members[0].id
    async with grants.transaction() as tx:
        await tx.execute(
            "UPDATE colleagues SET sealed = NULL, email_digest = NULL WHERE person_id = $1", forgotten
        )
    after = await the_file(officer, decided)
    assert after["sha256"] == before["sha256"]
    assert str(forgotten) not in after["names"]
    assert f"Colleague {str(forgotten)[-8:]}" in (await officer.get(decided.href)).text


async def test_a_page_takes_the_same_statements_whatever_there_is(
    grants: Database, officer: httpx.AsyncClient, statements: list[str]
) -> None:
    decided = await a_decided(grants)
    await a_decision(grants, decided.at, decided.at.cases[0], await a_meeting_of(grants, decided.at))
    await officer.get(decided.href)  # the types of columns are asked for once
    asked = []
    for application in (decided.at.cases[0].application_id, decided.case.application_id):
        statements.clear()
        assert (await officer.get(f"/grants/applications/{application}/dossier")).status_code == 200
        asked.append(len(statements))
    assert asked[0] == asked[1]


def test_a_file_that_is_no_dossier_is_refused() -> None:
    sound: dict[str, Any] = {"format": "conduit decision dossier 1", "application": {"id": str(uuid4())}}
    digest = digest_of_dossier(sound)
    assert read_dossier(json.dumps({"dossier": sound, "sha256": digest}).encode()) == (sound, digest)
    for content in (
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b"[" * 100_000,
        json.dumps({"dossier": sound}).encode(),
        json.dumps({"dossier": sound, "sha256": 1}).encode(),
        json.dumps({"dossier": {**sound, "format": "2"}, "sha256": digest}).encode(),
        json.dumps({"dossier": {**sound, "application": {"id": "1"}}, "sha256": digest}).encode(),
    ):
        with pytest.raises(NoDossier):
            read_dossier(content)


def test_the_command_says_the_day_that_it_was_where_the_users_are() -> None:
    first_hour = datetime(2026, 7, 2, 23, 30, tzinfo=UTC)
    found = Checked(reference="A-1", digest="d", whole=True, made_at=first_hour, same=True, differing=())
    assert "made here on 2026-07-03, and" in str(found)


def test_the_command_tells_what_became_of_a_dossier(installation: Installation, tmp_path: Path) -> None:
    path = tmp_path / "dossier.json"

    async def make(again: bool = False) -> bytes:
        async with opened(installation, GRANTS) as grants:
            if not again:
                decided = await a_decided(grants)
                async with client(web.build(grants), "/grants", EVERYTHING) as browser:
                    return (await browser.get(f"{decided.href}.json")).content
            async with grants.transaction() as tx:
                row = await tx.fetchrow("SELECT award_id, fund_id FROM ledger WHERE kind = 'committed'")
                assert row is not None
                await ledger.release(tx, row["fund_id"], 1, award=row["award_id"], cause=uuid4())
        return b""

    content = asyncio.run(make())
    path.write_bytes(content)
    found = verify(installation, path)
    assert (found.good, found.whole, found.same, list(found.differing)) == (True, True, True, [])
    assert "not changed since; what is kept here is the same" in str(found)
    asyncio.run(make(again=True))
    found = verify(installation, path)
    assert (found.good, found.same, list(found.differing)) == (True, False, ["ledger"])
    assert "other by now: ledger" in str(found)
    file = json.loads(content)
    file["dossier"]["decisions"][1]["amount_pence"] = 15_000
    path.write_text(json.dumps(file))
    found = verify(installation, path)
    assert (found.good, found.whole) == (False, False)
    assert "CHANGED" in str(found)
    file["sha256"] = digest_of_dossier(file["dossier"])
    path.write_text(json.dumps(file))
    found = verify(installation, path)
    assert (found.good, found.whole) == (False, True)
    assert "UNKNOWN" in str(found)
