"""Where one begins to apply in a round: what it is for, until when, and an e-mail address. No account.

Whatever address is typed, the answer is the same: nobody learns here who has applied.
"""

from datetime import date
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import NotFound, Refused
from chassis.house import House, words
from chassis.web import fault, new_key, once, private, read_form, read_id, see, site_of
from chassis.web.access import acts, check_key
from chassis.web.pace import source_of
from chassis.writing import mailable
from services.grants import applying
from services.grants.queries import ROUNDS
from services.grants.rounds import RoundState, takes_applications
from services.grants.web.applying import step_href
from services.grants.web.frame import frame
from services.grants.web.hrefs import apply_href

#: Rounds that are shown together.
MOST = 20

_DONE = {
    "sent_again": "If there is an application with this address, we have sent its link. Look at your mail.",
    "thrown": "We have deleted what you wrote.",
}


async def show_rounds(request: Request) -> Response:
    """Where one may apply, now or soon."""
    site = site_of(request)
    async with site.database.reading() as tx:
        rows = [row async for row in ROUNDS.rounds_to_apply_in(tx, today=tx.today, most=MOST)]
    house = site.context.house
    rounds = [{**row, "href": apply_href(row["id"]), **_what_for(house, row)} for row in rows]
    return site.page(request, "apply_rounds.html", rounds=rounds)


def _what_for(house: House, row: Any) -> dict[str, str]:
    """Whom a round helps, and to what, in words."""
    people, exams = house.lists["professions"], house.lists["purposes"]
    return {
        "people": ", ".join(
            str(people[code].attributes.get("plural", people[code].name)) if code in people else code
            for code in row["professions"]
        ),
        "exams": ", ".join(words(exams, row["purposes"])),
    }


async def show(request: Request) -> Response:
    """What the round is for, and where one begins."""
    return await _page(request)


async def _page(request: Request, *, status: int = 200, **said: Any) -> Response:
    site, id = site_of(request), read_id(request, "round")
    async with site.database.reading() as tx:
        row = await _found(tx, id)
    shown = {"values": {"email": "", "again": ""}, "faults": {}, **said}
    return private(
        site.page(
            request,
            "apply.html",
            status=status,
            **frame(site.context, row),
            **shown,
            open=_is_open(row, site.context.clock.today()),
            over=row["state"] != RoundState.OPEN or row["closes_on"] < site.context.clock.today(),
            **_what_for(site.context.house, row),
            href=apply_href(id),
            key=new_key(request),
            flash=_DONE.get(request.query_params.get("done", "")),
        )
    )


async def _found(tx: Transaction, id: Any) -> Any:
    row = await ROUNDS.round_by_id(tx, id=id)
    if row is None or row["state"] == RoundState.DRAFT:
        raise NotFound
    return row


def _is_open(row: Any, today: date) -> bool:
    return takes_applications(row["state"], row["opens_on"], row["closes_on"], today)


async def begin(request: Request) -> Response:
    """Begin, and go on at once. The answer is kept nowhere: its address is a secret."""
    id, form = read_id(request, "round"), await read_form(request)
    check_key(request, str(form.get("key", "")))
    try:
        email = read_email(form, "email")
        source = source_of(request.client.host if request.client else "")
        async with acts(request) as tx:
            token = await applying.begin(tx, id, email, source)
    except Refused as refused:
        return await _again(request, form, refused, "email")
    return private(see(f"{step_href(token, 'you')}?done=begun"))


async def send_links(request: Request) -> Response:
    """Mail the links of whatever was begun with an address."""
    id, form = read_id(request, "round"), await read_form(request)

    async def act(tx: Transaction) -> Response:
        await applying.send_links_again(tx, id, email)
        return see(f"{apply_href(id)}?done=sent_again")

    try:
        email = read_email(form, "again")
        return await once(request, act)
    except Refused as refused:
        return await _again(request, form, refused, "again")


async def _again(request: Request, form: FormData, refused: Refused, field: str) -> Response:
    """The page once more, with what was typed and what is wrong with it."""
    if isinstance(refused, NotFound):
        raise refused
    values = {"email": "", "again": "", field: str(form.get(field, ""))[:254]}
    faults = {field: fault(refused.what, refused.cure)}
    return await _page(request, status=refused.status, values=values, faults=faults)


def read_email(form: FormData, field: str) -> str:
    """The one address that somebody typed.

    Raises:
        Refused: names the field.
    """
    email = str(form.get(field, "")).strip()
    if not mailable(email):
        cure = "Write it like name@mail.example."
        raise Refused("This is not an e-mail address.", cure, field=field)
    return email
