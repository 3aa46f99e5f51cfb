"""Awards: answered by whoever has them, made ready to be paid, ended; and who sees the account."""

import asyncio
import csv
import io
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chassis.access import Person
from chassis.audit import acting
from chassis.database import Database
from chassis.errors import Conflict, Refused
from chassis.retention import scrub_old
from chassis.rights import Subject
from chassis.web import SECRET_ADDRESS
from contracts.access import Role
from contracts.grants import (
    ApplicationWithdrawn,
    AwardAccepted,
    AwardPaid,
    AwardProofReturned,
    AwardReminded,
    AwardReturned,
)
from services.grants import awards, held, ledger, payments, web
from services.grants.awards import HowToPay, Paper, Payee
from services.grants.bank_details import BankDetails, read_account, read_sort_code
from services.grants.states import State
from tests.access import EVERYTHING, form_key
from tests.conftest import announced, client
from tests.crawling import contents
from tests.grants.applying import EMAIL, PDF, PNG, WHO, key_in, later, letters, state_of
from tests.grants.awarding import (
    AUDITOR,
    DETAILS,
    INVOICED,
    OFFICER,
    PAYER,
    REIMBURSED,
    a_funded_round,
    a_paid,
    a_prepared,
    adds_paper,
    an_accepted,
    an_award,
    award,
    by,
    confirms,
    free,
    fresh,
    pays,
    prepares,
    token_of,
)

SUBJECT = Subject(emails=(EMAIL,))
ACCOUNT = {"name": DETAILS.name, "sort_code": "40-73-12", "account": "68249153"}
#: Whatever would give the account away.
MARKERS = ("Zyta Zzyzx-Account", "407312", "40-73-12", "68249153")


