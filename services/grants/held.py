"""What is held here on somebody who is registered, applies or works with us: telling and forgetting it."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.clock import LOCAL
from chassis.database import Transaction
from chassis.files import file_content
from chassis.retention import Term
from chassis.rights import Forgotten, Held, Keeper, Subject, written
from chassis.scrub import scrub_about
from contracts.grants import ErasureAnswered, PersonDataGathered, PersonScrubbed
from services.grants import applying, awards, colleagues, conflicts, imports, registrations, served
from services.grants.applicants import Applicant, applications_by
from services.grants.counting import recount
from services.grants.domain import person_digest
from services.grants.queries import APPLICATIONS, MONEY, QUERIES, REGISTRATIONS
from services.grants.states import ENDED, State

#: What stays when somebody was forgotten who had applied.
KEPT = (
    "That somebody applied, for which exam, how much was asked for and what became of it, without a name "
    "or any of their words: so that figures stay true."
)

#: What stays when somebody was forgotten to whom money was paid.
KEPT_PAID = (
    "To whom money for an exam was paid, how much, when and with which receipt: the law wants our accounts "
    "to say that for six years."
)


async def gather(tx: Transaction, subject: Subject) -> AsyncIterator[Held]:
    """Their name as a colleague, every registration under one of their references or addresses, what they
    have not confirmed, every application, with its papers, and what they did on panels.
    """
    for number, who in enumerate((await colleagues.colleagues(tx, subject.ids)).values(), 1):
        said = {"name": who.name, "email": who.email}
        yield written(f"colleague-{number}.json", f"Their account, as grants knows it, {number}", said)
    persons = _persons(tx, subject)
    for title, find in _HELD.items():
        rows = [row async for row in find(tx, persons=persons)]
        for number, row in enumerate(rows, 1):
            said = {name.replace("_", " "): value for name, value in row.items()}
            path = f"{title.lower().replace(' ', '-')}-{number}.json"
            yield written(path, f"{title} {number}", said)
    for row in await applications_by(tx, subject.emails, subject.references):
        async for held in _application(tx, row):
            yield held
    on_panels = await conflicts.held_on(tx, subject.ids) | await served.held_on(tx, subject.ids)
    for what, things in on_panels.items():
        if things:
            yield written(f"panel-{what}.json", f"On a panel: {what}", {what: things})


_HELD = {
    "Registration": REGISTRATIONS.registrations_held,
    "Unconfirmed registration": REGISTRATIONS.askings_held,
}


async def _application(tx: Transaction, row: Any) -> AsyncIterator[Held]:
    """What they have said, what they were told, and each of their papers."""
    reference, hidden = row["reference"], {"id", "round_id", "sealed"}
    steps = [each async for each in APPLICATIONS.steps_of(tx, application_id=row["id"])]
    said = {name.replace("_", " "): value for name, value in row.items() if name not in hidden}
    told = [{"state": each["state"], "at": each["happened_at"], "told": each["words"]} for each in steps]
    who = asdict(Applicant.opened(tx.context, row["sealed"]))
    content = {"who": who, **said, "what came of it": told, "award": await _award(tx, row["id"])}
    yield written(f"applications/{reference}.json", f"Application {reference}", content)
    papers = [*await applying.evidence_of(tx, row["id"]), *await awards.papers_of(tx, row["id"])]
    for number, paper in enumerate(papers, 1):
        ending = paper["name"].rpartition(".")[2].lower()
        copy = await file_content(tx, paper["file_id"])
        path = f"applications/{reference}-paper-{number}.{ending}"
        yield Held(path=path, title=f"Paper {number} of application {reference}", content=copy)


async def _award(tx: Transaction, id: UUID) -> Mapping[str, Any] | None:
    """What was awarded and paid to them. Their account is named and not written out: others read this too."""
    award = await awards.award_of(tx, id)
    if award is None:
        return None
    hidden = {
        "application_id",
        "fund_id",
        "round_id",
        "payments",
        "given_at",
        "wanted_pence",
        "invoice_used_pence",
    }
    said = {name.replace("_", " "): value for name, value in vars(award).items() if name not in hidden}
    payments = [
        {"amount pence": row["amount_pence"], "came back pence": row["returned_pence"], "on": row["paid_on"]}
        async for row in MONEY.payments_of(tx, application_id=id)
        if row["paid_on"] is not None
    ]
    outcome = await MONEY.outcome_of(tx, application_id=id)
    account = "is held, and was given on" if award.given_at else "is not held"
    how = {"exam": outcome["result"], "in post": outcome["in_post"]} if outcome else None
    return {**said, f"bank account {account}": award.given_at, "payments": payments, "how it went": how}


async def objection(tx: Transaction, subject: Subject) -> str | None:
    """A registration and an application can be forgotten at any time, but not while money is on its way."""
    ids = [row["id"] for row in await applications_by(tx, subject.emails, subject.references)]
    counted = await MONEY.money_counted(tx, ids=ids)
    if counted["accepted"] or counted["waiting"]:
        return "Money for an exam is being paid to them. Pay it, or give the award up, then ask again."
    return None


async def forget(tx: Transaction, subject: Subject) -> Forgotten:
    """Delete their name, what they were close to, their comments on cases, and what they have registered,
    confirmed or not, and count anew; take back and scrub what they have applied for.
    """
    await imports.drop_waiting(tx)
    count, unconfirmed = await registrations.forget(tx, _persons(tx, subject))
    rows = await applications_by(tx, subject.emails, subject.references)
    ids = [row["id"] for row in rows]
    paid = {row["application_id"] async for row in MONEY.have_payments(tx, ids=ids)}
    await awards.forget(tx, ids, receipts=False)
    await applying.forget(tx, ids)
    comments, has_served = await served.forget_people(tx, subject.ids)
    interests = await conflicts.forget_people(tx, subject.ids)
    await scrub_about(tx, [*ids, *subject.ids])
    for row in rows:
        await _withdraw(tx, row)
    sent = any(row["submitted_at"] for row in rows)
    counts = {
        "names of colleagues": await colleagues.forget(tx, subject.ids),
        "interests of panel members": interests,
        "comments of panel members": comments,
        "registrations": count,
        "unconfirmed registrations": unconfirmed,
        "applications": len(rows),
    }
    stays = ((KEPT, sent), (KEPT_PAID, paid), (served.KEPT, has_served))
    return Forgotten(counts=counts, kept=tuple(words for words, does in stays if does))


async def _withdraw(tx: Transaction, row: Any) -> None:
    """Nobody decides on it any more, and nothing of it will be paid; what was paid stays paid."""
    if row["state"] in (State.AWARDED, State.ACCEPTED):
        application, award = await awards.lock_award(tx, row["id"])
        if not award.paid_pence:
            await awards.give_back(tx, application, "given_up")
    elif row["submitted_at"] is not None and row["state"] not in ENDED | {State.PAID}:
        await applying.take_back(tx, row)


def _persons(tx: Transaction, subject: Subject) -> list[bytes]:
    key = tx.context.keys.derive("registrations")
    return [person_digest(key, text) for text in (*subject.references, *subject.emails)]


async def _old_registrations(tx: Transaction, before: datetime, most: int) -> int:
    await QUERIES.lock_counts(tx)
    count = int(await REGISTRATIONS.purge_registrations(tx, before=before, most=most))
    if count:
        await recount(tx)
    return count


async def _old_askings(tx: Transaction, before: datetime, most: int) -> int:
    return int(await REGISTRATIONS.purge_askings(tx, before=before, most=most))


async def _unsent_applications(tx: Transaction, before: datetime, most: int) -> int:
    rows = APPLICATIONS.unsent_until(tx, before=before.astimezone(LOCAL).date(), most=most)
    return await _forget_each([row["id"] async for row in rows], tx)


async def _unawarded_applications(tx: Transaction, before: datetime, most: int) -> int:
    rows = APPLICATIONS.unawarded_until(tx, before=before.astimezone(LOCAL).date(), most=most)
    ids = [row["id"] async for row in rows]
    await awards.forget(tx, ids, receipts=False)  # of those that were given up
    return await _forget_each(ids, tx)


async def _old_bank_details(tx: Transaction, before: datetime, most: int) -> int:
    return len([row async for row in MONEY.details_until(tx, before=before, most=most)])


async def _old_awards(tx: Transaction, before: datetime, most: int) -> int:
    ids = [row["application_id"] async for row in MONEY.awards_until(tx, before=before, most=most)]
    await awards.forget(tx, ids, receipts=True)
    return await _forget_each(ids, tx)


async def _forget_each(ids: list[UUID], tx: Transaction) -> int:
    await applying.forget(tx, ids)
    return len(ids)


REGISTRATIONS_TERM = Term(
    what="registrations", months=24, since="after the last contact", scrub=_old_registrations
)
TERMS = (
    REGISTRATIONS_TERM,
    Term(what="unconfirmed registrations", months=1, since="after they were typed", scrub=_old_askings),
    Term(what="drafts", months=1, since="after the round has closed", scrub=_unsent_applications),
    Term(
        what="interests",
        months=24,
        since="after the last round has closed on whose panel they sat",
        scrub=conflicts.forget_old,
    ),
    Term(what="applications", months=24, since="after the round has closed", scrub=_unawarded_applications),
    Term(what="bank details", months=1, since="after the last payment", scrub=_old_bank_details),
    Term(what="awards", months=72, since="after the last payment", scrub=_old_awards),
)

KEEPER = Keeper(
    part="for_grants",
    gather=gather,
    objection=objection,
    forget=forget,
    gathered=PersonDataGathered,
    answered=ErasureAnswered,
    scrubbed=PersonScrubbed,
)
