"""A member's desk, one case and a meeting, as Django shows them.

It is spared two things: names of members are told to it in clear, where ours are sealed, and the agenda is
ranked by what our database keeps of each item, as ours is, without asking which of them can be decided now.
None in these data cannot.
"""

import json
import os
from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import (
    Count,
    Exists,
    F,
    FilteredRelation,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
    Sum,
)
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404

from tests.benchmarks.django_pages import HOUSE, show
from tests.benchmarks.django_panel.models import (
    Application,
    Attendance,
    Balance,
    Case,
    Commitment,
    Conflict,
    Criterion,
    Decision,
    Item,
    Meeting,
    Review,
    Said,
    Score,
    Seat,
    StandIn,
)

DESK_PAGE, AGENDA_PAGE = 40, 50
VISIBLE = ["under_review", "deferred", "awarded", "declined", "accepted", "paid", "reported"]
NAMES: dict[str, str] = json.loads(os.environ.get("PEER_TOLD", "{}")).get("names", {})

_LAST = Decision.objects.filter(application=OuterRef("application")).order_by("-number")
_TOO_CLOSE = ~Q(state="dismissed") & (Q(tie=None) | ~Q(tie="acquaintance"))


def cases_for(viewer: str) -> QuerySet[Case]:
    """What a member may see, with what they have said of it."""
    seats = Seat.objects.filter(person_id=viewer, takes_part=True, left_at=None)
    kept = Conflict.objects.filter(_TOO_CLOSE, application=OuterRef("application"), person_id=viewer)
    found = Case.objects.filter(
        application__round__in=seats.values("round"), application__state__in=VISIBLE, handed_at__isnull=False
    ).exclude(Exists(kept))
    own = FilteredRelation("application__review", condition=Q(application__review__person_id=viewer))
    return found.annotate(own=own)


def desk(request: HttpRequest) -> HttpResponse:
    """The rounds of a member, and the cases that they may see."""
    viewer, after = request.session["person"], request.GET.get("after")
    running = Meeting.objects.filter(round=OuterRef("round"), ended_at=None)
    seats = list(
        Seat.objects.filter(person_id=viewer, left_at=None)
        .select_related("round")
        .annotate(meets=Subquery(running.values("id")[:1]))
        .order_by("round__meets_on", "round__name")[:20]
    )
    counted = cases_for(viewer).values("application__round")
    counted = counted.annotate(cases=Count("id"), done=Count("own__submitted_at"))
    progress = {} if after else {row["application__round"]: row for row in counted}
    listed = cases_for(viewer).select_related("application")
    if after:
        listed = listed.filter(label__gt=after)
    last = Subquery(_LAST.values("kind")[:1])
    listed = listed.annotate(version=F("own__version"), done=F("own__submitted_at"), kind=last)
    for seat in seats:
        seat.cases = list(listed.filter(application__round=seat.round_id).order_by("label")[: DESK_PAGE + 1])
        seat.more = seat.cases[DESK_PAGE - 1].label if len(seat.cases) > DESK_PAGE else None
        seat.cases = _in_words(seat.cases[:DESK_PAGE])
        seat.progress = progress.get(seat.round_id)
    has_said = Said.objects.filter(person_id=viewer).exists()
    return show(request, "desk.html", seats=seats, has_said=has_said, later=after)


def case(request: HttpRequest, id: UUID) -> HttpResponse:
    """A case: what is asked for, what one gives it, what others say."""
    viewer = request.session["person"]
    has_said = Said.objects.filter(person_id=viewer).exists()
    met = Conflict.objects.filter(
        application=OuterRef("application"), person_id=viewer, state="confirmed", tie="acquaintance"
    )
    found = (
        cases_for(viewer)
        .select_related("application__round")
        .annotate(
            met=Exists(met),
            kind=Subquery(_LAST.values("kind")[:1]),
            version=F("own__version"),
            comment=F("own__comment"),
            done=F("own__submitted_at"),
        )
    )
    shown = get_object_or_404(found, id=id)
    application = shown.application
    _in_words([shown])
    criteria = list(Criterion.objects.filter(round=application.round_id).order_by("number"))
    given = _scores(application)
    own = given.get(UUID(viewer), {})
    for each in criteria:
        each.choices = [(str(score), words) for score, words in enumerate(each.words)]
        each.choices.append(("none", "I cannot judge this. It is then not counted."))
        each.chosen = _code(own, each.pk)
    others = _others(application, viewer) if shown.done else []
    for each in others:
        each.scores = [_short(given.get(each.person_id, {}).get(one.pk)) for one in criteria]
    waiting = cases_for(viewer).filter(application__round=application.round_id, own__submitted_at=None)
    waiting = waiting.exclude(
        Exists(Decision.objects.filter(application=OuterRef("application")).exclude(kind="defer"))
    )
    waiting = waiting.order_by("label")
    following = waiting.filter(label__gt=shown.label).first() or waiting.filter(label__lt=shown.label).first()
    return show(
        request,
        "case.html",
        has_said=has_said,
        case=shown,
        criteria=criteria,
        weights=sum(each.weight for each in criteria),
        own=[_short(own.get(each.pk)) for each in criteria],
        others=others,
        next=following,
    )


