"""What needs whoever keeps Conduit running: each thing that is not well, and what to do about it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chassis.reports import MOST
from contracts.access import PEOPLE, SIGNED_BY
from services.partners import faults
from services.partners.faults import QUEUE_LONG, in_words
from services.partners.operations import Standing, Whole

#: Without a word from a service that lives for so long, what makes its reports has failed.
REPORT_LATE = 2 * MOST + timedelta(minutes=1)
#: The same limits as those of the warnings that are mailed.
HEADS_OLD, CERTIFICATE_NEAR = timedelta(days=9), timedelta(days=14)
#: Hundredths of a disk that are free.
DISK_FILLING, DISK_FULL = 15, 5


@dataclass(frozen=True, kw_only=True)
class Line:
    """One thing that is not well."""

    what: str
    #: What was seen, and in a word what to do.
    says: str
    #: The part of the runbook that says more; or where it is put right.
    runbook: str = ""
    href: str = ""


def red_lines(whole: Whole, silence: float) -> list[Line]:
    """Everything that is not well; what touches all services first.

    Args:
        silence: seconds after which a service that says nothing is taken to be away.
    """
    lines = [*_of_all(whole)]
    for standing in whole.standings:
        lines += _of_service(whole, standing, silence)
    return lines


def _of_all(whole: Whole) -> Iterator[Line]:
    if len({each.report["build"] for each in whole.standings if each.report}) > 1:
        says = "not all services run the same version. Finish the upgrade, then run: conduit migrate"
        yield Line(what="versions", says=says, runbook="versionsdiffer")
    yield from _backup(whole)
    yield from _disks(whole.standings)
    yield from _certificate(whole)
    late = whole.heads_reported_at is not None and whole.now - whole.heads_reported_at > HEADS_OLD
    if whole.auditors and late:
        says = "the auditors were not mailed how far the records go. Run: conduit audit verify"
        yield Line(what="audit", says=says, runbook="headsnotreported")
    unreached = faults.unreached(whole.unreached, "People")
    if not unreached.good:
        yield Line(what="messages to people", says=unreached.says, href=PEOPLE)


def _backup(whole: Whole) -> Iterator[Line]:
    judged = faults.backed_up(whole.now - whole.backup["made_at"] if whole.backup else None)
    if not judged.good:
        yield Line(what="backup", says=judged.says, runbook="backupold")


def _disks(standings: Sequence[Standing]) -> Iterator[Line]:
    """A disk that several services share is one."""
    shared: dict[int, list[Standing]] = {}
    for standing in standings:
        if standing.report and standing.report["disk_size"]:
            shared.setdefault(standing.report["disk_size"], []).append(standing)
    for size, some in shared.items():
        free = min(each.report["disk_free"] for each in some if each.report)
        if (left := 100 * free / size) < DISK_FILLING:
            full = left < DISK_FULL
            names = ", ".join(each.service for each in some)
            says = f"{left:.0f} % is free. Make room{' at once' if full else ''}: old logs, images, backups"
            yield Line(what=f"disk of {names}", says=says, runbook="diskfull" if full else "diskfilling")


def _certificate(whole: Whole) -> Iterator[Line]:
    ends = [end for each in whole.standings if (end := certificate_end(each))]
    if ends and (left := min(ends) - whole.now) < CERTIFICATE_NEAR:
        over = left <= timedelta(0)
        says = "has ended" if over else f"ends in {in_words(left.total_seconds())}"
        says += ". It should have been renewed by itself: look at the log of the proxy"
        yield Line(what="certificate", says=says, runbook="certificateending")


def certificate_end(standing: Standing) -> datetime | None:
    """When the certificate ends that a service has seen."""
    said = standing.report["certificate_end"] if standing.report else None
    return datetime.fromisoformat(said) if said else None


def _of_service(whole: Whole, standing: Standing, silence: float) -> Iterator[Line]:
    service, report = standing.service, standing.report
    lives = faults.lives(standing.silent_for, silence, standing.awaited_for)
    if not lives.good:
        yield Line(what=service, says=lives.says, runbook="servicedown")
    if report is None or standing.reported_at is None:
        return
    if lives.good and whole.now - standing.reported_at > REPORT_LATE:
        age = in_words((whole.now - standing.reported_at).total_seconds())
        says = f"has not said for {age} how it is, although it lives. Look into its log: turn_failed"
        yield Line(what=service, says=says, runbook="timerbehind")
    yield from _of_events(service, report, silence)
    for timer in report["timers"]:
        if timer["behind"]:
            says = f"“{timer['name']}” has not succeeded for too long. Look into the log: turn_failed"
            yield Line(what=f"timers of {service}", says=says, runbook="timerbehind")
    yield from _of_figures(standing.figures)


def _of_events(service: str, report: Mapping[str, object], silence: float) -> Iterator[Line]:
    outbox = faults.outbox(*(report[f"outbox_{name}"] for name in ("pending", "seconds", "failure")))  # type: ignore[arg-type]
    if not outbox.good:
        yield Line(what=f"outbox of {service}", says=outbox.says, runbook="outboxold")
    counts = {each["name"]: each["number"] for each in report["parked_by_reason"]}  # type: ignore[attr-defined]
    given_up = counts.pop("dead_lettered", 0)
    for count, runbook in ((given_up, "eventsgivenup"), (sum(counts.values()), "eventsparked")):
        if count:
            says = faults.parked(count).says
            yield Line(what=f"parked by {service}", says=says, runbook=runbook)
    waiting = sum(each["number"] for each in report["queues"])  # type: ignore[attr-defined]
    if waiting > QUEUE_LONG:
        says = f"{waiting:,} messages wait, so what it shows is behind. Is it going down? Then wait"
        yield Line(what=f"queue of {service}", says=says, runbook="queuelong")
    if report["broker"] == "away":
        says = f"{service} is not connected. Events wait; none is lost. Run: conduit check"
        yield Line(what="broker", says=says, runbook="brokeraway")
    if report["broker"] == "blocked":
        says = f"it takes nothing from {service}: its memory or its disk is full. Make room"
        yield Line(what="broker", says=says, runbook="brokerblocked")
    if service != SIGNED_BY:
        heard = faults.heard(report["heard_seconds"], silence)  # type: ignore[arg-type]
        if not heard.good:
            yield Line(what=f"{SIGNED_BY} heard by {service}", says=heard.says, runbook="partnerssilent")


def _of_figures(figures: Mapping[str, int]) -> Iterator[Line]:
    if count := figures.get("letters_unknown", 0):
        says = f"{count:,} may or may not have arrived. Choose “Perhaps sent: please check” in Letters"
        yield Line(what="letters", says=says, runbook="lettersunknown")
    mail = faults.waiting_mail(figures.get("mail_waiting", 0), figures.get("mail_waiting_seconds", 0))
    if not mail.good:
        yield Line(what="waiting mail", says=mail.says, runbook="mailstuck")
    if figures.get("funds_differing", 0):
        says = "the entries of a fund do not come to its balance. Pay nothing. Compare with a backup"
        yield Line(what="ledger", says=says, runbook="fundsdiffer")
