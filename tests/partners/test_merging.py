"""Two entries of one body become one, and bodies close: nothing is lost, and whoever keeps copies is told."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chassis.audit import verify
from chassis.database import Database, Transaction
from chassis.errors import ChangedMeanwhile, Conflict, NotFound, Refused
from chassis.keys import read_keys
from chassis.sealed import unseal
from contracts.access import Role
from contracts.envelope import Event
from contracts.notifications import LetterSent
from contracts.partners import (
    ContactListed,
    ContactWithdrawn,
    OrganisationAmended,
    OrganisationClosed,
    PersonAdmitted,
)
from contracts.topology import GRANTS
from services.partners import closing, merging, people
from services.partners.closing import close, heir, reopen
from services.partners.domain import HandedOver
from services.partners.merging import Side, merge
from services.partners.queries import MERGING
from services.partners.web import build
from tests.access import EVERYTHING
from tests.conftest import announced, client
from tests.partners.browsing import key_in, rows
from tests.partners.conftest import OFFICER, SUCCESSOR, TRUST, Bring, hear, line, told

MOUNT = "/partners"
LIST = f"{MOUNT}/organisations"
#: The same trust once more, under another identifier and with other words.
TWICE = {
    "identifier": "CONDUIT-KC",
    "name": "K & C PCT",
    "kinds": "funder",
    "areas": "E09000033",
    "closeness": "contact",
    "opened_on": "2001-04-01",
}
ICB = {
    "identifier": "GB-NHS-QRV",
    "name": "North West London Integrated Care Board",
    "kinds": "nhs_trust",
    "closeness": "contact",
}


@pytest.fixture
async def browser(register: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(build(register), MOUNT) as browser:
        yield browser


async def ids(register: Database) -> dict[str, UUID]:
    """Every entry, by its identifier."""
    return {row["identifier"]: row["id"] for row in await rows(register, "SELECT * FROM organisations")}


async def entry(register: Database, id: UUID) -> dict[str, Any]:
    [row] = await rows(register, f"SELECT * FROM organisations WHERE id = '{id}'")
    return row


async def merged(register: Database, stays: UUID, goes: UUID, **chosen: Side) -> None:
    async with register.transaction() as tx:
        await merge(tx, stays, goes, chosen)


async def closed(register: Database, id: UUID, successor: UUID | None = None, *handed: HandedOver) -> None:
    async with register.transaction() as tx:
        await close(tx, id, closed_on=date(2013, 3, 31), successor=successor, handed_over=handed)


async def said_since(register: Database, before: int) -> list[Event]:
    return (await announced(register))[before:]


@pytest.fixture
async def two(bring: Bring, register: Database) -> tuple[UUID, UUID]:
    """One trust in two entries: with an officer in both, and another in the second alone."""
    twin = {**OFFICER, "contact_email": "marker.two@trust.example"}
    await bring(
        line(TRUST, OFFICER),
        line(TWICE, twin),
        line(TWICE, OFFICER, contact_name="Nguyễn Thị Ánh", contact_role="chief_executive"),
    )
    found = await ids(register)
    return found["GB-NHS-5LA"], found["CONDUIT-KC"]


# What a merge does


async def test_everything_of_the_losing_entry_is_at_the_surviving_one(
    register: Database, two: tuple[UUID, UUID]
) -> None:
    stays, goes = two
    async with register.transaction() as tx:
        person = await people.invite(
            tx, name="Amina", email="amina@trust.example", roles=["panel_member"], organisation="CONDUIT-KC"
        )
    await hear(register, [told(LetterSent, organisation_id=goes)])
    before = len(await announced(register))
    await merged(register, stays, goes, kinds=Side.BOTH, areas=Side.BOTH, opened_on=Side.LOSING)
    one, other = await entry(register, stays), await entry(register, goes)
    assert (one["identifier"], one["name"]) == ("GB-NHS-5LA", TRUST["name"])
    assert one["kinds"] == ["primary_care_trust", "funder"]
    assert one["areas"] == ["E09000020", "E09000033"]
    assert one["opened_on"] == date(2001, 4, 1)
    assert (other["identifier"], other["merged_into"], other["version"]) == ("CONDUIT-KC", stays, 2)
    at = "SELECT name, role, email, withdrawn_on FROM contacts WHERE organisation_id = '{}' ORDER BY role"
    assert [(row["name"], row["email"]) for row in await rows(register, at.format(stays))] == [
        ("Nguyễn Thị Ánh", OFFICER["contact_email"]),
        ("Marker Zzyzxova", OFFICER["contact_email"]),
    ]
    [folded] = await rows(register, at.format(goes))
    assert folded["withdrawn_on"] is not None
    kinds = await rows(register, f"SELECT kind FROM timeline WHERE organisation_id = '{stays}'")
    assert {row["kind"] for row in kinds} == {"letter_sent", "merged"}
    assert await rows(register, f"SELECT 1 FROM timeline WHERE organisation_id = '{goes}'") == []
    said = {(event.fact, UUID(event.subject)): event for event in await said_since(register, before)}
    assert said[OrganisationAmended, goes].data["merged_into"] == stays
    assert said[OrganisationAmended, stays].data["areas"] == one["areas"]
    assert said[PersonAdmitted, person].data["organisation_id"] == stays
    assert said[PersonAdmitted, person].sequence == 2
    keys = read_keys(register.context.settings.keys_folder, GRANTS)
    sealed = said[PersonAdmitted, person].data["who"]
    assert unseal(keys, PersonAdmitted, "who", sealed) == {"name": "Amina", "email": "amina@trust.example"}
    [moved] = [event for event in said.values() if event.fact is ContactListed]
    assert (moved.data["organisation_id"], moved.sequence) == (stays, 2)
    [gone] = [event for event in said.values() if event.fact is ContactWithdrawn]
    assert (gone.data["organisation_id"], gone.data["address"]) == (goes, None)
    assert len(said) == 5


async def test_what_is_heard_of_the_losing_entry_later_is_noted_at_the_surviving_one(
    register: Database, two: tuple[UUID, UUID]
) -> None:
    stays, goes = two
    await merged(register, stays, goes)
    await hear(register, [told(LetterSent, organisation_id=goes)])
    found = await rows(register, "SELECT organisation_id FROM timeline WHERE kind = 'letter_sent'")
    assert found == [{"organisation_id": stays}]


async def test_a_note_that_comes_while_two_are_merged_is_not_left_behind(
    register: Database, two: tuple[UUID, UUID]
) -> None:
    stays, goes = two
    async with register.transaction() as tx:
        await merge(tx, stays, goes, {})
        hearing = asyncio.create_task(hear(register, [told(LetterSent, organisation_id=goes)]))
        await asyncio.sleep(0.3)
        assert not hearing.done(), "it is noted without waiting for whoever merges"
    await hearing
    found = await rows(register, "SELECT organisation_id FROM timeline WHERE kind = 'letter_sent'")
    assert found == [{"organisation_id": stays}]


async def test_merging_on_and_on_leads_to_the_last(bring: Bring, register: Database) -> None:
    await bring(
        line(TRUST), line(TWICE), line(SUCCESSOR), line(ICB, closed_on="2020-01-01", successor="CONDUIT-KC")
    )
    found = await ids(register)
    a, b, c, closed_one = (found[each] for each in ("CONDUIT-KC", "GB-NHS-5LA", "GB-NHS-08Y", "GB-NHS-QRV"))
    await merged(register, b, a)
    await merged(register, c, b)
    assert (await entry(register, a))["merged_into"] == c
    assert (await entry(register, b))["merged_into"] == c
    assert (await entry(register, closed_one))["successor_id"] == c
    newest = {UUID(event.subject): event for event in await announced(register)}
    assert newest[a].data["merged_into"] == c
    assert newest[closed_one].data["successor_id"] == c
    for id in (a, b, c, closed_one):
        assert newest[id].sequence == (await entry(register, id))["version"]


async def test_a_contact_who_was_withdrawn_stays_so_unless_they_were_listed_after_that(
    bring: Bring, register: Database
) -> None:
    gone = {**OFFICER, "contact_withdrawn_on": "2011-12-01"}
    later = {**OFFICER, "contact_listed_on": "2012-01-01", "contact_email": "new@trust.example"}
    again = {"contact_name": "Carys Bevan"}
    await bring(
        line(TRUST, gone),
        line(TRUST, {**gone, **again}),
        line(TWICE, OFFICER),
        line(TWICE, {**later, **again}),
    )
    found = await ids(register)
    stays, goes = found["GB-NHS-5LA"], found["CONDUIT-KC"]
    await merged(register, stays, goes)
    at = f"SELECT name, withdrawn_on, email FROM contacts WHERE organisation_id = '{stays}' ORDER BY name"
    assert [tuple(row.values()) for row in await rows(register, at)] == [
        ("Carys Bevan", None, "new@trust.example"),
        ("Marker Zzyzxova", date(2011, 12, 1), OFFICER["contact_email"]),
    ]
    left = await rows(register, f"SELECT withdrawn_on FROM contacts WHERE organisation_id = '{goes}'")
    assert all(row["withdrawn_on"] for row in left)


async def test_a_merged_entry_is_not_merged_closed_or_invited_to_again(
    bring: Bring, register: Database, two: tuple[UUID, UUID]
) -> None:
    stays, goes = two
    await bring(line(SUCCESSOR))
    third = (await ids(register))["GB-NHS-08Y"]
    await merged(register, stays, goes)
    for one, other in ((stays, goes), (goes, stays), (third, goes)):
        with pytest.raises(Conflict):
            await merged(register, one, other)
    with pytest.raises(Conflict):
        await closed(register, goes)
    with pytest.raises(NotFound):
        await merged(register, stays, uuid4())
    with pytest.raises(NotFound):
        await merged(register, stays, stays)
    async with register.transaction() as tx:
        await people.invite(
            tx, name="A", email="a@trust.example", roles=["panel_member"], organisation="CONDUIT-KC"
        )
    assert await rows(register, "SELECT organisation_id FROM people") == [{"organisation_id": stays}]


async def test_a_file_that_still_names_the_losing_entry_is_refused_with_the_identifier_to_write_instead(
    bring: Bring, register: Database
) -> None:
    lines = [
        line(TRUST, OFFICER),
        line(TWICE, OFFICER),
        line(TWICE, OFFICER, contact_name="Nguyễn Thị Ánh", contact_role="chief_executive"),
    ]
    await bring(*lines)
    found = await ids(register)
    await merged(register, found["GB-NHS-5LA"], found["CONDUIT-KC"])
    before = len(await announced(register))
    report = await bring(*lines)
    assert [(fault.line, fault.column) for fault in report.faults] == [(3, "identifier")]
    assert "GB-NHS-5LA" in report.faults[0].fault + report.faults[0].cure
    assert await said_since(register, before) == []
    assert await rows(register, "SELECT count(*) FROM contacts WHERE withdrawn_on IS NULL") == [{"count": 2}]


# Closing


async def test_a_chain_of_three_is_followed_as_far_as_each_has_handed_over(
    bring: Bring, register: Database
) -> None:
    await bring(line(TRUST), line(SUCCESSOR), line(ICB))
    found = await ids(register)
    pct, ccg, icb = (found[each] for each in ("GB-NHS-5LA", "GB-NHS-08Y", "GB-NHS-QRV"))
    await closed(register, pct, ccg, HandedOver.LETTERS, HandedOver.AGREEMENTS)
    await closed(register, ccg, icb, HandedOver.LETTERS)
    async with register.reading() as tx:
        chain = [row async for row in MERGING.chain_of(tx, id=pct)]
    assert [row["id"] for row in chain] == [pct, ccg, icb]
    today = date(2013, 4, 1)
    taker = heir(chain, HandedOver.LETTERS, today)
    assert taker is not None
    assert taker["id"] == icb
    assert heir(chain, HandedOver.AGREEMENTS, today) is None
    assert heir(chain, HandedOver.REFERRALS, today) is None
    *_, event = [event for event in await announced(register) if event.subject == str(pct)]
    assert event.fact is OrganisationClosed
    assert (event.data["successor_id"], event.data["handed_over"]) == (ccg, ["letters", "agreements"])


async def test_nobody_takes_over_from_themselves_by_and_by_either(bring: Bring, register: Database) -> None:
    await bring(line(TRUST), line(SUCCESSOR), line(ICB), line(TWICE))
    found = await ids(register)
    pct, ccg, icb, twin = (found[i] for i in ("GB-NHS-5LA", "GB-NHS-08Y", "GB-NHS-QRV", "CONDUIT-KC"))
    await closed(register, pct, ccg)
    await closed(register, ccg, icb)
    for successor in (icb, pct, ccg):
        with pytest.raises(Refused) as refused:
            await closed(register, icb, successor)
        assert refused.value.field == "successor"
    with pytest.raises(Refused):
        await merged(register, pct, icb)  # which would be its own successor
    await merged(register, pct, twin)
    with pytest.raises(Refused):
        await closed(register, icb, twin)  # which leads to the one that began the chain


async def test_a_ring_from_before_rings_were_refused_is_walked_once(bring: Bring, register: Database) -> None:
    await bring(line(TRUST, closed_on="2013-03-31", successor="GB-NHS-08Y"), line(SUCCESSOR))
    found = await ids(register)
    async with register.transaction() as tx:
        back = "UPDATE organisations SET closed_on = '2014-03-31', successor_id = $1 WHERE id = $2"
        await tx.execute(back, found["GB-NHS-5LA"], found["GB-NHS-08Y"])
    async with register.reading() as tx:
        chain = [row async for row in MERGING.chain_of(tx, id=found["GB-NHS-5LA"])]
    assert len(chain) == 2
    assert heir(chain, HandedOver.LETTERS, date(2020, 1, 1)) is None


async def test_a_body_is_opened_again(bring: Bring, register: Database) -> None:
    await bring(line(TRUST), line(SUCCESSOR))
    found = await ids(register)
    pct, ccg = found["GB-NHS-5LA"], found["GB-NHS-08Y"]
    await closed(register, pct, ccg, HandedOver.LETTERS)
    async with register.transaction() as tx:
        await reopen(tx, pct, version=2)
    one = await entry(register, pct)
    assert (one["closed_on"], one["successor_id"], one["handed_over"], one["version"]) == (None, None, [], 3)
    *_, event = await announced(register)
    assert (event.fact, event.data["closed_on"], event.data["handed_over"]) == (OrganisationAmended, None, [])
    async with register.transaction() as tx:
        with pytest.raises(Conflict):
            await reopen(tx, pct)


async def test_whoever_has_seen_an_older_state_is_told(register: Database, two: tuple[UUID, UUID]) -> None:
    stays, goes = two
    async with register.transaction() as tx:
        with pytest.raises(ChangedMeanwhile):
            await merge(tx, stays, goes, {}, versions=(1, 7))
    async with register.transaction() as tx:
        with pytest.raises(ChangedMeanwhile):
            await reopen(tx, stays, version=9)
    with pytest.raises(Refused, match="still to come"):
        async with register.transaction() as tx:
            await close(tx, stays, closed_on=date(2999, 1, 1), successor=None)
    with pytest.raises(Refused, match="before it opened"):
        async with register.transaction() as tx:
            await close(tx, stays, closed_on=date(1999, 1, 1), successor=None)


# The pages


def words(page: httpx.Response) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page.text).split())


def hidden(page: httpx.Response) -> dict[str, str]:
    """The hidden fields of the form that a page ends with."""
    return dict(re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">', page.text))


async def test_from_an_entry_to_the_other_to_one(
    register: Database, two: tuple[UUID, UUID], browser: httpx.AsyncClient
) -> None:
    stays, goes = two
    page = await browser.get(f"{LIST}/{goes}")
    assert "Merge with another entry" in page.text
    found = await browser.get(f"{LIST}/{goes}/merge", params={"q": "KENSINGTON care"})
    [href] = re.findall(r'href="([^"]+/merge/compare[^"]+)"', found.text)
    compared = await browser.get(href)
    for said in ("Which entry stays?", "Primary Care Trust", "Funder", "Westminster", "1 April 2001"):
        assert said in compared.text
    asked = {"with": str(stays), "survives": "other", "name": "other", "kinds": "both", "areas": "both"}
    confirmed = await browser.get(f"{LIST}/{goes}/merge/confirm", params=asked)
    said = words(confirmed)
    assert "2 contacts" in said
    assert "Marker Zzyzxova, Dental care" in said
    assert "cannot be undone" in said
    assert "Funder" in said
    fields = hidden(confirmed)
    assert fields["key"] == key_in(confirmed)
    refused = await browser.post(f"{LIST}/{goes}/merge", data=fields)
    assert refused.status_code == 422
    done = await browser.post(f"{LIST}/{goes}/merge", data={**fields, "confirm": "yes"})
    assert (done.status_code, done.headers["location"]) == (303, f"{LIST}/{stays}?done=merged")
    after = await browser.get(done.headers["location"])
    assert "They are one entry now" in after.text
    assert "K &amp; C PCT (CONDUIT-KC)" in after.text
    old = await browser.get(f"{LIST}/{goes}")
    assert (old.status_code, old.headers["location"]) == (303, f"{LIST}/{stays}")
    api = await browser.get(f"{MOUNT}/api/v1/organisations/{goes}")
    assert api.headers["location"].endswith(str(stays))
    assert (await browser.get(f"{LIST}/{goes}/merge")).status_code == 404
    still = await browser.get(f"{LIST}/{stays}/merge", params={"q": "conduit-kc"})
    assert "Nothing found" in still.text, "a merged entry is no entry to merge with"
    audit = await rows(register, "SELECT action, object, before, after FROM audit")
    assert [(row["action"], row["object"]) for row in audit] == [("organisations_merged", str(stays))]
    assert "Marker" not in str(audit)
    async with register.reading() as tx:
        assert (await verify(tx)).broken_at is None


async def test_somebody_was_faster(
    register: Database, two: tuple[UUID, UUID], browser: httpx.AsyncClient
) -> None:
    stays, goes = two
    asked = {"with": str(goes), "survives": "this", "name": "other"}
    fields = hidden(await browser.get(f"{LIST}/{stays}/merge/confirm", params=asked))
    await closed(register, goes)
    answer = await browser.post(f"{LIST}/{stays}/merge", data={**fields, "confirm": "yes"})
    assert answer.status_code == 409
    assert "One of the two has changed meanwhile" in answer.text
    again = hidden(answer)
    assert again["name"] == "other"
    done = await browser.post(f"{LIST}/{stays}/merge", data={**again, "confirm": "yes"})
    assert done.status_code == 303
    assert (await entry(register, stays))["name"] == TWICE["name"]


async def test_a_body_is_closed_on_its_page(
    bring: Bring, register: Database, browser: httpx.AsyncClient
) -> None:
    await bring(line(TRUST), line(SUCCESSOR, name="O’Neill & “Co” <b>مجموعة</b> {name}"), line(ICB))
    found = await ids(register)
    pct, ccg, icb = (found[each] for each in ("GB-NHS-5LA", "GB-NHS-08Y", "GB-NHS-QRV"))
    searched = await browser.get(f"{LIST}/{pct}/close", params={"q": "مجموعة"})
    assert f"/close?successor={ccg}" in searched.text
    form = await browser.get(f"{LIST}/{pct}/close", params={"successor": str(ccg)})
    fields = hidden(form)
    assert fields["successor"] == str(ccg)
    where = await browser.post(f"{LIST}/{pct}/close", data={**fields, "closed_on": "2013-03-31"})
    assert where.status_code == 422
    assert "where do they go?" in where.text
    assert 'value="2013-03-31"' in where.text
    goes = {"closed_on": "2013-03-31", "letters": "goes", "referrals": "ends", "agreements": "goes"}
    goes["services"] = "ends"
    for day in ("2013-02-30", "31/03/2013", ""):
        wrong = await browser.post(f"{LIST}/{pct}/close", data={**fields, **goes, "closed_on": day})
        assert wrong.status_code == 422
        assert "This is not a day" in wrong.text
    done = await browser.post(f"{LIST}/{pct}/close", data={**fields, **goes})
    assert (done.status_code, done.headers["location"]) == (303, f"{LIST}/{pct}?done=closed")
    await closed(register, ccg, icb, HandedOver.LETTERS)
    page = words(await browser.get(f"{LIST}/{pct}"))
    assert "Closed" in page
    assert f"and from there to {ICB['name']}" in page
    assert f"Letters that are not sent yet: go to {ICB['name']}" in page
    assert "Agreements: end here" in page, "the second of the chain has not handed them on"
    old = await browser.post(f"{LIST}/{pct}/close", data={**hidden(form), **goes, "key": key_in(form)})
    assert old.status_code in (303, 409)
    reopened = await browser.get(f"{LIST}/{pct}")
    fields = hidden(reopened)
    answer = await browser.post(f"{LIST}/{pct}/reopen", data=fields)
    assert answer.headers["location"] == f"{LIST}/{pct}?done=reopened"
    assert (await entry(register, pct))["closed_on"] is None


async def test_a_ring_is_refused_beside_its_field(
    bring: Bring, register: Database, browser: httpx.AsyncClient
) -> None:
    await bring(line(TRUST), line(SUCCESSOR))
    found = await ids(register)
    pct, ccg = found["GB-NHS-5LA"], found["GB-NHS-08Y"]
    await closed(register, pct, ccg)
    fields = hidden(await browser.get(f"{LIST}/{ccg}/close", params={"successor": str(pct)}))
    goes = {"closed_on": "2013-03-31", **{what.value: "goes" for what in HandedOver}}
    answer = await browser.post(f"{LIST}/{ccg}/close", data={**fields, **goes})
    assert answer.status_code == 422
    assert "its work came here by and by" in answer.text


async def test_who_only_reads_sees_no_button(register: Database, two: tuple[UUID, UUID]) -> None:
    auditor = replace(EVERYTHING, roles=frozenset({Role.AUDITOR}))
    async with client(build(register), MOUNT, auditor) as reader:
        page = await reader.get(f"{LIST}/{two[0]}")
        assert "Merge with another entry" not in page.text
        assert (await reader.get(f"{LIST}/{two[0]}/merge")).status_code == 403


# What other parts keep of a body


async def test_what_another_part_keeps_moves_by_its_own_function(
    register: Database, two: tuple[UUID, UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    stays, goes = two
    moved: list[tuple[UUID, UUID]] = []

    async def count(tx: Transaction, id: UUID) -> int:
        return 3

    async def move(tx: Transaction, losing: UUID, surviving: UUID) -> None:
        moved.append((losing, surviving))

    more = merging.Move(one="agreement", many="agreements", count=count, move=move)
    monkeypatch.setattr(merging, "MOVES", (*merging.MOVES, more))
    await merged(register, stays, goes)
    assert moved == [(goes, stays)]


async def test_what_another_part_keeps_is_handed_over_to_the_last_of_the_chain_or_ends(
    bring: Bring, register: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bring(line(TRUST), line(SUCCESSOR), line(ICB))
    found = await ids(register)
    pct, ccg, icb = (found[each] for each in ("GB-NHS-5LA", "GB-NHS-08Y", "GB-NHS-QRV"))
    done: list[tuple[str, UUID, UUID | None]] = []

    def of(what: HandedOver) -> closing.Handover:
        async def count(tx: Transaction, id: UUID) -> int:
            return 1

        async def hand_over(tx: Transaction, id: UUID, successor: UUID) -> None:
            done.append((what, id, successor))

        async def end(tx: Transaction, id: UUID) -> None:
            done.append((what, id, None))

        return closing.Handover(what=what, count=count, hand_over=hand_over, end=end)

    kept = (HandedOver.REFERRALS, HandedOver.AGREEMENTS)
    monkeypatch.setattr(closing, "HANDOVERS", tuple(map(of, kept)))
    await closed(register, ccg, icb, HandedOver.AGREEMENTS)
    await closed(register, pct, ccg, *kept)
    assert done == [
        (HandedOver.REFERRALS, ccg, None),
        (HandedOver.AGREEMENTS, ccg, icb),
        (HandedOver.REFERRALS, pct, None),  # the second of the chain handed none on
        (HandedOver.AGREEMENTS, pct, icb),
    ]
