"""The figures page: what trustees and funders ask for, each one click from how it was counted."""

from starlette.requests import Request
from starlette.responses import Response

from chassis.web import CSV, give_made, signed_in, site_of, table
from contracts.access import Action, may
from services.grants.figures import Figure, Group, each_of, figures
from services.grants.web.hrefs import MOUNT

HREF = f"{MOUNT}/figures"

#: What is drawn, each from the largest down: by the codes of its figures.
_CHARTS = {
    "Money, step by step": ("pledged-pence", "received-pence", "awarded-pence", "paid-pence"),
    "Bodies asked for money": ("asked", "answered"),
    "People, step by step": ("applied", "awarded", "paid", "passed", "in-post"),
}


async def show(request: Request) -> Response:
    """The page."""
    groups, whole = await _found(request)
    return site_of(request).page(
        request,
        "figures.html",
        groups=groups,
        charts=_charts({figure.code: figure for _, figure in each_of(groups)}),
        whole=whole,
        csv_href=f"{HREF}.csv",
    )


async def as_csv(request: Request) -> Response:
    """The figures as a table."""
    groups, _ = await _found(request)
    head = ("Group", "Figure", "Value", "How it is counted", "Source", "As of")
    rows = [
        (
            group,
            it.name,
            it.words,
            it.formula,
            it.source,
            it.as_of.isoformat(timespec="seconds") if it.as_of else "",
        )
        for group, it in each_of(groups)
    ]
    today = site_of(request).context.clock.today()
    return give_made(f"figures-{today}", CSV, table(head, rows))


async def _found(request: Request) -> tuple[list[Group], bool]:
    whole = may(Action.READ_SMALL_COUNTS, signed_in(request).roles)
    async with site_of(request).database.reading() as tx:
        return await figures(tx, whole=whole), whole


def _charts(by_code: dict[str, Figure]) -> list[dict[str, object]]:
    """What is drawn, as far as there is anything."""
    charts = [(title, [by_code[code] for code in codes]) for title, codes in _CHARTS.items()]
    return [
        {"title": title, "figures": drawn, "most": max(each.size for each in drawn)}
        for title, drawn in charts
        if any(each.size for each in drawn)
    ]
