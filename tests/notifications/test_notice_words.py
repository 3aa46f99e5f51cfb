"""What messages to one person say: ours from files, or staff's from the database; in a language of choice."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from email.message import EmailMessage
from html import unescape
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from chassis.database import Database
from chassis.errors import Conflict
from chassis.house import read_house
from chassis.sealed import seal
from chassis.testing import RecordingMailServer
from contracts.access import Role
from contracts.catalogue import sample
from contracts.envelope import Sealed
from contracts.grants import ApplicationDecided, ApplicationSubmitted
from contracts.notifications import TRANSLATED, LettersTranslated
from contracts.topology import NOTIFICATIONS
from services.notifications import web
from services.notifications.handlers import SUBSCRIPTIONS
from services.notifications.notices import versions
from services.notifications.notices.courier import Courier
from services.notifications.notices.kinds import GROUPS, KINDS, Kind
from services.notifications.notices.looks import render_page
from services.notifications.notices.versions import Words, asked_in, faults_of, our_languages, ours
from services.notifications.notices.writing import direction, house_values, merged
from tests.access import EVERYTHING, form_key
from tests.conftest import EXAMPLES, MakeDatabase, announced, client
from tests.notifications.composing import OTHER, field_on, hidden, saves
from tests.notifications.conftest import hear, rows, told

EMAIL = "amina.marker@forum.example"
#: What somebody could type to become a header, a template, markup, a formula or a program.
HOSTILE = (
    "Bcc: x@evil.example\r\nX-Evil: 1\n\nhttps://evil.example/a\t{name} {{7*7}} {% if x %} #set page() $x$ "
    "<script>alert(1)</script> =1+1 =?utf-8?q?=0ABcc=3A?= O'Brien \u202etxet\u2069 \x00\x85\u2028 'ễ "
    + "x"
    * 300
)
LETTER = {
    "name": "Thị <Marker>",
    "email": EMAIL,
    "reference": "K7QM-X2PD",
    "round": "Doctors’ exams",
    "link": "https://forum.example/grants/applying/aaaabbbbccccddddeeeeffffgg",
    "help_name": "Rosa",
    "help_telephone": "020 7946 0001",
    "words": "Add your <booking>.",
}


@pytest.fixture
async def desk(make_database: MakeDatabase) -> Database:
    return await make_database("notifications")


@pytest.fixture
async def browser(desk: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(web.build(desk), "/letters") as browser:
        yield browser


def path(kind: str, language: str = "en") -> str:
    return f"/letters/words/{kind}/{language}"


def every_words() -> list[Any]:
    return [
        pytest.param(kind, language, id=f"{kind.code}-{language}")
        for kind in KINDS.values()
        for language in our_languages()
        if ours(kind.code, language)
    ]


@pytest.mark.parametrize(("kind", "language"), every_words())
def test_every_kind_can_be_read_as_it_comes_whatever_is_filled_in(kind: Kind, language: str) -> None:
    words = ours(kind.code, language)
    assert words is not None
    assert list(faults_of(kind, words)) == []
    unused = kind.known.keys() - set(re.findall(r"\{(?:if )?([a-z_]+)\}", words.subject + words.body))
    assert not unused - {"house_short_name", "reference"}, unused
    house = house_values(read_house(EXAMPLES / "house.toml"))
    for chosen in ({}, dict.fromkeys(asked_in(words), True), dict.fromkeys(asked_in(words), "")):
        said = merged(kind, words, language, kind.samples | house | chosen)
        assert not re.search(r"[{}]|\n{3}", said.body + said.subject)
        if language == "en":
            greeting, first = said.body.split("\n\n")[:2]
            assert re.fullmatch(r"(Dear .+|Hello),", greeting)
            assert first[0].isupper(), "British letters go on with a capital letter"
    hostile = {name: HOSTILE for name, value in kind.samples.items() if isinstance(value, str)}
    said = merged(kind, words, language, kind.samples | house | hostile)
    assert said.subject.isprintable() or language != "en"
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028]|=\\?", said.subject)
    assert "\n" not in said.subject
    for literal in ("{{7*7}}", "#set page() $x$", "=1+1", "O'Brien"):
        assert literal in said.body or not any(f"{{{name}}}" in words.body for name in hostile)
    page = render_page(said.subject, said.body, language, direction(words.body), "https://forum.example")
    assert "<script>" not in page
    assert 'href="https://evil' not in page
    one_line = [field for field in kind.fields if field.name in hostile and not field.lines]
    lines = merged(
        kind, Words("x", "\n".join(f"{{{f.name}}}" for f in one_line)), "en", kind.samples | house | hostile
    )
    assert lines.body.count("\n") == len(one_line), "what is one line stays one"


def test_kinds_and_files_are_the_same() -> None:
    folder = Path(versions.__file__).parent / "words"
    assert {file.stem for file in (folder / "en").iterdir()} == set(KINDS)
    for file in folder.glob("*/*.txt"):
        assert file.stem in KINDS
        assert file.read_text(encoding="utf-8").startswith("Subject: ")
    assert {kind.to for kind in KINDS.values()} == set(GROUPS)
    assert tuple(code for code in our_languages() if code != "en") == TRANSLATED


async def test_whatever_others_say_becomes_a_message_of_a_known_kind(desk: Database) -> None:
    """Every event that one is written from, with hostile text in all that travels sealed."""
    home = versions.__name__.rpartition(".")[0]
    reactions = [each for each in SUBSCRIPTIONS if each.react and each.react.__module__.startswith(home)]
    events = []
    for fact in (each.fact for each in reactions):
        sealed = {name: field for name, field in fact().fields.items() if isinstance(field, Sealed)}
        asks = {name: field for name, field in sealed.items() if field.to == NOTIFICATIONS}
        parts = {name: seal(desk.context.keys, fact, name, filled(field)) for name, field in asks.items()}
        variants: list[dict[str, Any]] = [{}]
        if fact is ApplicationDecided:
            none = {"awarded": None, "answer_by": None}
            variants = [{}, {"decision": "decline", **none}, {"decision": "defer", **none}]
        events += [told(fact, uuid4(), **{**sample(fact).data, **parts, **more}) for more in variants]
    await hear(desk, *events)
    written = await rows(desk, "SELECT kind, words, subject, body FROM notices")
    assert len(written) == len(events)
    assert {row["kind"] for row in written} == set(KINDS)
    assert all(row["words"] == 1 and "\n" not in row["subject"] for row in written)


def filled(field: Sealed) -> dict[str, str]:
    said = {}
    for name, each in field.part().fields.items():
        longest = next((it.max for it in each.validators if hasattr(it, "max")), None) or 500
        said[name] = {"email": EMAIL, "code": "012345", "language": "xx"}.get(name, HOSTILE[:longest])
    return said


async def acknowledges(desk: Database, **letter: str) -> None:
    sealed = seal(desk.context.keys, ApplicationSubmitted, "letter", LETTER | letter)
    await hear(
        desk, told(ApplicationSubmitted, uuid4(), **{**sample(ApplicationSubmitted).data, "letter": sealed})
    )


def content(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content())


async def test_a_letter_goes_in_the_language_of_choice_where_there_is_one(
    desk: Database, mail: RecordingMailServer
) -> None:
    await acknowledges(desk, language="ar", name="Thị <Marker>")
    await acknowledges(desk, language="fr")
    await acknowledges(desk)
    await Courier(desk).turn()
    said = {message.parsed["Content-Language"]: message.parsed for message in mail.to(EMAIL)}
    assert sorted(message.parsed["Content-Language"] for message in mail.to(EMAIL)) == ["ar", "en", "en"]
    plain, page = (content(said["ar"], kind) for kind in ("plain", "html"))
    assert said["ar"]["Subject"] == "استلمنا طلبك K7QM-X2PD"
    assert LETTER["link"] in plain.splitlines(), "nothing stands around what is clicked"
    assert "\u2068Thị <Marker>\u2069" in plain
    assert "\u2068020 7946 0001\u2069" in plain, "a telephone number keeps its order"
    assert "14/5/2012" in plain
    assert '<html lang="ar" dir="rtl">' in page
    assert '<html lang="en" dir="ltr">' in content(said["en"], "html")
    kept = await rows(desk, "SELECT language, words FROM notices ORDER BY language")
    assert [(row["language"], row["words"]) for row in kept] == [("ar", 1), ("en", 1), ("en", 1)]


def test_what_somebody_typed_runs_its_own_way_in_a_letter_that_runs_the_other() -> None:
    body = "مرحبا\n\nAdd your booking.\n\n020 7946 0001\n"
    page = render_page("x", body, "ar", "rtl", "https://forum.example")
    assert '<p dir="ltr">Add your booking.</p>' in page
    assert "<p>مرحبا</p>" in page
    assert '<html lang="ar" dir="rtl">' in page
    assert "dir=" not in render_page("x", "Dear محمد عبد الرحمن,\n\nHi.", "en", "ltr", "").split("<body")[1]


async def test_words_are_changed_translated_and_put_back(
    desk: Database, browser: httpx.AsyncClient, mail: RecordingMailServer
) -> None:
    kind = "application_received"
    await acknowledges(desk)
    listed = (await browser.get("/letters/words")).text
    assert "As they come" in listed
    assert (
        listed.index("People who apply") < listed.index("Panel members") < listed.index("People who sign in")
    )
    mine = {"subject": "It is here: {reference}", "body": "Dear {name},\n\nIt came. See {link}"}
    answer = await saves(browser, path(kind), mine)
    assert answer.status_code == 303, answer.text
    await acknowledges(desk)
    await saves(browser, path(kind, "fr"), {"subject": "Reçu : {reference}", "body": "Bonjour,\n\n{link}"})
    await acknowledges(desk, language="fr")
    await Courier(desk).turn()
    subjects = [message.parsed["Subject"] for message in mail.to(EMAIL)]
    assert sorted(subjects) == [
        "It is here: K7QM-X2PD",
        "Reçu : K7QM-X2PD",
        "We have your application K7QM-X2PD",
    ]
    page = (await browser.get(path(kind, "fr"))).text
    assert "Stop using this translation?" in page
    assert "Changed by a member of staff" in (await browser.get("/letters/words")).text
    for language in ("en", "fr"):
        await saves(browser, path(kind, language), {"back": "yes"})
    await acknowledges(desk, language="fr")
    kept = await rows(desk, "SELECT language, version, whose, written_by FROM notice_words ORDER BY 1, 2")
    assert [(row["language"], row["version"], row["whose"]) for row in kept] == [
        ("en", 1, "ours"),
        ("en", 2, "theirs"),
        ("en", 3, "ours"),
        ("fr", 1, "theirs"),
        ("fr", 2, "nobody"),
    ]
    assert [row["written_by"] for row in kept] == [None, *[EVERYTHING.id] * 4]
    used = await rows(desk, "SELECT language, words FROM notices ORDER BY made_at, id")
    assert [(row["language"], row["words"]) for row in used] == [("en", 1), ("en", 2), ("fr", 1), ("en", 3)]
    history = (await browser.get(f"{path(kind)}/versions")).text
    assert history.count("1 message in the last three months") == 3
    assert "<ins>" in history
    assert "Dear {name}," in history
    facts = [event.data["languages"] for event in await announced(desk) if event.fact is LettersTranslated]
    assert facts == [["en"], ["en", "fr"], ["fr"], []]
    noted = await rows(desk, "SELECT * FROM audit")
    assert "notice_words_theirs" in str(noted)
    assert "It came" not in str(noted)


@pytest.mark.parametrize(
    ("subject", "body", "what"),
    [
        ("x", "{link} {nam}", "There is no field {nam}. Did you mean {name}?"),
        ("x", "{link} {help_name.__class__}", "There is no field {help_name.__class__}."),
        ("x", "Nothing else", "{link} is missing"),
        ("x", "{if words}{link}{end} {words}", "{link} is missing"),
        ("{link}", "{link}", "{link} cannot stand in the subject"),
        ("x", "{replaces} {link}", "{replaces} has no words of its own"),
        ("a\nb", "{link}", "characters that cannot be printed"),
        ("x", "{link} \u202e", "characters that cannot be printed"),
        ("", "{link}", "This is empty."),
    ],
)
async def test_words_that_could_fail_somebody_are_refused_by_what_is_wrong(
    desk: Database, browser: httpx.AsyncClient, subject: str, body: str, what: str
) -> None:
    typed = {"subject": subject, "body": body}
    answer = await saves(browser, path("decision_defer"), typed)
    assert answer.status_code == 422
    page = unescape(answer.text)
    assert what in page
    assert body in page, "what was typed is not lost"
    checked = await browser.post(
        f"{path('decision_defer')}/check", data=await hidden(browser, path("decision_defer")) | typed
    )
    assert what in unescape(checked.text)
    assert await rows(desk, "SELECT 1 FROM notice_words") == []


async def test_the_page_shows_each_way_that_a_message_can_read(browser: httpx.AsyncClient) -> None:
    address = path("panel_invitation")
    assert "to sit on the panel" in shown(await browser.get(address))
    form = await hidden(browser, address) | typed_on(KINDS["panel_invitation"])
    ticked = await browser.post(f"{address}/check", data=form | {"shown": ["reserve"], "so": ["reserve"]})
    assert "to be a reserve" in shown(ticked)
    assert f'<form method="post" action="{address}"' in ticked.text, "so that it is saved where it belongs"
    mail = await browser.get(f"{path('application_received', 'ar')}/mail")
    assert 'dir="rtl"' in mail.text
    assert "sandbox" in mail.headers["content-security-policy"]
    arabic = (await browser.get(path("application_received", "ar"))).text
    assert '<article class="paper short-paper" lang="ar" dir="rtl">' in arabic.replace(" gap", "")


def shown(answer: httpx.Response) -> str:
    found = re.search(r"<article.*?</article>", answer.text, re.DOTALL)
    assert found, answer.text
    return found[0]


def typed_on(kind: Kind) -> dict[str, str]:
    words = ours(kind.code, "en")
    assert words is not None
    return {"subject": words.subject, "body": words.body}


async def test_of_two_people_at_once_the_second_sees_what_the_first_has_written(
    desk: Database, browser: httpx.AsyncClient
) -> None:
    address = path("application_received")
    form = await hidden(browser, address)
    both = [{"subject": f"Words of {n}", "body": "Hello,\n\n{link}"} for n in (1, 2)]
    first = await browser.post(address, data=form | both[0])
    async with client(web.build(desk), "/letters", OTHER) as second:
        form = form | {"key": form_key(OTHER)}
        answer = await second.post(address, data=form | both[1])
        assert (first.status_code, answer.status_code) == (303, 409)
        assert "Words of 1" in answer.text
        assert "Somebody else has changed this meanwhile" in answer.text
        assert 'value="Words of 2"' in answer.text
        fresh = {name: field_on(answer.text, name) for name in ("revision", "base")}
        assert (await second.post(address, data=form | fresh | both[1])).status_code == 303
        third = both[1] | {"key": form_key(OTHER), "subject": "Words of 2 again"}
        answer = await second.post(address, data=form | third)
        assert "You have changed this meanwhile, in another window" in answer.text
    kept = await rows(desk, "SELECT subject FROM notice_words ORDER BY version")
    assert [row["subject"] for row in kept[1:]] == ["Words of 1", "Words of 2"]


async def test_at_the_same_moment_one_version_follows_the_other(desk: Database) -> None:
    kind = KINDS["application_received"]

    async def writes(n: int) -> None:
        async with desk.transaction() as tx:
            words = Words(f"Words {n}", "{link}")
            await versions.keep(tx, kind, "en", words, EVERYTHING.id, lambda row: None)

    await asyncio.gather(*(writes(n) for n in range(4)), *(acknowledges(desk) for _ in range(4)))
    kept = await rows(desk, "SELECT version, subject, body FROM notice_words ORDER BY version")
    assert [row["version"] for row in kept] == list(range(1, len(kept) + 1))
    assert len(kept) == 5, "ours are entered once"
    by_version = {row["version"]: row for row in kept}
    for notice in await rows(desk, "SELECT words, subject FROM notices"):
        template = by_version[notice["words"]]["subject"]
        assert notice["subject"] == template.replace("{reference}", LETTER["reference"])


async def test_nobody_changes_what_opens_an_account_and_readers_change_nothing(
    desk: Database, browser: httpx.AsyncClient
) -> None:
    address = path("sign_in")
    page = (await browser.get(address)).text
    assert KINDS["sign_in"].fixed in page
    assert "<textarea" not in page
    form = {"key": form_key(), "revision": "0", "base": "{}", "subject": "x", "body": "{link} {code}"}
    assert (await browser.post(address, data=form)).status_code == 409
    with pytest.raises(Conflict):
        async with desk.transaction() as tx:
            await versions.keep(
                tx, KINDS["sign_in"], "en", Words("x", "{link}"), EVERYTHING.id, lambda row: None
            )
    auditor = replace(EVERYTHING, roles=frozenset({Role.AUDITOR}))
    async with client(web.build(desk), "/letters", auditor) as reader:
        seen = await reader.get(path("application_received"))
        assert seen.status_code == 200
        assert "<textarea" not in seen.text
        form = form | {"key": form_key(auditor)}
        assert (await reader.post(path("application_received"), data=form)).status_code == 403
    assert await rows(desk, "SELECT 1 FROM notice_words") == []
    assert "nobody has changed them" in (await browser.get(f"{path('referral')}/versions")).text
    for unknown in (path("nothing"), path("referral", "tlh"), "/letters/words/referral?language=tlh"):
        assert (await browser.get(unknown)).status_code == 404


async def test_words_that_a_release_does_not_know_any_more_give_way_to_ours(desk: Database) -> None:
    async with desk.transaction() as tx:
        await tx.execute(
            "INSERT INTO notice_words VALUES"
            " ('application_received', 'en', 1, 'theirs', 'x', '{gone}', NULL, now())"
        )
    await acknowledges(desk)
    [notice] = await rows(desk, "SELECT words, subject FROM notices")
    assert (notice["words"], notice["subject"]) == (2, "We have your application K7QM-X2PD")
