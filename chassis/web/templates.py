"""Templates: how a page is made from one, and what every template may use."""

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import jinja2
from jinja2.bccache import Bucket
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Match

from chassis.access import Person
from chassis.context import Section
from chassis.house import House
from chassis.web.access import at_a_glance, told_of_silence
from chassis.web.naming import name_of, say_names
from chassis.web.static import asset
from chassis.web.words import day, dialled, pounds, when
from contracts.access import ACCOUNT, AUDIT, SIGN_IN, Action, may

#: Macros of components.html that are given few different things, and how many results of each are kept.
_REMEMBERED = ("mark", "badge", "on", "number", "options")
_MOST_REMEMBERED = 500

_OURS = Path(__file__).parents[1] / "templates"


class _Compiled(jinja2.BytecodeCache):
    """Templates that this process has compiled: pages of each service need the same ones again.

    jinja2 compares what it gets with the source, and compiles anew what has changed.
    """

    def __init__(self) -> None:
        self._code: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._code:
            bucket.bytecode_from_string(self._code[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._code[bucket.key] = bucket.bytecode_to_string()


_COMPILED = _Compiled()


class _Environment(jinja2.Environment):
    """Looks for ``row.name`` in a mapping first, where it almost always is, instead of after an error."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if type(obj) is dict:
            return obj[attribute] if attribute in obj else super().getattr(obj, attribute)
        try:
            return getattr(obj, attribute)
        except AttributeError:
            return super().getattr(obj, attribute)


def environment(house: House, sections: Sequence[Section], *folders: Path) -> jinja2.Environment:
    """Templates: the given folders first, then the chassis's own."""
    made = _Environment(
        loader=jinja2.FileSystemLoader([*folders, _OURS]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        bytecode_cache=_COMPILED,
    )
    made.filters.update(pounds=pounds, dialled=dialled, when=when, day=day, name_of=name_of)
    made.globals.update(
        house=house.shown, sections=sections, asset=asset, account=ACCOUNT, sign_in=SIGN_IN, audit=AUDIT
    )
    _remember(made)
    return made


def _remember(templates: jinja2.Environment) -> None:
    """Let what many rows of many pages show alike, such as a badge, be made once and taken from then on.

    Types are told apart: what is escaped already never stands for the same words that are not.
    """
    components = templates.get_template("components.html").module
    for name in _REMEMBERED:
        setattr(components, name, lru_cache(_MOST_REMEMBERED, typed=True)(getattr(components, name)))


def render(
    templates: jinja2.Environment, request: Request, template: str, status: int, values: Mapping[str, Any]
) -> Response:
    """An HTML page. Its navigation marks the section that the request came to.

    ``allowed("keep_account")`` in a template says whether whoever reads it may do that.
    """
    section, person = request.scope.get("root_path", "").strip("/"), at_a_glance(request)
    frame = {
        "current": section,
        "request": request,
        "person": person,
        "allowed": partial(_allowed, person),
        "silence": told_of_silence(request),
        # Whoever sends its form once more and then goes back comes to the form as it stands.
        "answers_form": request.method == "POST" and "GET" in ways_of(request),
    }
    text = templates.get_template(template).render({**frame, **values})
    return HTMLResponse(say_names(text), status)


def ways_of(request: Request) -> list[str]:
    """The methods that an address is known for: each may have a route of its own."""
    routes = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for route in routes for method in getattr(route, "methods", None) or ()})


def _allowed(person: Person | None, action: Action) -> bool:
    return person is not None and may(action, person.roles)
