"""What everybody may read of grants: a page in plain words, and the files for everybody's programs."""

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import NotFound
from chassis.web import CSV, publish, publish_file, site_of, table
from services.grants.disclosure import LEAST
from services.grants.published import COLUMNS, LICENCE, VERSION, Published, lines, package, published
from services.grants.web.hrefs import MOUNT

HREF = f"{MOUNT}/data"
AS_JSON, AS_CSV = f"{MOUNT}/360giving.json", f"{MOUNT}/360giving.csv"


async def show(request: Request) -> Response:
    """How many grants were made and what they come to, and where the files are."""
    site = site_of(request)
    async with site.database.reading() as tx:
        found = await published(tx)
    house = site.context.house
    return site.page(
        request,
        "data.html",
        rounds=found.by_round(),
        grants=len(found.grants),
        pence=found.pence,
        least=LEAST,
        version=VERSION,
        licence_href=LICENCE,
        files=[("JSON", AS_JSON), ("CSV", AS_CSV)],
        prefix=f"360G-{house.publisher}",
    )


async def as_json(request: Request) -> Response:
    """All grants as 360Giving."""
    found = await _found(request)
    context = site_of(request).context
    document = package(found, context.house, f"{context.settings.origin}{HREF}")
    return publish(request, document, modified=found.modified)


async def as_csv(request: Request) -> Response:
    """All grants as the table of 360Giving."""
    found = await _found(request)
    rows = lines(found, site_of(request).context.house)
    return publish_file(request, table(list(COLUMNS), rows), CSV, modified=found.modified)


async def _found(request: Request) -> Published:
    """What is published.

    Raises:
        NotFound: when nothing is; a file of 360Giving has at least one grant.
    """
    async with site_of(request).database.reading() as tx:
        found = await published(tx)
    if not found.grants:
        raise NotFound("No grants are published yet.", f"Look at {HREF} to see when they will be.")
    return found
