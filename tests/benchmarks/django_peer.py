"""The register's two pages as Django shows them: its ORM, its templates, on the same database.

A session in a signed cookie, as ours is; connections stay open. A page is filled up to as many bytes as the
header ``X-Bytes`` says, so that both sides send the same amount; ``X-Statements`` says how many statements it
took.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import django
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.db.models import Count, Func, Max, OuterRef, Q, Subquery, TextField
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden
from django.shortcuts import get_object_or_404, render
from django.urls import path

from chassis.house import read_house
from services.installation import EXAMPLES
from services.partners.domain import folded


def _database(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    asked = dict(parse_qsl(parts.query))  # a socket stands there
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.strip("/"),
        "USER": parts.username,
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or asked["host"],
        "PORT": parts.port or asked.get("port", ""),
        "CONN_MAX_AGE": None,
    }


settings.configure(
    SECRET_KEY="of this measurement alone",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": _database(os.environ["PEER_DATABASE_URL"])},
    INSTALLED_APPS=["django.contrib.sessions", "django.contrib.postgres", "tests.benchmarks.django_register"],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    # Without DEBUG they are read once.
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "DIRS": [Path(__file__).parent / "django_templates"],
        }
    ],
    USE_TZ=True,
)
django.setup()

from tests.benchmarks.django_register.models import (  # noqa: E402 - Django must be set up
    Contact,
    Entry,
    Organisation,
    Referral,
    Tag,
    View,
)

PAGE, TIMELINE, FEW = 50, 12, 5
OPEN = ["made", "accepted"]
PERSON = "0134c1e9-0100-7a11-8a6f-3a1f6f3d2b10"
HOUSE = read_house(EXAMPLES / "house.toml")
SECTIONS = (
    ("/partners", "Partners"),
    ("/grants", "Grants"),
    ("/letters", "Letters"),
    ("/account", "Your account"),
)


def organisations(request: HttpRequest) -> HttpResponse:
    """The list, searched."""
    q = request.GET.get("q", "")
    found = Organisation.objects.filter(merged_into=None)
    for word in folded(q).split():
        found = found.filter(searched__contains=word)
    # By the same index as ours.
    grams = sorted({word[at : at + 3] for word in folded(q).split() for at in range(len(word) - 2)})
    if grams:
        made = Func("searched", function="grams", output_field=ArrayField(TextField()))
        found = found.alias(grams=made).filter(grams__contains=grams)
    for name in ("kind", "area"):
        if code := request.GET.get(name):
            found = found.filter(**{f"{name}s__contains": [code]})
    total = found.count()
    known = Contact.objects.filter(organisation=OuterRef("pk"), withdrawn_on=None).values("organisation")
    contacts = Coalesce(Subquery(known.annotate(count=Count("pk")).values("count")), 0)
    listed = found.annotate(contacts=contacts).prefetch_related("tags").order_by("listed_as", "id")
    rows = list(listed[: PAGE + 1])
    for row in rows:
        _in_words(row)
    filters = [
        ("kind", "Kind", HOUSE.lists["kinds"].values()),
        ("area", "Area", HOUSE.lists["areas"].values()),
        ("closeness", "How closely", HOUSE.lists["closeness"].values()),
    ]
    after = f"?q={q}&after={rows[PAGE - 1].id}" if len(rows) > PAGE else ""
    return _page(
        request,
        "list.html",
        rows=rows[:PAGE],
        total=total,
        q=q,
        filters=filters,
        tags=list(Tag.objects.filter(organisations__isnull=False).distinct().order_by("key")[:200]),
        views=View.objects.filter(Q(shared=True) | Q(person_id=PERSON), deleted_at=None).order_by("name")[
            :50
        ],
        next=after,
    )


def organisation(request: HttpRequest, id: Any) -> HttpResponse:
    """One body with its contacts, its letters and what happened."""
    found = get_object_or_404(Organisation.objects.select_related("successor"), id=id)
    entries = Entry.objects.filter(organisation=found)
    acknowledged = Q(kind__in=["letter_acknowledged", "letter_answered"])
    letters = entries.aggregate(
        sent=Count("letter_id", distinct=True, filter=Q(kind="letter_sent")),
        acknowledged=Count("letter_id", distinct=True, filter=acknowledged),
        answered=Count("letter_id", distinct=True, filter=Q(kind="letter_answered")),
    )
    lately = entries.filter(letter_id__isnull=False, kind__startswith="letter_")
    last = lately.order_by("letter_id", "-happened_at", "-id").distinct("letter_id")
    referrals = Referral.objects.filter(organisation=found)
    return _page(
        request,
        "organisation.html",
        organisation=_in_words(found),
        contacts=found.contact_set.order_by("role", "name"),
        timeline=entries.order_by("-happened_at", "-id")[:TIMELINE],
        letters=letters,
        letters_lately=Entry.objects.filter(pk__in=last.values("pk")).order_by("-happened_at")[:FEW],
        pledges=entries.filter(kind="contribution_pledged").order_by("-happened_at")[:FEW],
        tags=found.tags.order_by("key"),
        merged=found.merged.order_by("listed_as"),
        agreements=found.agreement_set.order_by("-changed_at")[:FEW],
        outcomes=found.outcome_set.filter(state="open").order_by("due_on")[:FEW],
        referrals=referrals.aggregate(
            made=Count("pk"),
            open=Count("pk", filter=Q(state__in=OPEN)),
            helped=Count("pk", filter=Q(state="helped")),
        ),
        referrals_open=referrals.filter(state__in=OPEN).order_by("-made_at")[:FEW],
        services=found.service_set.filter(retired_at=None).order_by("listed_as")[:FEW],
        as_of=Entry.objects.aggregate(at=Max("heard_at"))["at"],
    )


def _in_words(found: Organisation) -> Organisation:
    for name in ("kinds", "areas"):
        setattr(found, name, [HOUSE.lists[name][code].name for code in getattr(found, name)])
    found.closeness = HOUSE.lists["closeness"][found.closeness].name
    return found


def _page(request: HttpRequest, template: str, **values: Any) -> HttpResponse:
    response = render(request, template, {"house": HOUSE, "sections": SECTIONS, **values})
    missing = int(request.headers.get("x-bytes", 0)) - len(response.content)
    if missing > 0:
        response.write(f"<!--{'.' * (missing - 7)}-->")
    return response


def for_staff(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A view for who has signed in, which says how many statements it took."""

    def shown(request: HttpRequest, **named: Any) -> HttpResponse:
        if request.session.get("person") != "amina":
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


def cookie() -> str:
    """The cookie of somebody who has signed in."""
    session = SessionStore()
    session["person"] = "amina"
    session.save()
    return f"sessionid={session.session_key}"


urlpatterns = [
    path("partners/organisations", for_staff(organisations)),
    path("partners/organisations/<uuid:id>", for_staff(organisation)),
]
application = get_wsgi_application()

if __name__ == "__main__":
    sys.stdout.write(cookie() + "\n")
