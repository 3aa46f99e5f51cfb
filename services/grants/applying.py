"""Applying: begun with an e-mail address, written step by step, sent once, put right when asked, taken back.

There is no account. Whoever begins goes on at once, by a link that only their browser has; another one goes
to the address that they typed. Once that one was used, the first leads nowhere: whoever typed the address of
somebody else never sees what that person writes.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from typing import Any, Self
from uuid import UUID, uuid4

from chassis.audit import digest_of, note
from chassis.clock import LOCAL
from chassis.context import Context
from chassis.database import Transaction
from chassis.errors import Conflict, NotFound, Refused
from chassis.files import StoredFile, drop_files, keep_file
from chassis.links import link_digest, link_token
from chassis.outbox import announce
from chassis.sealed import seal
from contracts.envelope import Fact, pounds_sterling
from contracts.grants import (
    ApplicationLinkRequested,
    ApplicationReminded,
    ApplicationSubmitted,
    ApplicationWithdrawn,
)
from services.grants import conflicts, ledger, served
from services.grants.applicants import Applicant, applicant_of, keep_applicant
from services.grants.domain import person_digest, signs
from services.grants.queries import APPLICATIONS, MEETING, PANEL, ROUNDS
from services.grants.rounds import Round, RoundState, takes_applications
from services.grants.states import Mover, State, check_move

#: How often one may begin with one address, and from one computer, in a quarter of an hour.
BEGINS_FOR_ADDRESS, BEGINS_FROM_SOURCE, BEGINS_WITHIN = 3, 20, timedelta(minutes=15)
#: How often the e-mail address of an application may change.
MOST_ADDRESSES = 5
#: A link is mailed again at the most once in this time.
LINK_AGAIN = timedelta(minutes=10)
#: Files of one application, and bytes of each.
MOST_FILES, LARGEST_EVIDENCE = 5, 10_000_000
#: How long before the last day whoever has not sent their draft is told, and not within a day of beginning.
REMIND_BEFORE, NOT_WITHIN = timedelta(days=3), timedelta(days=1)
#: Drafts that one turn of the clock sees to.
AT_A_TIME = 200


class TooMany(Refused):
    """Somebody begins too often."""

    status = 429


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked for. A draft may lack all of it."""

    profession: str | None = None
    qualified_abroad: bool | None = None
    area: str | None = None
    purpose: str | None = None
    amount_pence: int | None = None
    exam_on: date | None = None
    exam_passed: bool | None = None
    #: Whether the status is theirs that the funder's terms ask for.
    status_met: bool | None = None
    words: str = ""

    @classmethod
    def of(cls, row: Any) -> Self:
        """What the row of an application asks for."""
        return cls(**{each.name: row[each.name] for each in fields(cls)})


#: What is asked only in a round with this rule.
ASKED_FOR: Mapping[str, str] = {
    "area": "area",
    "qualified_abroad": "qualified_abroad",
    "exam_ahead": "exam_passed",
    "status": "status_met",
}


@dataclass(frozen=True)
class Lacking:
    """What must be filled in before an application can be sent."""

    #: Step and field of the form.
    step: str
    field: str
    words: str


def lacking(asked: Asked, who: Applicant, rules: Sequence[str]) -> list[Lacking]:
    """What is still empty, in the order of the form. Some is asked only where the round has a rule on it."""

    def answered(rule: str) -> bool:
        return rule not in rules or getattr(asked, ASKED_FOR[rule]) is not None

    wanted = [
        ("you", "name", who.name, "Write your name."),
        ("you", "telephone", who.telephone, "Write a telephone number."),
        ("you", "area", answered("area"), "Say where you live."),
        ("work", "profession", asked.profession, "Choose your profession."),
        ("work", "qualified_abroad", answered("qualified_abroad"), "Say where you qualified."),
        ("exam", "purpose", asked.purpose, "Choose the exam."),
        ("exam", "amount", asked.amount_pence, "Say how much money you ask for."),
        ("exam", "exam_passed", answered("exam_ahead"), "Say whether you have passed this exam."),
        ("exam", "status_met", answered("status"), "Say whether this is true for you."),
        ("exam", "words", asked.words, "Tell us why you need the money."),
    ]
    return [Lacking(step, field, words) for step, field, said, words in wanted if not said]


