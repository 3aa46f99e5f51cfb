"""Somebody who registers by the public form."""

from typing import Any

import httpx

from chassis.database import Database
from chassis.keys import read_keys
from chassis.sealed import unseal
from contracts.grants import RegistrationAsked
from contracts.topology import NOTIFICATIONS
from services.grants import registrations
from services.grants.registrations import Purpose, Registrant
from tests.conftest import announced
from tests.partners.browsing import key_in

EMAIL = "amina.marker@mail.example"
FORM: dict[str, Any] = {
    "email": EMAIL,
    "profession": "doctor",
    "area": "Camden",
    "country": "Iraq",
    "exam_stage": "plab_1",
    "reference": "",
    "purposes": ["study_group", "grants"],
}
ADDRESS = "/grants/register"


def somebody(email: str = EMAIL, **more: Any) -> Registrant:
    """A doctor from Iraq who lives in Camden."""
    said: dict[str, Any] = {
        "profession": "doctor",
        "area": "E09000007",
        "country": "IQ",
        "exam_stage": "plab_1",
        "purposes": [Purpose.GRANTS],
    }
    return Registrant(email=email, **said | more)


async def asks(grants: Database, email: str = EMAIL, **more: Any) -> str:
    """Fill in the form; the token in the mail."""
    async with grants.transaction() as tx:
        id = await registrations.ask(tx, somebody(email, **more))
    return registrations.token_of(grants.context, id)


async def registers(grants: Database, email: str = EMAIL, **more: Any) -> str:
    """Fill in the form and press the button behind the link."""
    token = await asks(grants, email, **more)
    async with grants.transaction() as tx:
        await registrations.confirm(tx, token)
    return token


async def post(browser: httpx.AsyncClient, path: str, on: str = "", **fields: Any) -> httpx.Response:
    """Send a form that stands on the page ``on``; on the one that it is sent to, when nothing is said."""
    return await browser.post(path, data={"key": key_in(await browser.get(on or path)), **fields})


async def mails(grants: Database) -> list[dict[str, Any]]:
    """What the service that writes letters finds in the sealed parts, the oldest first."""
    keys = read_keys(grants.context.settings.keys_folder, NOTIFICATIONS)
    return [
        unseal(keys, RegistrationAsked, "address", event.data["address"])
        | unseal(keys, RegistrationAsked, "link", event.data["link"])
        for event in await announced(grants)
        if event.fact is RegistrationAsked
    ]


async def rows(grants: Database, table: str) -> list[dict[str, Any]]:
    async with grants.reading() as tx:
        return [dict(row) for row in await tx.fetch(f"SELECT * FROM {table} ORDER BY 1")]
