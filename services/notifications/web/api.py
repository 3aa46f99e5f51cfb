"""The JSON API of campaigns, for programs: the same rules as the pages."""

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import NotFound
from chassis.web import give, once, read_document, read_id, signed_in, site_of
from services.notifications.campaigns import create_campaign
from services.notifications.documents import (
    CampaignDocument,
    DraftDocument,
    PlanDocument,
    SendingDocument,
    SubmittedDocument,
)
from services.notifications.figures import document
from services.notifications.hrefs import MOUNT, campaign_href, step_href
from services.notifications.plans import plan_of
from services.notifications.preparing import prepare_letters
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

    return await once(request, act)


async def submit(request: Request) -> Response:
    """Ask for the approval of a draft, which somebody else gives on its page."""
    id = read_id(request)

    async def act(tx: Transaction) -> Response:
        await submit_campaign(tx, id, signed_in(request).id)
        return give(SubmittedDocument, {"id": id, "state": "submitted", "href": step_href(id, "approve")})

    return await once(request, act)


async def send(request: Request) -> Response:
    """Let the letters of an approved campaign go."""
    id = read_id(request)

    async def act(tx: Transaction) -> Response:
        released = await send_campaign(tx, id)
        document = {"id": id, "state": "sending", "letters": released}
        return give(SendingDocument, document, 202, {"location": f"{MOUNT}/api/v1/campaigns/{id}"})

    response = await once(request, act)
    site_of(request).context.wake(SEND_LETTERS)
    return response


async def show(request: Request) -> Response:
    """What a campaign has come to, counted by body."""
    id = read_id(request)
    async with site_of(request).database.reading() as tx:
        campaign = await QUERIES.campaign(tx, id=id)
        if campaign is None:
            raise NotFound
        found = await document(tx, id)
    return give(CampaignDocument, {**campaign, **found})