def before_meeting(asked: Asked, plan: Round) -> bool:
    """Whether the exam is too early to be paid for by what the panel decides."""
    return bool(asked.exam_on and plan.meets_on and asked.exam_on <= plan.meets_on)


def gone_by(asked: Asked, today: date) -> bool:
    """Whether the day of the exam is past, which is rather a slip of the pen."""
    return bool(asked.exam_on and asked.exam_on < today)


def new_reference() -> str:
    """A reference such as ``K7QM-X2PD``: it tells neither who it is nor who came first."""
    return f"{signs(4)}-{signs(4)}"


# The links


def _token(context: Context, id: UUID, number: int, *, mailed: bool) -> str:
    purpose = "conduit application link" if mailed else "conduit application in its browser"
    return link_token(context.keys.derive("application links"), purpose, id, number)


def token_of(context: Context, id: UUID, number: int) -> str:
    """What stands in the link that is mailed."""
    return _token(context, id, number, mailed=True)


def link_of(context: Context, id: UUID, number: int) -> str:
    """The address by which somebody goes on with their application, or sees where it stands."""
    return f"{context.settings.origin}/grants/applying/{token_of(context, id, number)}"


async def by_token(tx: Transaction, token: str) -> Any:
    """The id of what a link leads to, and whether it is the mailed one; nothing when it leads nowhere."""
    return await APPLICATIONS.application_by_link(tx, digest=link_digest(token[:200]))


# Letters


async def tell(tx: Transaction, fact: type[Fact], id: UUID, *, words: str = "", **more: Any) -> None:
    """Announce what came of an application, with what a letter to the applicant needs; none once forgotten.

    Args:
        words: for the applicant alone.
    """
    row = await APPLICATIONS.application_by_id(tx, id=id)
    plan = Round.of(await ROUNDS.round_by_id(tx, id=row["round_id"]))
    letter = letter_to(tx, fact, row, plan, await applicant_of(tx, id), words)
    about = {"application_id": id, "round_id": row["round_id"], "letter": letter}
    await announce(tx, fact, subject=id, sequence=row["version"], **about, **more)


def letter_to(
    tx: Transaction, fact: type[Fact], row: Any, plan: Round, who: Applicant | None, words: str
) -> Any:
    """What a letter to an applicant needs, sealed; nothing once they are forgotten.

    Args:
        row: of the application.
    """
    if who is None:
        return None
    said = {
        "name": who.name,
        "email": who.email,
        "reference": row["reference"],
        "round": plan.name,
        "link": link_of(tx.context, row["id"], row["link_number"]),
        "help_name": plan.help_name,
        "help_telephone": plan.help_telephone,
        "words": words,
        "language": who.language,
    }
    return seal(tx.context.keys, fact, "letter", said)


# Beginning


