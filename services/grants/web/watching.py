"""Following a meeting: one event whenever what somebody sees of it has changed, and never otherwise."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Database
from chassis.errors import NotFound
from chassis.gathering import Gathered
from chassis.web import live, read_id, site_of
from services.grants.queries import MEETING
from services.grants.sitting import sitting_for

#: What commits tell that change something at a meeting.
TOPIC = "meetings"
#: Seconds after which a viewer looks even if nothing was told.
_PAUSE = 5.0

#: A meeting, and whoever looks at it; nobody is the officer, who sees all of it.
Watched = tuple[UUID, UUID | None]


def watching(database: Database) -> Gathered[Watched, str]:
    """What stands for what each viewer sees: one statement for all who were woken together."""

    async def ask(keys: Sequence[Watched]) -> Mapping[Watched, str]:
        found: dict[Watched, str] = {}
        async with database.reading() as tx:
            for meeting in {meeting for meeting, _ in keys}:
                members = [viewer for where, viewer in keys if where == meeting and viewer is not None]
                if members:
                    async for row in MEETING.marks_for(tx, meeting_id=meeting, viewers=members):
                        found[meeting, row["viewer"]] = row["mark"]
                if (meeting, None) in keys:
                    mark = await MEETING.mark_of(tx, meeting_id=meeting)
                    if mark is not None:
                        found[meeting, None] = mark
        return found

    return Gathered(ask)


async def follow_meeting(request: Request, viewer: UUID | None) -> Response:
    """The stream of whoever looks at a meeting.

    Args:
        viewer: a member; nobody for the officer.

    Raises:
        NotFound: when there is no such meeting, or it is none of theirs.
    """
    id, marks = read_id(request), request.app.state.watching
    if viewer is not None:
        async with site_of(request).database.reading() as tx:
            await sitting_for(tx, id, viewer)
    elif await marks.get((id, None)) is None:
        raise NotFound

    async def version() -> str | None:
        mark: str | None = await marks.get((id, viewer))
        return mark

    return live(request, version, topic=TOPIC, pause=_PAUSE)
