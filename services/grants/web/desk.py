"""A panel member's desk: what they are asked, what they are close to, what there is to read and score.

Made for a telephone. What is shown hangs on the cases that they may see and on their own doings, and on
nothing else; the money of a round is never among it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction, rows_of
from chassis.errors import NotFound, Refused
from chassis.web import BadRequest, Faults, new_key, read_form, read_id, see, signed_in, site_of
from services.grants import conflicts, panel
from services.grants.conflicts import LONGEST_INTEREST, MOST_INTERESTS, Interest, Kind
from services.grants.queries import DESK
from services.grants.web.forms import Fields, Values, submit
from services.grants.web.hrefs import DESK as HREF
from services.grants.web.hrefs import attend_href, desk_case_href, desk_round_href

#: Cases of one round on one page.
PAGE = 40
#: Rounds on the desk.
MOST_ROUNDS = 20
#: What somebody may be close to: the field, what it is called, a hint.
KINDS: Mapping[Kind, tuple[str, str]] = {
    Kind.EMPLOYER: (
        "Whom you work for",
        "Paid or not, now or in the last three years. For a large one such as the NHS, also write which "
        "hospital or practice.",
    ),
    Kind.TEAM: ("Teams you belong to", "A ward, a practice, a study group, a committee."),
    Kind.PERSON: (
        "People close to you who might apply",
        "Family, close friends, people you have given a reference, people with whom you have money matters.",
    ),
}

_DONE = {
    "taking": "Thank you for taking part.",
    "declined": "Thank you for telling us. You need to do nothing more.",
    "interests": "Thank you. It is noted what you are close to.",
    "removed": "It is noted. That case has left your desk, and you will see nothing more of it. "
    "Was it a mistake? Ring whoever is named below.",
}


async def show(request: Request) -> Response:
    """The rounds that somebody is asked for or sits on, and what there is to read."""
    site, viewer = site_of(request), signed_in(request).id
    round_id, after = _asked(request)
    wanted = {"person_id": viewer, "round_id": round_id, "after": after, "most": PAGE + 1}
    async with site.database.glance() as tx:
        seats, has_said, rows, *counted = await tx.together(
            rows_of(DESK.seats_of(tx, person_id=viewer, most=MOST_ROUNDS)),
            DESK.has_said_interests(tx, person_id=viewer),
            rows_of(DESK.desk_of(tx, **wanted)),
            # Further on in the list it is not shown.
            *([] if after else [rows_of(DESK.progress_of(tx, person_id=viewer))]),
        )
    progress = {row["round_id"]: row for each in counted for row in each}
    if round_id is not None:
        seats = [row for row in seats if row["id"] == round_id]
        if not seats:
            raise NotFound
    shown = [_seat(row, progress, rows, site.context.house.lists) for row in seats]
    return site.page(
        request,
        "desk.html",
        invitations=[each for each in shown if each["takes_part"] is None and not each["published"]],
        rounds=[each for each in shown if each["takes_part"] and (round_id or not each["published"])],
        earlier=[each for each in shown if each["takes_part"] and each["published"] and not round_id],
        declined=[each for each in shown if each["takes_part"] is False and not each["published"]],
        has_said=has_said,
        later=bool(after),
        narrowed=round_id is not None,
        href=HREF,
        interests_href=f"{HREF}/interests",
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )


def _asked(request: Request) -> tuple[UUID | None, str | None]:
    """The round to which the desk is narrowed, and the label after which its list begins."""
    round_id, after = (request.query_params.get(name, "")[:100] for name in ("round", "after"))
    try:
        return (UUID(round_id) if round_id else None), after or None
    except ValueError:
        raise BadRequest("There is no such round.", "Begin at your desk again.") from None


def _seat(
    row: Mapping[str, Any], progress: Mapping[UUID, Any], cases: Iterable[Any], lists: Mapping[str, Any]
) -> dict[str, Any]:
    """A round with what somebody has to read in it."""
    id, found = row["id"], [each for each in cases if each["round_id"] == row["id"]]
    counted = progress.get(id, {"cases": len(found), "done": 0})
    href = desk_round_href(id)
    more = len(found) > PAGE
    return {
        **row,
        "cases": [_listed(each, lists) for each in found[:PAGE]],
        "of": counted["cases"],
        "done": counted["done"],
        "more_href": f"{href}&{urlencode({'after': found[PAGE - 1]['label']})}" if more else None,
        "href": href,
        "answer_href": f"{HREF}/rounds/{id}/answer",
        "meeting_href": attend_href(row["meeting_id"]) if row["meeting_id"] else None,
    }


def _listed(row: Mapping[str, Any], lists: Mapping[str, Any]) -> dict[str, Any]:
    look, words = _how_far(row)
    return {**in_words(row, lists), "href": desk_case_href(row["id"]), "look": look, "words": words}


def _how_far(row: Mapping[str, Any]) -> tuple[str, str]:
    if row["decided"]:
        return "decided", "Decided"
    if row["done"]:
        return "done", "Done"
    return ("late", "Begun") if row["begun"] else ("ready", "To read")


def in_words(case: Mapping[str, Any], lists: Mapping[str, Any]) -> dict[str, Any]:
    """A case, its codes as people call them."""
    codes = (("profession", "professions"), ("purpose", "purposes"))
    named = {field: lists[of].get(case[field]) for field, of in codes}
    return {**case, **{field: entry.name if entry else case[field] for field, entry in named.items()}}


async def answer(request: Request) -> Response:
    """Say whether one takes part."""
    fields, id, viewer = Fields(await read_form(request)), read_id(request), signed_in(request).id
    takes_part = fields.values.get("answer") == "yes"
    if not takes_part and fields.values.get("answer") != "no":
        raise BadRequest("Nothing was chosen.", "Go back and press one of the two buttons.")

    async def act(tx: Transaction) -> Response:
        await panel.answer(tx, id, viewer, takes_part)
        if not takes_part:
            return see(f"{HREF}?done=declined")
        has_said = await DESK.has_said_interests(tx, person_id=viewer)
        return see(f"{HREF}?done=taking" if has_said else f"{HREF}/interests?done=taking")

    async def again(values: Values, faults: Faults, *, status: int) -> Response:
        raise BadRequest("This cannot be taken.", "Go back and press one of the two buttons.")

    return await submit(request, fields, act, again)


# What they are close to


async def show_interests(request: Request) -> Response:
    """The form, with what they have said before."""
    site, viewer = site_of(request), signed_in(request).id
    async with site.database.reading() as tx:
        said = await conflicts.interests_of(tx, viewer)
    values = {kind.value: "\n".join(each.words for each in said or () if each.kind is kind) for kind in KINDS}
    return _interests(request, {**values, "nothing": "yes" if said == [] else ""}, {})


async def say_interests(request: Request) -> Response:
    """Keep what they say."""
    fields, viewer = Fields(await read_form(request)), signed_in(request).id
    said = [Interest(kind, words) for kind in KINDS for words in _lines(fields, kind)]
    if len(said) > MOST_INTERESTS:
        fields.add(
            Refused(
                "This is more than can be kept.",
                f"Write at most {MOST_INTERESTS} lines.",
                field=said[-1].kind,
            )
        )
    if not said and not fields.ticked("nothing") and not fields.faults:
        fields.add(
            Refused("Nothing is written above.", "Tick this if there is nothing to write.", field="nothing")
        )

    async def act(tx: Transaction) -> Response:
        await conflicts.say_interests(tx, viewer, said)
        return see(f"{HREF}?done=interests")

    async def again(values: Values, faults: Faults, *, status: int) -> Response:
        return _interests(request, values, faults, status=status)

    return await submit(request, fields, act, again)


def _lines(fields: Fields, kind: Kind) -> Sequence[str]:
    """What stands in a field, one thing on each line."""
    most = MOST_INTERESTS * LONGEST_INTEREST
    lines = [line.strip() for line in fields.words(kind, most=most, required=False).split("\n")]
    found = list(dict.fromkeys(filter(None, lines)))
    if any(len(line) > LONGEST_INTEREST for line in found):
        cure = f"Use at most {LONGEST_INTEREST} signs on each line."
        fields.add(Refused("One of these lines is too long.", cure, field=kind))
    return found


def _interests(
    request: Request, values: Mapping[str, Any], faults: Mapping[str, Any], *, status: int = 200
) -> Response:
    return site_of(request).page(
        request,
        "desk_interests.html",
        status=status,
        values={"nothing": "", **values},
        faults=faults,
        kinds=[{"field": kind, "label": label, "hint": hint} for kind, (label, hint) in KINDS.items()],
        href=f"{HREF}/interests",
        desk_href=HREF,
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )
