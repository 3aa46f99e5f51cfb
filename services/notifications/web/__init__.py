"""The pages and the API of letters: routes only, each named after what it shows or does."""

from pathlib import Path
from typing import Any

from starlette.routing import Route

from chassis.database import Database
from chassis.web import Site, operation, page
from contracts.access import Action
from services.notifications.documents import CampaignDocument, DraftDocument, PlanDocument, SendingDocument
from services.notifications.web import api, board, chasing, drafts, letter, respond, suspects

TEMPLATES = Path(__file__).parents[1] / "templates"


def build(database: Database) -> Any:
    """The ASGI application, to be mounted under ``/letters``."""
    read, write, send = Action.READ_LETTERS, Action.WRITE_LETTERS, Action.SEND_LETTERS
    settle, confirm, public = Action.SETTLE_ANSWERS, Action.CONFIRM_PLEDGES, Action.BE_PUBLIC
    post = ("POST",)
    routes = [
        page("/", board.list_campaigns, read),
        page("/campaigns/new", drafts.show_form, write),
        page("/campaigns/new", drafts.create, write, methods=post),
        page("/campaigns/{id}.csv", board.download, read),
        page("/campaigns/{id}", board.show, read),
        page("/campaigns/{id}/live", board.follow, read),
        page("/campaigns/{id}/letters", drafts.write_anew, write, methods=post),
        page("/campaigns/{id}/send", drafts.send, send, methods=post),
        page("/campaigns/{id}/discard", drafts.discard, write, methods=post),
        page("/letters/{id}", letter.show, read),
        page("/letters/{id}/pdf", letter.as_pdf, read),
        page("/letters/{id}/html", letter.as_html, read),
        page("/letters/{id}/arrived", letter.arrived, settle, methods=post),
        page("/letters/{id}/again", letter.again, send, methods=post),
        page("/pledges/{id}/confirm", letter.confirm, confirm, methods=post),
        page("/answers/{id}/settle", letter.settle, settle, methods=post),
        *_chasing(),
        page("/r/{token}", respond.show, public),
        page("/r/{token}", respond.answer, public, methods=post),
        page("/r/{token}/done", respond.done, public),
        page("/r/{token}/pdf", respond.as_pdf, public),
        operation(
            "/campaigns",
            api.create,
            write,
            method="POST",
            takes=PlanDocument,
            gives=DraftDocument,
            status=201,
        ),
        operation("/campaigns/{id}", api.show, read, gives=CampaignDocument),
        operation("/campaigns/{id}/send", api.send, send, method="POST", gives=SendingDocument, status=202),
    ]
    return Site(database, routes, TEMPLATES, public=("/r/",)).app


def _chasing() -> list[Route]:
    """Whom to chase, and how."""
    read, send, settle = Action.READ_LETTERS, Action.SEND_LETTERS, Action.SETTLE_ANSWERS
    post = ("POST",)
    return [
        page("/chasing", chasing.show, read),
        page("/chasing", chasing.chase, send, methods=post),
        page("/chasing/other", chasing.other, send, methods=post),
        page("/chasing/post", chasing.post, send, methods=post),
        page("/chasing/{id}/back", chasing.back, send, methods=post),
        page("/chasers/{id}/pdf", chasing.as_pdf, send),
        page("/chasers/{id}/posted", chasing.posted, send, methods=post),
        page("/chasers/{id}/arrived", chasing.arrived, settle, methods=post),
        page("/chasers/{id}/again", chasing.again, send, methods=post),
        page("/suspects", suspects.show, read),
        page("/suspects/{id}/works", suspects.works, settle, methods=post),
        page("/campaigns/{id}/chasing", chasing.show_settings, read),
        page("/campaigns/{id}/chasing", chasing.keep_settings, send, methods=post),
    ]
