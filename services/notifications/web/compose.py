"""The first steps of a campaign, a page for each: what it is for, who receives it, what it says.

Each is saved by itself, so one can leave after any of them and go on another day. Two people may be at one
draft: whoever comes second sees what the first has changed on the same page.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import Refused
from chassis.house import House, words
from chassis.web import (
    Difference,
    Faults,
    add_faults,
    base_of,
    differences,
    fault,
    meanwhile,
    new_key,
    once,
    read_base,
    read_form,
    read_id,
    read_pounds,
    read_revision,
    same_text,
    see,
    signed_in,
    site_of,
)
from services.notifications.campaigns import begin_campaign, discard_campaign
from services.notifications.composing import (
    Look,
    change_purpose,
    change_recipients,
    change_words,
    copy_campaign,
)
from services.notifications.domain import AskFormula, ByPost, CampaignState, InvalidFormula
from services.notifications.hrefs import MOUNT, campaign_href, step_href
from services.notifications.plans import (
    Purpose,
    Recipients,
    Words,
    purpose_faults,
    recipients_faults,
    words_faults,
)
from services.notifications.preparing import Made
from services.notifications.queries import QUERIES
from services.notifications.web.pressing import press
from services.notifications.web.specimens import give_specimen
from services.notifications.web.steps import done, flash_of, framed, read_campaign, steps_of
from services.notifications.web.words import checked
from services.notifications.wording import fields_for

_AMOUNTS = {
    "ask_least": "least_pence",
    "ask_each": "each_pence",
    "ask_step": "step_pence",
    "ask_most": "most_pence",
}

#: By field, what people call it.
PURPOSE = {
    "name": "Name",
    "purpose": "Purpose",
    "fund": "Fund",
    "asks": "Whether it asks for money",
    "profession": "Whom we count",
    "ask_least": "The least",
    "ask_each": "For each person",
    "ask_step": "In steps of",
    "ask_most": "The most",
}
WHO = {
    "kind": "Kind of body",
    "areas": "Areas",
    "roles": "People at each body",
    "in_turn": "All at once or in turn",
    "by_post": "By e-mail or by post",
}
WORDS = {"subject": "Subject", "body": "Text", "signatory": "Who signs it"}

#: Fields of which several may be ticked; their codes are kept with commas between them.
_SEVERAL = ("areas", "roles")

Values = dict[str, str]


class ChangedMeanwhile(Exception):
    """What the form was made from was changed meanwhile on the same page. Nothing was changed by this."""

    def __init__(self, row: Mapping[str, Any], theirs: Values, found: Sequence[Difference]) -> None:
        super().__init__()
        self.row, self.theirs, self.differences = row, theirs, found


def unless_changed(
    revision: int,
    base: Values,
    yours: Values,
    labels: Mapping[str, str],
    values_of: Callable[[Any], Values],
) -> Look:
    """Lets a form be acted on that was made from what stands there, or that changes nothing of it.

    Raises:
        ChangedMeanwhile: otherwise, from what it gives.
    """

    def look(row: Any) -> None:
        theirs = values_of(row)
        if row["version"] == revision or _same(theirs, base) or _same(theirs, yours):
            return
        raise ChangedMeanwhile(row, theirs, differences(labels, theirs, yours))

    return look


def _same(one: Values, other: Values) -> bool:
    return one.keys() == other.keys() and all(same_text(name, one[name], other[name]) for name in one)


@dataclass(frozen=True)
class _Step:
    """One of the pages: how its form is read, checked, kept and shown."""

    code: str
    template: str
    labels: Mapping[str, str]
    values_of: Callable[[Any], Values]
    #: What is typed, and what cannot be read of it.
    read: Callable[[Values, Faults], Any]
    faults_of: Callable[[Any, House, Any], Iterator[Refused]]
    change: Callable[[Transaction, UUID, Any, UUID, Look], Awaitable[Made | None]]
    #: What the audit calls a change.
    noted: str
    following: str
    #: What the page says beside the form of what is typed; nothing on some pages.
    check: Callable[[Transaction, Any, Values], Awaitable[Any]] | None = None


def _typed(form: FormData, labels: Mapping[str, str]) -> Values:
    one = {name: str(form.get(name, "")).strip().replace("\r\n", "\n") for name in labels}
    several = {name: ",".join(map(str, form.getlist(name))) for name in _SEVERAL if name in labels}
    return one | several


async def show_new(request: Request) -> Response:
    """The first step of a campaign that is none yet."""
    return _page(request, _STEPS["purpose"], None, dict.fromkeys(PURPOSE, ""), {})


async def begin(request: Request) -> Response:
    """Make a draft that has a purpose and nothing else."""
    form, step = await read_form(request), _STEPS["purpose"]
    values, faults = _typed(form, step.labels), Faults()
    purpose = _read(request, step, values, faults, None)
    if faults:
        return _page(request, step, None, values, faults, status=422)

    async def act(tx: Transaction) -> Response:
        id = await begin_campaign(tx, purpose, signed_in(request).id)
        return see(step_href(id, step.following))

    return await once(request, act)


def _read(request: Request, step: _Step, values: Values, faults: Faults, campaign: Any) -> Any:
    """What the form says; every fault is noted by its field."""
    said = step.read(values, faults)
    add_faults(faults, step.faults_of(said, site_of(request).context.house, campaign))
    return said


async def show_purpose(request: Request) -> Response:
    """What the draft is for and what it asks."""
    return await _show(request, _STEPS["purpose"])


async def save_purpose(request: Request) -> Response:
    """Say that anew."""
    return await _save(request, _STEPS["purpose"])


async def show_who(request: Request) -> Response:
    """Who receives the draft."""
    return await _show(request, _STEPS["who"])


async def save_who(request: Request) -> Response:
    """Say that anew."""
    return await _save(request, _STEPS["who"])


async def show_words(request: Request) -> Response:
    """What the draft says."""
    return await _show(request, _STEPS["words"])


async def save_words(request: Request) -> Response:
    """Say that anew."""
    return await _save(request, _STEPS["words"])


async def check_who(request: Request) -> Response:
    """The same page with what is chosen and how many that reaches. Nothing is kept."""
    return await _checked(request, _STEPS["who"])


async def check_words(request: Request) -> Response:
    """The same page with what is typed, what is wrong with it and how it would read. Nothing is kept."""
    return await _checked(request, _STEPS["words"])


async def mail_words(request: Request) -> Response:
    """The e-mail that says what is typed, as a file; or what is wrong with it. Nothing is kept."""
    step, form, site = _STEPS["words"], await read_form(request), site_of(request)
    async with site.database.reading() as tx:
        check = await _read_back(tx, await read_campaign(tx, read_id(request)), _typed(form, step.labels))
    if check is None or check["preview"] is None:
        return await _checked(request, step)
    return await give_specimen(site.context, *check["preview"]["mail"])


async def _checked(request: Request, step: _Step) -> Response:
    form, id = await read_form(request), read_id(request)
    async with site_of(request).database.reading() as tx:
        campaign = await read_campaign(tx, id)
        values = _typed(form, step.labels)
        check = await step.check(tx, campaign, values) if step.check else None
    revision, base = read_revision(form), read_base(form)
    return _page(request, step, campaign, values, {}, revision=revision, base=base, check=check)


async def _show(request: Request, step: _Step) -> Response:
    async with site_of(request).database.reading() as tx:
        campaign = await read_campaign(tx, read_id(request))
        if campaign["state"] != CampaignState.DRAFT:
            return see(step_href(campaign["id"], "check"))
        values = step.values_of(campaign)
        check = await step.check(tx, campaign, values) if step.check else None
    return _page(request, step, campaign, values, {}, check=check)


async def _save(request: Request, step: _Step) -> Response:
    form, id = await read_form(request), read_id(request)
    revision, base = read_revision(form), read_base(form)
    values, faults = _typed(form, step.labels), Faults()
    async with site_of(request).database.reading() as tx:
        campaign = await read_campaign(tx, id)
        check = await step.check(tx, campaign, values) if step.check else None
    said = _read(request, step, values, faults, campaign)
    if faults:
        return _page(request, step, campaign, values, faults, 422, revision=revision, base=base, check=check)
    look = unless_changed(revision, base, values, step.labels, step.values_of)

    async def act(tx: Transaction) -> Response:
        made = await step.change(tx, id, said, signed_in(request).id, look)
        return see(step_href(id, step.following) + done("saved", made))

    try:
        return await once(request, act)
    except ChangedMeanwhile as changed:
        house = site_of(request).context.house
        found = [_in_words(each, house) for each in changed.differences]
        shown = await meanwhile(request, found, id, step.noted)
        return _page(
            request, step, changed.row, values, {}, 409, base=changed.theirs, changed=shown, check=check
        )


def _in_words(each: Difference, house: House) -> Difference:
    """A difference with the names of codes instead of the codes."""
    lists = {"areas": "areas", "roles": "contact_roles", "kind": "kinds", "profession": "professions"}
    known = house.lists[lists[each.field]] if each.field in lists else {}

    def said(text: str) -> str:
        return ", ".join(words(known, text.split(","))) if known else text

    return Difference(each.field, each.label, said(each.theirs), said(each.yours))


def _page(
    request: Request,
    step: _Step,
    campaign: Any,
    values: Values,
    faults: Faults,
    status: int = 200,
    *,
    revision: int | None = None,
    base: Values | None = None,
    changed: Sequence[Difference] = (),
    check: Any = None,
) -> Response:
    site = site_of(request)
    several = {name: values[name].split(",") for name in _SEVERAL if name in values}
    frame = (
        framed(campaign, step.code) if campaign else {"campaign": None, "steps": steps_of(None, step.code)}
    )
    response: Response = site.page(
        request,
        step.template,
        status=status,
        **frame,
        values=values | several,
        faults=faults,
        changed=changed,
        check=check,
        revision=campaign["version"] if campaign and revision is None else revision,
        base=base_of(step.values_of(campaign) if campaign and base is None else base or {}),
        fields=fields_for(asks=campaign is None or campaign["asks"]),
        options=_options(site.context.house),
        key=new_key(request),
        flash=flash_of(request, campaign),
    )
    return response


def _options(house: House) -> dict[str, Any]:
    return {
        "kinds": list(house.lists["kinds"].values()),
        "areas": list(house.lists["areas"].values()),
        "roles": list(house.lists["contact_roles"].values()),
        "professions": list(house.lists["professions"].values()),
        "signatories": list(house.signatories.values()),
    }


# What it is for


def _purpose_values(campaign: Any) -> Values:
    amounts = {
        field: f"{campaign[name] / 100:,.2f}".removesuffix(".00") if campaign["asks"] else ""
        for field, name in _AMOUNTS.items()
    }
    return {
        **{name: campaign[name] or "" for name in ("name", "purpose", "fund", "profession")},
        "asks": "yes" if campaign["asks"] else "no",
        **amounts,
    }


def _read_purpose(values: Values, faults: Faults) -> Purpose:
    if values["asks"] not in ("yes", "no"):
        faults["asks"] = fault("Nothing is chosen here.", "Say whether it asks for money.")
    formula = _read_formula(values, faults) if values["asks"] == "yes" else None
    return Purpose(
        **{name: values[name] for name in ("name", "purpose", "fund", "profession")}, formula=formula
    )


def _read_formula(values: Values, faults: Faults) -> AskFormula:
    """The formula in the form; what cannot be read is noted and stands in as the smallest sound figure."""
    pence = dict.fromkeys(_AMOUNTS.values(), 1)
    for field, name in _AMOUNTS.items():
        try:
            pence[name] = read_pounds(values[field], field=field)
        except Refused as wrong:
            faults[field] = fault(wrong.what, wrong.cure)
    if not faults.keys() & _AMOUNTS.keys():
        try:
            return AskFormula(version=1, **pence)
        except InvalidFormula as invalid:
            faults["ask_least"] = fault(str(invalid), "Correct these figures.")
    return AskFormula(version=1, least_pence=1, each_pence=0, step_pence=1, most_pence=1)


# Who receives it


def _who_values(campaign: Any) -> Values:
    return {
        "kind": campaign["kind"],
        "areas": ",".join(campaign["areas"]),
        "roles": ",".join(campaign["roles"]),
        "in_turn": ("yes" if campaign["in_turn"] else "no") if campaign["roles"] else "",
        "by_post": campaign["by_post"],
    }


def _read_who(values: Values, faults: Faults) -> Recipients:
    if values["in_turn"] not in ("yes", "no"):
        faults["in_turn"] = fault(
            "Nothing is chosen here.", "Say whether all receive it, or one after the other."
        )
    if values["by_post"] not in list(ByPost):
        faults["by_post"] = fault("Nothing is chosen here.", "Say who gets it by post.")
    return Recipients(
        kind=values["kind"],
        areas=tuple(filter(None, values["areas"].split(","))),
        roles=tuple(filter(None, values["roles"].split(","))),
        in_turn=values["in_turn"] == "yes",
        by_post=ByPost(values["by_post"]) if "by_post" not in faults else ByPost.LISTED,
    )


async def _reached(tx: Transaction, campaign: Any, values: Values) -> Any:
    """How many letters to how many bodies, and how many people there are of each role."""
    roles, areas = (list(filter(None, values[name].split(","))) for name in ("roles", "areas"))
    found = QUERIES.reached(tx, kind=values["kind"], areas=areas, roles=roles, today=tx.today)
    people = {row["role"]: row async for row in found}
    chosen = people.pop(None)
    known = tx.context.house.lists["contact_roles"]
    return {
        "kind": values["kind"],
        "letters": chosen["bodies"] if values["in_turn"] == "yes" else chosen["chosen"],
        "bodies": chosen["bodies"],
        "roles": [(entry.name, people[code]["people"]) for code, entry in known.items() if code in people],
    }


# What it says


async def _read_back(tx: Transaction, campaign: Any, values: Values) -> Any:
    """What is wrong with the words, and how they would read; nothing while there are none."""
    if not (values["subject"] or values["body"]):
        return None
    return await checked(tx, campaign, values["subject"], values["body"], signatory=values["signatory"])


def _words_values(campaign: Any) -> Values:
    return {name: campaign[name] for name in WORDS}


def _read_words(values: Values, faults: Faults) -> Words:
    return Words(**values)


_STEPS = {
    step.code: step
    for step in (
        _Step(
            code="purpose",
            template="campaign_purpose.html",
            labels=PURPOSE,
            values_of=_purpose_values,
            read=_read_purpose,
            faults_of=lambda purpose, house, campaign: purpose_faults(purpose, house),
            change=change_purpose,
            noted="campaign_purpose_changed",
            following="who",
        ),
        _Step(
            code="who",
            template="campaign_who.html",
            labels=WHO,
            values_of=_who_values,
            read=_read_who,
            faults_of=lambda recipients, house, campaign: recipients_faults(recipients, house),
            change=change_recipients,
            noted="campaign_recipients_changed",
            following="words",
            check=_reached,
        ),
        _Step(
            code="words",
            template="campaign_words.html",
            labels=WORDS,
            values_of=_words_values,
            read=_read_words,
            faults_of=lambda words, house, campaign: words_faults(words, house, asks=campaign["asks"]),
            change=change_words,
            noted="campaign_words_changed",
            following="check",
            check=_read_back,
        ),
    )
}


async def copy(request: Request) -> Response:
    """Begin a draft that is like another campaign."""
    id = read_id(request)

    async def act(tx: Transaction) -> Response:
        return see(step_href(await copy_campaign(tx, id, signed_in(request).id), "purpose") + done("copied"))

    return await once(request, act)


async def discard(request: Request) -> Response:
    """Throw a draft away."""
    form, id = await read_form(request), read_id(request)
    if form.get("confirm") != "yes":
        cure = "Go back and tick the box, or keep the draft."
        raise Refused("You have not said that the draft may go.", cure, field="confirm")

    async def act(tx: Transaction) -> Response:
        await discard_campaign(tx, id)
        return see(thrown_away)

    thrown_away = f"{MOUNT}/{done('discarded')}"
    return await press(request, act, id, {"campaign_discarded": thrown_away}, campaign_href(id))
