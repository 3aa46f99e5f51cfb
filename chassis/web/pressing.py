"""A button that is pressed twice, the second time in another window, or by two people.

What whoever presses it has done before is answered as it was then. Where somebody else was faster, or
something else was done since, the refusal says who did what, and leads to where one sees it.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.audit import last_act
from chassis.database import Transaction
from chassis.errors import Conflict, NotFound, Refused
from chassis.web.access import signed_in
from chassis.web.idempotency import once, see
from chassis.web.pages import site_of
from chassis.web.words import when

#: Finds what something is about, where its address does not say it.
Find = Callable[[Transaction], Awaitable[Sequence[UUID]]]

#: What people are called in the midst of a sentence, by their ids; by ``None``, nobody who has an account.
Called = Callable[[Transaction, Iterable[UUID | None]], Awaitable[Mapping[UUID | None, str]]]


class Press:
    """How the buttons of a service act.

    Args:
        said: by what the audit calls each act, what was done, as a sentence begins.
        called: what whoever did it is called.
        late: what is raised where somebody was faster; a conflict that is none of it tells of nobody.
    """

    def __init__(self, said: Mapping[str, str], called: Called, *, late: type[Conflict] = Conflict) -> None:
        self._said = said
        self._called = called
        self._late = late

    async def __call__(
        self,
        request: Request,
        act: Callable[[Transaction], Awaitable[Response]],
        of: UUID | Find,
        does: Mapping[str, str],
        back: str,
        *,
        key: str | None = None,
        **chosen: object,
    ) -> Response:
        """Act once on a button that was pressed.

        Args:
            of: what it is about.
            does: by what the audit calls what the button does, where that leads; nothing where to do it
                twice may be to do something else.
            back: where one sees how things stand.
            key: where it is not what the form's hidden field says.
            chosen: what the audit notes of what was chosen with it: only that makes it the same.

        Raises:
            Conflict: when it is not possible any more; NotFound: when the thing is gone.
        """
        try:
            return await once(request, act, key)
        except (self._late, NotFound) as refused:
            me = signed_in(request).id
            async with site_of(request).database.reading() as tx:
                objects = [of] if isinstance(of, UUID) else await of(tx)
                last = await last_act(tx, objects, self._said)
                names = await self._called(tx, [last["person_id"]] if last else [])
            if last and last["person_id"] == me and last["action"] in does and _holds(last["after"], chosen):
                return see(does[last["action"]])
            if isinstance(refused, NotFound):
                raise
            raise self._told(refused, last, {**names, me: "you"}, back) from None

    def _told(self, refused: Refused, last: Any, names: Mapping[UUID | None, str], back: str) -> Conflict:
        """The refusal, with who did what last."""
        did = ""
        if last:
            did = f"{self._said[last['action']]} by {names[last['person_id']]}, {when(last['at'])}. "
        return Conflict(refused.what, did + refused.cure, field=refused.field, back=back)


def _holds(noted: Mapping[str, Any] | None, chosen: Mapping[str, object]) -> bool:
    return all((noted or {}).get(name) == str(choice) for name, choice in chosen.items())
