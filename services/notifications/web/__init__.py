"""The pages and the API of letters: routes only, each named after what it shows or does."""

from pathlib import Path
from typing import Any

from chassis.database import Database
from chassis.web import Site, operation, page
from contracts.access import Action
from services.notifications.documents import CampaignDocument, DraftDocument, PlanDocument, SendingDocument
from services.notifications.web import api, board, drafts, incoming, letter, respond

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
    routes += _incoming()
    return Site(database, routes, TEMPLATES, public=("/r/",)).app


def _incoming() -> list[Any]:
    """Mail that came: what is held, what is our turn, and which letter it is about."""
    settle, post = Action.SETTLE_ANSWERS, ("POST",)
    return [
        page("/incoming", incoming.show_all, settle),
        page("/incoming/{id}", incoming.show, settle),
        page("/incoming/{id}/html", incoming.as_html, settle),
        page("/incoming/{id}/raw", incoming.as_it_came, settle),
        page("/incoming/{id}/files/{number}", incoming.attachment, settle),
        page("/incoming/{id}/match", incoming.match, settle, methods=post),
        page("/incoming/{id}/aside", incoming.aside, settle, methods=post),
        page("/incoming/{id}/settle", incoming.settle, settle, methods=post),
    ]
