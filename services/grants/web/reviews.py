"""One case as a panel member reads and scores it, and says that they know whoever applies."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction, rows_of
from chassis.errors import NotFound, Refused
from chassis.web import (
    BadRequest,
    Difference,
    Faults,
    Meanwhile,
    new_key,
    read_form,
    read_id,
    read_revision,
    see,
    signed_in,
    site_of,
)
from services.grants import conflicts, reviews
from services.grants.colleagues import names_in
from services.grants.conflicts import Tie
from services.grants.queries import DESK
from services.grants.reviews import LONGEST_COMMENT, Given, Review
from services.grants.rounds import SCORES
from services.grants.web.desk import in_words, show_interests
from services.grants.web.forms import ChangedMeanwhile, Fields, Values, check_revision, submit
from services.grants.web.hrefs import DESK as HREF
from services.grants.web.hrefs import desk_case_href

#: What is sent where somebody cannot judge.
CANNOT_JUDGE = "none"

#: How a member may know whoever applies, in the order of the page. All but the last take the case from them.
TIES: Mapping[Tie, str] = {
    Tie.SELF: "It is me",
    Tie.FAMILY: "They are family or a close friend",
    Tie.TEAM: "We work or train in the same team",
    Tie.REFEREE: "I am their referee",
    Tie.MONEY: "There is money between us",
    Tie.ACQUAINTANCE: "We have met, and no more",
}

_DONE = {
    "saved": "Saved.",
    "done": "Done. Below you see what others say who are done as well.",
    "met": "It is noted that you have met. You go on as before.",
}


async def show(request: Request) -> Response:
    """A case: what is asked for and why, what the papers show, and what one gives it."""
    return await _page(request, None, {})


async def save(request: Request) -> Response:
    """Keep what was chosen so far, or hand it in."""
    form, id, viewer = await read_form(request), read_id(request), signed_in(request).id
    fields, revision = Fields(form), read_revision(form)
    submits = fields.values.get("act") == "done"
    async with site_of(request).database.reading() as tx:
        case = await reviews.case_for(tx, viewer, id)
        criteria = await rows_of(DESK.criteria_for(tx, person_id=viewer, id=id))
    said = _read(fields, criteria, whole=submits or case["submitted_at"] is not None)

    async def act(tx: Transaction) -> Response:
        held = await reviews.hold(tx, viewer, id)
        there = Review(scores=await reviews.own_scores(tx, viewer, id), comment=held["comment"])
        theirs, yours = (_as_typed(each, criteria) for each in (there, said))
        check_revision(held, revision, _labels(criteria), _called(theirs, criteria), _called(yours, criteria))
        await reviews.save(tx, viewer, held, said, submit=submits)
        return see(f"{desk_case_href(id)}?done={'done' if submits else 'saved'}")

    try:
        return await submit(request, fields, act, partial(_page, request, revision=revision))
    except ChangedMeanwhile as other:
        changed = Meanwhile(other.differences, mine=True)  # nobody else writes it
        return await _page(request, fields.values, {}, status=409, changed=changed)


async def know(request: Request) -> Response:
    """Say that one knows whoever applies, and how."""
    fields, id, viewer = Fields(await read_form(request)), read_id(request), signed_in(request).id
    typed = fields.values.get("tie", "")
    if typed not in TIES:
        raise BadRequest("It was not said how you know them.", "Go back and choose one of the lines.")
    tie = Tie(typed)

    async def act(tx: Transaction) -> Response:
        case = await reviews.case_for(tx, viewer, id)
        await conflicts.declare(tx, viewer, case["application_id"], tie)
        stays = tie is Tie.ACQUAINTANCE
        return see(f"{desk_case_href(id)}?done=met" if stays else f"{HREF}?done=removed")

    async def again(values: Values, faults: Faults, *, status: int) -> Response:
        raise BadRequest("This cannot be taken.", "Go back and choose one of the lines.")

    return await submit(request, fields, act, again)


def _read(fields: Fields, criteria: Sequence[Mapping[str, Any]], *, whole: bool) -> Review:
    """What a form says of a case.

    Args:
        whole: something must be said on each criterion.
    """
    known = {**{str(score): score for score in SCORES}, CANNOT_JUDGE: None}
    scores: dict[UUID, int | None] = {}
    for row in criteria:
        field = _field(row["id"])
        typed = fields.values.setdefault(field, "")
        if typed in known:
            scores[row["id"]] = known[typed]
        elif typed:
            fields.add(Refused("This is not a score.", "Choose one of the list.", field=field))
        elif whole:
            what = f"You have not said anything on “{row['name']}”."
            fields.add(Refused(what, "Choose a score, or “I cannot judge this”.", field=field))
    return Review(scores=scores, comment=fields.words("comment", most=LONGEST_COMMENT, required=False))


def _field(criterion: UUID) -> str:
    return f"score-{criterion}"


def _as_typed(said: Review, criteria: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What somebody says, as the form holds it."""
    typed = {_field(row["id"]): _code(said.scores, row["id"]) for row in criteria}
    return {**typed, "comment": said.comment}


