"""The register kept by people: found by any word, entered, changed, tagged, and looked at again."""

import asyncio
import html
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chassis.database import Database
from chassis.rights import Subject
from contracts.access import Role
from contracts.partners import (
    ContactListed,
    ContactWithdrawn,
    OrganisationAmended,
    OrganisationRegistered,
)
from services.partners import held, likeness, tagging, words
from services.partners.domain import Organisation, folded, name_words
from services.partners.imports import import_partners
from services.partners.web import build
from services.partners.web.contacts import FIELDS
from tests.access import EVERYTHING
from tests.conftest import EXAMPLES, announced, client, summed_up
from tests.partners.browsing import key_in, rows
from tests.partners.conftest import OFFICER, SUCCESSOR, TRUST, Bring, line

MOUNT = "/partners"
LIST = f"{MOUNT}/organisations"
NEW = f"{LIST}/new"
VIEWS = f"{MOUNT}/views"
API = f"{MOUNT}/api/v1/organisations"

SOCIETY = {"name": "O’Brien’s Society", "kinds": "funder", "closeness": "contact"}
ENTRY = {"name": "Hội Người Việt Nam", "kinds": ["funder"], "closeness": "contact"}
COLLEAGUE = {
    "contact_name": "Nguyễn Văn Đặng",
    "contact_role": "dental_care",
    "contact_channel": "email",
    "contact_email": "dang@society.example",
    "contact_source": "the society's website",
    "contact_listed_on": "2012-02-01",
}


