"""The list of organisations and the page of one, as Django shows them."""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import Count, Func, Max, OuterRef, Q, Subquery, TextField
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404

from services.partners.domain import folded
from tests.benchmarks.django_pages import HOUSE, show
from tests.benchmarks.django_register.models import Contact, Entry, Organisation, Referral, Tag, View

PAGE, TIMELINE, FEW = 50, 12, 5
OPEN = ["made", "accepted"]


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
    return show(
        request,
        "list.html",
        rows=rows[:PAGE],
        total=total,
        q=q,
        filters=filters,
        tags=list(Tag.objects.filter(organisations__isnull=False).distinct().order_by("key")[:200]),
        views=View.objects.filter(
            Q(shared=True) | Q(person_id=request.session["person"]), deleted_at=None
        ).order_by("name")[:50],
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
    return show(
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
