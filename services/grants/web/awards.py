"""An award as staff see it: how far it is, what is missing, and what the grants officer does about it."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import NotFound
from chassis.files import StoredFile
from chassis.web import (
    PDF,
    give_file,
    new_key,
    pounds,
    read_form,
    read_id,
    see,
    signed_in,
    site_of,
    size_in_words,
)
from services.grants import awards, payments, reporting
from services.grants.awards import PROOFS, Award, Invoice, Paper, newest_of, papers_of
from services.grants.payments import exam_body
from services.grants.queries import MONEY
from services.grants.reporting import RESULTS, Result
from services.grants.states import State
from services.grants.web.award_way import of_application
from services.grants.web.forms import Fields, submit
from services.grants.web.hrefs import MOUNT, PAYMENTS, award_href
from services.grants.web.pressing import award, press

#: Signs of a reason that stays among us.
LONGEST_REASON = 500

_DONE = {
    "seen": "It is confirmed. It can be paid now.",
    "asked": "They are asked for another one, with what you wrote.",
    "prepared": "The payment is prepared. A colleague makes it.",
    "again": "The money is promised again. Prepare the payment anew.",
    "given-up": "Nothing more of it will be paid.",
    "moved": "The new day of the exam is kept. They are asked how it went after it.",
    "waived": "The money is not asked back.",
    "receipt": "It is kept that you have seen a receipt.",
    "told": "It is kept how the exam went.",
}

#: What a paper of an award is called.
PAPERS: Mapping[Paper, str] = {
    Paper.BOOKING: "Booking confirmation",
    Paper.INVOICE: "Invoice",
    Paper.RECEIPT: "Receipt",
}


async def show(request: Request) -> Response:
    """One award with its whole way, and what can be done."""
    return await _page(request, {}, {})


async def _page(
    request: Request, values: Mapping[str, Any], faults: Mapping[str, Any], *, status: int = 200
) -> Response:
    site, id = site_of(request), read_id(request)
    async with site.database.reading() as tx:
        found = await of_application(tx, id)
        if found is None:
            raise NotFound
        papers = await papers_of(tx, id)
    award: Award = found["it"]
    newest = newest_of(papers, award.proof)
    return site.page(
        request,
        "award.html",
        status=status,
        award=found,
        it=award,
        papers=[_paper(row) for row in papers],
        can=_can(award, found["outcome"], papers),
        body=exam_body(site.context.house, {"purpose": award.purpose}) or "the body that holds the exam",
        newest=newest or "",
        results=[{"code": code.value, "name": words} for code, words in RESULTS.items()],
        values={**_values(award), **values},
        faults=faults,
        list_href=PAYMENTS,
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )


def _can(award: Award, outcome: Any, papers: list[Any]) -> dict[str, bool]:
    """What the grants officer can do about an award now."""
    accepted, paid = award.state is State.ACCEPTED, award.state is State.PAID
    not_sat = outcome is not None and outcome["result"] == Result.NOT_SAT
    receipt = award.receipt_seen_at or any(row["kind"] == Paper.RECEIPT for row in papers)
    proof = award.proof if accepted and award.proof_seen_at is None else None
    came = newest_of(papers, proof) is not None
    return {
        "book": proof is Paper.BOOKING,
        "bill": proof is Paper.INVOICE and came,
        "ask_anew": came,
        "prepare": accepted and award.left_pence > 0,
        "again": accepted and award.missing_pence > 0,
        "give_up": (accepted or award.state is State.AWARDED) and not award.waiting_pence,
        "move": accepted or paid,
        "waive": paid and not_sat and award.waived_at is None,
        "receipt": paid and not receipt,
        "tell": paid,
    }


def _values(award: Award) -> dict[str, Any]:
    return {
        "amount": typed_pounds(award.left_pence),
        "again": typed_pounds(award.missing_pence),
        "invoice": award.invoice,
        "invoice_amount": "",
        "from_body": "",
        "booked_on": award.exam_on.isoformat() if award.exam_on else "",
        "exam_on": "",
        "over": "",
        "result": "",
        "in_post": "",
    }


def typed_pounds(pence: int) -> str:
    """An amount as a field holds it."""
    return pounds(pence).removeprefix("£").replace(",", "")


def _paper(row: Any) -> dict[str, Any]:
    return {**paper_in_words(row), "href": f"{MOUNT}/award-papers/{row['file_id']}"}


def paper_in_words(row: Any) -> dict[str, Any]:
    """What a paper is, and how it is given."""
    return {
        "what": PAPERS[Paper(row["kind"])],
        "size_words": size_in_words(row["size"]),
        "added_at": row["added_at"],
        "returned_at": row["returned_at"],
        "opens": row["media_type"] != PDF.media_type,
    }


# What the officer does

Act = Callable[[Transaction, UUID, UUID], Awaitable[object]]


async def confirm_booking(request: Request) -> Response:
    """The exam is booked."""
    fields = Fields(await read_form(request))
    elsewhere, seen = fields.ticked("elsewhere"), _seen(fields)
    exam_on, over = fields.day("booked_on", required=False), fields.ticked("over")

    async def act(tx: Transaction, id: UUID, by: UUID) -> None:
        await awards.confirm_proof(tx, id, by, seen=seen, elsewhere=elsewhere, exam_on=exam_on, over=over)

    return await _submit(request, fields, act, "seen")


async def confirm_invoice(request: Request) -> Response:
    """The invoice is right: it comes from whoever holds the exam, and says how much and where to pay."""
    fields = Fields(await read_form(request))
    seen, pence = _seen(fields), fields.pounds("invoice_amount") or 0
    invoice = Invoice(reference=fields.line("invoice", most=60), pence=pence)
    exam_on, over = fields.day("booked_on", required=False), fields.ticked("over")
    if not fields.ticked("from_body"):
        fields.add_fault(
            "from_body", "The box is not ticked.", "Look who has written the invoice, and where to pay it."
        )

    async def act(tx: Transaction, id: UUID, by: UUID) -> None:
        await awards.confirm_proof(tx, id, by, seen=seen, exam_on=exam_on, over=over, invoice=invoice)

    return await _submit(request, fields, act, "seen")


async def return_proof(request: Request) -> Response:
    """The booking or the invoice cannot be used: they are asked for another one."""
    fields = Fields(await read_form(request))
    words, seen = fields.words("wrong", most=LONGEST_REASON), _seen(fields)
    proof = fields.one_of("proof", {each.value: each for each in PROOFS.values()})

    async def act(tx: Transaction, id: UUID, by: UUID) -> None:
        await awards.return_proof(tx, id, by, words, proof=proof, seen=seen)

    return await _submit(request, fields, act, "asked")


def _seen(fields: Fields) -> UUID | None:
    """The newest paper that the form was made beside; nothing where there was none."""
    return fields.person("seen") if fields.values.get("seen") else None


async def prepare(request: Request) -> Response:
    """Prepare a payment, for somebody else to make."""
    fields = Fields(await read_form(request))
    pence, follows = fields.pounds("amount") or 0, fields.number("follows", least=0, most=32_000)

    async def act(tx: Transaction, id: UUID, by: UUID) -> None:
        await payments.prepare(tx, id, by, pence=pence, follows=follows or 0)

    return await _submit(request, fields, act, "prepared")


async def commit_again(request: Request) -> Response:
    """Promise once more what came back."""
    fields = Fields(await read_form(request))
    pence = fields.pounds("again") or 0

    async def act(tx: Transaction, id: UUID, by: UUID) -> None:
        await awards.commit_again(tx, id, by, pence)

    return await _submit(request, fields, act, "again")


async def give_up(request: Request) -> Response:
    """Nothing more of it is paid."""
    fields = Fields(await read_form(request))
    words = fields.words("given_up", most=LONGEST_REASON)

    async def act(tx: Transaction, id: UUID, by: UUID) -> None:
        await awards.give_up(tx, id, by, words)

    return await _submit(request, fields, act, "given-up")


async def move_exam(request: Request) -> Response:
    """The exam is on another day."""
    fields = Fields(await read_form(request))
    exam_on, words = fields.day("exam_on"), fields.words("moved", most=LONGEST_REASON)

    async def act(tx: Transaction, id: UUID, by: UUID) -> None:
        if exam_on is not None:
            await reporting.record_move(tx, id, by, exam_on, words)

    return await _submit(request, fields, act, "moved")


async def waive(request: Request) -> Response:
    """The money is not asked back although the exam was not sat."""
    fields = Fields(await read_form(request))
    words = fields.words("waived", most=LONGEST_REASON)

    async def act(tx: Transaction, id: UUID, by: UUID) -> None:
        await reporting.waive(tx, id, by, words)

    return await _submit(request, fields, act, "waived")


async def confirm_receipt(request: Request) -> Response:
    """A receipt was seen on paper."""
    fields = Fields(await read_form(request))
    if not fields.ticked("seen"):
        fields.add_fault("seen", "You have not said that you have seen it.", "Look at it, then tick the box.")

    async def act(tx: Transaction, id: UUID, by: UUID) -> None:
        await reporting.confirm_receipt(tx, id, by)

    return await _submit(request, fields, act, "receipt")


async def record_outcome(request: Request) -> Response:
    """How the exam went, as somebody has told us."""
    fields = Fields(await read_form(request))
    result = fields.one_of("result", {each.value: each for each in Result})
    in_post = read_in_post(fields)

    async def act(tx: Transaction, id: UUID, by: UUID) -> None:
        await reporting.record(tx, id, by, result, in_post)

    return await _submit(request, fields, act, "told")


def read_in_post(fields: Fields) -> bool | None:
    """Whether they work in their profession; nothing where it is not said."""
    if not fields.values.get("in_post"):
        return None
    answer: bool | None = fields.one_of("in_post", {"yes": True, "no": False})
    return answer


async def _submit(request: Request, fields: Fields, what: Act, done: str) -> Response:
    id, by = read_id(request), signed_in(request).id

    async def act(tx: Transaction) -> Response:
        await what(tx, id, by)
        return see(f"{award_href(id)}?done={done}")

    pressed = partial(press, of=award(id), does={}, back=award_href(id))
    return await submit(request, fields, act, partial(_page, request), pressed)


# Papers


async def give_paper(request: Request) -> Response:
    """One paper, for whoever may see who applied."""
    async with site_of(request).database.reading() as tx:
        row = await MONEY.award_paper_by_id(tx, file_id=read_id(request))
    if row is None:
        raise NotFound
    return give(request, row)


def give(request: Request, row: Any) -> Response:
    """A paper: a picture to be looked at, a PDF to be saved, because browsers show none in a sandbox."""
    file = StoredFile.of({**row, "id": row["file_id"]})
    return give_file(site_of(request).database, file, inline=file.media_type != PDF.media_type)
