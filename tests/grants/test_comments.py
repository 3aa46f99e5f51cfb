"""What members write of a case: others read it once somebody of ours has looked through it."""

import re
from html import unescape

import httpx

from chassis.access import Person
from chassis.audit import acting
from chassis.database import Database
from services.grants import conflicts, served, web
from services.grants.dossiers import gather
from services.grants.web.hrefs import comments_href, desk_case_href
from tests.access import form_key
from tests.conftest import client
from tests.grants.panelling import OFFICER, Panelled, a_decision, a_meeting, a_panel, an_applicant

#: A name that is right, and one that is not: nothing must tell them apart.
RIGHT, WRONG = an_applicant(1).name.split()[1], "Zzyzxowa"


async def writes(grants: Database, who: Person, at: Panelled, words: str) -> httpx.Response:
    """Be done with the first case, with these words."""
    path = desk_case_href(at.cases[0].id)
    async with client(web.build(grants), "/grants", who) as browser:
        revision = re.search(r'name="revision" value="(\d+)"', (await browser.get(path)).text)
        assert revision
        return await browser.post(
            path,
            data={
                "key": form_key(who),
                "revision": revision[1],
                "act": "done",
                "comment": words,
                **{f"score-{criterion}": "4" for criterion in at.criteria},
            },
        )


async def reads(grants: Database, who: Person, at: Panelled) -> str:
    """What somebody reads of the first case."""
    async with client(web.build(grants), "/grants", who) as browser:
        return unescape((await browser.get(desk_case_href(at.cases[0].id))).text)


async def a_form(officer: httpx.AsyncClient, at: Panelled) -> dict[str, str]:
    """The officer's form, with what stands in it."""
    page = (await officer.get(comments_href(at.id))).text
    fields = dict(re.findall(r'name="(version-[^"]+)" value="(\d+)"', page))
    words = re.findall(r'<textarea id="(words-[^"]+)"[^>]*>(.*?)</textarea>', page, re.DOTALL)
    return fields | {field: unescape(text) for field, text in words}


async def passes(officer: httpx.AsyncClient, at: Panelled, form: dict[str, str]) -> str:
    answer = await officer.post(comments_href(at.id), data={"key": form_key(OFFICER), **form})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].partition("?done=")[2]


async def test_others_read_a_comment_as_it_was_let_through_and_the_writer_sees_no_difference(
    grants: Database,
) -> None:
    at = await a_panel(grants, 2)
    for member in at.members:
        async with acting(grants) as tx:
            await conflicts.say_interests(tx, member.id, [])
    one, two, three = at.members[:3]
    said = {one: f"{RIGHT} O'Brien works hard.", two: f"{WRONG} works hard."}
    answers = [await writes(grants, who, at, words) for who, words in said.items()]
    await writes(grants, three, at, "")
    assert len({(each.status_code, each.headers["location"]) for each in answers}) == 1
    for who, words in said.items():
        assert words in await reads(grants, who, at), "their own form shows what they wrote"
    for reader in (one, two, three):
        page = await reads(grants, reader, at)
        assert all((words in page) is (reader is writer) for writer, words in said.items())

    async with client(web.build(grants), "/grants", OFFICER) as officer:
        assert "Look through 2 comments" in (await officer.get("/grants/")).text
        page = unescape((await officer.get(comments_href(at.id))).text)
        assert page.count("is in the applicant’s name") == 1
        assert page.index(said[one]) < page.index(said[two]), "where something is found comes first"
        stale = await a_form(officer, at)
        too_long = stale | dict.fromkeys((name for name in stale if name.startswith("words")), "x" * 3_001)
        refused = await officer.post(comments_href(at.id), data={"key": form_key(OFFICER), **too_long})
        assert (refused.status_code, "too long" in refused.text) == (422, True)

        marked = next(name for name, words in stale.items() if words == said[one])
        assert await passes(officer, at, {marked: said[one]}) == "left", "one press passes no name"
        assert "seems to say who applies" in (await officer.get(f"{comments_href(at.id)}?done=left")).text
        unticked = stale | {marked: "They works hard."}
        refused = await officer.post(comments_href(at.id), data={"key": form_key(OFFICER), **unticked})
        assert (refused.status_code, "did not tick them" in refused.text) == (422, True)
        assert "They works hard." in refused.text, "what was typed is not lost"
        assert await a_form(officer, at) == stale

        await writes(grants, two, at, f"{WRONG} again.")
        form = {name: re.sub(f"{RIGHT} O'Brien|{WRONG}", "They", words) for name, words in stale.items()}
        form[marked.replace("words", "pass")] = "yes"
        assert await passes(officer, at, form) == "some", "what was written anew was not looked at"
        assert "They works hard." in await reads(grants, three, at)
        assert "again" not in await reads(grants, three, at)
        form = await a_form(officer, at)
        assert [words for name, words in form.items() if name.startswith("words")] == [f"{WRONG} again."]
        assert await passes(officer, at, form | {name: "" for name in form if "words" in name}) == "passed"
        assert "Nothing waits" in (await officer.get(comments_href(at.id))).text
        assert "Look through" not in (await officer.get("/grants/")).text

    assert "again" not in await reads(grants, three, at), "kept back altogether"
    assert said[one] in await reads(grants, one, at)
    assert "They works hard." in await reads(grants, two, at)
    await writes(grants, one, at, said[one])
    assert "They works hard." in await reads(grants, two, at), "the same words need not be looked at again"

    await a_decision(grants, at, at.cases[0], await a_meeting(grants, at))
    async with grants.reading() as tx:
        told = await gather(tx, at.cases[0].application_id)
    assert sorted(each["comment"] for each in told["scores"]) == ["", "", "They works hard."]


async def test_a_comment_goes_with_whoever_wrote_it(grants: Database) -> None:
    at = await a_panel(grants, 1)
    one, two = at.members[:2]
    for member in (one, two):
        async with acting(grants) as tx:
            await conflicts.say_interests(tx, member.id, [])
        await writes(grants, member, at, f"Words of {member.id}")
    async with client(web.build(grants), "/grants", OFFICER) as officer:
        await passes(officer, at, await a_form(officer, at))
    assert f"Words of {one.id}" in await reads(grants, two, at)
    async with acting(grants) as tx:
        await served.forget_people(tx, [one.id])
    assert str(one.id) not in await reads(grants, two, at)