def _others(application: Application, viewer: str) -> list[Review]:
    """What other members have handed in, by name."""
    seats = Seat.objects.filter(
        round=application.round_id, person_id=OuterRef("person_id"), takes_part=True, left_at=None
    )
    kept = Conflict.objects.filter(_TOO_CLOSE, application=application.pk, person_id=OuterRef("person_id"))
    found = Review.objects.filter(Exists(seats), application=application.pk, submitted_at__isnull=False)
    found = found.exclude(Exists(kept)).exclude(person_id=viewer)
    return _named(found.annotate(seat=Subquery(seats.values("seat")[:1])))


def meeting(request: HttpRequest, id: UUID) -> HttpResponse:
    """A meeting as the officer leads it."""
    found = get_object_or_404(Meeting.objects.select_related("round"), id=id)
    there = Attendance.objects.filter(meeting=found, person_id=OuterRef("person_id"), left_at=None)
    seats = _named(
        Seat.objects.filter(round=found.round_id, takes_part=True, left_at=None).annotate(here=Exists(there))
    )
    opened = Item.objects.filter(meeting=found, opened_at__isnull=False).select_related("application__case")
    item = opened.order_by("-opened_at", "-label").first()
    balance = Balance.objects.get(fund_id=found.round.fund_id)
    held = balance.received_pence - balance.refunded_pence - balance.paid_pence + balance.returned_pence
    awarded = Commitment.objects.filter(award__round=found.round_id).aggregate(
        pence=Sum(F("committed_pence") - F("released_pence"))
    )["pence"]
    agenda = _agenda(found, request.GET.get("after"))
    return show(
        request,
        "meeting.html",
        meeting=found,
        seats=seats,
        item=item and _whole(found, item, seats),
        free=held - balance.committed_pence,
        awarded=awarded or 0,
        lines=_in_words(agenda[:AGENDA_PAGE]),
        more=agenda[AGENDA_PAGE - 1].application.case.id if len(agenda) > AGENDA_PAGE else None,
    )


def _agenda(found: Meeting, after: str | None) -> list[Item]:
    """A page of the agenda, each with what was decided last."""
    items = Item.objects.filter(meeting=found).select_related("application__case")
    if after:
        last = items.get(application__case__id=after)
        items = items.filter(
            Q(low=last.low, label__gt=last.label) | Q(low__gt=last.low),
            decided=last.decided,
            low__gte=last.low,
        )
    decided = Prefetch("application__decision_set", Decision.objects.order_by("number"), to_attr="decisions")
    return list(items.prefetch_related(decided).order_by("decided", "low", "label")[: AGENDA_PAGE + 1])


def _whole(found: Meeting, item: Item, seats: list[Seat]) -> dict[str, Any]:
    """What is on, with who counts for it, their scores and what was decided."""
    application = _in_words([item])[0].application
    ties = list(Conflict.objects.filter(application=application))
    away = {each.person_id for each in ties if each.state != "dismissed" and each.tie != "acquaintance"}
    known = {
        each.person_id for each in ties if each.state == "confirmed" and each.tie == "acquaintance"
    } - away
    stands = StandIn.objects.filter(meeting_id=found.pk, application_id=application.pk)
    standing = set(stands.values_list("person_id", flat=True))
    judges = [
        each
        for each in seats
        if each.person_id not in away and (each.seat == "member" or each.person_id in standing)
    ]
    reviews = {
        each.person_id: each
        for each in Review.objects.filter(application=application, submitted_at__isnull=False)
    }
    criteria = list(Criterion.objects.filter(round=found.round_id).order_by("number"))
    given = _scores(application)
    awaited = [each.name for each in judges if each.person_id not in reviews]
    rows = [
        (
            each.name,
            [_short(given[each.person_id].get(one.pk)) for one in criteria],
            reviews[each.person_id].comment,
        )
        for each in judges
        if each.person_id in reviews
    ]
    decisions = Decision.objects.filter(application=application).select_related("reason").order_by("number")
    return {
        "item": item,
        "counted": [each for each in judges if each.here],
        "away": [each.name for each in seats if each.here and each.person_id in away],
        "known": [each.name for each in judges if each.here and each.person_id in known],
        "awaited": awaited,
        "criteria": criteria,
        "rows": [] if awaited else rows,
        "decisions": list(decisions),
        "lacking": len([each for each in judges if each.here]) < (found.round.quorum or 1),
    }


def _scores(application: Application) -> dict[UUID, dict[UUID, int | None]]:
    given: dict[UUID, dict[UUID, int | None]] = defaultdict(dict)
    for each in Score.objects.filter(application=application):
        given[each.person_id][each.criterion_id] = each.score
    return given


def _code(own: dict[UUID, int | None], criterion: UUID) -> str:
    if criterion not in own:
        return ""
    return "none" if own[criterion] is None else str(own[criterion])


def _short(score: int | None) -> str:
    return "–" if score is None else str(score)


def _named(found: Iterable[Any]) -> list[Any]:
    """These by name."""
    rows = list(found)
    for each in rows:
        each.name = NAMES[str(each.person_id)]
    return sorted(rows, key=lambda each: each.name.casefold())


def _in_words(rows: list[Any]) -> list[Any]:
    for each in rows:
        each.purpose = HOUSE.lists["purposes"][each.application.purpose].name
        each.profession = HOUSE.lists["professions"][each.application.profession].name
        each.pounds = each.application.amount_pence / 100
    return rows
