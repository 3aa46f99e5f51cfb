"""People who apply, for tests: a browser without an account, what they write, and the mail that they get."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx

from chassis.audit import acting
from chassis.database import Database
from chassis.keys import read_keys
from chassis.sealed import unseal
from contracts.envelope import Event, Fact
from contracts.grants import ApplicationLinkRequested
from contracts.topology import NOTIFICATIONS
from services.grants import applying
from services.grants.applicants import Applicant
from services.grants.applying import Asked
from tests.conftest import announced

EMAIL = "zyta.zzyzx@mail.example"

YOU = {
    "name": "Zyta Zzyzxová-O'Brien",
    "telephone": "07700 900123",
    "email": EMAIL,
    "address": "1 Zzyzx Road\nLondon",
}
WORK = {"profession": "doctor", "qualified_abroad": "yes", "registration": ""}
EXAM = {
    "purpose": "plab_1",
    "amount": "145",
    "exam_passed": "no",
    "exam_on": "",
    "words": "I study each evening.\nI cannot pay.",
}
FORM = {"you": YOU, "work": WORK, "exam": EXAM}

#: The same, as it is kept.
WHO = Applicant(email=EMAIL, name=YOU["name"], telephone=YOU["telephone"], address=YOU["address"])
ASKED = Asked(
    profession="doctor",
    qualified_abroad=True,
    purpose="plab_1",
    amount_pence=14_500,
    exam_passed=False,
    words=EXAM["words"],
)

PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x02\x00\x00\x00\x90wS\xde"
    b"\x00\x00\x00\x0cIDATx\x9cc\xf8\xcf\xc0\x00\x00\x03\x01\x01\x00\xc9\xfe\x92\xef\x00\x00\x00\x00IEND\xaeB`\x82"
)


def key_in(page: httpx.Response, suffix: str = "") -> str:
    """The hidden key of a form on a page."""
    found = re.search(rf'name="key" value="([^"]+{suffix})"', page.text)
    assert found, page.text[:2_000]
    return found.group(1)


async def fills_in(
    browser: httpx.AsyncClient, path: str, fields: dict[str, Any], on: str = ""
) -> httpx.Response:
    """Send a form that stands on a page; on the one that it is sent to, when nothing is said."""
    return await browser.post(path, data={"key": key_in(await browser.get(on or path)), **fields})


async def begins(browser: httpx.AsyncClient, round: UUID, email: str = EMAIL) -> str:
    """Begin to apply; the address of the application in this browser."""
    answer = await fills_in(browser, f"/grants/apply/{round}", {"email": email})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].rpartition("/you")[0]


async def writes(browser: httpx.AsyncClient, path: str, **changes: dict[str, Any]) -> None:
    """Fill in every step."""
    for step, fields in FORM.items():
        answer = await fills_in(browser, f"{path}/{step}", fields | changes.get(step, {}))
        assert answer.status_code == 303, answer.text


async def adds(
    browser: httpx.AsyncClient, path: str, name: str = "booking.pdf", content: bytes = PDF
) -> httpx.Response:
    """Add a paper."""
    page = await browser.get(f"{path}/evidence")
    file = {"file": (name, content, "application/octet-stream")}
    return await browser.post(f"{path}/evidence", data={"key": key_in(page, "-add")}, files=file)


async def sends(browser: httpx.AsyncClient, path: str) -> httpx.Response:
    """Send the application."""
    return await acts(browser, path, "send")


async def acts(browser: httpx.AsyncClient, path: str, act: str) -> httpx.Response:
    """Press one of the two buttons of the first page."""
    key = key_in(await browser.get(path), f"-{act}")
    return await browser.post(path, data={"key": key, "act": act, "confirm": "yes"})


def letter_in(grants: Database, event: Event) -> dict[str, Any]:
    """What a fact says to the applicant alone."""
    keys = read_keys(grants.context.settings.keys_folder, NOTIFICATIONS)
    return unseal(keys, event.fact, "letter", event.data["letter"])


async def letters(grants: Database, fact: type[Fact] = ApplicationLinkRequested) -> list[dict[str, Any]]:
    """What was to be written to applicants, in order."""
    told = [event for event in await announced(grants) if event.fact is fact]
    return [letter_in(grants, event) for event in told]


def path_of(letter: dict[str, Any]) -> str:
    """Where the link in a letter leads."""
    return str(httpx.URL(letter["link"]).path)


async def an_application(
    grants: Database,
    round: UUID,
    *,
    sent: bool = True,
    who: Applicant = WHO,
    asked: Asked = ASKED,
    papers: int = 0,
) -> UUID:
    """An application without the pages, for tests that are about something else."""
    async with acting(grants) as tx:
        token = await applying.begin(tx, round, who.email, f"somewhere {who.email}")
        at = await applying.writing(tx, token)
        await applying.save(tx, at, **vars(asked))
        await applying.save_applicant(tx, at, who)
        for number in range(papers):
            content = _content(PNG if number % 2 else PDF)
            name, kind = (("photo.png", "image/png"), ("paper.pdf", "application/pdf"))[number % 2 == 0]
            await applying.add_evidence(tx, at, name=name, media_type=kind, content=content)
        if sent:
            await applying.send(tx, token)
    return at.id


async def _content(content: bytes) -> AsyncIterator[bytes]:
    yield content


def later(grants: Database, **time: float) -> None:
    """Move the clock."""
    grants.context.clock.advance(timedelta(**time))


async def state_of(grants: Database, id: UUID) -> str:
    async with grants.reading() as tx:
        found: str = await tx.fetchval("SELECT state FROM applications WHERE id = $1", id)
    return found
