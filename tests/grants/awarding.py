"""Awards for tests: as a published round leaves them, and as far on their way as a test needs them."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx

from chassis.audit import Actor, acting
from chassis.database import Database, Transaction
from contracts.access import Role
from services.grants import applying, awards, ledger, payments
from services.grants.awards import Award, HowToPay, Invoice, Paper, Payee
from services.grants.bank_details import BankDetails
from services.grants.queries import MONEY
from services.grants.states import State
from tests.access import EVERYTHING
from tests.grants.applying import ASKED, PDF, WHO, an_application, key_in
from tests.grants.filling import a_fund, a_round, money_comes

OFFICER = replace(EVERYTHING, id=UUID(int=101), roles=frozenset({Role.GRANTS_OFFICER}))
PAYER = replace(EVERYTHING, id=UUID(int=102), roles=frozenset({Role.PAYER}))
AUDITOR = replace(EVERYTHING, id=UUID(int=103), roles=frozenset({Role.AUDITOR}))

#: Numbers that stand nowhere else: whoever sees them has seen the account.
DETAILS = BankDetails(name="Zyta Zzyzx-Account", sort_code="407312", account="68249153")
REIMBURSED = HowToPay(payee=Payee.PERSON, details=DETAILS)
INVOICED = HowToPay(payee=Payee.EXAM_BODY, invoice="INV-7731")


def by(id: UUID) -> Actor:
    """Somebody of ours who acts."""
    return Actor(person=id, source="127.0.0.1", action="test")


async def a_funded_round(grants: Database, pence: int = 500_000) -> UUID:
    """A round of a fund that has so much."""
    fund = await a_fund(grants, name=f"Fund {uuid4()}")
    await money_comes(grants, fund, pence)
    return await a_round(grants, fund, opened=True)


async def an_award(
    grants: Database,
    pence: int = 14_500,
    *,
    round: UUID | None = None,
    email: str = WHO.email,
    wanted: int = 0,
    **asked: Any,
) -> UUID:
    """An award that is published and not answered, of all that was asked for or of less."""
    round = round or await a_funded_round(grants)
    asks = replace(ASKED, amount_pence=wanted or pence, **asked)
    id = await an_application(grants, round, who=replace(WHO, email=email), asked=asks)
    async with grants.transaction() as tx:
        await offer(tx, id, pence)
    return id


async def offer(tx: Transaction, id: UUID, pence: int) -> None:
    """What publishing a round does with one of its awards."""
    row = await tx.fetchrow("SELECT * FROM applications WHERE id = $1", id)
    fund = await tx.fetchval("SELECT fund_id FROM rounds WHERE id = $1", row["round_id"])
    await ledger.commit(tx, fund, pence, award=id)
    await applying.move(tx, row, State.AWARDED, words="The panel said yes.")
    await tx.execute(
        "INSERT INTO awards (application_id, fund_id, amount_pence, offered_at, answer_by)"
        " VALUES ($1, $2, $3, $4, $5)",
        *(id, fund, pence, tx.now, applying.today_of(tx) + timedelta(days=28)),
    )


async def an_accepted(
    grants: Database, pence: int = 14_500, *, how: HowToPay = REIMBURSED, booked: bool = True, **more: Any
) -> UUID:
    """An award that was accepted, and can be paid."""
    id = await an_award(grants, pence, **more)
    token = token_of(grants, id)
    async with grants.transaction() as tx:
        await awards.accept(tx, token, how)
    if booked:
        await adds_paper(grants, id, awards.PROOFS[how.payee])
        await confirms(grants, id)
    return id


async def confirms(grants: Database, id: UUID, pence: int = 20_000) -> None:
    """Confirm the booking of an award, or its invoice over so much."""
    async with acting(grants, by(OFFICER.id)) as tx:
        found = await awards.award_of(tx, id)
        assert found is not None
        newest = awards.newest_of(await awards.papers_of(tx, id), found.proof)
        invoice = Invoice(reference=found.invoice, pence=pence) if found.invoice else None
        await awards.confirm_proof(tx, id, OFFICER.id, seen=newest, exam_on=None, invoice=invoice)


async def a_prepared(grants: Database, pence: int = 14_500, **more: Any) -> tuple[UUID, UUID]:
    """An award and the payment of all of it, for somebody else to make."""
    id = await an_accepted(grants, pence, **more)
    return id, await prepares(grants, id, pence)


async def prepares(grants: Database, id: UUID, pence: int, person: UUID = OFFICER.id) -> UUID:
    """Prepare a payment to whomever the award names."""
    async with acting(grants, by(person)) as tx:
        found = await awards.award_of(tx, id)
        assert found is not None
        return await payments.prepare(tx, id, person, pence=pence, follows=found.payments)


async def a_paid(grants: Database, pence: int = 14_500, **more: Any) -> tuple[UUID, UUID]:
    """An award that was paid in one payment."""
    id, payment = await a_prepared(grants, pence, **more)
    await pays(grants, payment)
    return id, payment


async def pays(grants: Database, payment: UUID, person: UUID = PAYER.id) -> None:
    """Make a payment today."""
    async with acting(grants, by(person)) as tx:
        await payments.make(tx, payment, person, on=applying.today_of(tx), reference="BACS 7")


async def adds_paper(grants: Database, id: UUID, kind: Paper) -> None:
    """A paper that whoever has the award adds."""
    said: dict[str, Any] = {"name": f"{WHO.name}.pdf", "media_type": "application/pdf", "content": _content()}
    async with grants.transaction() as tx:
        await awards.add_paper(tx, token_of(grants, id), kind, **said)


async def _content() -> AsyncIterator[bytes]:
    yield PDF


def token_of(grants: Database, id: UUID) -> str:
    """The secret in the link of an application whose address never changed."""
    return applying.token_of(grants.context, id, 1)


def fresh(page: httpx.Response, suffix: str = "") -> str:
    """A key of the page's own session that was never sent."""
    return f"{key_in(page)[:69]}-{uuid4().hex[:6]}{suffix}"


async def award(grants: Database, id: UUID) -> Award:
    """An award as it is now, once it is certain that the ledger comes to its balances."""
    async with grants.reading() as tx:
        assert await ledger.differing(tx) == []
        found = await awards.award_of(tx, id)
    assert found is not None
    return found


async def payment(grants: Database, id: UUID) -> Any:
    """A payment as it is now."""
    async with grants.reading() as tx:
        return await MONEY.payment_by_id(tx, id=id)


async def free(grants: Database, id: UUID) -> int:
    """What the fund of an award has that is free, in pence."""
    found = await award(grants, id)
    async with grants.reading() as tx:
        return (await ledger.balance(tx, found.fund_id)).free_pence
