"""What worked: the page and the table of one campaign, and those of all."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import NotFound
from chassis.house import House
from chassis.web import give_table, read_id, site_of
from services.notifications.figures import APART
from services.notifications.hrefs import campaign_href, worked_href
from services.notifications.looking_back import (
    DAYS,
    NAMED_DAYS,
    QUARTERS,
    Line,
    LookBack,
    Share,
    look_back,
)
from services.notifications.queries import QUERIES

#: By what bodies are grouped: in the table to take away, on the page, and how it is counted.
_GROUPED = (
    ("kinds", "Kind of body", "A body of two kinds counts in both."),
    ("roles", "Who it was for", "A body counts once for each role to which a letter of ours came."),
    ("channels", "How it came", "A body counts once for each way in which a letter of ours came."),
    (
        "chasers",
        "Chasers before",
        "Of the bodies that had said nothing before: those that did before they were chased once more.",
    ),
)


async def show(request: Request) -> Response:
    """What worked in one campaign."""
    return await _page(request, read_id(request))


async def show_all(request: Request) -> Response:
    """What worked over all campaigns."""
    return await _page(request, None)


async def _page(request: Request, campaign_id: UUID | None) -> Response:
    site = site_of(request)
    campaign, found = await _read(request, campaign_id)
    response: Response = site.page(
        request,
        "worked.html",
        campaign=campaign and {"name": campaign["name"], "href": campaign_href(campaign["id"])},
        whole=found.whole,
        groups=[{"title": title, "how": how, "lines": getattr(found, name)} for name, title, how in _GROUPED],
        apart={words: found.apart[what] for what, words in APART.items() if found.apart[what]},
        lost=found.apart["bodies"],
        asked=found.asked,
        quarters={words: found.reached(share) for words, share in QUARTERS.items()},
        curve=_drawn(found),
        days=[point for point in found.curve if point.day in NAMED_DAYS],
        last_day=found.curve[-1].day if found.curve else 0,
        csv_href=f"{worked_href(campaign_id)}.csv",
        all_href=worked_href() if campaign else None,
    )
    return response


async def _read(request: Request, campaign_id: UUID | None) -> tuple[Any, LookBack]:
    site = site_of(request)
    async with site.database.reading() as tx:
        campaign = await QUERIES.campaign(tx, id=campaign_id) if campaign_id else None
        if campaign_id and campaign is None:
            raise NotFound
        return campaign, await look_back(tx, _names(site.context.house), campaign_id)


def _names(house: House) -> Any:
    def name(of: str, code: str) -> str:
        entry = house.lists[of].get(code)
        return entry.name if entry else code

    return name


def _drawn(found: LookBack) -> str:
    """The curve as the points of a line, 400 wide for all days and 100 high for all bodies."""
    width = 400 / DAYS
    points, before = [], 100.0
    for point in found.curve:
        height = 100 - 100 * point.share.count / point.share.of if point.share.of else before
        points += [f"{point.day * width:.1f},{before:.1f}", f"{point.day * width:.1f},{height:.1f}"]
        before = height
    return " ".join(points)


async def download(request: Request) -> Response:
    """One campaign as CSV."""
    return await _table(request, read_id(request))


async def download_all(request: Request) -> Response:
    """All campaigns as CSV."""
    return await _table(request, None)


async def _table(request: Request, campaign_id: UUID | None) -> Response:
    campaign, found = await _read(request, campaign_id)
    head = ("Grouped by", "Group", "What", "Bodies", "Did", "At least in 100", "At most in 100")
    groups = [("All", found.whole)]
    groups += [(title, line) for name, title, _ in _GROUPED for line in getattr(found, name)]

    async def rows() -> Any:
        yield [cells for title, line in groups for cells in _cells(title, line)]
        yield [("Working days", str(point.day), "Answered", *_figures(point.share)) for point in found.curve]
        yield [
            ("Not counted", words, "Letters", found.apart[what], "", "", "") for what, words in APART.items()
        ]

    name = f"campaign-{campaign['number']}-what-worked.csv" if campaign else "what-worked.csv"
    return give_table(name, head, rows())


def _cells(title: str, line: Line) -> Sequence[Sequence[object]]:
    return [
        (title, line.name, "Acknowledged", *_figures(line.acknowledged)),
        (title, line.name, "Answered", *_figures(line.answered)),
    ]


def _figures(share: Share) -> Sequence[object]:
    low, high = share.in_hundred or ("too few to say", "too few to say")
    return share.of, share.count, low, high
