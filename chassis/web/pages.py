"""The application of one service: its routes and templates under the rules that hold for every page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from chassis.access import SessionKeys, Standings
from chassis.config import Settings
from chassis.database import IN_THE_WAY, Database
from chassis.errors import DatabaseAway, Refused
from chassis.listening import Listener
from chassis.web.access import ProofNeeded, SignInNeeded
from chassis.web.api import OPENAPI
from chassis.web.audit import AUDIT
from chassis.web.errors import Errors
from chassis.web.rules import Bounded, Measured
from chassis.web.templates import environment, render


class Site:
    """The application of one service: its routes, its templates, its way of answering errors.

    Args:
        database: the service's own.
        routes: paths relative to where it is mounted.
        templates: the service's folder of templates; the chassis's stand behind it.
        public: what the paths of pages for people outside begin with, such as ``/r/``: their errors are
            shown without the navigation.
    """

    def __init__(
        self,
        database: Database,
        routes: Sequence[BaseRoute],
        templates: Path,
        *,
        public: Sequence[str] = (),
    ) -> None:
        self.database = database
        self.context = database.context
        self.standings = Standings(database)
        #: Wakes those who look at something live.
        self.listener = Listener(database)
        self._templates = environment(self.context.house, self.context.sections, templates)
        self.app = application(
            self.context.service,
            self.context.settings,
            [*routes, AUDIT, OPENAPI],
            self._templates,
            public=public,
        )
        self.app.state.site = self
        self.sessions: SessionKeys = self.app.state.sessions

    def page(self, request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
        """An HTML page. ``?done=…`` in the address shows a word of confirmation."""
        return render(self._templates, request, template, status, values)

    def part(self, template: str, **values: Any) -> Markup:
        """A part of a page, for putting into it: one that is the same for whoever reads it."""
        return Markup(self._templates.get_template(template).render(values))  # noqa: S704 - it escapes


def site_of(request: Request) -> Site:
    """The site that a request came to."""
    site: Site = request.app.state.site
    return site


def application(
    service: str,
    settings: Settings,
    routes: Sequence[BaseRoute],
    templates: jinja2.Environment,
    *,
    public: Sequence[str] = (),
) -> Starlette:
    """A Starlette application with the rules that hold for every page."""
    errors = Errors(service, templates, public)
    handlers: dict[Any, Any] = {
        Refused: errors.refused,
        SignInNeeded: errors.sign_in_needed,
        ProofNeeded: errors.proof_needed,
        HTTPException: errors.unrouted,
        DatabaseAway: errors.away,
        ClientDisconnect: errors.gone,
        **dict.fromkeys(IN_THE_WAY, errors.in_the_way),
    }
    app = Starlette(
        routes=list(routes),
        middleware=[
            Middleware(Measured, service=service, errors=errors),
            Middleware(Bounded, settings=settings, errors=errors, routes=list(routes)),
        ],
        exception_handlers=handlers,
    )
    app.state.settings = settings
    app.state.sessions = SessionKeys(settings.keys_folder)
    return app