async def begin(tx: Transaction, round_id: UUID, email: str, source: str) -> str:
    """Begin to apply; the link goes to the address. What the browser goes on with.

    Args:
        source: the computer that asks.

    Raises:
        NotFound, Conflict: when there is no such round, or nobody can apply in it today.
        TooMany: when somebody begins too often.
    """
    await open_round(tx, round_id)
    who, context = Applicant(email=email), tx.context
    from_where = person_digest(context.keys.derive("applicant digests"), f"source {source}")
    begun = await APPLICATIONS.begun_lately(
        tx,
        email_digest=who.digests(context)["email_digest"],
        begun_from=from_where,
        since=tx.now - BEGINS_WITHIN,
        most_from=BEGINS_FROM_SOURCE,
        most_for=BEGINS_FOR_ADDRESS,
    )
    if begun >= BEGINS_FROM_SOURCE:
        minutes = int(BEGINS_WITHIN.total_seconds() // 60)
        raise TooMany(
            "Somebody has begun too often.", f"Wait {minutes} minutes. Or use the link we sent you."
        )
    id = uuid4()
    browser = _token(context, id, 1, mailed=False)
    await APPLICATIONS.begin_application(
        tx,
        id=id,
        round_id=round_id,
        reference=new_reference(),
        link_digest=link_digest(token_of(context, id, 1)),
        browser_digest=link_digest(browser),
        begun_from=from_where,
        now=tx.now,
    )
    await keep_applicant(tx, id, who)
    await _send_link(tx, id)
    return browser


async def send_links_again(tx: Transaction, round_id: UUID, email: str) -> None:
    """Mail the links of whatever was begun with an address; nothing when there is none, or just now."""
    row = await ROUNDS.round_by_id(tx, id=round_id)
    if row is None or row["state"] == RoundState.DRAFT:
        raise NotFound
    digest = Applicant(email=email).digests(tx.context)["email_digest"]
    asked = {"round_id": round_id, "email_digest": digest, "before": tx.now - LINK_AGAIN, "now": tx.now}
    ids = [each["id"] async for each in APPLICATIONS.links_asked_for(tx, **asked)]
    for id in ids:  # the few of one person
        await _send_link(tx, id)


async def _send_link(tx: Transaction, id: UUID) -> None:
    """Have the link to an application mailed, with the last day on which it can be sent if it still can."""
    row = await APPLICATIONS.application_by_id(tx, id=id)
    plan = Round.of(await ROUNDS.round_by_id(tx, id=row["round_id"]))
    send_by = plan.closes_on if row["state"] == State.DRAFT else None
    if row["state"] == State.RETURNED and plan.meets_on:
        send_by = plan.meets_on - timedelta(days=1)
    await tell(tx, ApplicationLinkRequested, id, send_by=send_by)


async def open_round(tx: Transaction, id: UUID) -> Round:
    """A round in which one may apply today; it stays so until the transaction has ended.

    Raises:
        NotFound, Conflict: when there is none, or not today.
    """
    row = await APPLICATIONS.hold_round(tx, id=id)
    if row is None or row["state"] == RoundState.DRAFT:
        raise NotFound
    if not takes_applications(row["state"], row["opens_on"], row["closes_on"], today_of(tx)):
        raise Conflict("Nobody can apply in this round today.", "Ask us when the next one opens.")
    return Round.of(row)


def today_of(tx: Transaction) -> date:
    """The day where the users are."""
    return tx.now.astimezone(LOCAL).date()


# Writing


@dataclass(frozen=True, kw_only=True)
class Writing:
    """An application that its applicant may write in, locked."""

    id: UUID
    state: State
    #: As the row has it.
    row: Any
    plan: Round
    asked: Asked


def may_write(state: str, row: Any, today: date) -> bool:
    """Whether one may write: in a draft while the round takes it, in a returned one until the panel meets.

    Args:
        row: of the round.
    """
    if state == State.RETURNED:
        return bool(row["meets_on"] and today < row["meets_on"])
    open_today = takes_applications(row["state"], row["opens_on"], row["closes_on"], today)
    return state == State.DRAFT and open_today


async def writing(tx: Transaction, token: str) -> Writing:
    """Lock what a link leads to, in order to write in it.

    Raises:
        NotFound: when the link leads nowhere.
        Conflict: when nothing can be written any more.
    """
    found = await by_token(tx, token)
    row = await APPLICATIONS.lock_application(tx, id=found["id"]) if found else None
    if row is None:
        raise NotFound
    round_row = await APPLICATIONS.hold_round(tx, id=row["round_id"])
    if not may_write(row["state"], round_row, today_of(tx)):
        cure = "Open the page again to see where it stands."
        raise Conflict("Nothing can be changed in this application now.", cure)
    if found["mailed"]:
        await APPLICATIONS.end_browser_link(tx, id=row["id"])
    state, plan = State(row["state"]), Round.of(round_row)
    return Writing(id=row["id"], state=state, row=row, plan=plan, asked=Asked.of(row))


#: States in which it waits for the panel as it was sent.
_WAITING = frozenset({State.SUBMITTED, State.ELIGIBLE, State.UNDER_REVIEW})


def may_say_known(state: str, row: Any, today: date) -> bool:
    """Whether whoever has sent an application may still say whom of the panel they know: until it meets.

    Args:
        row: of the round.
    """
    return state in _WAITING and bool(row["meets_on"] and today < row["meets_on"])


async def say_known(tx: Transaction, token: str, person_ids: Collection[UUID]) -> None:
    """Whoever has sent an application says which members they know: some were asked only after that.

    Raises:
        NotFound, Conflict: when the link leads nowhere, or the panel meets.
    """
    found = await by_token(tx, token)
    row = await APPLICATIONS.lock_application(tx, id=found["id"]) if found else None
    if row is None:
        raise NotFound
    round_row = await APPLICATIONS.hold_round(tx, id=row["round_id"])
    if not may_say_known(row["state"], round_row, today_of(tx)):
        raise Conflict("The panel meets today or has met.", "Ring us if you know somebody on it.")
    await conflicts.tick(tx, row["id"], person_ids)


async def save(tx: Transaction, at: Writing, **changes: Any) -> None:
    """Write anew some of what is asked for."""
    await APPLICATIONS.save_application(tx, id=at.id, **vars(replace(at.asked, **changes)), now=tx.now)


async def save_applicant(tx: Transaction, at: Writing, who: Applicant) -> str | None:
    """Write anew who applies. Another e-mail address gets new links, and the old ones end.

    Returns: what the browser goes on with, when that is new.

    Raises:
        TooMany: when the address has changed too often.
    """
    before = await applicant_of(tx, at.id)
    await keep_applicant(tx, at.id, who)
    if before is not None and before.email == who.email:
        return None
    number, context = at.row["link_number"] + 1, tx.context
    if number > MOST_ADDRESSES:
        raise TooMany(
            "Your e-mail address has changed too often.", "Ring us, and we help you.", field="email"
        )
    browser = _token(context, at.id, number, mailed=False)
    await APPLICATIONS.renew_links(
        tx,
        id=at.id,
        number=number,
        link_digest=link_digest(token_of(context, at.id, number)),
        browser_digest=link_digest(browser),
        now=tx.now,
    )
    await _send_link(tx, at.id)
    return browser


async def add_evidence(
    tx: Transaction, at: Writing, *, name: str, media_type: str, content: AsyncIterator[bytes]
) -> StoredFile:
    """Put a file to an application.

    Raises:
        Refused: when it has enough.
    """
    if len(await evidence_of(tx, at.id)) >= MOST_FILES:
        cure = "Take one out first, or put several pages into one PDF."
        raise Refused(f"You can add at most {MOST_FILES} papers.", cure, field="file")
    file = await keep_file(tx, name=name, media_type=media_type, content=content)
    await APPLICATIONS.add_evidence(tx, file_id=file.id, application_id=at.id, now=tx.now)
    return file


async def remove_evidence(tx: Transaction, at: Writing, file_id: UUID) -> None:
    """Take a file out, for good.

    Raises:
        NotFound: when it is none of this application.
    """
    if await APPLICATIONS.remove_evidence(tx, file_id=file_id, application_id=at.id) is None:
        raise NotFound
    await drop_files(tx, [file_id])


async def evidence_of(tx: Transaction, id: UUID) -> list[Any]:
    """The files of an application, without their content."""
    return [row async for row in APPLICATIONS.evidence_of(tx, application_id=id)]


# Sending and taking back


async def send(tx: Transaction, token: str) -> None:
    """Send an application, once: whoever sends it again changes nothing.

    Raises:
        NotFound, Conflict: when the link leads nowhere, or it cannot be sent any more.
        Refused: when something is missing.
    """
    found = await by_token(tx, token)
    row = await APPLICATIONS.lock_application(tx, id=found["id"]) if found else None
    if row is not None and row["state"] == State.SUBMITTED:
        return
    at = await writing(tx, token)
    who = await applicant_of(tx, at.id)
    missing = lacking(at.asked, who, at.plan.eligibility) if who else []
    if who is None or missing:
        raise Refused("Something is still missing.", missing[0].words if missing else "", field="missing")
    check_move(at.state, State.SUBMITTED, Mover.APPLICANT)
    await move(tx, at.row, State.SUBMITTED)
    asked = pounds_sterling(at.asked.amount_pence or 0)
    purpose, meets_on = at.asked.purpose, at.plan.meets_on
    await tell(tx, ApplicationSubmitted, at.id, purpose=purpose, asked=asked, meets_on=meets_on)


async def withdraw(tx: Transaction, token: str) -> bool:
    """Take an application back. Whether it still leads somewhere: a draft is thrown away whole.

    Raises:
        NotFound, Conflict: when the link leads nowhere, or it has come too far.
    """
    found = await by_token(tx, token)
    row = await APPLICATIONS.lock_application(tx, id=found["id"]) if found else None
    if row is None:
        raise NotFound
    state = State(row["state"])
    if state is State.WITHDRAWN:
        return True
    if state is State.DRAFT:
        await forget(tx, [row["id"]])
        return False
    check_move(state, State.WITHDRAWN, Mover.APPLICANT)
    await take_back(tx, row)
    return True


async def take_back(tx: Transaction, row: Any) -> None:
    """Nobody decides on it any more; what was promised for it, told or not, is free again.

    Args:
        row: locked; the caller has asked the table.
    """
    await move(tx, row, State.WITHDRAWN)
    await ledger.release_all(tx, award=row["id"], cause=row["id"])
    await tell(tx, ApplicationWithdrawn, row["id"])


async def move(
    tx: Transaction,
    row: Any,
    state: State,
    *,
    by: UUID | None = None,
    rule: str | None = None,
    words: str = "",
) -> int:
    """Move an application on, and write it down. Its version after that. The caller has asked the table."""
    version: int = await APPLICATIONS.move_application(tx, id=row["id"], state=state, now=tx.now)
    await _enter(tx, [row["id"]], state, by=by, rule=rule, words=words)
    after = {"state": state.value, "rule": rule, "words": digest_of(tx, words) if words else None}
    note(tx, f"application_{state}", "application", row["id"], before={"state": row["state"]}, after=after)
    return version


async def _enter(
    tx: Transaction,
    ids: Sequence[UUID],
    state: State,
    *,
    by: UUID | None = None,
    rule: str | None = None,
    words: str = "",
) -> None:
    said = {"person_id": by, "rule": rule, "words": words}
    await APPLICATIONS.enter_steps(tx, ids=list(ids), state=state, **said, now=tx.now)


async def figures(tx: Transaction) -> dict[str, int]:
    """How many applications were ever sent, and for how many pence."""
    return dict(await APPLICATIONS.applications_sent(tx))


# What time does


async def remind(tx: Transaction) -> int:
    """Tell whoever has not sent their draft that the last day is near, once. How many."""
    today = today_of(tx)
    rows = APPLICATIONS.drafts_to_remind(
        tx,
        today=today,
        until=today + REMIND_BEFORE,
        before=tx.now - NOT_WITHIN,
        most=AT_A_TIME,
        now=tx.now,
    )
    ids = [row["id"] async for row in rows]
    for id in ids:
        row = await APPLICATIONS.application_by_id(tx, id=id)
        plan = await ROUNDS.round_by_id(tx, id=row["round_id"])
        await tell(tx, ApplicationReminded, id, closes_on=plan["closes_on"])
    return len(ids)


async def lapse(tx: Transaction) -> int:
    """End what was not sent in time. How many."""
    rows = APPLICATIONS.lapse(tx, today=today_of(tx), most=AT_A_TIME, now=tx.now)
    ids = [row["id"] async for row in rows]
    await _enter(tx, ids, State.LAPSED)
    return len(ids)


# Forgetting


async def forget(tx: Transaction, ids: Sequence[UUID]) -> None:
    """Rid applications of who has sent them, of their papers and of who was close to them.

    Those never sent are gone whole.
    """
    given = list(ids)
    files = [row["file_id"] async for row in APPLICATIONS.take_evidence(tx, ids=given)]
    await drop_files(tx, files)
    await APPLICATIONS.forget_applicants(tx, ids=given)
    await APPLICATIONS.scrub_steps(tx, ids=given)
    await MEETING.forget_reasons(tx, ids=given)
    await APPLICATIONS.scrub_applications(tx, ids=given, now=tx.now)
    await PANEL.scrub_cases(tx, application_ids=given, now=tx.now)
    await conflicts.forget_applications(tx, given)
    await served.forget_applications(tx, given)
    await APPLICATIONS.drop_applications(tx, ids=given)
