"""The minutes of a meeting: the officer's with everything, a member's with what they may see.

What was kept from a member stays out of theirs, also once the round is published.
"""

from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from chassis.web import PDF, read_id, saved_as, signed_in, site_of
from services.grants.minutes import print_minutes, values_of
from services.grants.sitting import sitting, sitting_for


async def give_whole(request: Request) -> Response:
    """The officer's."""
    id = read_id(request)
    async with site_of(request).database.reading() as tx:
        values = await values_of(tx, await sitting(tx, id), whole=True)
    return await _give(values)


async def give_own(request: Request) -> Response:
    """A member's."""
    id, viewer = read_id(request), signed_in(request).id
    async with site_of(request).database.reading() as tx:
        values = await values_of(tx, await sitting_for(tx, id, viewer), whole=False)
    return await _give(values)


async def _give(values: Mapping[str, Any]) -> Response:
    pdf = await run_in_threadpool(print_minutes, values)
    headers = {"content-disposition": f"attachment; {saved_as('minutes.pdf')}"}
    return Response(pdf, media_type=PDF.media_type, headers=headers)
