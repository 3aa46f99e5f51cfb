"""How all services are, on one page: is it well, what needs somebody, and what to do about it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import Conflict, NotFound, Refused
from chassis.signs import is_awaited
from chassis.web import (
    BadRequest,
    fault_of,
    live,
    new_key,
    once,
    read_form,
    read_id,
    see,
    site_of,
    size_in_words,
)
from chassis.web.words import lately
from contracts.access import OPERATIONS
from contracts.topology import SERVICES
from services.partners import faults, operations
from services.partners.operations import Act, Chosen, Standing, Whole
from services.partners.red_lines import Line, certificate_end, red_lines

#: Seconds between two looks of a page that somebody has open.
_OFTEN = 2.0

_ACTS = {Act.RETRY: "Try again", Act.DISCARD: "Discard"}
_ACTS_ON_ALL = {Act.RETRY: "Try all again", Act.DISCARD: "Discard all"}

_DONE = {
    "asked": "Asked. Below it says when it is done.",
    "done": "Done.",
}

#: What the reasons mean for which messages are parked.
_REASONS = {
    "handler_failed": "It could not be handled",
    "not_yet_known": "It needs something that has not arrived yet",
    "dead_lettered": "The broker has given up bringing it",
    "unknown_type": "This version does not know its kind",
    "invalid_data": "It is not what its kind should be",
    "id_reused": "Another message had its id",
    "not_theirs": "Another service than its owner said it",
}
_OTHERWISE = "It is no event that can be read"


async def show(request: Request) -> Response:
    """Everything, what needs somebody first."""
    site = site_of(request)
    async with site.database.reading() as tx:
        whole = await operations.whole(tx)
    silence = site.context.settings.silence
    lines = red_lines(whole, silence)
    return site.page(
        request,
        "operations.html",
        lines=[_line(line) for line in lines],
        well=_in_a_sentence(whole, lines),
        services=[_service(standing, whole.now, silence) for standing in whole.standings],
        parked=[group for standing in whole.standings for group in _parked(standing)],
        asks=[_ask(row, whole.now) for row in whole.asks],
        timers=[_timers(standing, whole.now) for standing in whole.standings if standing.report],
        stands_on=_stands_on(whole),
        certificate_is_near=any(line.what == "certificate" for line in lines),
        live_href=f"{OPERATIONS}/live",
        as_of=whole.now,
        flash=_DONE.get(request.query_params.get("done", "")),
    )


async def follow(request: Request) -> Response:
    """One event whenever something is said, asked or done, and when a service falls silent."""
    site = site_of(request)

    async def version() -> str:
        async with site.database.reading() as tx:
            whole = await operations.whole(tx)
        said = [(each.service, each.version) for each in whole.standings]
        asks = [(each["id"], each["done_at"]) for each in whole.asks]
        return str((said, asks, red_lines(whole, site.context.settings.silence)))

    return live(request, version, pause=_OFTEN)


async def runbook(request: Request) -> Response:
    """What to do about each thing that can be wrong."""
    return site_of(request).page(request, "runbook.html", href=OPERATIONS)


def _line(line: Line) -> dict[str, str]:
    what = line.what[:1].upper() + line.what[1:]
    href = line.href or f"{OPERATIONS}/runbook#{line.runbook}"
    return {
        "what": what,
        "says": line.says,
        "href": href,
        "words": "Put it right" if line.href else "What to do",
    }


def _in_a_sentence(whole: Whole, lines: Sequence[Line]) -> str:
    """Is it well?"""
    if lines:
        return "1 thing needs you." if len(lines) == 1 else f"{len(lines)} things need you."
    waiting = [each.service.capitalize() for each in whole.standings if each.report is None]
    if waiting:
        return f"So far all is well. {' and '.join(waiting)} will say how it is within a minute."
    return "Everything is well."


def _service(standing: Standing, now: datetime, silence: float) -> dict[str, Any]:
    report = standing.report
    look, lives = _life(standing, silence)
    said: dict[str, Any] = {
        "name": standing.service.capitalize(),
        "look": look,
        "lives": lives,
        "said_at": lately(standing.reported_at, now) if standing.reported_at else "",
        "report": report,
    }
    if report:
        outbox = faults.outbox(report["outbox_pending"], report["outbox_seconds"], report["outbox_failure"])
        said |= {
            "outbox": outbox.says.partition(". ")[0],
            "waiting": sum(each["number"] for each in report["queues"]) if report["queues"] else None,
            "parked": sum(each["number"] for each in report["parked_by_reason"]),
        }
    return said


def _life(standing: Standing, silence: float) -> tuple[str, str]:
    """How it looks and reads whether a service is there."""
    if is_awaited(standing.silent_for, silence, standing.awaited_for):
        return "pending", "waiting for its first sign"
    lives = faults.lives(standing.silent_for, silence)
    return ("done", "lives") if lives.good else ("failed", lives.says.partition(".")[0])


def _parked(standing: Standing) -> list[dict[str, Any]]:
    """What a service has put aside, by reason."""
    if standing.report is None:
        return []
    return [
        {
            "service": standing.service.capitalize(),
            "reason": each["name"],
            "meaning": _REASONS.get(each["name"], _OTHERWISE),
            "count": each["number"],
            "acts": _acts(standing.service, each["name"]),
            "messages": [
                {**message, **_moments(message), "acts": _acts(standing.service, message["id"])}
                for message in standing.report["parked"]
                if message["reason"] == each["name"]
            ],
        }
        for each in standing.report["parked_by_reason"]
    ]


def _moments(message: Mapping[str, Any]) -> dict[str, datetime | None]:
    names = ("parked_at", "next_try")
    return {name: datetime.fromisoformat(message[name]) if message[name] else None for name in names}


def _acts(service: str, which: str) -> list[dict[str, str]]:
    """What can be done with one message, by its id, or with all that are put aside for a reason."""
    return [
        {"words": words, "all": _ACTS_ON_ALL[act], "href": f"{OPERATIONS}/{service}/{act}/{which}"}
        for act, words in _ACTS.items()
    ]


def _ask(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    count = row["number"]
    became = (
        "there was nothing left to do" if count == 0 else f"{count or 0:,} message{'' if count == 1 else 's'}"
    )
    return {
        "what": f"{_ACTS[Act(row['act'])]}: {row['reason'] or 'message ' + str(row['message_id'])}",
        "service": row["service"].capitalize(),
        "asked": lately(row["asked_at"], now),
        "done": lately(row["done_at"], now) if row["done_at"] else "",
        "became": became,
    }


def _timers(standing: Standing, now: datetime) -> dict[str, Any]:
    report, reported_at = standing.report or {}, standing.reported_at or now
    rows = [
        {
            "name": timer["name"],
            "behind": timer["behind"],
            "at": lately(reported_at - timedelta(seconds=timer["seconds"]), now)
            if timer["seconds"] is not None
            else "not yet",
        }
        for timer in report["timers"]
    ]
    return {
        "service": standing.service.capitalize(),
        "code": standing.service,
        "rows": rows,
        "behind": sum(row["behind"] for row in rows),
    }


def _stands_on(whole: Whole) -> dict[str, Any]:
    """Backup, certificate, disks, mail, and how far the records go."""
    figures: dict[str, int] = {}
    for standing in whole.standings:
        figures |= standing.figures
    ends = [end for each in whole.standings if (end := certificate_end(each))]
    return {
        "backup": whole.backup,
        "backup_size": size_in_words(whole.backup["size"]) if whole.backup else "",
        "backup_age": faults.in_words((whole.now - whole.backup["made_at"]).total_seconds())
        if whole.backup
        else "",
        "certificate_end": min(ends) if ends else None,
        "disks": _disks(whole),
        "mail": figures.get("mail_waiting"),
        "unknown": figures.get("letters_unknown", 0),
        "heads": [
            {
                "service": each.service.capitalize(),
                "rows": each.report["audit_rows"],
                "digest": (each.report["audit_digest"] or "")[:12],
            }
            for each in whole.standings
            if each.report
        ],
        "auditors": whole.auditors,
        "reported_at": whole.heads_reported_at,
    }


def _disks(whole: Whole) -> list[dict[str, str]]:
    """How full they are; services on one disk stand together."""
    shared: dict[tuple[str, str], list[str]] = {}
    for each in whole.standings:
        if each.report and each.report["disk_size"]:
            free = f"{100 * each.report['disk_free'] / each.report['disk_size']:.0f} % free"
            disk = free, size_in_words(each.report["disk_size"])
            shared.setdefault(disk, []).append(each.service.capitalize())
    return [{"free": free, "of": of, "services": ", ".join(names)} for (free, of), names in shared.items()]


# Messages that were put aside


async def show_parked(request: Request) -> Response:
    """What would be tried again or dropped, to be confirmed."""
    return await _confirm(request)


async def _confirm(request: Request, refused: Refused | None = None) -> Response:
    site = site_of(request)
    act, chosen = _read(request)
    async with site.database.reading() as tx:
        row, named, count = await operations.find(tx, chosen)
    return site.page(
        request,
        "operations_parked.html",
        status=refused.status if refused else 200,
        faults=fault_of(refused) if refused else {},
        act=act.value,
        words=_ACTS[act],
        service=chosen.service,
        reason=chosen.reason,
        messages=[{**each, **_moments(each)} for each in named],
        count=count,
        seen=row["reported_at"].astimezone(UTC).isoformat(),
        as_of=row["reported_at"],
        href=OPERATIONS,
        here=f"{OPERATIONS}/{chosen.service}/{act}/{chosen.message or chosen.reason}",
        key=new_key(request),
    )


async def settle_parked(request: Request) -> Response:
    """Do it, or ask the service whose messages they are; once, whoever else asks the same."""
    form = await read_form(request)
    act, chosen = _read(request)
    seen = _moment(str(form.get("seen", "")))

    async def do(tx: Transaction) -> Response:
        if form.get("confirm") != "yes":
            cure = "Tick the box and send it again."
            raise Refused("You have not said that it may be done.", cure, field="confirm")
        try:
            done = await operations.ask(tx, act, chosen, seen)
        except Conflict:
            # Somebody else has asked the same a moment ago: what both want happens once.
            done = False
        return see(f"{OPERATIONS}?done={'done' if done else 'asked'}#asked")

    try:
        return await once(request, do)
    except Refused as refused:
        if refused.field != "confirm":
            raise
        return await _confirm(request, refused)


def _read(request: Request) -> tuple[Act, Chosen]:
    """What is to be done with which messages.

    Raises:
        NotFound: where the address names nothing that there could be.
    """
    service, act, which = (request.path_params[name] for name in ("service", "act", "which"))
    if service not in SERVICES or act not in set(Act):
        raise NotFound
    if which.isidentifier():
        return Act(act), Chosen(service=service, reason=which[:100])
    return Act(act), Chosen(service=service, message=read_id(request, "which"))


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadRequest(
            "The form has lost what you have seen.", "Go back, reload the page and send it again."
        )
    return moment
