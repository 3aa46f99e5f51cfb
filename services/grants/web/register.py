"""Registering, for everybody: the form, the page behind the mailed link, and what is done with the answers.

The form says the same to everybody, so that nobody can find out who is registered. Looking changes nothing.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import Refused
from chassis.house import Entry, word
from chassis.web import new_key, once, private, read_form, see, site_of, unknown_link
from chassis.writing import mailable
from services.grants import registrations
from services.grants.countries import COUNTRIES, country_name
from services.grants.domain import folded
from services.grants.held import REGISTRATIONS_TERM
from services.grants.languages import languages_offered
from services.grants.registrations import GOOD_FOR, NOTICE, Purpose, Registrant
from services.grants.web.forms import Fields, read_language, submit

#: Where the form is, and what the addresses behind mailed links begin with.
FORM = "/grants/register"

#: Names that are shown when what was typed is none of the list.
_MOST_LIKELY = 4

#: What somebody agrees to: the words beside the box, and what it means.
PURPOSES: Mapping[Purpose, tuple[str, str]] = {
    Purpose.STUDY_GROUP: ("The study group", "We may write to you about the study group and its lessons."),
    Purpose.GRANTS: ("Grants", "We may write to you when there is money for exams."),
}

_DONE = {"confirmed": "Thank you. You are registered."}


async def show(request: Request) -> Response:
    """The empty form."""
    return await _form(request, {"purposes": []}, {})


async def _form(
    request: Request, values: Mapping[str, Any], faults: Mapping[str, Any], status: int = 200
) -> Response:
    site = site_of(request)
    lists = site.context.house.lists
    names = ("email", "profession", "area", "country", "exam_stage", "reference", "language")
    return site.page(
        request,
        "register.html",
        status=status,
        values=dict.fromkeys(names, "") | dict(values),
        faults=faults,
        professions=list(lists["professions"].values()),
        stages=list(lists["exam_stages"].values()),
        areas=[entry.name for entry in lists["areas"].values()],
        countries=list(COUNTRIES.values()),
        languages=await _languages(request),
        purposes=[
            {"code": each.value, "name": name, "means": means} for each, (name, means) in PURPOSES.items()
        ],
        notice_href=f"{FORM}/privacy",
        key=new_key(request),
    )


async def _languages(request: Request) -> list[Entry]:
    async with site_of(request).database.reading() as tx:
        return await languages_offered(tx)


async def ask(request: Request) -> Response:
    """Let a mail go to the address of the form, or show it again with every fault."""
    fields = Fields(await read_form(request), several=("purposes",))
    registrant = _read(fields, site_of(request).context.house.lists, await _languages(request))

    async def act(tx: Transaction) -> Response:
        await registrations.ask(tx, registrant)
        return see(f"{FORM}/sent")

    return await submit(request, fields, act, partial(_form, request))


def _read(fields: Fields, lists: Mapping[str, Mapping[str, Entry]], languages: Iterable[Entry]) -> Registrant:
    """What a form says; with faults, as far as it can be read."""
    email = fields.line("email", most=254)
    if email and not mailable(email):
        cure = "Write one such as name@body.example."
        fields.add(Refused("No mail can be sent to this address.", cure, field="email"))
    profession = fields.one_of("profession", {code: code for code in lists["professions"]})
    area = _named(fields, "area", {code: entry.name for code, entry in lists["areas"].items()})
    country = _named(fields, "country", COUNTRIES)
    stage = fields.one_of("exam_stage", lists["exam_stages"])
    if profession and stage and profession not in stage.attributes.get("professions", [profession]):
        cure = f"Choose how far you are as a {lists['professions'][profession].name.lower()}."
        fields.add(Refused(f"{stage.name} is an exam of another profession.", cure, field="exam_stage"))
    return Registrant(
        email=email,
        profession=profession or "",
        area=area,
        country=country,
        exam_stage=stage.code if stage else "",
        reference=fields.line("reference", most=60, required=False),
        language=read_language(fields, languages),
        purposes=[Purpose(code) for code in fields.codes("purposes", [each.value for each in Purpose])],
    )


def _named(fields: Fields, field: str, names: Mapping[str, str]) -> str:
    """The code of what was typed or taken from the browser's list; also of a beginning that one name has."""
    typed = folded(fields.line(field))
    if not typed:
        return ""
    found = [code for code, name in names.items() if folded(name) == typed or code.casefold() == typed]
    likely = [code for code, name in names.items() if f" {typed}" in f" {folded(name)}"]
    if not found and len(likely) == 1:
        found = likely
    if len(found) == 1:
        fields.values[field] = names[found[0]]
        return found[0]
    fields.add(Refused("This is not on the list.", _cure(names[code] for code in likely), field=field))
    return ""


def _cure(likely: Iterable[str]) -> str:
    names = list(likely)[:_MOST_LIKELY]
    if names:
        return f"Do you mean {' or '.join(names)}? Write one of them."
    return "Type its first letters and choose it from the list. If it is not there, ring us."


async def sent(request: Request) -> Response:
    """What to do now: look into one's mail."""
    return site_of(request).page(request, "register_sent.html", days=GOOD_FOR.days, form_href=FORM)


async def privacy(request: Request) -> Response:
    """The privacy notice of the form."""
    site = site_of(request)
    return site.page(
        request,
        "register_privacy.html",
        version=date.fromisoformat(NOTICE),
        months=REGISTRATIONS_TERM.kept_for(site.context.settings),
        days=GOOD_FOR.days,
        form_href=FORM,
    )


# Behind the link


async def show_one(request: Request) -> Response:
    """What somebody typed, to be confirmed; or what they are registered with, and the way out."""
    async with site_of(request).database.reading() as tx:
        row = await registrations.by_token(tx, request.path_params["token"])
    return unknown_link(request) if row is None else _registered(request, row)


async def confirm(request: Request) -> Response:
    """Register whoever the link was sent to."""
    token = request.path_params["token"]

    async def act(tx: Transaction) -> Response:
        if await registrations.by_token(tx, token) is None:
            return unknown_link(request)
        await registrations.confirm(tx, token)
        return see(f"{FORM}/{token}?done=confirmed")

    return private(await once(request, act))


async def leave(request: Request) -> Response:
    """Forget whoever the link was sent to."""
    token = request.path_params["token"]

    async def act(tx: Transaction) -> Response:
        if await registrations.by_token(tx, token) is None:
            return unknown_link(request)
        await registrations.leave(tx, token)
        return see(f"{FORM}/left")

    return private(await once(request, act))


async def left(request: Request) -> Response:
    """That somebody is not registered any more."""
    return site_of(request).page(request, "register_left.html", form_href=FORM)


def _registered(request: Request, row: Mapping[str, Any]) -> Response:
    site = site_of(request)
    lists = site.context.house.lists
    said = {
        "Profession": word(lists["professions"], row["profession"]),
        "Borough": word(lists["areas"], row["area"]),
        "Country where you qualified": country_name(row["country"]),
        "Exams": word(lists["exam_stages"], row["exam_stage"]),
        "We may write to you about": ", ".join(PURPOSES[Purpose(code)][0] for code in row["purposes"])
        or "Nothing",
    }
    return private(
        site.page(
            request,
            "registered.html",
            said=said,
            confirmed=row["registration_id"] is not None,
            writes=bool(row["purposes"]),
            since=row["registered_on"],
            href=f"{FORM}/{request.path_params['token']}",
            form_href=FORM,
            key=new_key(request),
            flash=_DONE.get(request.query_params.get("done", "")),
        )
    )
