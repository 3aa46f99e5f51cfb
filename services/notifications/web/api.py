"""The JSON API of campaigns, for programs: the same rules as the pages."""

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import NotFound
from chassis.web import BadRequest, give, once, read_document, read_id, signed_in, site_of
from services.notifications.campaigns import create_campaign, plan_of, prepare_letters
from services.notifications.documents import (
    CampaignDocument,
    DraftDocument,
    PlanDocument,
    SendingDocument,
    SubmittedDocument,
)
from services.notifications.figures import figures
from services.notifications.hrefs import MOUNT, campaign_href, step_href
from services.notifications.queries import QUERIES
from services.notifications.sending import SEND_LETTERS
from services.notifications.stages import send_campaign, submit_campaign


async def create(request: Request) -> Response:
    """Make a draft with all of its letters."""
    plan = plan_of(await read_document(request, PlanDocument))

    async def act(tx: Transaction) -> Response:
        id = await create_campaign(tx, plan, signed_in(request).id)
        made = await prepare_letters(tx, id)
        document = {"id": id, "state": "draft", "letters": made.letters, "href": campaign_href(id)}
        return give(DraftDocument, document, 201, {"location": f"{MOUNT}/api/v1/campaigns/{id}"})

    return await once(request, site_of(request).database, _key(request), act)


async def submit(request: Request) -> Response:
    """Ask for the approval of a draft, which somebody else gives on its page."""
    id = read_id(request)

    async def act(tx: Transaction) -> Response:
        await submit_campaign(tx, id, signed_in(request).id)
        return give(SubmittedDocument, {"id": id, "state": "submitted", "href": step_href(id, "approve")})

    return await once(request, site_of(request).database, _key(request), act)


async def send(request: Request) -> Response:
    """Let the letters of an approved campaign go."""
    id = read_id(request)

    async def act(tx: Transaction) -> Response:
        released = await send_campaign(tx, id)
        document = {"id": id, "state": "sending", "letters": released}
        return give(SendingDocument, document, 202, {"location": f"{MOUNT}/api/v1/campaigns/{id}"})

    response = await once(request, site_of(request).database, _key(request), act)
    site_of(request).context.wake(SEND_LETTERS)
    return response


async def show(request: Request) -> Response:
    """What a campaign has come to, counted by body."""
    id = read_id(request)
    async with site_of(request).database.reading() as tx:
        campaign = await QUERIES.campaign(tx, id=id)
        if campaign is None:
            raise NotFound
        found = await figures(tx, id)
    return give(CampaignDocument, {**campaign, **found.document()})


def _key(request: Request) -> str:
    key = request.headers.get("idempotency-key", "")
    if not key:
        cure = "Send one that is new for each act, such as a UUID."
        raise BadRequest("The header Idempotency-Key is missing.", cure)
    return key
