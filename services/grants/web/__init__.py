"""The pages and the API of grants: routes only, each named after what it shows or does."""

from pathlib import Path

from starlette.routing import Route
from starlette.types import ASGIApp

from chassis.database import Database
from chassis.web import Site, operation, page
from contracts.access import Action
from services.grants.web import home

TEMPLATES = Path(__file__).parents[1] / "templates"

_POST = ("POST",)


def build(database: Database) -> ASGIApp:
    """The application, to be mounted at ``/grants``."""
    groups = (_home(),)
    return Site(database, [route for group in groups for route in group], TEMPLATES).app


def _home() -> list[Route]:
    """Where one begins, and how many are registered."""
    read = Action.READ_EVIDENCE
    return [
        page("/", home.home, read),
        operation("/registrations/counts", home.list_counts, read, gives=home.CountsDocument),
    ]
