"""Referrals as staff see them: making one, its slip, what a partner says by telephone, the figures."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction, rows_of
from chassis.errors import NotFound, Refused
from chassis.house import House, word
from chassis.qr import qr_address
from chassis.web import BadRequest, fault_of, new_key, once, read_form, read_id, see, signed_in, site_of
from services.partners import referrals
from services.partners.queries import QUERIES, REFERRALS
from services.partners.referrals import OPEN, STAGES, Figures, State
from services.partners.web.closed import closed_body
from services.partners.web.hrefs import LIST as ORGANISATIONS

LIST = "/partners/referrals"

#: Referrals on one page of the list, and on an organisation's own page; partners and needs in a table.
PAGE, FEW, MOST = 50, 5, 100

#: What one may look for, as a word of the address: words for people, and the states.
GROUPS: Mapping[str, tuple[str, tuple[State, ...]]] = {
    "waiting": ("Waiting for an answer", (State.MADE,)),
    "accepted": ("Outcome not known yet", (State.ACCEPTED,)),
    "closed": ("Outcome known", (State.HELPED, State.NOT_HELPED)),
    "over": ("Over", (State.DECLINED, State.NOT_KNOWN, State.TAKEN_BACK, State.ENDED)),
}
LOOKS = {
    State.MADE: "silent",
    State.ACCEPTED: "acknowledged",
    State.DECLINED: "declined",
    State.HELPED: "done",
    State.NOT_HELPED: "answered",
    State.NOT_KNOWN: "answered",
    State.TAKEN_BACK: "stopped",
    State.ENDED: "closed",
}
#: What we can record, as the button says it.
_SAID = {
    State.ACCEPTED: "They can help",
    State.HELPED: "It helped",
    State.NOT_HELPED: "It did not help",
    State.NOT_KNOWN: "Nobody can say what came of it",
    State.DECLINED: "They cannot help",
}
_DONE = {
    "made": "Made. A letter with the link goes to them now. Print the slip for the person.",
    "by_hand": "Made. Print the slip, write the person’s side on it, and give it to them.",
    "recorded": "Recorded.",
    "written": "A letter with the same link goes to them now.",
    "asked": "Noted that they were asked again.",
    "back": "Taken back. The link in the letter now says so.",
}


# Reading


async def show_all(request: Request) -> Response:
    """How many were made and came how far; by partner, by need; and the list."""
    site = site_of(request)
    house = site.context.house
    asked = _Asked(request, house)
    async with site.database.reading() as tx:
        whole = await REFERRALS.referrals_figures(tx, organisation_id=None)
        by_need = [row async for row in REFERRALS.referrals_by_need(tx, most=MOST)]
        by_partner = [row async for row in REFERRALS.referrals_by_partner(tx, most=MOST)]
        listed = REFERRALS.referrals_listed(tx, organisation_id=None, **asked.filters, most=PAGE + 1)
        rows = [row async for row in listed]
    more = len(rows) > PAGE
    return site.page(
        request,
        "referrals.html",
        figures=_figures(whole),
        by_need=[
            {
                **_counted(row),
                "name": _need(house, row["need"]),
                "href": f"{LIST}?{urlencode({'need': row['need']})}",
            }
            for row in by_need
        ],
        by_partner=[
            {
                **_counted(row),
                "name": row["organisation"],
                "href": f"{ORGANISATIONS}/{row['organisation_id']}",
            }
            for row in by_partner
        ],
        rows=[_listed(row, house) for row in rows[:PAGE]],
        groups=asked.groups(),
        need=_need(house, asked.need) if asked.need else "",
        href=LIST,
        older_href=f"{LIST}?{urlencode({**asked.said, 'after': rows[PAGE - 1]['id']})}" if more else None,
    )


class _Asked:
    """What the list is asked for: a group of states, a need, and from where on."""

    def __init__(self, request: Request, house: House) -> None:
        self.group = request.query_params.get("state", "")
        self.need = request.query_params.get("need", "")[:60]
        after = request.query_params.get("after", "")
        try:
            self.after = UUID(after) if after else None
        except ValueError:
            raise BadRequest("There is no such page of this list.", "Begin the list again.") from None
        if self.group and self.group not in GROUPS:
            raise BadRequest("There is no such group of referrals.", "Choose one from the list.")

    @property
    def said(self) -> dict[str, str]:
        return {name: text for name, text in (("state", self.group), ("need", self.need)) if text}

    @property
    def filters(self) -> dict[str, Any]:
        states = GROUPS[self.group][1] if self.group else tuple(State)
        return {"states": [state.value for state in states], "need": self.need, "after": self.after}

    def groups(self) -> list[dict[str, Any]]:
        rest = {"need": self.need} if self.need else {}
        asked = {"": rest} | {code: {"state": code, **rest} for code in GROUPS}
        words = {"": "All"} | {code: words for code, (words, _) in GROUPS.items()}
        return [
            {"words": words[code], "href": f"{LIST}?{urlencode(query)}", "chosen": code == self.group}
            for code, query in asked.items()
        ]


def _figures(row: Mapping[str, Any]) -> dict[str, Any]:
    """The funnel: how many were made, were taken on, and have an outcome that is known."""
    figures, made = Figures.of(row), row["made"]
    taken_on = row["accepted"] + row["helped"] + row["not_helped"] + row["not_known"]
    steps = [
        {"label": "Made", "count": made, "of": made, "words": f"{row['waiting']} waiting for an answer."},
        {"label": "Accepted", "count": taken_on, "of": made, "words": f"{row['declined']} declined."},
        {
            "label": "Outcome known",
            "count": figures.closed,
            "of": made,
            "words": f"{row['helped']} helped, {row['not_helped']} did not.",
        },
    ]
    return {**_counted(row), "steps": steps, "waiting": row["waiting"], "accepted": row["accepted"]}


def _counted(row: Mapping[str, Any]) -> dict[str, Any]:
    figures = Figures.of(row)
    said = {"made": figures.made, "declined": figures.declined, "expected": figures.expected}
    return {**said, "closed": figures.closed, "percent": figures.percent}


def _listed(row: Mapping[str, Any], house: House) -> dict[str, Any]:
    state = State(row["state"])
    return {
        "href": f"{LIST}/{row['id']}",
        "reference": _reference(row),
        "need": _need(house, row["need"]),
        "organisation": row["organisation"],
        "organisation_href": f"{ORGANISATIONS}/{row['organisation_id']}",
        "words": STAGES[state].words,
        "look": LOOKS[state],
        "made_at": row["made_at"],
        "due_on": row["due_on"],
    }


def _reference(row: Mapping[str, Any]) -> str:
    return row["reference"] or "reference no longer kept"


def _need(house: House, code: str) -> str:
    return word(house.lists["needs"], code)


async def of_organisation(tx: Transaction, house: House, organisation_id: UUID) -> dict[str, Any]:
    """What the page of an organisation shows of referrals: the figures, and those that are not over."""
    states = [state.value for state in OPEN]
    where = {"organisation_id": organisation_id, "states": states, "need": "", "after": None}
    row, rows = await tx.together(
        REFERRALS.referrals_figures(tx, organisation_id=organisation_id),
        rows_of(REFERRALS.referrals_listed(tx, **where, most=FEW)),
    )
    return {
        "referrals_figures": _counted(row),
        "referrals_open": row["waiting"] + row["accepted"],
        "referrals": [_listed(each, house) for each in rows],
        "referrals_new_href": f"{ORGANISATIONS}/{organisation_id}/referrals/new",
        "referrals_href": f"{LIST}",
    }


async def show(request: Request) -> Response:
    """One referral: where it stands, and what can be recorded of it."""
    async with site_of(request).database.reading() as tx:
        row = await _found(tx, read_id(request))
        return _page(request, row, tx.context.house)


def _page(
    request: Request, row: Mapping[str, Any], house: House, *, status: int = 200, **said: Any
) -> Response:
    state, href = State(row["state"]), f"{LIST}/{row['id']}"
    stage, roles = STAGES[state], house.lists["contact_roles"]
    role = word(roles, row["contact_role"])
    by_them = state in referrals.ANSWERS and row["changed_by"] is None
    shown = {"faults": {}, "values": {"reason": ""}, **said}
    return site_of(request).page(
        request,
        "referral.html",
        status=status,
        referral={
            **_listed(row, house),
            "reason": row["reason"],
            "to": _asked(row, role),
            "by_letter": bool(row["email"]),
            "maker": row["maker"] or "somebody who is no longer listed",
            "changed_at": row["changed_at"] if state is not State.MADE else None,
            "changer": row["organisation"] if by_them else row["changer"] or "one of us",
            "open": state in OPEN,
        },
        answers=[
            {"code": each.value, "words": words}
            for each, words in _SAID.items()
            if each in stage.ours and each is not State.DECLINED
        ],
        may_decline=State.DECLINED in stage.ours,
        may_take_back=State.TAKEN_BACK in stage.ours,
        first=state in OPEN,
        href=href,
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
        **shown,
    )


def _asked(row: Mapping[str, Any], role: str | None) -> str:
    """Whom we have asked, in words."""
    if row["contact_id"] is None:
        return "Nobody in particular: by the slip"
    return f"{row['contact']}, {role}" if row["contact"] else "A contact who is no longer listed"


async def _found(tx: Transaction, id: UUID) -> Any:
    row = await REFERRALS.referral(tx, id=id)
    if row is None:
        raise NotFound
    return row


async def slip(request: Request) -> Response:
    """The slip that the person carries: our reference and the link printed, their own side to be written."""
    site = site_of(request)
    async with site.database.reading() as tx:
        row = await _found(tx, read_id(request))
    if row["state"] not in OPEN:
        raise NotFound
    link = referrals.link_of(site.context, row["id"])
    return site.page(
        request,
        "referral_slip.html",
        referral=_listed(row, site.context.house),
        link=link,
        code=qr_address(link),
        href=f"{LIST}/{row['id']}",
    )


# Making one


async def show_new(request: Request) -> Response:
    """The form: what they need, our reference, and whom to ask."""
    async with site_of(request).database.reading() as tx:
        values = {"reference": "", "need": "", "contact": ""}
        return await _form(request, tx, read_id(request), values)


async def make(request: Request) -> Response:
    """Make it, or show the form again with what is wrong."""
    form, id, person = await read_form(request), read_id(request), signed_in(request)
    typed = {name: str(form.get(name, "")).strip()[:100] for name in ("reference", "need", "contact")}

    async def act(tx: Transaction) -> Response:
        contact = _contact(form)
        said: dict[str, Any] = {"reference": typed["reference"], "need": typed["need"], "contact_id": contact}
        another = form.get("another") == "yes"
        made = await referrals.make(tx, id, **said, by=person.id, another=another)
        return see(f"{LIST}/{made}?done={'made' if contact else 'by_hand'}")

    try:
        return await once(request, act)
    except Refused as refused:
        faults = fault_of(refused)
        async with site_of(request).database.reading() as tx:
            return await _form(request, tx, id, typed, faults=faults, status=refused.status)


def _contact(form: FormData) -> UUID | None:
    text = str(form.get("contact", ""))
    if text == "by_hand":
        return None
    try:
        return UUID(text)
    except ValueError:
        cure = "Choose somebody there, or say that the slip goes by hand."
        raise Refused("It is not said whom to ask.", cure, field="contact") from None


async def _form(
    request: Request,
    tx: Transaction,
    organisation_id: UUID,
    values: Mapping[str, str],
    *,
    faults: Mapping[str, Any] | None = None,
    status: int = 200,
) -> Response:
    organisation = await QUERIES.organisation_by_id(tx, id=organisation_id)
    if organisation is None:
        raise NotFound
    house, href = tx.context.house, f"{ORGANISATIONS}/{organisation_id}"
    roles = house.lists["contact_roles"]
    contacts = await referrals.contacts_of(tx, organisation_id)
    return site_of(request).page(
        request,
        "referral_new.html",
        status=status,
        organisation={"name": organisation["name"], "href": href},
        closed=closed_body(organisation, tx.today),
        needs=list(house.lists["needs"].values()),
        contacts=[
            {
                "id": str(each["id"]),
                "role": word(roles, each["role"]),
                "name": each["name"],
                "email": each["email"],
            }
            for each in contacts
            if each["email"]
        ],
        values=values,
        faults=faults or {},
        action=f"{href}/referrals/new",
        key=new_key(request),
    )


# Recording


async def record(request: Request) -> Response:
    """Record what a partner told us by telephone, or put right what was recorded."""
    form, person, id = await read_form(request), signed_in(request), read_id(request)
    reason = tidy(str(form.get("reason", "")))
    try:
        state = State(str(form.get("answer", "")))
    except ValueError:
        raise BadRequest("It is not said what they answered.", "Go back and choose an answer.") from None

    async def act(tx: Transaction) -> Response:
        await referrals.answer(tx, id, state, reason=reason, by=person.id)
        return see(f"{LIST}/{id}?done=recorded")

    try:
        return await once(request, act)
    except Refused as refused:
        if refused.field != "reason":
            raise
        faults = fault_of(refused)
        async with site_of(request).database.reading() as tx:
            row, said = await _found(tx, id), {"faults": faults, "values": {"reason": reason}}
            return _page(request, row, tx.context.house, status=refused.status, **said)


def tidy(text: str) -> str:
    """A reason as it is kept: on one line, without signs that turn its direction."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


async def remind(request: Request) -> Response:
    """Ask once more: by a letter, or noted that somebody of ours has."""
    person, id = signed_in(request), read_id(request)

    async def act(tx: Transaction) -> Response:
        by_letter = await referrals.remind(tx, id, person.id)
        return see(f"{LIST}/{id}?done={'written' if by_letter else 'asked'}")

    return await once(request, act)


async def take_back(request: Request) -> Response:
    """Nothing more is expected of the partner."""
    person, id = signed_in(request), read_id(request)

    async def act(tx: Transaction) -> Response:
        await referrals.take_back(tx, id, person.id)
        return see(f"{LIST}/{id}?done=back")

    return await once(request, act)
