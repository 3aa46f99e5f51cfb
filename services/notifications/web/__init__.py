"""The pages and the API of letters: routes only, each named after what it shows or does."""

from pathlib import Path
from typing import Any

from starlette.routing import Route

from chassis.database import Database
from chassis.web import Site
from services.notifications.web import api, board, drafts, letter, respond

TEMPLATES = Path(__file__).parents[1] / "templates"


def build(database: Database) -> Any:
    """The ASGI application, to be mounted under ``/letters``."""
    routes = [
        Route("/", board.list_campaigns),
        Route("/campaigns/new", drafts.show_form),
        Route("/campaigns/new", drafts.create, methods=["POST"]),
        Route("/campaigns/{id}.csv", board.download),
        Route("/campaigns/{id}", board.show),
        Route("/campaigns/{id}/live", board.follow),
        Route("/campaigns/{id}/letters", drafts.write_anew, methods=["POST"]),
        Route("/campaigns/{id}/send", drafts.send, methods=["POST"]),
        Route("/campaigns/{id}/discard", drafts.discard, methods=["POST"]),
        Route("/letters/{id}", letter.show),
        Route("/letters/{id}/pdf", letter.as_pdf),
        Route("/letters/{id}/html", letter.as_html),
        Route("/letters/{id}/arrived", letter.arrived, methods=["POST"]),
        Route("/letters/{id}/again", letter.again, methods=["POST"]),
        Route("/pledges/{id}/confirm", letter.confirm, methods=["POST"]),
        Route("/answers/{id}/settle", letter.settle, methods=["POST"]),
        Route("/r/{token}", respond.show),
        Route("/r/{token}", respond.answer, methods=["POST"]),
        Route("/r/{token}/done", respond.done),
        Route("/r/{token}/pdf", respond.as_pdf),
        Route("/api/v1/campaigns", api.create, methods=["POST"]),
        Route("/api/v1/campaigns/{id}", api.show),
        Route("/api/v1/campaigns/{id}/send", api.send, methods=["POST"]),
    ]
    return Site(database, routes, TEMPLATES, public=("/r/",)).app
