"""Agreements as staff see them: all of them, one with whose turn it is, and each step that can be taken."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction, rows_of
from chassis.errors import Refused
from chassis.files import keep_file
from chassis.house import House
from chassis.web import (
    JPEG,
    PDF,
    PNG,
    BadRequest,
    fault_of,
    new_key,
    once,
    read_asked_id,
    read_form,
    read_id,
    read_revision,
    read_upload,
    see,
    signed_in,
    site_of,
)
from services.partners import agreements, outcomes, signing
from services.partners.agreements import PAGE, Owner
from services.partners.outcomes import BOARD
from services.partners.queries import AGREEMENTS
from services.partners.signing import Signer
from services.partners.terms import (
    REMIND_BEFORE,
    STAGES,
    STANDING_WORDS,
    TEXTS,
    Side,
    State,
    Terms,
    standing,
    turn,
)
from services.partners.web.drafting import agreement_of

#: Agreements on one page of the list, and on the page of a body; outcomes there.
MOST, MOST_OF_ONE = 50, 5

#: The look of a state's badge.
LOOKS = {State.DRAFT: "draft", State.OFFERED: "question", State.SIGNED: "done", State.ENDED: "closed"}

_DONE = {
    "offered": "Offered. From now on this version stays as it is.",
    "sent": "They will have the link within a minute.",
    "taken_back": "Taken back. It is a draft again.",
    "signed": "You have signed for us.",
    "copied": "The signed copy is attached. The agreement is in force.",
    "amending": "This is the draft of the next version. The signed one stays in force meanwhile.",
    "given_up": "The changed version is given up. The signed one stays as it is.",
    "ended": "The agreement has ended.",
    "reviewed": "Noted.",
}


# Many


async def show_all(request: Request) -> Response:
    """All agreements, what needs somebody first; those of one body when it is asked for."""
    site = site_of(request)
    asked = {name: request.query_params.get(name, "")[:40] for name in ("organisation", "state")}
    chosen = {
        "organisation_id": read_asked_id(asked["organisation"]),
        "state": asked["state"] if asked["state"] in set(State) else "",
    }
    page = _page_number(request.query_params.get("page", ""))
    async with site.database.reading() as tx:
        total = await AGREEMENTS.agreements_count(tx, **chosen)
        found = AGREEMENTS.agreements_listed(tx, **chosen, most=MOST, before=(page - 1) * MOST)
        rows = [listed(row) async for row in found]

    def href(number: int) -> str:
        return f"{PAGE}?{urlencode({**{k: v for k, v in asked.items() if v}, 'page': number})}"

    return site.page(
        request,
        "agreements.html",
        rows=rows,
        total=total,
        organisation=rows[0]["organisation"] if rows and chosen["organisation_id"] else None,
        asked=asked,
        states=[{"code": state, "name": stage.words} for state, stage in STAGES.items()],
        newer_href=href(page - 1) if page > 1 else None,
        older_href=href(page + 1) if page * MOST < total else None,
        board_href=BOARD,
    )


def _page_number(text: str) -> int:
    return max(1, int(text)) if text.isascii() and text.isdecimal() and len(text) < 5 else 1


def listed(row: Mapping[str, Any]) -> dict[str, Any]:
    """One line of a list."""
    state = State(row["state"])
    said = turn(state, row["sides"], amends=row["in_force"] is not None)
    return {
        **row,
        "href": f"{PAGE}/{row['id']}",
        "organisation_href": f"/partners/organisations/{row['organisation_id']}",
        "state_words": STAGES[state].words,
        "look": LOOKS[state],
        "turn": said.words,
        "ours": Side.OURS in said.whose,
    }


async def of_organisation(tx: Transaction, house: House, organisation_id: UUID) -> dict[str, Any]:
    """What the page of a body shows of agreements: the few that matter most, and who owns what was agreed."""
    chosen = {"organisation_id": organisation_id, "state": ""}
    found, count, agreed = await tx.together(
        rows_of(AGREEMENTS.agreements_listed(tx, **chosen, most=MOST_OF_ONE, before=0)),
        AGREEMENTS.agreements_count(tx, **chosen),
        outcomes.listed(tx, organisation_id=organisation_id, state="open", most=MOST_OF_ONE + 1),
    )
    today = tx.today
    return {
        "agreements": [listed(row) for row in found],
        "agreements_count": count,
        "agreements_href": f"{PAGE}?organisation={organisation_id}",
        "agreement_new_href": f"/partners/organisations/{organisation_id}/agreements/new",
        "agreed_outcomes": [outcome_in_words(row, house, today) for row in agreed[:MOST_OF_ONE]],
        "agreed_outcomes_href": f"{BOARD}?organisation={organisation_id}",
        "more_outcomes": len(agreed) > MOST_OF_ONE,
    }


#: The look of how an outcome stands.
_LOOKS_OF_OUTCOME = {
    "on_track": "open",
    "due": "question",
    "late": "failed",
    "met": "done",
    "dropped": "stopped",
}


def outcome_in_words(row: Mapping[str, Any], house: House, today: date) -> dict[str, Any]:
    """One outcome of a signed agreement, as lists show it."""
    stands = standing(row["state"], row["due_on"], today)
    gone = row["gone_on"] is not None and row["gone_on"] <= today
    return {
        **row,
        "href": f"{BOARD}/{row['id']}",
        "organisation_href": f"/partners/organisations/{row['organisation_id']}",
        "agreement_href": f"{PAGE}/{row['agreement_id']}",
        "owner_body": house.short_name if row["side"] == Side.OURS else row["organisation"],
        "unowned": gone and row["state"] == "open",
        "standing": stands,
        "look": _LOOKS_OF_OUTCOME[stands],
    }


# One


async def show(request: Request) -> Response:
    """One agreement: what it says, where it stands, and what can be done now."""
    site, id = site_of(request), read_id(request)
    async with site.database.reading() as tx:
        agreement = await agreement_of(tx, id)
        shown = await _shown(tx, agreement)
    return site.page(request, "agreement.html", **shown, key=new_key(request), faults={}, values={},
                     flash=_DONE.get(request.query_params.get("done", "")))  # fmt: skip


async def _shown(tx: Transaction, agreement: Mapping[str, Any]) -> dict[str, Any]:
    house, today, id = tx.context.house, tx.today, agreement["id"]
    terms, state = Terms.of(agreement["terms"]), State(agreement["state"])
    newest = await AGREEMENTS.newest_version(tx, agreement_id=id)
    number = newest["number"] if newest else 0
    signatures = [row async for row in AGREEMENTS.signatures_of(tx, agreement_id=id)]
    signed = {row["side"] for row in signatures if row["number"] == number}
    taken_back = newest is not None and newest["state"] == "withdrawn"
    counting = {agreement["in_force"], None if taken_back else number}
    owners = await agreements.owners_of(tx, agreement["organisation_id"], [terms])
    name_of = agreements.naming(owners, house.short_name, agreement["organisation"])
    in_force = await outcomes.listed(tx, agreement_id=id, most=200)
    return {
        "agreement": agreement,
        "href": f"{PAGE}/{id}",
        "organisation_href": f"/partners/organisations/{agreement['organisation_id']}",
        "terms": terms,
        "labels": TEXTS,
        "state": state,
        "state_words": STAGES[state].words,
        "look": LOOKS[state],
        "turn": turn(state, signed if state is State.OFFERED else (), amends=bool(agreement["in_force"])),
        "number": number,
        "signatures": [row for row in signatures if row["number"] in counting],
        "signed": signed,
        "drafted": [{"it": each, "owner": name_of(each.owner_id) if each.owner_id else ""}
                    for each in terms.outcomes],
        "standing_words": STANDING_WORDS,
        "agreed": [outcome_in_words(row, house, today) for row in in_force],
        "reviews": [dict(row) async for row in AGREEMENTS.reviews_of(tx, agreement_id=id)],
        "soon": today + REMIND_BEFORE,
        "lacks": await agreements.lacks(tx, agreement),
        "contacts": [_choice(each, house)
                     for each in await agreements.owners_to_choose(tx, agreement["organisation_id"])
                     if each.side is Side.THEIRS and each.email],
    }  # fmt: skip


def _choice(contact: Owner, house: House) -> dict[str, Any]:
    role = house.lists["contact_roles"].get(contact.role or "")
    return {"code": contact.id, "name": f"{contact.name} ({role.name if role else contact.role})"}


# Steps

Act = Callable[[Transaction, UUID, Any], Awaitable[Any]]


async def _step(request: Request, act: Act, done: str, to: str = "") -> Response:
    """Take a step, and show the agreement; what is wrong with the form is shown on it."""
    form, id = await read_form(request), read_id(request)

    async def step(tx: Transaction) -> Response:
        await act(tx, id, form)
        return see(f"{PAGE}/{id}{to}?done={done}")

    try:
        return await once(request, step)
    except Refused as refused:
        if not refused.field:
            raise
        return await _again(request, id, form, refused)


async def _again(request: Request, id: UUID, form: Any, refused: Refused) -> Response:
    site = site_of(request)
    async with site.database.reading() as tx:
        shown = await _shown(tx, await agreement_of(tx, id))
    values = {name: value for name, value in form.items() if isinstance(value, str)}
    return site.page(request, "agreement.html", status=refused.status, **shown, key=new_key(request),
                     faults=fault_of(refused), values=values)  # fmt: skip


async def offer(request: Request) -> Response:
    """Offer the draft, and send the link if somebody was chosen."""

    async def act(tx: Transaction, id: UUID, form: Any) -> None:
        await agreements.offer(tx, id, read_revision(form), _contact(form))

    return await _step(request, act, "offered")


async def send(request: Request) -> Response:
    """Send the link, once more or to somebody else."""

    async def act(tx: Transaction, id: UUID, form: Any) -> None:
        contact = _contact(form)
        if contact is None:
            raise Refused("Nobody is chosen.", "Choose one of their contacts.", field="contact")
        await agreements.send(tx, id, contact)

    return await _step(request, act, "sent")


def _contact(form: Any) -> UUID | None:
    text = str(form.get("contact", ""))
    try:
        return UUID(text) if text else None
    except ValueError:
        raise Refused(
            "This contact is not there.", "Choose one of their contacts.", field="contact"
        ) from None


async def sign(request: Request) -> Response:
    """Sign for our side."""

    async def act(tx: Transaction, id: UUID, form: Any) -> None:
        if form.get("confirm") != "yes":
            raise Refused("You have not said that you may sign for us.", "Tick the box.", field="confirm")
        number, position = _version(form), str(form.get("position", ""))
        await signing.sign_ours(tx, id, number, signed_in(request).id, position)

    return await _step(request, act, "signed")


async def attach(request: Request) -> Response:
    """Attach a copy on paper that both have signed."""

    async def act(tx: Transaction, id: UUID, form: Any) -> None:
        typed = (str(form.get(f"their_{field}", "")) for field in ("name", "position"))
        theirs = Signer.typed(*typed, prefix="their_")
        upload = await read_upload(form, "copy", (PDF, PNG, JPEG))
        if upload is None:
            raise Refused(
                "No file is chosen.", "Choose a scan or a photograph of the signed copy.", field="copy"
            )
        kept = await keep_file(
            tx, name=upload.name, media_type=upload.kind.media_type, content=upload.parts()
        )
        await signing.sign_on_paper(tx, id, _version(form), signed_in(request).id, theirs, kept)

    return await _step(request, act, "copied")


def _version(form: Any) -> int:
    text = str(form.get("version", ""))
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 6):
        raise BadRequest("The form has lost its version.", "Go back, reload the page and send it again.")
    return int(text)


async def take_back(request: Request) -> Response:
    """Take back what is offered."""

    async def act(tx: Transaction, id: UUID, form: Any) -> None:
        await agreements.take_back(tx, id, discard=form.get("discard") == "yes")

    return await _step(request, act, "taken_back")


async def amend(request: Request) -> Response:
    """Begin the next version."""

    async def act(tx: Transaction, id: UUID, form: Any) -> None:
        await agreements.amend(tx, id)

    return await _step(request, act, "amending")


async def give_up(request: Request) -> Response:
    """Give up the next version."""

    async def act(tx: Transaction, id: UUID, form: Any) -> None:
        await agreements.give_up(tx, id)

    return await _step(request, act, "given_up")


async def end(request: Request) -> Response:
    """End an agreement."""

    async def act(tx: Transaction, id: UUID, form: Any) -> None:
        await agreements.end(tx, id, str(form.get("why", "")))

    return await _step(request, act, "ended")


async def review(request: Request) -> Response:
    """Note what came of a review."""

    async def act(tx: Transaction, id: UUID, form: Any) -> None:
        try:
            on = date.fromisoformat(str(form.get("review_on", "")))
        except ValueError:
            raise Refused("This is not a day.", "Open the page again.", field="note") from None
        await outcomes.review(tx, id, on, str(form.get("note", "")))

    return await _step(request, act, "reviewed")
