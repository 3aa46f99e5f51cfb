"""What a partner sees behind the link of a referral. No account; looking is no answer.

The token is compared by digest and stands in no log, metric or Referer. Whatever is wrong with a link, the
answer is the same page: what to do instead.
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import Refused
from chassis.web import fault, new_key, once, private, read_form, see, site_of, unknown_link
from services.partners import referrals
from services.partners.referrals import STAGES, State
from services.partners.web.referrals import tidy

#: What the paths of these pages begin with.
PATH = "/referred/"

_BUTTONS = {
    State.ACCEPTED: ("We can help", "We ask you later whether it did."),
    State.HELPED: ("It helped", "They got what they came for, or most of it."),
    State.NOT_HELPED: ("It did not help", "It is still good to know."),
    State.NOT_KNOWN: ("We do not know", "They did not come, or you lost touch."),
}

_DONE = {"recorded": "Thank you. We have recorded it."}


async def show(request: Request) -> Response:
    """The page behind the link. Opening it is no answer."""
    row = await _find(request)
    return unknown_link(request) if row is None else _page(request, row)


async def answer(request: Request) -> Response:
    """Record an answer, or show the page again with what is wrong."""
    row = await _find(request)
    if row is None:
        return unknown_link(request)
    form = await read_form(request)
    reason = tidy(str(form.get("reason", "")))
    try:
        state = State(str(form.get("answer", "")))
    except ValueError:
        cure = "Go back and press one of the buttons."
        raise Refused("We could not tell what you want to say.", cure) from None

    async def act(tx: Transaction) -> Response:
        await referrals.answer(tx, row["id"], state, reason=reason)
        return see(f"/partners{PATH}{request.path_params['token']}?done=recorded")

    try:
        recorded = await once(request, act)
    except Refused as refused:
        row = await _find(request)
        return _page(request, row, status=refused.status, refused=refused, reason=reason)
    return private(recorded)


async def _find(request: Request) -> Any:
    async with site_of(request).database.reading() as tx:
        return await referrals.by_token(tx, request.path_params["token"])


def _page(
    request: Request, row: Any, *, status: int = 200, refused: Refused | None = None, reason: str = ""
) -> Response:
    site, state = site_of(request), State(row["state"])
    needs = site.context.house.lists["needs"]
    of_reason = refused is not None and refused.field == "reason"
    response: Response = site.page(
        request,
        "referred.html",
        status=status,
        organisation=row["organisation"],
        reference=row["reference"],
        need=needs[row["need"]].name if row["need"] in needs else row["need"],
        made_at=row["made_at"],
        stands=STAGES[state].public if state is not State.MADE else "",
        since=row["changed_at"],
        choices=[
            {"code": each.value, "words": words, "means": means}
            for each, (words, means) in _BUTTONS.items()
            if each in STAGES[state].then
        ],
        waits=state is State.ACCEPTED,
        may_decline=State.DECLINED in STAGES[state].then,
        values={"reason": reason},
        faults={"reason": fault(refused.what, refused.cure)} if refused and of_reason else {},
        refused=refused if refused and not of_reason else None,
        flash=_DONE.get(request.query_params.get("done", "")),
        key=new_key(request),
    )
    return private(response)
