"""One letter of a draft says something else than the others."""

from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.web import (
    Faults,
    add_faults,
    base_of,
    meanwhile,
    new_key,
    once,
    read_base,
    read_form,
    read_revision,
    see,
    signed_in,
    site_of,
)
from services.notifications.composing import give_own_words
from services.notifications.hrefs import letter_href
from services.notifications.plans import template_faults
from services.notifications.web.compose import ChangedMeanwhile, Values, unless_changed
from services.notifications.web.letter import may_differ, read_letter
from services.notifications.web.specimens import give_specimen
from services.notifications.web.steps import done, framed, read_campaign
from services.notifications.web.words import checked

_LABELS = {"subject": "Subject", "body": "Text"}


async def show(request: Request) -> Response:
    """The words of one letter, to be changed."""
    letter = await read_letter(request)
    if not may_differ(letter):
        return see(letter_href(letter["id"]))
    return await _page(request, letter, _values_of(letter), {})


async def check(request: Request) -> Response:
    """The same page with what is typed, what is wrong with it and how it would read. Nothing is kept."""
    form, letter = await read_form(request), await read_letter(request)
    return await _page(request, letter, _typed(form), {}, revision=read_revision(form), base=read_base(form))


async def mail(request: Request) -> Response:
    """The e-mail that says what is typed, as a file; or what is wrong with it. Nothing is kept."""
    form, letter, site = await read_form(request), await read_letter(request), site_of(request)
    async with site.database.reading() as tx:
        campaign = await read_campaign(tx, letter["campaign_id"])
        found = await checked(tx, campaign, **_typed(form), letter=letter)
    if found["preview"] is None:
        return await check(request)
    return await give_specimen(site.context, *found["preview"]["mail"])


async def save(request: Request) -> Response:
    """Keep them; or let the letter say again what all say."""
    form, letter = await read_form(request), await read_letter(request)
    common, revision, base = form.get("common") == "yes", read_revision(form), read_base(form)
    typed = _typed(form)
    faults = {} if common else _faults(typed, asks=letter["asks"])
    if faults:
        return await _page(request, letter, typed, faults, 422, revision=revision, base=base)
    look = unless_changed(revision, base, typed, _LABELS, _values_of)

    async def act(tx: Transaction) -> Response:
        own = None if common else (typed["subject"], typed["body"])
        await give_own_words(tx, letter["id"], own, signed_in(request).id, look)
        return see(letter_href(letter["id"]) + done("common" if common else "own"))

    try:
        return await once(request, act)
    except ChangedMeanwhile as changed:
        newest = await read_letter(request)
        found = await meanwhile(request, changed.differences, letter["id"], "letter_words_changed")
        return await _page(request, newest, typed, {}, 409, base=changed.theirs, changed=found)


def _typed(form: FormData) -> Values:
    return {name: str(form.get(name, "")).strip().replace("\r\n", "\n") for name in _LABELS}


def _values_of(letter: Any) -> Values:
    return {name: letter[name] for name in _LABELS}


def _faults(typed: Values, *, asks: bool) -> Faults:
    found = Faults()
    add_faults(found, template_faults(typed["subject"], typed["body"], asks=asks))
    return found


async def _page(
    request: Request,
    letter: Any,
    typed: Values,
    faults: Faults,
    status: int = 200,
    *,
    revision: int | None = None,
    base: Values | None = None,
    changed: Any = (),
) -> Response:
    async with site_of(request).database.reading() as tx:
        campaign = await read_campaign(tx, letter["campaign_id"])
        found = await checked(tx, campaign, typed["subject"], typed["body"], letter=letter)
    response: Response = site_of(request).page(
        request,
        "letter_words.html",
        status=status,
        **framed(campaign),
        letter=letter,
        letter_href=letter_href(letter["id"]),
        values=typed,
        faults=faults,
        changed=changed,
        check=found,
        revision=letter["version"] if revision is None else revision,
        base=base_of(_values_of(letter) if base is None else base),
        key=new_key(request),
    )
    return response
