"""What the peer's pages share: whose they are, how they are filled up, how their statements are counted."""

from collections.abc import Callable
from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden
from django.shortcuts import render

from chassis.house import read_house
from services.installation import EXAMPLES

HOUSE = read_house(EXAMPLES / "house.toml")
SECTIONS = (
    ("/partners", "Partners"),
    ("/grants", "Grants"),
    ("/letters", "Letters"),
    ("/account", "Your account"),
)


def show(request: HttpRequest, template: str, **values: Any) -> HttpResponse:
    """A page of as many bytes at the least as the header ``X-Bytes`` says."""
    response = render(request, template, {"house": HOUSE, "sections": SECTIONS, **values})
    missing = int(request.headers.get("x-bytes", 0)) - len(response.content)
    if missing > 0:
        response.write(f"<!--{'.' * (missing - 7)}-->")
    return response


def signed_in(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A view for who has signed in, which says how many statements it took."""

    def shown(request: HttpRequest, **named: Any) -> HttpResponse:
        if not request.session.get("person"):
            return HttpResponseForbidden()
        asked: list[str] = []

        def note(execute: Any, sql: str, *rest: Any) -> Any:
            asked.append(sql)
            return execute(sql, *rest)

        with connection.execute_wrapper(note):
            response = view(request, **named)
        response["x-statements"] = str(len(asked))
        return response

    return shown
