"""Following a meeting: one event whenever what somebody sees of it has changed, and never otherwise."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Database
from chassis.errors import NotFound
from chassis.gathering import Gathered
from chassis.web import live, read_id
from services.grants.queries import ATTENDING, MEETING
from services.grants.sitting import Sitting, sittings_for

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
                    async for row in ATTENDING.marks_for(tx, meeting_id=meeting, viewers=members):
                        found[meeting, row["viewer"]] = row["mark"]
                if (meeting, None) in keys:
                    mark = await MEETING.mark_of(tx, meeting_id=meeting)
                    if mark is not None:
                        found[meeting, None] = mark
        return found

    return Gathered(ask)


def seeing(database: Database) -> Gathered[tuple[UUID, UUID], Sitting]:
    """A meeting as a member sees it: read together for all who ask at once, as they do after each change."""

    async def ask(keys: Sequence[tuple[UUID, UUID]]) -> Mapping[tuple[UUID, UUID], Sitting]:
        found: dict[tuple[UUID, UUID], Sitting] = {}
        async with database.reading() as tx:
            for meeting in {meeting for meeting, _ in keys}:
                members = [viewer for where, viewer in keys if where == meeting]
                theirs = await sittings_for(tx, meeting, members)
                found |= {(meeting, viewer): sitting for viewer, sitting in theirs.items()}
        return found

    return Gathered(ask)


async def sitting_seen(request: Request, viewer: UUID) -> Sitting:
    """The meeting of the address as a member sees it.

    Raises:
        NotFound: when there is none, or it is none of theirs.
    """
    found: Sitting | None = await request.app.state.seeing.get((read_id(request), viewer))
    if found is None:
        raise NotFound
    return found


async def follow_meeting(request: Request, viewer: UUID | None) -> Response:
    """The stream of whoever looks at a meeting.

    Args:
        viewer: a member; nobody for the officer.

    Raises:
        NotFound: when there is no such meeting, or it is none of theirs.
    """
    id, marks = read_id(request), request.app.state.watching
    if viewer is not None:
        await sitting_seen(request, viewer)
    elif await marks.get((id, None)) is None:
        raise NotFound

    async def version() -> str | None:
        mark: str | None = await marks.get((id, viewer))
        return mark

    return live(request, version, topic=TOPIC, pause=_PAUSE)
