"""What members have written of cases, for the officer to look through before the others read it."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import NotFound
from chassis.web import Faults, new_key, read_form, read_id, see, site_of
from services.grants import comments
from services.grants.colleagues import called
from services.grants.comments import Comment, LookedThrough
from services.grants.queries import COMMENTS, ROUNDS
from services.grants.reviews import LONGEST_COMMENT
from services.grants.rounds import RoundState
from services.grants.web.forms import Fields, submit
from services.grants.web.hrefs import comments_href, round_href, ways
from services.grants.web.panel import NAMELESS

#: Comments on one page, which are let through together.
PAGE = 50

_DONE = {
    "passed": "The other members can read them now.",
    "left": "Left here: what seems to say who applies. Tick each that the others may read.",
    "some": "The other members can read the others now. What is below was written anew meanwhile.",
}


async def show(request: Request) -> Response:
    """What waits."""
    return await _page(request, {}, {})


async def _page(
    request: Request, values: Mapping[str, Any], faults: Faults, *, status: int = 200
) -> Response:
    site, id = site_of(request), read_id(request)
    async with site.database.reading() as tx:
        row = await ROUNDS.round_by_id(tx, id=id)
        if row is None or row["state"] == RoundState.DRAFT:
            raise NotFound
        count = await COMMENTS.comments_counted(tx, round_id=id)
        found = await comments.waiting(tx, id, PAGE)
        names = await called(tx, [each.person_id for each in found])
    return site.page(
        request,
        "comments.html",
        status=status,
        round=row,
        round_href=round_href(id),
        ways=ways(id, comments_href),
        count=count,
        rows=[_listed(each, names.get(each.person_id, NAMELESS)) for each in found],
        values={_field(each): each.words for each in found} | dict(values),
        faults=faults,
        href=comments_href(id),
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )


def _listed(each: Comment, member: str) -> dict[str, Any]:
    return {
        "member": member,
        "label": each.label,
        "found": each.found,
        "field": _field(each),
        "version_field": _version_field(each),
        "version": each.version,
        "tick": _tick(each),
    }


def _field(each: Comment) -> str:
    return f"words-{each.application_id}-{each.person_id}"


def _tick(each: Comment) -> str:
    return f"pass-{each.application_id}-{each.person_id}"


def _version_field(each: Comment) -> str:
    return f"version-{each.application_id}-{each.person_id}"


async def let_read(request: Request) -> Response:
    """Let the others read what was shown, as it stands in the form now.

    What seems to say who applies goes only with a tick of its own, or emptied.
    """
    fields, id = Fields(await read_form(request)), read_id(request)
    async with site_of(request).database.reading() as tx:
        shown = [each for each in await comments.waiting(tx, id, PAGE) if _field(each) in fields.values]
    going = [each for each in shown if _goes(fields, each)]
    said = [_looked_through(fields, each) for each in going]

    async def act(tx: Transaction) -> Response:
        passed = await comments.let_read(tx, id, said)
        done = "some" if passed < len(said) else "left" if len(going) < len(shown) else "passed"
        return see(f"{comments_href(id)}?done={done}")

    return await submit(request, fields, act, partial(_page, request))


def _goes(fields: Fields, each: Comment) -> bool:
    """Whether a comment is let through. One that was rewritten is never left behind without a word."""
    words = fields.values[_field(each)].replace("\r\n", "\n")
    if not each.found or not words or fields.ticked(_tick(each)):
        return True
    if words != each.words.strip():
        fields.add_fault(
            _field(each),
            "You changed these words and did not tick them.",
            "Tick them if the others may read them.",
        )
    return False


def _looked_through(fields: Fields, each: Comment) -> LookedThrough:
    """What the form says of a comment. One that was written anew since is not the version that it names."""
    version = fields.values.get(_version_field(each), "")
    return LookedThrough(
        application_id=each.application_id,
        person_id=each.person_id,
        version=each.version if version == str(each.version) else 0,
        words=fields.words(_field(each), most=LONGEST_COMMENT, required=False),
    )