def _code(scores: Mapping[UUID, int | None], criterion: UUID) -> str:
    if criterion not in scores:
        return ""
    score = scores[criterion]
    return CANNOT_JUDGE if score is None else str(score)


def _labels(criteria: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {**{_field(row["id"]): row["name"] for row in criteria}, "comment": "Your comment"}


def _called(typed: Mapping[str, str], criteria: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The same, for people."""
    fields = {_field(row["id"]) for row in criteria}
    return {
        name: "Cannot judge" if name in fields and text == CANNOT_JUDGE else text
        for name, text in typed.items()
    }


async def _page(
    request: Request,
    values: Mapping[str, Any] | None,
    faults: Mapping[str, Any],
    *,
    status: int = 200,
    revision: int | None = None,
    changed: Sequence[Difference] = (),
) -> Response:
    site, id, viewer = site_of(request), read_id(request), signed_in(request).id
    about = {"person_id": viewer, "id": id}
    async with site.database.glance() as tx:
        has_said, case, criteria, own, others, names, following = await tx.together(
            DESK.has_said_interests(tx, person_id=viewer),
            DESK.case_for(tx, **about),
            rows_of(DESK.criteria_for(tx, **about)),
            reviews.own_scores(tx, viewer, id),
            reviews.of_case(tx, viewer, id),
            names_in(tx.context, DESK.members_beside(tx, **about)),
            DESK.next_case(tx, **about),
        )
    if not has_said:
        return await show_interests(request)  # whatever the address: that comes first
    if case is None:
        raise NotFound
    there = Review(scores=own, comment=case["comment"] or "")
    typed = _as_typed(there, criteria)
    return site.page(
        request,
        "desk_case.html",
        status=status,
        case=in_words(case, site.context.house.lists),
        settled=reviews.is_settled(case),
        submitted=case["submitted_at"] is not None,
        criteria=[_criterion(row) for row in criteria],
        weights=sum(row["weight"] for row in criteria),
        others=_beside(there, others, names, criteria),
        values=typed | dict(values or {}),
        faults=faults,
        changed=changed,
        revision=case["version"] if revision is None else revision,
        ties=list(TIES.items()),
        stays=Tie.ACQUAINTANCE,
        href=desk_case_href(id),
        desk_href=HREF,
        next=following and {"label": following["label"], "href": desk_case_href(following["id"])},
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )


def _criterion(row: Mapping[str, Any]) -> dict[str, Any]:
    choices = [(str(score), str(score), row["words"][score]) for score in SCORES]
    return {
        "field": _field(row["id"]),
        "name": row["name"],
        "weight": row["weight"],
        "choices": [*choices, (CANNOT_JUDGE, "–", "I cannot judge this. It is then not counted.")],
    }


def _beside(
    own: Review, others: Sequence[Given], names: Mapping[UUID, str], criteria: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """What each has given, one beside the other, by name; one's own first."""
    found = sorted(others, key=lambda each: (names.get(each.person_id, ""), str(each.person_id)))
    said = [("You", own), *((_known_as(each, names), each.review) for each in found)]
    ids = [row["id"] for row in criteria]
    return [
        {"who": who, "scores": [_short(review.scores.get(id)) for id in ids], "comment": review.comment}
        for who, review in said
    ]


def _known_as(given: Given, names: Mapping[UUID, str]) -> str:
    name = names.get(given.person_id, "A member")
    return f"{name} (reserve)" if given.reserve else name


def _short(score: int | None) -> str:
    return "–" if score is None else str(score)