@pytest.fixture
async def browser(register: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(build(register), MOUNT) as browser:
        yield browser


@pytest.fixture
async def colleague(register: Database) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody else who works with partners."""
    person = replace(EVERYTHING, id=uuid4(), roles=frozenset({Role.OUTREACH}))
    async with client(build(register), MOUNT, person) as browser:
        yield browser


async def sends(browser: httpx.AsyncClient, page: httpx.Response, to: str, **fields: Any) -> httpx.Response:
    """Send a form that stands on a page, with its key."""
    return await browser.post(to, data={"key": key_in(page), **fields})


async def fills(browser: httpx.AsyncClient, path: str, **fields: Any) -> httpx.Response:
    """Open a form, and send it with what it says but for these fields."""
    page = await browser.get(path)
    assert page.status_code == 200, page.text
    return await browser.post(path, data={**typed(page), **fields})


def typed(page: httpx.Response) -> dict[str, Any]:
    """What a form holds already."""
    found: dict[str, Any] = {"key": key_in(page)}
    pattern = r'<input type="(?:text|tel|email|date|hidden)"[^>]* name="(\w+)" value="([^"]*)"'
    found |= {name: unescaped(value) for name, value in re.findall(pattern, page.text) if name != "key"}
    for name, inner in re.findall(r'<select id="\w+" name="(\w+)".*?>(.*?)</select>', page.text, re.DOTALL):
        found[name] = (re.findall(r'value="([^"]*)" selected', inner) or [""])[0]
    for name, inner in re.findall(r'<textarea[^>]* name="(\w+)"[^>]*>(.*?)</textarea>', page.text, re.DOTALL):
        found[name] = unescaped(inner)
    for name, value in re.findall(r'type="checkbox" name="(\w+)" value="([^"]*)" checked', page.text):
        found.setdefault(name, []).append(value)
    return found


def unescaped(text: str) -> str:
    return html.unescape(text)


async def enter(browser: httpx.AsyncClient, **fields: Any) -> UUID:
    answer = await fills(browser, NEW, **{**SOCIETY, **fields})
    assert answer.status_code == 303, answer.text
    return UUID(re.findall(rf"{LIST}/([0-9a-f-]+)", answer.headers["location"])[0])


async def names(browser: httpx.AsyncClient, **asked: str) -> list[str]:
    answer = await browser.get(API, params=asked)
    assert answer.status_code == 200
    return [each["name"] for each in answer.json()["organisations"]]


async def organisation(register: Database, id: UUID) -> dict[str, Any]:
    [row] = await rows(register, f"SELECT * FROM organisations WHERE id = '{id}'")
    return row


async def contact_of(register: Database, id: UUID) -> dict[str, Any]:
    [row] = await rows(register, f"SELECT * FROM contacts WHERE organisation_id = '{id}'")
    return row


async def audited(register: Database) -> list[str]:
    return [row["action"] for row in await rows(register, "SELECT action FROM audit ORDER BY number")]


# Finding


async def test_it_is_found_by_any_word_on_its_line_or_of_its_contacts(
    bring: Bring, browser: httpx.AsyncClient
) -> None:
    officer = line(OFFICER, contact_name="Nguyễn Văn Đặng")
    await bring(line(TRUST, officer), line(SUCCESSOR))
    trust = TRUST["name"]
    for said in (
        "kensington",
        "5la",
        "primary care trust",
        "chelsea",
        "dental",
        "dang",
        "ĐẶNG",
        "van nguyen",
    ):
        assert trust in await names(browser, q=said), said
    assert await names(browser, q="dental clinical") == []
    assert await names(browser, q="dental chelsea DANG") == [trust]


async def test_whoever_is_withdrawn_is_still_found_by_name_but_not_by_role(
    bring: Bring, browser: httpx.AsyncClient
) -> None:
    await bring(line(TRUST, OFFICER, contact_withdrawn_on="2012-01-09"))
    assert await names(browser, q="zzyzxova") == [TRUST["name"]]
    assert await names(browser, q="dental") == []


async def test_whoever_was_forgotten_is_found_no_more(
    bring: Bring, register: Database, browser: httpx.AsyncClient
) -> None:
    await bring(line(TRUST, OFFICER))
    [contact] = await rows(register, "SELECT id FROM contacts")
    async with register.transaction() as tx:
        assert await held.erase_contact(tx, contact["id"]) == 1
    assert await names(browser, q="zzyzxova") == []
    assert "zzyzxova" not in str(await rows(register, "SELECT searched FROM organisations"))


async def test_the_list_is_filtered_by_state_tag_and_contacts(
    bring: Bring, register: Database, browser: httpx.AsyncClient
) -> None:
    await bring(line(TRUST, OFFICER, closed_on="2013-03-31"), line(SUCCESSOR))
    trust, group = TRUST["name"], SUCCESSOR["name"]
    [row] = await rows(register, "SELECT id FROM organisations WHERE identifier = 'GB-NHS-08Y'")
    async with register.transaction() as tx:
        await tagging.tag(tx, row["id"], "Réseau dentaire")
    assert await names(browser, state="closed") == [trust]
    assert await names(browser, state="open") == [group]
    assert await names(browser, contact="none") == [group]
    assert await names(browser, tag="reseau dentaire") == [group]
    assert await names(browser, tag="another") == []
    assert set(await names(browser, state="nonsense", contact="nonsense")) == {trust, group}
    page = await browser.get(LIST, params={"state": "open", "q": "London"})
    assert '<option value="open" selected>' in page.text


async def test_words_follow_the_lists_of_the_house(
    bring: Bring, register: Database, browser: httpx.AsyncClient
) -> None:
    await bring(line(TRUST))
    async with register.transaction() as tx:
        await tx.execute("UPDATE organisations SET searched = '', name_words = '{}'")
    assert await names(browser, q="kensington") == []
    await words.keep_words(register)
    assert await names(browser, q="kensington") == [TRUST["name"]]
    async with register.transaction() as tx:
        await tx.execute("UPDATE organisations SET searched = ''")
    await words.keep_words(register)
    assert await names(browser, q="kensington") == [], "the lists are the same: nothing was to be done"


@pytest.mark.parametrize("asked", ["", "q=e", "q=kensington+dental", "contact=none&state=open"])
async def test_a_page_asks_as_many_statements_for_many_rows_as_for_few(
    bring: Bring, register: Database, browser: httpx.AsyncClient, asked: str
) -> None:
    await bring(line(TRUST, OFFICER))
    few = await asked_by(register, browser, f"{LIST}?{asked}")
    await import_partners(register, EXAMPLES / "partners.csv", dry_run=False)
    assert await asked_by(register, browser, f"{LIST}?{asked}") == few


async def test_an_organisation_asks_as_many_statements_with_many_contacts(
    bring: Bring, register: Database, browser: httpx.AsyncClient
) -> None:
    await bring(line(TRUST, OFFICER))
    [row] = await rows(register, "SELECT id FROM organisations")
    few = await asked_by(register, browser, f"{LIST}/{row['id']}")
    await bring(*(line(TRUST, OFFICER, contact_name=f"Somebody {n}") for n in range(40)))
    assert await asked_by(register, browser, f"{LIST}/{row['id']}") == few


async def asked_by(register: Database, browser: httpx.AsyncClient, address: str) -> int:
    """How many statements a page asks, once what a new connection asks first has been asked."""
    for _ in range(2):
        assert (await browser.get(address)).status_code == 200
    asked: list[str] = []
    pools: list[Any] = [register._pool, register._glancing]
    connections = [holder._con for pool in pools for holder in pool._holders if holder._con is not None]

    def note(record: Any) -> None:
        asked.append(record.query)

    for each in connections:
        each.add_query_logger(note)
    await browser.get(address)
    for each in connections:
        each.remove_query_logger(note)
    assert asked
    return len(asked)


# Entering


async def test_an_organisation_is_entered_announced_and_noted(
    register: Database, browser: httpx.AsyncClient
) -> None:
    id = await enter(
        browser,
        identifier="GB-CHC-1234567",
        areas=["E09000020", "E09000033"],
        postal_address="2 Example Road\r\nLondon",
        postcode="w100xx",
        telephone="020  7946 0000",
        website="society.example/about",
        opened_on="2001-04-01",
    )
    row = await organisation(register, id)
    assert (row["name"], row["identifier"], row["version"]) == ("O’Brien’s Society", "GB-CHC-1234567", 1)
    assert (row["postal_address"], row["postcode"]) == (["2 Example Road", "London"], "W10 0XX")
    assert (row["telephone"], row["website"]) == ("020 7946 0000", "https://society.example/about")
    [event] = await announced(register)
    assert (event.fact, event.subject, event.sequence) == (OrganisationRegistered, str(id), 1)
    assert event.data["areas"] == ["E09000020", "E09000033"]
    assert await audited(register) == ["organisation_registered"]
    page = await browser.get(f"{LIST}/{id}?done=registered")
    assert "2 Example Road, London, W10 0XX" in page.text
    assert 'href="https://society.example/about"' in page.text


async def test_who_has_no_number_gets_an_identifier_of_ours(
    register: Database, browser: httpx.AsyncClient
) -> None:
    ids = [await enter(browser, name=name) for name in ("O'Brien & Sons", "جمعية الأطباء العراقيين", "李 会")]
    found = [(await organisation(register, id))["identifier"] for id in ids]
    assert re.fullmatch(r"CONDUIT-o-brien-sons-[0-9a-f]{6}", found[0])
    assert all(re.fullmatch(r"CONDUIT-[0-9a-f]{6}", each) for each in found[1:])
    assert await names(browser, q="الاطباء") == ["جمعية الأطباء العراقيين"]


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("name", "", "This field is empty."),
        ("name", "x" * 300, "The text has 300 characters; there is room for 200."),
        ("name", "Trust \u202egnol", "invisible character (U+202E)"),
        ("name", "=HYPERLINK(1)", "would run it as a formula"),
        ("identifier", "5LA", "This is not an identifier."),
        ("kinds", [], "No kind is ticked."),
        ("kinds", ["no_such_kind"], "is not a known code"),
        ("closeness", "", "This field is empty."),
        ("areas", ["E09000020", "<script>"], "is not a known code"),
        ("postcode", "12345", "is not a UK postcode"),
        ("telephone", "ring me", "is not a telephone number"),
        ("website", "javascript:alert(1)", "is not the address of a website"),
        ("website", "https://u:p@h.example", "is not the address of a website"),
        ("opened_on", "3/4/2012", "is not a date"),
        ("postal_address", "\n".join(["a"] * 9), "at most 8 lines"),
    ],
)
async def test_what_cannot_be_used_is_said_at_its_field_and_nothing_is_lost(
    register: Database, browser: httpx.AsyncClient, field: str, text: Any, words: str
) -> None:
    fields = {**SOCIETY, "telephone": "020 7946 0000", field: text}
    answer = await fills(browser, NEW, **fields)
    assert answer.status_code == 422
    assert words in answer.text
    assert f'id="{field}-fault"' in answer.text
    assert field == "telephone" or 'value="020 7946 0000"' in answer.text
    assert "<script>" not in answer.text.replace("<script src", "")
    assert await rows(register, "SELECT 1 FROM organisations") == []
    assert await announced(register) == []


async def test_a_form_sent_twice_enters_one(register: Database, browser: httpx.AsyncClient) -> None:
    page = await browser.get(NEW)
    answers = await asyncio.gather(*(sends(browser, page, NEW, **SOCIETY) for _ in range(4)))
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert len(await rows(register, "SELECT 1 FROM organisations")) == 1


@pytest.mark.parametrize(
    "name",
    [
        "NHS Kensington & Chelsea",
        "Kensington and Chelsea PCT",
        "The Chelsea and Kensington Primary Care Trust",
        "Kensingtn and Chelsea Primary Care Trust",
    ],
)
async def test_what_may_be_there_is_asked_about_before_it_is_entered(
    bring: Bring, register: Database, browser: httpx.AsyncClient, name: str
) -> None:
    await bring(line(TRUST), line(SUCCESSOR))
    asked = await fills(browser, NEW, **{**SOCIETY, "name": name})
    assert asked.status_code == 409
    assert "Is it one of these?" in asked.text
    assert TRUST["name"] in asked.text
    assert SUCCESSOR["name"] not in asked.text
    assert len(await rows(register, "SELECT 1 FROM organisations")) == 2
    [another] = re.findall(r'name="another" value="([^"]+)"', asked.text)
    went_on = await sends(browser, asked, NEW, **{**SOCIETY, "name": name}, another=another)
    assert went_on.status_code == 303
    assert len(await rows(register, "SELECT 1 FROM organisations")) == 3


async def test_a_no_is_good_only_for_those_that_were_shown(bring: Bring, browser: httpx.AsyncClient) -> None:
    await bring(line(TRUST))
    asked = await fills(browser, NEW, **{**SOCIETY, "name": "NHS Kensington & Chelsea"})
    answer = await sends(
        browser, asked, NEW, **{**SOCIETY, "name": "NHS Kensington & Chelsea"}, another=f"{uuid4()} nonsense"
    )
    assert answer.status_code == 409


async def test_at_the_same_postcode_less_likeness_is_enough(browser: httpx.AsyncClient) -> None:
    await enter(browser, name="Harbour Women’s Project", postcode="W10 6DZ")
    asked = await fills(browser, NEW, **{**SOCIETY, "name": "Harbour Migrant Group"}, postcode="w106dz")
    assert asked.status_code == 409
    assert "and so is its postcode" in asked.text
    other = await fills(browser, NEW, **{**SOCIETY, "name": "Harbour Migrant Group"}, postcode="N1 1AA")
    assert other.status_code == 303


async def test_an_identifier_is_of_one_body_whatever_anybody_says(
    bring: Bring, register: Database, browser: httpx.AsyncClient
) -> None:
    await bring(line(TRUST))
    fields = {**SOCIETY, "identifier": "GB-NHS-5LA"}
    asked = await fills(browser, NEW, **fields)
    assert asked.status_code == 409
    assert "It has the same identifier." in asked.text
    [another] = re.findall(r'name="another" value="([^"]+)"', asked.text)
    refused = await sends(browser, asked, NEW, **fields, another=another)
    assert refused.status_code == 422
    assert "has this identifier already" in refused.text


async def test_two_people_who_enter_the_same_body_at_once_enter_one(
    register: Database, browser: httpx.AsyncClient, colleague: httpx.AsyncClient
) -> None:
    fields = {**SOCIETY, "identifier": "GB-CHC-1"}
    answers = await asyncio.gather(*(fills(each, NEW, **fields) for each in (browser, colleague) * 2))
    assert sorted(answer.status_code for answer in answers) == [303, 409, 409, 409]
    assert len(await rows(register, "SELECT 1 FROM organisations")) == 1


def test_names_are_compared_by_words_and_by_letters() -> None:
    def like(one: str, other: str) -> float:
        return likeness.likeness(name_words(one), name_words(other))

    assert like("The Trust of Camden", "NHS Camden") == 1
    assert like("Westminster Council", "Westminster Concil") > likeness.ALIKE
    assert like("Brent Law Centre", "Barnet School") < likeness.ALIKE
    assert name_words("The NHS Trust") == ("nhs", "the", "trust"), "of nothing but common words all count"
    assert folded("  Đặng ØSTERLY’s  Żółć ") == "dang osterly's zolc"
    assert like("", "Camden") == 0


def test_at_the_most_a_few_are_shown() -> None:
    new = Organisation(
        id=uuid4(), identifier="GB-X-1", name="Hope Centre", kinds=(), areas=(), closeness="",
        opened_on=None, closed_on=None, successor_id=None,
    )  # fmt: skip
    others = [replace(new, id=uuid4(), identifier=f"GB-X-{number}") for number in range(100)]
    found = likeness.alike(new, others)
    assert len(found) == likeness.MOST_SHOWN
    assert found[0].organisation.identifier == "GB-X-1"


# Changing


async def test_what_is_changed_is_announced_with_the_next_version(
    register: Database, browser: httpx.AsyncClient
) -> None:
    id = await enter(browser, areas=["E09000033", "E09000020"], postal_address="1 Road\nLondon")
    answer = await fills(browser, f"{LIST}/{id}/edit", name="Society of O'Brien", postcode="n1 1aa")
    assert answer.status_code == 303
    row = await organisation(register, id)
    assert (row["name"], row["postcode"], row["version"]) == ("Society of O'Brien", "N1 1AA", 2)
    assert set(row["areas"]) == {"E09000033", "E09000020"}
    assert row["postal_address"] == ["1 Road", "London"]
    event = (await announced(register))[-1]
    assert (event.fact, event.sequence) == (OrganisationAmended, 2)
    [note] = await rows(register, "SELECT after FROM audit WHERE action = 'organisation_amended'")
    assert note["after"] == {"version": 2, "fields": ["name", "postcode"]}
    assert await names(browser, q="society of o'brien n1") == ["Society of O'Brien"]


async def test_what_changes_nothing_is_no_change(register: Database, browser: httpx.AsyncClient) -> None:
    id = await enter(browser, kinds=["school", "funder"])
    answer = await fills(browser, f"{LIST}/{id}/edit", kinds=["funder", "school"], revision="7")
    assert answer.status_code == 303
    assert (await organisation(register, id))["version"] == 1
    assert len(await announced(register)) == 1


async def test_whoever_comes_second_is_shown_both_and_loses_nothing(
    register: Database, browser: httpx.AsyncClient, colleague: httpx.AsyncClient
) -> None:
    id = await enter(browser)
    first, mine = [await each.get(f"{LIST}/{id}/edit") for each in (browser, colleague)]
    await fills(browser, f"{LIST}/{id}/edit", name="Theirs", telephone="020 7946 0001")
    again = await colleague.post(f"{LIST}/{id}/edit", data={**typed(mine), "name": "Mine"})
    assert again.status_code == 409
    assert "Somebody else has changed this meanwhile" in again.text
    for text in (">Theirs<", ">Mine<", 'value="020 7946 0001"', 'value="Mine"', 'name="revision" value="2"'):
        assert text in again.text, text
    assert ">020 7946 0001<" not in again.text, "only one of the two has changed it"
    assert (await organisation(register, id))["name"] == "Theirs"
    other = await browser.post(f"{LIST}/{id}/edit", data={**typed(first), "name": "Third"})
    assert "You have changed this meanwhile, in another window" in other.text
    saved = await colleague.post(f"{LIST}/{id}/edit", data=typed(again))
    assert saved.status_code == 303
    kept = await organisation(register, id)
    assert (kept["name"], kept["telephone"], kept["version"]) == ("Mine", "020 7946 0001", 3)


async def test_what_two_people_change_in_different_fields_is_kept_of_both(
    register: Database, browser: httpx.AsyncClient, colleague: httpx.AsyncClient
) -> None:
    id = await enter(browser)
    mine = await colleague.get(f"{LIST}/{id}/edit")
    await fills(browser, f"{LIST}/{id}/edit", name="Theirs", areas=["E09000020"])
    fields = {**typed(mine), "telephone": "nonsense"}
    refused = await colleague.post(f"{LIST}/{id}/edit", data=fields)
    assert refused.status_code == 422
    saved = await colleague.post(f"{LIST}/{id}/edit", data={**typed(refused), "telephone": "020 7946 0009"})
    assert saved.status_code == 303
    kept = await organisation(register, id)
    assert (kept["name"], kept["telephone"]) == ("Theirs", "020 7946 0009")
    assert list(kept["areas"]) == ["E09000020"]
    await fills(browser, f"{LIST}/{id}/contacts/new", **COLLEAGUE)
    contact = (await contact_of(register, id))["id"]
    edit = f"{MOUNT}/contacts/{contact}/edit"
    mine = await colleague.get(edit)
    await fills(browser, edit, contact_name="Their Name")
    saved = await colleague.post(edit, data={**typed(mine), "contact_source": "A call"})
    assert saved.status_code == 303
    kept = await contact_of(register, id)
    assert (kept["name"], kept["source"]) == ("Their Name", "A call")
    clash = await colleague.post(edit, data={**typed(mine), "contact_name": "My Name"})
    assert clash.status_code == 409
    for base in ("", "[", "[1]", '{"name": 1}'):
        bad = await colleague.post(edit, data={**typed(mine), "base": base, "contact_name": "My Name"})
        assert bad.status_code in (403, 409), base


async def test_an_edit_cannot_take_anothers_identifier(bring: Bring, browser: httpx.AsyncClient) -> None:
    await bring(line(TRUST))
    id = await enter(browser)
    answer = await fills(browser, f"{LIST}/{id}/edit", identifier="GB-NHS-5LA")
    assert answer.status_code == 422
    assert "has this identifier already" in answer.text
    assert (await fills(browser, f"{LIST}/{id}/edit", identifier="")).status_code == 422


async def test_a_body_cannot_open_after_it_has_closed(
    bring: Bring, register: Database, browser: httpx.AsyncClient
) -> None:
    await bring(line(TRUST, closed_on="2013-03-31"))
    [row] = await rows(register, "SELECT id FROM organisations")
    answer = await fills(browser, f"{LIST}/{row['id']}/edit", opened_on="2014-01-01")
    assert answer.status_code == 422
    assert "It closed on 31 March 2013." in answer.text


async def test_many_edits_of_one_at_once_lose_none_unseen(
    register: Database, browser: httpx.AsyncClient
) -> None:
    id = await enter(browser)
    pages = [await browser.get(f"{LIST}/{id}/edit") for _ in range(6)]
    answers = await asyncio.gather(
        *(
            browser.post(f"{LIST}/{id}/edit", data={**typed(page), "name": f"Name {number}"})
            for number, page in enumerate(pages)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [303, *[409] * 5]
    assert (await organisation(register, id))["version"] == 2


async def test_edits_and_an_import_wait_for_each_other(
    register: Database, browser: httpx.AsyncClient
) -> None:
    await import_partners(register, EXAMPLES / "partners.csv", dry_run=False)
    some = await rows(register, "SELECT id FROM organisations ORDER BY listed_as LIMIT 8")
    places = [f"{LIST}/{row['id']}/edit" for row in some]
    file = EXAMPLES / "partners.csv"
    edits = asyncio.gather(*(fills(browser, place, telephone="020 7946 0000") for place in places))
    report, answers = await asyncio.gather(import_partners(register, file, dry_run=False), edits)
    assert [answer.status_code for answer in answers] == [303] * 8
    assert report.faults == []
    [row] = await rows(register, "SELECT count(*) AS count FROM organisations WHERE telephone IS NOT NULL")
    assert row["count"] == 8


async def test_a_merged_entry_is_not_listed_and_leads_to_the_other(
    bring: Bring, register: Database, browser: httpx.AsyncClient
) -> None:
    await bring(line(TRUST, OFFICER), line(SUCCESSOR))
    async with register.transaction() as tx:
        await tx.execute(
            "UPDATE organisations AS o SET merged_into = s.id FROM organisations AS s"
            " WHERE o.identifier = 'GB-NHS-5LA' AND s.identifier = 'GB-NHS-08Y'"
        )
    assert await names(browser) == [SUCCESSOR["name"]]
    [row] = await rows(register, "SELECT id, merged_into FROM organisations WHERE merged_into IS NOT NULL")
    for path in (f"{LIST}/{row['id']}", f"{LIST}/{row['id']}/edit"):
        answer = await browser.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{LIST}/{row['merged_into']}")
    there = await browser.get(f"{API}/{row['id']}")
    assert (there.status_code, there.headers["location"]) == (303, f"{API}/{row['merged_into']}")
    for path in (
        f"{LIST}/{row['id']}/contacts/new",
        f"{LIST}/{uuid4()}/edit",
        f"{MOUNT}/contacts/{uuid4()}/edit",
    ):
        assert (await browser.get(path)).status_code == 404


# Contacts


async def test_a_contact_is_entered_changed_withdrawn_and_listed_again(
    register: Database, browser: httpx.AsyncClient
) -> None:
    id = await enter(browser)
    assert (await fills(browser, f"{LIST}/{id}/contacts/new", **COLLEAGUE)).status_code == 303
    contact = await contact_of(register, id)
    place = f"{MOUNT}/contacts/{contact['id']}"
    changes = {"contact_name": "Dr Đặng", "contact_role": "chief_executive"}
    assert (await fills(browser, f"{place}/edit", **changes)).status_code == 303
    page = await browser.get(f"{LIST}/{id}")
    gone = await sends(browser, page, f"{place}/withdraw")
    shown = await browser.get(gone.headers["location"])
    assert "Nobody writes to them any more." in shown.text
    assert f'action="{place}/relist" class="undo"' in shown.text
    back = await sends(browser, shown, f"{place}/relist")
    assert back.status_code == 303
    contact = await contact_of(register, id)
    assert (contact["name"], contact["role"], contact["withdrawn_on"]) == ("Dr Đặng", "chief_executive", None)
    said = [(event.fact, event.sequence) for event in await announced(register)][1:]
    facts = (ContactListed, ContactListed, ContactWithdrawn, ContactListed)
    assert said == list(zip(facts, (1, 2, 3, 4), strict=True))
    assert (await audited(register))[1:] == [
        "contact_listed", "contact_amended", "contact_withdrawn", "contact_amended",
    ]  # fmt: skip
    audit = str(await rows(register, "SELECT before, after, object FROM audit"))
    assert "Đặng" not in audit
    assert "society.example" not in audit


async def test_withdrawing_twice_withdraws_once(register: Database, browser: httpx.AsyncClient) -> None:
    id = await enter(browser)
    await fills(browser, f"{LIST}/{id}/contacts/new", **COLLEAGUE)
    contact = await contact_of(register, id)
    for _ in range(2):
        page = await browser.get(f"{LIST}/{id}")
        await sends(browser, page, f"{MOUNT}/contacts/{contact['id']}/withdraw")
    assert [event.fact for event in await announced(register)].count(ContactWithdrawn) == 1


@pytest.mark.parametrize(
    ("fields", "at", "words"),
    [
        ({"contact_email": ""}, "contact_email", "needed to write to them that way"),
        ({"contact_channel": "post"}, "contact_address", "needed to write to them that way"),
        ({"contact_channel": "post"}, "contact_postcode", "needed to write to them that way"),
        ({"contact_channel": "fax"}, "contact_channel", "is not a known code"),
        ({"contact_role": "king"}, "contact_role", "is not a known code"),
        ({"contact_name": "\u202eevE"}, "contact_name", "invisible character"),
        ({"contact_name": "x" * 300}, "contact_name", "there is room for 200"),
        ({"contact_source": ""}, "contact_source", "This field is empty."),
        ({"contact_email": "a@b.example\r\nBcc: x@y.example"}, "contact_email", "line break"),
        ({"contact_listed_on": "yesterday"}, "contact_listed_on", "is not a date"),
        ({"contact_listed_on": "2999-01-01"}, "contact_listed_on", "still to come"),
        ({"contact_listed_on": "0099-01-01"}, "contact_listed_on", "before 1800"),
    ],
)
async def test_a_contact_that_cannot_be_written_to_is_refused(
    register: Database, browser: httpx.AsyncClient, fields: dict[str, str], at: str, words: str
) -> None:
    id = await enter(browser)
    answer = await fills(browser, f"{LIST}/{id}/contacts/new", **{**COLLEAGUE, **fields})
    assert answer.status_code == 422
    assert words in answer.text
    assert f'id="{at}-fault"' in answer.text
    names = {named.partition(": ")[0] for named in summed_up(answer.text)}
    assert FIELDS[at][0] in names
    assert await rows(register, "SELECT 1 FROM contacts") == []


async def test_a_day_on_which_no_body_opened_is_refused(
    register: Database, browser: httpx.AsyncClient
) -> None:
    for day, what in (("1066-10-14", "before 1800"), ("2999-01-01", "more than 50 years ahead")):
        answer = await fills(browser, NEW, **{**SOCIETY, "opened_on": day})
        assert (answer.status_code, what in answer.text) == (422, True)
    id = await enter(browser)
    answer = await fills(browser, f"{LIST}/{id}/edit", opened_on="1066-10-14")
    assert "before 1800" in answer.text
    sent = await browser.patch(f"{API}/{id}", json={"opened_on": "2999-01-01"}, headers={"if-match": '"1"'})
    assert (sent.status_code, "50 years" in sent.text) == (422, True)
    assert (await organisation(register, id))["version"] == 1


async def test_whoever_was_forgotten_is_not_entered_again(
    register: Database, browser: httpx.AsyncClient
) -> None:
    id = await enter(browser)
    async with register.transaction() as tx:
        digest = held.address_digest(tx, "Dang@Society.example")
        await tx.execute("INSERT INTO erased_addresses VALUES ($1, $2)", digest, tx.now)
    answer = await fills(browser, f"{LIST}/{id}/contacts/new", **COLLEAGUE)
    assert answer.status_code == 422
    assert "has asked to be forgotten" in answer.text
    assert await rows(register, "SELECT 1 FROM contacts") == []


async def test_others_at_the_address_of_somebody_forgotten_go_on(
    register: Database, browser: httpx.AsyncClient
) -> None:
    id = await enter(browser)
    await fills(browser, f"{LIST}/{id}/contacts/new", **COLLEAGUE)
    place = f"{MOUNT}/contacts/{(await contact_of(register, id))['id']}"
    async with register.transaction() as tx:
        done = await held.forget(tx, Subject(emails=(COLLEAGUE["contact_email"],), names=("Somebody Else",)))
    assert held.KEPT_ADDRESS in done.kept
    assert (await fills(browser, f"{place}/edit", contact_source="a telephone call")).status_code == 303
    for step in ("withdraw", "relist"):
        assert (await sends(browser, await browser.get(f"{LIST}/{id}"), f"{place}/{step}")).status_code == 303
    assert (await contact_of(register, id))["withdrawn_on"] is None


async def test_a_forgotten_contact_cannot_be_changed_or_had_back(
    register: Database, browser: httpx.AsyncClient
) -> None:
    id = await enter(browser)
    await fills(browser, f"{LIST}/{id}/contacts/new", **COLLEAGUE)
    contact = await contact_of(register, id)
    async with register.transaction() as tx:
        await held.erase_contact(tx, contact["id"])
    page = await browser.get(f"{LIST}/{id}")
    assert f"{MOUNT}/contacts/{contact['id']}" not in page.text
    assert (await browser.get(f"{MOUNT}/contacts/{contact['id']}/edit")).status_code == 404
    assert (await sends(browser, page, f"{MOUNT}/contacts/{contact['id']}/relist")).status_code == 404


async def test_the_same_person_in_the_same_role_stands_there_once(browser: httpx.AsyncClient) -> None:
    id = await enter(browser)
    await fills(browser, f"{LIST}/{id}/contacts/new", **COLLEAGUE)
    answer = await fills(browser, f"{LIST}/{id}/contacts/new", **COLLEAGUE)
    assert answer.status_code == 422
    assert "stands there in the same role already" in answer.text


async def test_two_people_at_one_contact(
    register: Database, browser: httpx.AsyncClient, colleague: httpx.AsyncClient
) -> None:
    id = await enter(browser)
    await fills(browser, f"{LIST}/{id}/contacts/new", **COLLEAGUE)
    place = f"{MOUNT}/contacts/{(await contact_of(register, id))['id']}/edit"
    mine = await colleague.get(place)
    await fills(browser, place, contact_source="a telephone call")
    again = await colleague.post(place, data={**typed(mine), "contact_source": "my own notes"})
    assert again.status_code == 409
    assert "a telephone call" in again.text
    assert 'value="my own notes"' in again.text
    assert (await contact_of(register, id))["source"] == "a telephone call"


# Tags and views


async def test_a_tag_is_put_on_one_and_taken_off(register: Database, browser: httpx.AsyncClient) -> None:
    id = await enter(browser)
    page = await browser.get(f"{LIST}/{id}")
    assert (await sends(browser, page, f"{LIST}/{id}/tags", tag="Đentists’ <b>net</b>")).status_code == 303
    page = await browser.get(f"{LIST}/{id}")
    assert "Đentists’ &lt;b&gt;net&lt;/b&gt;" in page.text
    [tag] = await rows(register, "SELECT id FROM tags")
    assert (await sends(browser, page, f"{LIST}/{id}/tags", remove=str(tag["id"]))).status_code == 303
    assert await rows(register, "SELECT 1 FROM organisation_tags") == []
    page = await browser.get(f"{LIST}/{id}")
    long = await sends(browser, page, f"{LIST}/{id}/tags", tag="x" * 300)
    assert long.status_code == 422
    assert 'id="tag-fault"' in long.text
    assert (await audited(register))[1:] == ["tagged", "untagged"]


async def begun(browser: httpx.AsyncClient, search: str = "", **fields: Any) -> httpx.Response:
    """What answers when a tag is to be put on many."""
    page = await browser.get(f"{LIST}?{search}")
    sent = {"key": key_in(page), "search": search, "tag": "Dental network", "act": "add", **fields}
    return await browser.post(f"{MOUNT}/tagging", data=sent)


async def test_many_are_tagged_after_a_look_at_how_many_and_it_can_be_undone(
    bring: Bring, register: Database, browser: httpx.AsyncClient
) -> None:
    await import_partners(register, EXAMPLES / "partners.csv", dry_run=False)
    search = "kind=primary_care_trust"
    total = (await browser.get(f"{API}?{search}")).json()["total"]
    assert total > 20
    first = await rows(
        register, "SELECT id FROM organisations WHERE 'primary_care_trust' = ANY(kinds) LIMIT 1"
    )
    async with register.transaction() as tx:
        await tagging.tag(tx, first[0]["id"], "dental network")
    answer = await begun(browser, search, all="yes")
    place = answer.headers["location"]
    page = await browser.get(place)
    assert f"{total} organisations" in page.text
    assert len(await rows(register, "SELECT 1 FROM organisation_tags")) == 1, "nothing was done yet"
    done = await sends(browser, page, place)
    listed = await browser.get(done.headers["location"])
    assert f"was put on {total - 1} organisations." in listed.text
    assert len(await rows(register, "SELECT 1 FROM organisation_tags")) == total
    undone = await sends(browser, listed, f"{place}/undo")
    assert "That is undone." in (await browser.get(undone.headers["location"])).text
    assert await rows(register, "SELECT organisation_id AS id FROM organisation_tags") == first
    assert len(await rows(register, "SELECT 1 FROM tags")) == 1, "the same word in other letters is one tag"


async def test_a_tag_is_taken_from_those_that_are_ticked(
    bring: Bring, register: Database, browser: httpx.AsyncClient
) -> None:
    await bring(line(TRUST), line(SUCCESSOR))
    ids = [str(row["id"]) for row in await rows(register, "SELECT id FROM organisations")]
    async with register.transaction() as tx:
        for id in ids:
            await tagging.tag(tx, UUID(id), "Dental network")
    answer = await begun(browser, organisation=ids[:1], act="remove", tag="dental NETWORK")
    place = answer.headers["location"]
    done = await sends(browser, await browser.get(place), place)
    assert "was taken from 1 organisation." in (await browser.get(done.headers["location"])).text
    assert [
        str(row["organisation_id"]) for row in await rows(register, "SELECT * FROM organisation_tags")
    ] == ids[1:]


async def test_nothing_to_tag_too_many_and_no_such_tag_are_refused(
    bring: Bring, register: Database, browser: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bring(line(TRUST), line(SUCCESSOR))
    assert "No organisation is ticked." in (await begun(browser)).text
    assert "No organisation has the tag" in (await begun(browser, all="yes", act="remove")).text
    assert "This field is empty." in (await begun(browser, all="yes", tag=" ")).text
    assert (await begun(browser, organisation=["nonsense"])).status_code == 400
    monkeypatch.setattr(tagging, "MOST", 1)
    many = await begun(browser, all="yes")
    assert many.status_code == 422
    assert "more than 1 organisations" in many.text
    assert await rows(register, "SELECT 1 FROM taggings") == []


async def test_a_tagging_is_of_whoever_has_asked_for_it(
    bring: Bring, browser: httpx.AsyncClient, colleague: httpx.AsyncClient
) -> None:
    await bring(line(TRUST))
    place = (await begun(browser, all="yes")).headers["location"]
    page = await colleague.get(LIST)
    assert (await colleague.get(place)).status_code == 404
    for path in (place, f"{place}/undo"):
        assert (await sends(colleague, page, path)).status_code == 404


async def test_a_view_is_saved_opened_renamed_deleted_and_had_back(
    bring: Bring, register: Database, browser: httpx.AsyncClient, colleague: httpx.AsyncClient
) -> None:
    await bring(line(TRUST))
    search = "q=dental&area=E09000033"
    page = await browser.get(f"{LIST}?{search}")
    saved = await sends(browser, page, VIEWS, name="O'Brien’s own", search=f"{search}&after=x&evil=1")
    assert saved.headers["location"] == f"{LIST}?{search}&done=view"
    page = await browser.get(saved.headers["location"])
    assert f'href="{LIST}?{search.replace("&", "&amp;")}" aria-current="true"' in page.text
    assert "No saved views yet" in (await colleague.get(VIEWS)).text
    [view] = await rows(register, "SELECT id FROM saved_views")
    place, page = f"{VIEWS}/{view['id']}", await browser.get(VIEWS)
    assert (await sends(browser, page, f"{place}/rename", name="")).status_code == 422
    assert (
        await sends(browser, await browser.get(VIEWS), f"{place}/rename", name="عيادة")
    ).status_code == 303
    gone = await sends(browser, await browser.get(VIEWS), f"{place}/delete")
    shown = await browser.get(gone.headers["location"])
    assert "عيادة" not in shown.text
    back = await sends(browser, shown, f"{place}/restore")
    assert "عيادة" in (await browser.get(back.headers["location"])).text
    page = await colleague.get(VIEWS)
    for act in ("rename", "delete", "restore"):
        answer = await sends(colleague, await colleague.get(f"{LIST}"), f"{place}/{act}", name="Mine")
        assert answer.status_code == 404, act
    assert (await audited(register))[-4:] == ["view_saved", "view_renamed", "view_deleted", "view_restored"]


async def test_a_shared_view_is_everybodys(
    bring: Bring, register: Database, browser: httpx.AsyncClient, colleague: httpx.AsyncClient
) -> None:
    await bring(line(TRUST))
    page = await browser.get(f"{LIST}?state=open")
    await sends(browser, page, VIEWS, name="Open ones", search="state=open", shared="yes")
    assert "Open ones" in (await colleague.get(LIST)).text
    [view] = await rows(register, "SELECT id FROM saved_views")
    page = await colleague.get(VIEWS)
    assert (
        await sends(colleague, page, f"{VIEWS}/{view['id']}/rename", name="Still open")
    ).status_code == 303
    assert "Still open" in (await browser.get(LIST)).text


# For programs


async def entered(browser: httpx.AsyncClient, key: str = "", **fields: Any) -> httpx.Response:
    headers = {"idempotency-key": key or str(uuid4())}
    return await browser.post(API, json={**ENTRY, **fields}, headers=headers)


async def test_a_program_enters_one_once(register: Database, browser: httpx.AsyncClient) -> None:
    key = str(uuid4())
    first = await entered(browser, key, postcode="w100xx", postal_address=["2 Example Road"])
    again = await entered(browser, key, postcode="w100xx", postal_address=["2 Example Road"])
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert first.headers["etag"] == '"1"'
    assert first.headers["location"] == f"{API}/{first.json()['id']}"
    assert (first.json()["postcode"], first.json()["postal_address"]) == ("W10 0XX", ["2 Example Road"])
    assert len(await rows(register, "SELECT 1 FROM organisations")) == 1
    assert (await browser.get(first.headers["location"])).headers["etag"] == '"1"'


async def test_a_program_is_asked_about_those_that_are_alike(
    bring: Bring, browser: httpx.AsyncClient
) -> None:
    await bring(line(TRUST))
    asked = await entered(browser, name="NHS Kensington & Chelsea")
    assert asked.status_code == 409
    [id] = re.findall(rf"{API}/([0-9a-f-]+)", asked.json()["detail"])
    went_on = await entered(browser, name="NHS Kensington & Chelsea", not_one_of=[id])
    assert went_on.status_code == 201


async def test_a_program_changes_what_it_has_read(register: Database, browser: httpx.AsyncClient) -> None:
    made = (await entered(browser, telephone="020 7946 0000")).json()
    place = f"{API}/{made['id']}"
    patched = await browser.patch(place, json={"name": "Hội"}, headers={"if-match": '"1"'})
    assert (patched.status_code, patched.headers["etag"]) == (200, '"2"')
    assert (patched.json()["name"], patched.json()["telephone"]) == ("Hội", "020 7946 0000")
    same = await browser.patch(place, json={"name": "Hội"}, headers={"if-match": '"1"'})
    assert (same.status_code, same.json()["version"]) == (200, 2), "it was done before, and is not done twice"
    late = await browser.patch(place, json={"name": "Other"}, headers={"if-match": '"1"'})
    assert late.status_code == 412
    whole = {**ENTRY, "identifier": made["identifier"]}
    put = await browser.put(place, json=whole, headers={"if-match": '"2"'})
    assert (put.status_code, put.json()["telephone"], put.json()["version"]) == (200, None, 3)
    assert [event.sequence for event in await announced(register)] == [1, 2, 3]
    assert await audited(register) == [
        "organisation_registered",
        "organisation_amended",
        "write_partners",  # the one that changed nothing
        "organisation_amended",
    ]


@pytest.mark.parametrize(
    ("tag", "status"),
    [
        ("", 428),
        ("*", 412),
        ("1", 412),
        ('W/"1"', 412),
        ('"x"', 412),
        ('"1", "2"', 412),
        ('"-1"', 412),
        ('"9"', 412),
    ],
)
async def test_a_program_says_what_it_has_read(browser: httpx.AsyncClient, tag: str, status: int) -> None:
    made = (await entered(browser)).json()
    headers = {"if-match": tag} if tag else {}
    answer = await browser.patch(f"{API}/{made['id']}", json={"name": "Other"}, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"name": "x" * 300}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"name": None}, "name"),
        ({"postcode": "nowhere"}, "postcode"),
        ({"kinds": ["king"]}, "kinds"),
        ({"kinds": []}, "kinds"),
        ({"closed_on": "2013-01-01"}, "closed_on"),
        ({"version": 7}, "version"),
        ({"areas": "E09000020"}, "areas"),
    ],
)
async def test_a_program_is_held_to_the_rules_of_the_form(
    register: Database, browser: httpx.AsyncClient, document: dict[str, Any], field: str
) -> None:
    made = (await entered(browser)).json()
    answer = await browser.patch(f"{API}/{made['id']}", json=document, headers={"if-match": '"1"'})
    assert answer.status_code == 422
    assert answer.json()["field"].partition(".")[0] == field
    assert (await organisation(register, UUID(made["id"])))["version"] == 1


async def test_the_api_describes_what_it_takes(browser: httpx.AsyncClient) -> None:
    document = (await browser.get(f"{MOUNT}/api/v1/openapi.json")).json()
    one = document["paths"][f"{API}/{{id}}"]
    assert set(one) == {"get", "put", "patch"}
    assert [each["name"] for each in one["patch"]["parameters"]] == ["id", "If-Match"]
    assert "201" in document["paths"][API]["post"]["responses"]