@pytest.fixture
async def applicant(grants: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(web.build(grants), "/grants", None) as browser:
        yield browser


def as_(grants: Database, person: Person) -> httpx.AsyncClient:
    return client(web.build(grants), "/grants", person)


def page_of(grants: Database, id: UUID) -> str:
    return f"/grants/applying/{token_of(grants, id)}/award"


async def says(
    browser: httpx.AsyncClient, path: str, act: str, key: str = "", **fields: str
) -> httpx.Response:
    """Send one of the forms behind the link."""
    key = key or fresh(await browser.get(path))
    return await browser.post(path, data={"key": key, "act": act, **fields})


async def takes_file(browser: httpx.AsyncClient, person: Person, **fields: str) -> httpx.Response:
    """Download what is to be paid, for the bank."""
    return await browser.post("/grants/payments/bank-file", data={"key": form_key(person), **fields})


def references_in(page: str, reference: str) -> list[str]:
    """What payments of an award are called on a page."""
    return re.findall(rf"{reference}-\d", page)


def seen_in(page: httpx.Response) -> str:
    """The paper beside which a form was made."""
    found = re.search(r'name="seen" value="([^"]*)"', page.text)
    return found[1] if found else ""


# Yes or no


async def test_somebody_says_yes_and_where_to_pay(grants: Database, applicant: httpx.AsyncClient) -> None:
    id = await an_award(grants)
    path = page_of(grants, id)
    first = await applicant.get(path.rpartition("/")[0])
    assert "£145 for you" in first.text
    assert "Take my application back" not in first.text
    page = await applicant.get(path)
    until = (await award(grants, id)).answer_by
    assert f"{until.day} {until:%B %Y}" in page.text
    assert SECRET_ADDRESS.items() <= dict(page.headers).items()
    answer = await says(applicant, path, "accept", payee="person", **ACCOUNT)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{path}?done=accepted")
    assert await state_of(grants, id) == State.ACCEPTED
    [letter] = await letters(grants, AwardAccepted)
    assert letter["email"] == EMAIL
    async with acting(grants, by(PAYER.id)) as tx:
        sealed = await tx.fetchval("SELECT sealed FROM bank_details WHERE application_id = $1", id)
        assert BankDetails.opened(grants.context, id, sealed) == DETAILS
        with pytest.raises(ValueError, match="of another application"):
            BankDetails.opened(grants.context, uuid4(), sealed)
    assert "68249153" not in repr(DETAILS)


async def test_yes_twice_at_once_and_by_the_back_button_is_one_yes(
    grants: Database, applicant: httpx.AsyncClient
) -> None:
    id = await an_award(grants)
    path = page_of(grants, id)
    key = key_in(await applicant.get(path), "-person")
    yes = {"payee": "person", **ACCOUNT}
    same = await asyncio.gather(*(says(applicant, path, "accept", key, **yes) for _ in range(20)))
    assert {each.headers["location"] for each in same} == {f"{path}?done=accepted"}
    other = await says(applicant, path, "accept", payee="exam_body", invoice="INV-1")
    assert (other.status_code, "You have said yes before" in other.text) == (409, True)
    assert (await award(grants, id)).payee is Payee.PERSON, "said again, it changes nothing"
    assert len(await letters(grants, AwardAccepted)) == 1


async def test_the_body_that_holds_the_exam_may_be_paid_by_invoice(
    grants: Database, applicant: httpx.AsyncClient
) -> None:
    id = await an_award(grants)
    path = page_of(grants, id)
    assert "General Medical Council" in (await applicant.get(path)).text
    refused = await says(applicant, path, "accept", payee="exam_body", invoice="")
    assert refused.status_code == 422
    await says(applicant, path, "accept", payee="exam_body", invoice="O'Brien’s عربي 7")
    found = await award(grants, id)
    assert (found.payee, found.invoice, found.given_at) == (Payee.EXAM_BODY, "O'Brien’s عربي 7", None)


@pytest.mark.parametrize("typed", ["40-73-12", "40 73 12", "407312", " 40–73–12 "])
def test_sort_codes_are_read_however_they_are_parted(typed: str) -> None:
    assert read_sort_code(typed) == "407312"


@pytest.mark.parametrize(
    "typed", ["", "40731", "4073122", "４０７３１２", "40-73-1O", "000000", "-1", "=1+1", "'; DROP", "٤٠٧٣١٢"]
)
def test_what_is_no_sort_code_is_refused_with_a_sentence(typed: str) -> None:
    with pytest.raises(Refused, match=r"This is not a sort code\.") as refused:
        read_sort_code(typed)
    assert refused.value.cure


@pytest.mark.parametrize("typed", ["", "123", "123456789", "１２３４５６７８", "00000000", "GB33BUKB", "1e7"])
def test_what_is_no_account_is_refused_with_a_sentence(typed: str) -> None:
    with pytest.raises(Refused, match=r"This is not an account number\."):
        read_account(typed)


def test_a_short_account_number_is_told_what_to_do() -> None:
    with pytest.raises(Refused, match="has eight figures") as refused:
        read_account("1234567")
    assert "zeros in front" in refused.value.cure
    assert read_account("0123 4567") == "01234567"


async def test_a_form_with_faults_says_them_and_keeps_all_but_the_account_number(
    grants: Database, applicant: httpx.AsyncClient
) -> None:
    id = await an_award(grants)
    path = page_of(grants, id)
    for fields in (
        {**ACCOUNT, "sort_code": "40-73-1"},
        {**ACCOUNT, "account": "682491530"},
        {**ACCOUNT, "name": ""},
        {**ACCOUNT, "name": "Zyta\u202eZ"},
        {**ACCOUNT, "name": "Z" * 300},
    ):
        page = await says(applicant, path, "accept", payee="person", **fields)
        assert page.status_code == 422, fields
        assert "Please look at this again" in page.text
        assert ACCOUNT["account"] not in page.text
        assert all(f'value="{fields[name]}"' in page.text for name in ("name", "sort_code") if fields[name])
        assert ("Please write your account number again." in page.text) is (
            fields["account"] == ACCOUNT["account"]
        )
    assert await state_of(grants, id) == State.AWARDED
    assert (await says(applicant, path, "dance")).status_code == 422
    assert (await applicant.get("/grants/applying/" + "0" * 26 + "/award")).status_code == 404


async def test_no_thank_you_frees_the_money(grants: Database, applicant: httpx.AsyncClient) -> None:
    id = await an_award(grants)
    path = page_of(grants, id)
    assert (await says(applicant, path, "decline")).status_code == 422
    answer = await says(applicant, path, "decline", confirm="yes")
    page = await applicant.get(answer.headers["location"], follow_redirects=True)
    assert "You have said no to the money." in page.text
    assert await state_of(grants, id) == State.WITHDRAWN
    assert await free(grants, id) == 500_000
    [told] = [
        event for event in await announced(grants) if event.fact in (AwardReturned, ApplicationWithdrawn)
    ]
    assert (told.fact, told.data["why"], told.data["returned"]["amount_pence"]) == (
        AwardReturned,
        "given_up",
        14_500,
    )
    async with grants.reading() as tx:
        kept = await tx.fetch("SELECT location FROM idempotency")
    assert kept
    assert not any(token_of(grants, id) in (row["location"] or "") for row in kept)


async def test_yes_and_no_in_the_same_moment(grants: Database) -> None:
    for number in range(5):
        id = await an_award(grants, email=f"p{number}@mail.example")
        token = token_of(grants, id)

        async def say(act: Any, token: str = token) -> None:
            try:
                async with grants.transaction() as tx:
                    await act(tx, token)
            except Conflict:
                pass

        await asyncio.gather(
            *(say(lambda tx, token: awards.accept(tx, token, REIMBURSED)) for _ in range(5)),
            *(say(awards.withdraw) for _ in range(5)),
        )
        found = await award(grants, id)
        assert (found.state, found.open_pence, found.given_at) == (State.WITHDRAWN, 0, None)


async def test_after_the_last_day_it_is_reminded_of_then_it_lapses(
    grants: Database, applicant: httpx.AsyncClient
) -> None:
    id, other = await an_award(grants), await an_accepted(grants, email="minh@mail.example")

    async def turn() -> tuple[int, int]:
        async with grants.transaction() as tx:
            return await awards.remind(tx), await awards.lapse(tx)

    later(grants, days=20)
    assert await turn() == (0, 0)
    later(grants, days=1)
    assert [await turn(), await turn()] == [(1, 0), (0, 0)]
    [letter] = await letters(grants, AwardReminded)
    assert letter["email"] == EMAIL
    later(grants, days=7)
    assert await turn() == (0, 0), "it can be accepted on its last day"
    later(grants, days=1)
    with pytest.raises(Conflict, match="The last day to say yes was"):
        async with grants.transaction() as tx:
            await awards.accept(tx, token_of(grants, id), REIMBURSED)
    assert "The last day to say yes was" in (await applicant.get(page_of(grants, id))).text
    first = (await applicant.get(page_of(grants, id).rpartition("/")[0])).text
    assert "You were offered money" in first
    assert "Say yes or no" not in first
    assert [await turn(), await turn()] == [(0, 1), (0, 0)]
    assert await state_of(grants, id) == State.LAPSED
    assert await state_of(grants, other) == State.ACCEPTED
    assert await free(grants, id) == 500_000
    [told] = [event for event in await announced(grants) if event.fact is AwardReturned]
    assert told.data["why"] == "not_answered"


# The invoice


async def test_an_invoice_is_added_looked_at_and_paid_and_the_payer_sees_it(
    grants: Database, applicant: httpx.AsyncClient
) -> None:
    round = await a_funded_round(grants)
    id = await an_award(grants, 14_500, round=round, wanted=20_000)
    path = page_of(grants, id)
    assert "pay the rest to General Medical Council" in (await applicant.get(path)).text
    await says(applicant, path, "accept", payee="exam_body", invoice="INV-7731")
    [accepted] = [event for event in await announced(grants) if event.fact is AwardAccepted]
    assert accepted.data["own_share"]["amount_pence"] == 5_500
    theirs = (await applicant.get(path)).text
    assert "Add the invoice that General Medical Council sent you" in theirs
    assert "You pay the rest yourself: £55." in theirs

    async def adds(kind: str = "invoice") -> httpx.Response:
        key = fresh(await applicant.get(path))
        files = {"file": ("bill.png", PNG, "image/png")}
        return await applicant.post(path, data={"key": key, "act": "add", "kind": kind}, files=files)

    async def confirm(officer: httpx.AsyncClient, page: httpx.Response, **said: str) -> httpx.Response:
        form = {"key": fresh(page), "seen": seen_in(page), "invoice": "INV-7731/2", "from_body": "yes"}
        return await officer.post(
            f"/grants/awards/{id}/invoice", data=form | {"invoice_amount": "190"} | said
        )

    assert (await adds("booking")).status_code == 409, "no booking is needed"
    async with as_(grants, OFFICER) as officer, as_(grants, PAYER) as payer:
        assert "The invoice is missing" in (await officer.get("/grants/payments?state=prepare")).text
        assert (await adds()).status_code == 303
        assert "Look at an invoice" in (await officer.get("/grants/")).text
        page = await officer.get(f"/grants/awards/{id}")
        assert "Nobody has confirmed the invoice." in page.text
        early = {"key": fresh(page), "amount": "145", "follows": "0"}
        assert (await officer.post(f"/grants/awards/{id}/payments", data=early)).status_code == 422
        wrong = {
            "key": fresh(page),
            "seen": seen_in(page),
            "proof": "invoice",
            "wrong": "It’s <not> for you.",
        }
        assert (await officer.post(f"/grants/awards/{id}/proof", data=wrong)).status_code == 303
        [letter] = await letters(grants, AwardProofReturned)
        assert letter["words"] == "It’s <not> for you."
        assert "It’s &lt;not&gt; for you." in (await applicant.get(path)).text
        assert "Look at an invoice" not in (await officer.get("/grants/")).text
        assert (await adds()).status_code == 303
        assert "We cannot use what you sent" not in (await applicant.get(path)).text
        assert (await confirm(officer, page)).status_code == 409, "another paper came meanwhile"
        page = await officer.get(f"/grants/awards/{id}")
        for said in ({"invoice_amount": "0"}, {"invoice": ""}, {"from_body": ""}):
            assert (await confirm(officer, page, **said)).status_code == 422
        assert (await confirm(officer, page, invoice_amount="140")).status_code == 303
        with pytest.raises(Refused, match="£140 of the invoice is left"):
            await prepares(grants, id, 14_001)
        assert (await adds()).status_code == 409, "what was looked at stays"
        await says(applicant, path, "payee", payee="exam_body", invoice="INV-9")
        assert (await award(grants, id)).lacks == "Nobody has confirmed the invoice.", "it is another one"
        assert (await confirm(officer, await officer.get(f"/grants/awards/{id}"))).status_code == 303
        assert "You pay the rest yourself: £45." in (await applicant.get(path)).text
        waiting = await prepares(grants, id, 14_500)
        making = (await payer.get(f"/grants/payments/{waiting}/make")).text
        assert "INV-7731/2" in making
        [href] = re.findall(rf"/grants/payments/{waiting}/invoices/[0-9a-f-]+", making)
        assert (await payer.get(href)).content == PNG
        _, another = await a_prepared(grants, email="minh@mail.example", round=round)
        assert (await payer.get(href.replace(str(waiting), str(another)))).status_code == 404
        await pays(grants, waiting)
    [paid] = [event for event in await announced(grants) if event.fact is AwardPaid]
    assert paid.data["own_share"]["amount_pence"] == 4_500
    assert "to General Medical Council yourself: £45" in (await applicant.get(path)).text


# The booking


async def test_the_booking_is_added_and_confirmed(grants: Database, applicant: httpx.AsyncClient) -> None:
    id = await an_accepted(grants, booked=False)
    path = page_of(grants, id)

    async def adds(name: str, content: bytes, kind: str = "booking") -> httpx.Response:
        key = key_in(await applicant.get(path), "-booking")
        files = {"file": (name, content, "application/octet-stream")}
        return await applicant.post(path, data={"key": key, "act": "add", "kind": kind}, files=files)

    for name, content in (("x.exe", b"MZ"), ("x.pdf", b"<html>"), ("x.pdf", b""), ("x.png", PDF)):
        assert (await adds(name, content)).status_code == 422
    assert (await adds("../../bo\r\nok.pdf", PDF)).status_code == 303
    assert (await adds("photo.png", PNG)).status_code == 303
    assert "ok.pdf" in (await applicant.get(path)).text
    async with as_(grants, OFFICER) as officer:
        page = await officer.get(f"/grants/awards/{id}")
        assert page.text.count("/grants/award-papers/") == 2
        paper = await officer.get(re.findall(r"/grants/award-papers/[0-9a-f-]+", page.text)[0])
        assert (paper.content, "sandbox" in paper.headers["content-security-policy"]) == (PDF, True)
        done = await officer.post(
            f"/grants/awards/{id}/booking",
            data={"key": key_in(page, "-booking"), "seen": seen_in(page), "booked_on": "2099-06-01"},
        )
        assert done.status_code == 303
    async with as_(grants, PAYER) as payer:
        assert (await payer.get(str(paper.url.path))).status_code == 403
        assert "award-papers" not in (await payer.get(f"/grants/awards/{id}")).text
    found = await award(grants, id)
    assert (found.proof_seen_at is not None, found.exam_on) == (True, date(2099, 6, 1))
    with pytest.raises(Conflict):
        await adds_paper(grants, id, Paper.BOOKING)


async def test_a_booking_that_is_nowhere_is_not_confirmed_by_mistake(grants: Database) -> None:
    id = await an_accepted(grants, booked=False)
    async with as_(grants, OFFICER) as officer:
        for fields, status in (({}, 422), ({"elsewhere": "yes"}, 303), ({"elsewhere": "yes"}, 409)):
            page = await officer.get(f"/grants/awards/{id}")
            key = fresh(page)
            answer = await officer.post(f"/grants/awards/{id}/booking", data={"key": key, **fields})
            assert answer.status_code == status


async def test_a_day_that_is_over_is_only_confirmed_by_whoever_says_so(
    grants: Database, applicant: httpx.AsyncClient
) -> None:
    id = await an_accepted(grants, booked=False)
    async with as_(grants, OFFICER) as officer:
        for fields, status in (({}, 422), ({"over": "yes"}, 303)):
            page = await officer.get(f"/grants/awards/{id}")
            said = {"key": fresh(page), "elsewhere": "yes", "booked_on": "2011-01-01", **fields}
            answer = await officer.post(f"/grants/awards/{id}/booking", data=said)
            assert answer.status_code == status
            assert ("This day is over." in answer.text) is (status == 422)
    assert (await award(grants, id)).exam_on == date(2011, 1, 1)
    await pays(grants, await prepares(grants, id, 14_500))
    theirs = (await applicant.get(page_of(grants, id))).text
    assert "for PLAB 1. Your exam was on 1 January 2011." in " ".join(re.sub("<[^>]+>", "", theirs).split())


async def test_how_to_be_paid_is_changed_until_a_payment_waits(
    grants: Database, applicant: httpx.AsyncClient
) -> None:
    id = await an_accepted(grants)
    path = page_of(grants, id)
    other = {**ACCOUNT, "account": "11112222"}
    assert (await says(applicant, path, "payee", payee="person", **other)).status_code == 303
    waiting = await prepares(grants, id, 14_500)
    late = await says(applicant, path, "payee", payee="person", **ACCOUNT)
    assert late.status_code == 409
    async with acting(grants, by(PAYER.id)) as tx:
        found = await payments.to_pay(tx, waiting, PAYER.id)
    assert found.details is not None
    assert found.details.account == "11112222"


# Who sees the account


async def test_nobody_but_the_payer_ever_sees_the_account(
    grants: Database, applicant: httpx.AsyncClient, logged: Callable[[], list[dict[str, Any]]]
) -> None:
    """Through every page, the audit, what is announced, what is logged, what is told of the person."""
    id = await an_award(grants)
    path = page_of(grants, id)
    await says(applicant, path, "accept", payee="person", **{**ACCOUNT, "sort_code": "bad"})
    await says(applicant, path, "accept", payee="person", **ACCOUNT)
    await adds_paper(grants, id, Paper.BOOKING)
    await confirms(grants, id)
    waiting = await prepares(grants, id, 4_500)
    both = replace(OFFICER, roles=frozenset({Role.GRANTS_OFFICER, Role.PAYER}))
    places = ["", "payments", f"payments/{waiting}", f"awards/{id}", f"applications/{id}", "audit"]
    places += [
        f"payments?state={group}" for group in ("prepare", "make", "made", "returned", "stopped", "report")
    ]
    places += ["payments/bank-file", f"payments/{waiting}/make"]
    for person in (OFFICER, AUDITOR, both):
        async with as_(grants, person) as browser:
            for place in places:
                said = (await browser.get(f"/grants/{place}")).text
                assert not any(marker in said for marker in MARKERS), f"{sorted(person.roles)} {place}"
            said = (await takes_file(browser, person)).text
            assert not any(marker in said for marker in MARKERS)
    for place in (path, path.rpartition("/")[0]):
        said = (await applicant.get(place)).text
        assert not any(marker in said for marker in MARKERS), place
    async with as_(grants, PAYER) as payer:
        said = (await payer.get(f"/grants/payments/{waiting}/make")).text
        assert all(marker in said for marker in MARKERS[2:])
        assert "68249153" in (await takes_file(payer, PAYER)).text
        await payer.get(f"/grants/payments/{waiting}")
    await pays(grants, waiting)
    async with grants.reading() as tx:
        told = [each.content.decode(errors="replace") async for each in held.gather(tx, SUBJECT)]
        kept = {
            table: [dict(row) for row in await tx.fetch(f'SELECT * FROM "{table}"')]
            for table in await contents(grants)
        }
        acts = [row["action"] for row in await tx.fetch("SELECT action FROM audit ORDER BY number")]
    everything = [*told, *(str(rows) for rows in kept.values()), str(logged())]
    for text in everything:
        assert not any(marker in text for marker in MARKERS), text[:300]
    assert acts.count("bank_details_looked_at") == 1
    assert acts.count("bank_file_downloaded") == 2, "also by whoever has prepared all, who got none"


async def test_the_account_goes_a_month_after_the_last_payment(grants: Database) -> None:
    id, _ = await a_paid(grants)
    other = await an_accepted(grants, email="minh@mail.example")

    async def held_now() -> set[UUID]:
        await scrub_old(grants, held.TERMS)
        async with grants.reading() as tx:
            return {
                row["application_id"] for row in await tx.fetch("SELECT application_id FROM bank_details")
            }

    later(grants, days=27)
    assert await held_now() == {id, other}
    later(grants, days=5)
    assert await held_now() == {other}, "what is to be paid stays"


# The bank's file


async def test_the_banks_file_holds_what_is_to_be_paid_and_runs_nothing(grants: Database) -> None:
    evil = replace(DETAILS, name='=cmd|"/C calc"!A0', account="01234567")
    id, _ = await a_prepared(grants, 123_45, how=HowToPay(payee=Payee.PERSON, details=evil))
    await a_prepared(grants, how=INVOICED, email="minh@mail.example")
    async with as_(grants, PAYER) as payer:
        answer = await takes_file(payer, PAYER)
    rows = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    reference = (await award(grants, id)).reference
    assert rows == [
        ["Payee name", "Sort code", "Account number", "Amount", "Reference"],
        ['\'=cmd|"/C calc"!A0', "40-73-12", "01234567", "123.45", f"{reference}-1"],
    ]
    async with as_(grants, OFFICER) as officer:
        assert (await takes_file(officer, OFFICER)).status_code == 403


async def test_a_file_for_the_bank_is_marked_and_its_payments_come_only_once_unasked(
    grants: Database,
) -> None:
    id = await an_accepted(grants)
    first = await prepares(grants, id, 4_500)
    reference = (await award(grants, id)).reference

    def references(answer: httpx.Response) -> list[str]:
        return re.findall(rf"{reference}-\d", answer.text)

    async with as_(grants, PAYER) as payer:
        assert "Downloaded before" not in (await payer.get("/grants/payments")).text
        assert references(await takes_file(payer, PAYER)) == [f"{reference}-1"]
        await prepares(grants, id, 10_000)
        page = (await payer.get("/grants/payments?state=make")).text
        assert sorted(set(references_in(page, reference))) == [f"{reference}-1", f"{reference}-2"]
        assert "it may pay twice" in page
        assert "1 payment, £45 together" in page
        assert ", by a former colleague. <b>" in page
        marked = (await payer.get(f"/grants/payments/{first}/make")).text
        assert "It may be paid already" in marked
        assert references(await takes_file(payer, PAYER)) == [f"{reference}-2"], (
            "the first was in a file before"
        )
        assert references(await takes_file(payer, PAYER)) == []
        assert references(await takes_file(payer, PAYER, again="yes")) == [f"{reference}-1", f"{reference}-2"]
        no_key = await payer.post("/grants/payments/bank-file", data={"again": "yes"})
        assert no_key.status_code == 409
    async with as_(grants, replace(PAYER, id=UUID(int=107))) as other:
        assert ", by a former colleague. <b>" in (await other.get("/grants/payments?state=make")).text
    async with grants.reading() as tx:
        rows = await tx.fetch("SELECT after FROM audit WHERE action = 'bank_file_downloaded' ORDER BY number")
    said = [row["after"] for row in rows]
    assert [(each["count"], each["again"]) for each in said] == [
        (1, False),
        (1, False),
        (0, False),
        (2, True),
    ]


# Pages of staff


AMOUNTS = ["−1", "-1", "0", "0.005", "1e400", "NaN", "１０", "10,50", "true", "[10]", "", "145.01", "9" * 400]


async def test_amounts_that_cannot_be_are_refused_with_a_sentence(grants: Database) -> None:
    id = await an_accepted(grants)
    async with as_(grants, OFFICER) as officer:
        for typed in AMOUNTS:
            key = fresh(await officer.get(f"/grants/awards/{id}"))
            form = {"key": key, "amount": typed, "follows": "0"}
            page = await officer.post(f"/grants/awards/{id}/payments", data=form)
            assert page.status_code == 422, typed
            assert re.search(r'id="amount-fault">[^<]+\.<span>[^<]+\.', page.text), typed
        key = key_in(await officer.get(f"/grants/awards/{id}"), "-payments")
        form = {"key": key, "amount": "£10", "follows": "0"}
        for _ in range(2):
            assert (await officer.post(f"/grants/awards/{id}/payments", data=form)).status_code == 303
    assert (await award(grants, id)).waiting_pence == 1_000


async def test_officer_and_payer_go_the_whole_way(grants: Database, applicant: httpx.AsyncClient) -> None:
    id = await an_accepted(grants)
    async with as_(grants, OFFICER) as officer, as_(grants, PAYER) as payer:
        assert "Prepare a payment" in (await officer.get("/grants/")).text
        assert "For you to pay" not in (await payer.get("/grants/")).text
        page = await officer.get(f"/grants/awards/{id}")
        form = {"key": key_in(page, "-payments"), "amount": "145", "follows": "0"}
        assert (await officer.post(f"/grants/awards/{id}/payments", data=form)).status_code == 303
        home = (await payer.get("/grants/")).text
        assert "Make a payment" in home
        assert "£145 together" in home
        listed = (await payer.get("/grants/payments")).text
        [href] = set(re.findall(r"/grants/payments/[0-9a-f-]{36}", listed))
        assert "/make" in (await payer.get(href)).text
        page = await payer.get(f"{href}/make")
        assert "40-73-12" in page.text
        today = grants.context.clock.today().isoformat()
        form = {"key": key_in(page, "-make"), "on": today, "bank_reference": "BACS 'é 1"}
        answers = await asyncio.gather(*(payer.post(f"{href}/make", data=form) for _ in range(20)))
        assert {each.headers["location"] for each in answers} == {f"{href}?done=made"}
        again = {**form, "key": f"{form['key']}-again"}
        assert (await payer.post(f"{href}/make", data=again)).status_code == 409
        assert "Left the bank" in (await officer.get(href)).text
        back = await payer.get(href)
        form = {"key": key_in(back, "-back"), "amount": "145", "on": today, "why": "bank_refused", "said": ""}
        assert (await payer.post(f"{href}/came-back", data=form)).status_code == 303
        assert "Came back" in (await payer.get("/grants/payments?state=returned")).text
        assert "award that money came back from" in (await officer.get("/grants/")).text
        assert "The bank did not take it" in (await applicant.get(page_of(grants, id))).text
        await says(applicant, page_of(grants, id), "payee", payee="person", **ACCOUNT)
        page = await officer.get(f"/grants/awards/{id}")
        form = {"key": key_in(page, "-again"), "again": "145"}
        assert (await officer.post(f"/grants/awards/{id}/again", data=form)).status_code == 303
        page = await officer.get(f"/grants/awards/{id}")
        form = {"key": key_in(page, "-payments"), "amount": "145", "follows": "1"}
        assert (await officer.post(f"/grants/awards/{id}/payments", data=form)).status_code == 303
        listed = (await payer.get("/grants/payments?state=make")).text
        [second] = set(re.findall(r"/grants/payments/[0-9a-f-]{36}", listed))
        page = await payer.get(f"{second}/make")
        form = {"key": key_in(page, "-send-back"), "wrong": "Wrong <b>name</b>"}
        assert (await payer.post(f"{second}/send-back", data=form)).status_code == 303
        assert "Look again at a payment of £145" in (await officer.get("/grants/")).text
        assert "Wrong &lt;b&gt;name" in (await officer.get(second)).text
        way = (await officer.get(f"/grants/applications/{id}")).text
        assert "The whole way of the award" in way
        assert "Payment 1 made" in way
    found = await award(grants, id)
    assert (found.state, found.paid_pence, found.open_pence) == (State.ACCEPTED, 0, 14_500)


async def test_who_has_prepared_it_is_not_led_to_pay_it(grants: Database) -> None:
    _, waiting = await a_prepared(grants)
    both = replace(OFFICER, roles=frozenset({Role.GRANTS_OFFICER, Role.PAYER}))
    async with as_(grants, both) as browser:
        assert "You have prepared this payment" in (await browser.get(f"/grants/payments/{waiting}")).text
        assert "For you to pay" not in (await browser.get("/grants/")).text
        key = fresh(await browser.get(f"/grants/payments/{waiting}"))
        today = grants.context.clock.today().isoformat()
        form = {"key": f"{key}-make", "on": today, "bank_reference": "x"}
        assert (await browser.get(f"/grants/payments/{waiting}/make")).status_code == 303
        assert (await browser.post(f"/grants/payments/{waiting}/make", data=form)).status_code == 409
    old = replace(PAYER, proved_at=None)
    async with as_(grants, old) as browser:
        path = f"/grants/payments/{waiting}/make"
        assert "/partners/prove" in (await browser.get(path)).headers["location"]
        assert "/partners/prove" in (await takes_file(browser, old)).headers["location"]


async def test_the_lists_take_as_many_statements_for_many(grants: Database, statements: list[str]) -> None:
    async def counted() -> list[int]:
        found = []
        async with as_(grants, EVERYTHING) as browser:
            for group in ("prepare", "make", "made", "returned", "report"):
                statements.clear()
                assert (await browser.get(f"/grants/payments?state={group}")).status_code == 200
                found.append(len(statements))
        return found

    await an_accepted(grants, email="a@mail.example")
    await counted()
    few = await counted()
    for number in range(5):
        await an_accepted(grants, email=f"b{number}@mail.example")
        await a_prepared(grants, email=f"c{number}@mail.example")
        await a_paid(grants, email=f"d{number}@mail.example")
    assert await counted() == few


# Forgetting


async def test_nobody_is_forgotten_while_money_is_on_its_way(grants: Database) -> None:
    id, waiting = await a_prepared(grants)
    async with grants.reading() as tx:
        assert "being paid" in (await held.objection(tx, SUBJECT) or "")
    await pays(grants, waiting)
    await adds_paper(grants, id, Paper.RECEIPT)
    async with grants.reading() as tx:
        assert await held.objection(tx, SUBJECT) is None
        [application, *_] = [each async for each in held.gather(tx, SUBJECT)]
        told = json.loads(application.content)
    assert told["award"]["paid pence"] == 14_500
    async with acting(grants) as tx:
        done = await held.forget(tx, SUBJECT)
    assert any("six years" in why for why in done.kept)
    assert await state_of(grants, id) == State.PAID, "it was paid whoever it was"
    async with grants.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM applicants") == 0
        assert await tx.fetchval("SELECT count(*) FROM bank_details") == 0
        assert await tx.fetchval("SELECT string_agg(kind, ' ') FROM award_papers") == "receipt"
        assert await tx.fetchval("SELECT payee_sealed IS NOT NULL FROM payments")
    later(grants, days=366 * 6)
    assert (await scrub_old(grants, held.TERMS))["awards"] == 1
    assert (await scrub_old(grants, held.TERMS))["awards"] == 0
    async with grants.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM files") == 0
        assert await tx.fetchval("SELECT payee_sealed IS NULL FROM payments")
        assert await ledger.differing(tx) == []


@pytest.mark.parametrize("make", [an_award, an_accepted, a_prepared])
async def test_whoever_is_forgotten_before_they_are_paid_frees_the_money(
    grants: Database, make: Callable[..., Any]
) -> None:
    """Also where they said yes after they were said to be free to be forgotten."""
    made = await make(grants)
    id = made[0] if isinstance(made, tuple) else made
    async with acting(grants) as tx:
        assert (await held.objection(tx, SUBJECT) is None) is (make is an_award)
        await held.forget(tx, SUBJECT)
    assert await state_of(grants, id) == State.WITHDRAWN
    assert await free(grants, id) == 500_000
    [told] = [event for event in await announced(grants) if event.fact is AwardReturned]
    assert told.data["letter"] is None


async def test_names_and_facts_are_what_the_letters_need(grants: Database) -> None:
    id, _ = await a_paid(grants)
    for fact in (AwardAccepted, AwardPaid):
        [letter] = await letters(grants, fact)
        assert letter["name"] == WHO.name
        assert letter["link"].endswith(token_of(grants, id))
    assert timedelta(days=7) == awards.REMIND_BEFORE


async def test_the_ledger_names_the_award_and_whoever_entered_it(grants: Database) -> None:
    id = await an_award(grants)
    async with grants.transaction() as tx:
        row = await tx.fetchrow(
            "SELECT reference, fund_id FROM applications JOIN awards ON application_id = id WHERE id = $1", id
        )
        await awards.withdraw(tx, token_of(grants, id))
    async with as_(grants, OFFICER) as officer:
        page = (await officer.get(f"/grants/funds/{row['fund_id']}/ledger")).text
        table = (await officer.get(f"/grants/funds/{row['fund_id']}/ledger.csv")).text
    assert f'<a href="/grants/awards/{id}">Award {row["reference"]}</a>' in page
    assert "an applicant, or a last day that was over" in page
    assert "Conduit itself" not in page
    assert row["reference"] in table
