"""A button that is pressed twice, the second time in another window, or by two people.

What whoever presses it has done before is answered as it was then. Where somebody else was faster, or
something else was done since, the refusal says who did what, and leads to where one sees it.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import Conflict, NotFound, Refused
from chassis.web import once, see, signed_in, site_of, when
from services.notifications.colleagues import called
from services.notifications.queries import COLLEAGUES
from services.notifications.web.acts import ACTS

#: Beside what is done with a campaign: by what the audit calls each.
_OTHERS: Mapping[str, str] = {
    "campaign_discarded": "It was thrown away",
    "chasing_approved": "How it chases was approved",
    "chasing_sent_back": "How it chases was sent back",
    "letter_sent_again": "It was put back, to be sent again",
    "letter_marked_sent": "It was marked as sent",
    "letter_returned": "It was marked as come back",
    "pledge_confirmed": "It was confirmed",
    "pledge_replaced": "It was replaced by another pledge",
    "chased": "Chasers were ordered",
    "chasers_called_back": "The chasers were called back",
    "chaser_sent_again": "It was put back, to be sent again",
    "chaser_marked_sent": "It was marked as sent",
    "chaser_returned": "It was marked as come back",
    "letter_to_other": "A letter to somebody else there was ordered",
    "handed_to_post": "The letter was handed to whoever posts it",
    "stop_lifted": "It was lifted",
    "suspicion_lifted": "That an address of theirs works was said",
    "answer_settled": "It was settled",
    "answer_corrected": "It was put right",
    "mail_matched": "It was matched with a letter",
    "mail_unmatched": "It was taken from its letter",
    "mail_set_aside": "It was set aside",
    "mail_settled": "It was settled",
    "post_confirmed": "It was entered as posted",
    "post_dropped": "It was dropped",
}
_SAID = {**ACTS, **_OTHERS}

#: Finds what something is about, where its address does not say it.
Find = Callable[[Transaction], Awaitable[Sequence[UUID]]]


async def press(
    request: Request,
    act: Callable[[Transaction], Awaitable[Response]],
    of: UUID | Find,
    does: Mapping[str, str],
    back: str,
    **chosen: object,
) -> Response:
    """Act once on a button that was pressed.

    Args:
        of: what it is about.
        does: by what the audit calls what the button does, where that leads; nothing where to do it twice
            may be to do something else.
        back: where one sees how things stand.
        chosen: what the audit notes of what was chosen with it: only that makes it the same.

    Raises:
        Conflict: when it is not possible any more; NotFound: when the thing is gone.
    """
    try:
        return await once(request, act)
    except (Conflict, NotFound) as refused:
        me = signed_in(request).id
        async with site_of(request).database.reading() as tx:
            objects = [of] if isinstance(of, UUID) else await of(tx)
            last = await COLLEAGUES.last_act(tx, objects=list(map(str, objects)), actions=list(_SAID))
            names = await called(tx, [last["person_id"]] if last else [])
        if last and last["person_id"] == me and last["action"] in does and _holds(last["after"], chosen):
            return see(does[last["action"]])
        if isinstance(refused, NotFound):
            raise
        raise _told(refused, last, {**names, me: "you"}, back) from None


def _holds(noted: Mapping[str, Any] | None, chosen: Mapping[str, object]) -> bool:
    return all((noted or {}).get(name) == str(choice) for name, choice in chosen.items())


def _told(refused: Refused, last: Any, names: Mapping[UUID | None, str], back: str) -> Conflict:
    """The refusal, with who did what last."""
    did = f"{_SAID[last['action']]} by {names[last['person_id']]}, {when(last['at'])}. " if last else ""
    return Conflict(refused.what, did + refused.cure, field=refused.field, back=back)
