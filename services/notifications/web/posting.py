"""Post: what waits to be printed, the batches that were, and what became of each."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction, rows_of
from chassis.errors import NotFound, Refused
from chassis.files import stored_file
from chassis.house import House
from chassis.web import (
    fault_of,
    give_file,
    live,
    new_key,
    once,
    read_form,
    read_id,
    saved_as,
    see,
    signed_in,
    site_of,
)
from services.notifications.colleagues import called
from services.notifications.hrefs import (
    batch_href,
    campaign_href,
    letter_href,
    post_href,
)
from services.notifications.posting import (
    changes_in,
    confirm_posted,
    correct_day,
    drop_batch,
    order_batch,
    read_numbers,
    returned_chaser,
    returned_letter,
    take_file,
)
from services.notifications.printing import PRINT_POST
from services.notifications.queries import POSTING
from services.notifications.web.chasing import act_on_chaser
from services.notifications.web.pressing import press

#: Batches on one page, and letters of a batch.
MOST, MOST_ITEMS = 50, 100

STATES = {
    "making": "The file is being made",
    "made": "To be posted",
    "posted": "Posted",
    "dropped": "Not posted",
}
_LOOKS = {"making": "sending", "made": "ready", "posted": "done", "dropped": "stopped"}
_ITEMS = {
    "printed": "To be posted",
    "posted": "Posted",
    "spoiled": "To be printed again",
    "withheld": "Taken out",
}

#: What was just done, by its code in the address and the state of its batch, if any, in which it is so.
_DONE = {
    "none": {"": "Nothing can be printed: what waited was set aside, with the reason beside each letter."},
    "made": {"making": "The file is being made.", "made": "The file is made."},
    "posted": {"posted": "Noted as posted."},
    "corrected": {"posted": "Put right. Its letters count their time from this day."},
    "dropped": {"dropped": "Nothing of this batch was posted. Its letters wait to be printed again."},
}


def _flash(request: Request, state: str = "") -> str | None:
    words = _DONE.get(request.query_params.get("done", ""), {}).get(state)
    aside = request.query_params.get("aside", "")
    if words and aside.isascii() and aside.isdecimal() and 0 < len(aside) < 6 and int(aside):
        words += f" {int(aside):,} set aside: the letters say why."
    return words


# What waits


async def show(request: Request) -> Response:
    """What waits to be printed, and the batches."""
    site = site_of(request)
    async with site.database.reading() as tx:
        waiting = await rows_of(POSTING.waiting_to_be_printed(tx, campaign_id=None))
        batches = await rows_of(POSTING.batches(tx, campaign_id=None, most=MOST))
    response: Response = site.page(
        request,
        "post.html",
        waiting=[_waiting(row, site.context.house) for row in waiting],
        in_all=sum(row["letters"] + row["chasers"] for row in waiting if row["state"] != "paused"),
        batches=[_batch(row) for row in batches],
        post_href=post_href(),
        key=new_key(request),
        flash=_flash(request),
    )
    return response


async def of_campaign(tx: Transaction, campaign_id: UUID) -> dict[str, Any]:
    """What of a campaign waits for the post, and its batches, for its page."""
    waiting = await rows_of(POSTING.waiting_to_be_printed(tx, campaign_id=campaign_id))
    batches = await rows_of(POSTING.batches(tx, campaign_id=campaign_id, most=5))
    return {
        "post": {
            "waiting": _waiting(waiting[0], tx.context.house) if waiting else None,
            "batches": [_batch(row) for row in batches],
            "href": post_href(),
        }
    }


def _waiting(row: Mapping[str, Any], house: House) -> dict[str, Any]:
    count = row["letters"] + row["chasers"]
    return {**row, "href": campaign_href(row["id"]), "count": count, "cost": postage(house, count)}


def postage(house: House, letters: int) -> dict[str, Any] | None:
    """What so many stamps cost, by the first of the list ``postage`` in the house file, if it has one."""
    for stamp in house.lists.get("postage", {}).values():
        if isinstance(pence := stamp.attributes.get("pence"), int):
            return {"pence": pence * letters, "each": pence, "name": stamp.name}
    return None


def _batch(row: Mapping[str, Any]) -> dict[str, Any]:
    href = batch_href(row["id"])
    return {
        **row,
        "href": href,
        "look": _LOOKS[row["state"]],
        "state_words": STATES[row["state"]],
        # What was left out of a batch is not in the post, though it was in the file.
        "count": row["posted"] if row["state"] == "posted" else row["letters"],
        "of": row["campaign"] or "All campaigns",
    }


async def make(request: Request) -> Response:
    """Put what waits into a batch."""
    form = await read_form(request)
    campaign_id, duplex = _campaign_in(str(form.get("campaign_id", ""))), form.get("sides") == "both"

    async def act(tx: Transaction) -> Response:
        ordered = await order_batch(tx, campaign_id, duplex=duplex, by=signed_in(request).id)
        if ordered.batch_id is None:
            return see(f"{post_href()}?done=none&aside={ordered.aside}")
        return see(f"{batch_href(ordered.batch_id)}?done=made&aside={ordered.aside}")

    response = await once(request, act)
    site_of(request).context.wake(PRINT_POST)
    return response


def _campaign_in(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise NotFound from None


# One batch


async def show_batch(request: Request) -> Response:
    """A batch: its file, what is not to be posted any more, and what became of it."""
    return await _page(request)


async def _page(request: Request, refused: Refused | None = None, **typed: Any) -> Response:
    site, id = site_of(request), read_id(request)
    text = request.query_params.get("after", "0")
    after = int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else 0
    async with site.database.reading() as tx:
        batch = await POSTING.batch(tx, id=id)
        if batch is None:
            raise NotFound
        is_open = batch["state"] in ("making", "made")
        changes = await changes_in(tx, id) if is_open else []
        paused = await rows_of(POSTING.paused_in(tx, batch_id=id)) if is_open else []
        rows = await rows_of(POSTING.items_of(tx, batch_id=id, after=after, state="", most=MOST_ITEMS + 1))
        happened = await POSTING.happened_since(tx, batch_id=id)
        names = await called(tx, [batch["made_by"], batch["settled_by"]])
        today = tx.today
    href = batch_href(id)
    response: Response = site.page(
        request,
        "post_batch.html",
        status=refused.status if refused else 200,
        batch=_batch(batch) | {by: names[batch[by]] for by in ("made_by", "settled_by")},
        cost=postage(site.context.house, batch["posted"] or batch["printed"]),
        changes=[{**vars(change), "href": letter_href(change.letter_id)} for change in changes],
        paused=[
            {**row, "href": campaign_href(row["id"]), "numbers": _ranges(row["numbers"])} for row in paused
        ],
        items=[_item(row) for row in rows[:MOST_ITEMS]],
        first_href=href if after else None,
        next_href=f"{href}?after={rows[MOST_ITEMS - 1]['number']}" if len(rows) > MOST_ITEMS else None,
        may_be_corrected=batch["state"] == "posted" and not happened,
        values={
            "posted_on": (batch["posted_on"] or today).isoformat(),
            "spoiled": "",
            "out": None,
            "because": "",
        }
        | typed,
        faults=fault_of(refused) if refused else {},
        post_href=post_href(),
        key=new_key(request),
        flash=_flash(request, batch["state"]),
    )
    return response


def _ranges(numbers: Sequence[int]) -> str:
    """Numbers in order as people write them: ``3, 17–19``; what can be typed into the form as it stands."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)


def _item(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **row,
        "href": letter_href(row["letter_id"]),
        "state_words": _ITEMS[row["state"]],
        "look": {"printed": "ready", "posted": "sent", "spoiled": "paused", "withheld": "stopped"}[
            row["state"]
        ],
    }


async def follow(request: Request) -> Response:
    """One event whenever the batch goes on."""
    site, id = site_of(request), read_id(request)

    async def version() -> str | None:
        async with site.database.reading() as tx:
            batch = await POSTING.batch(tx, id=id)
        return f"{batch['state']} {batch['done']} {batch['printed']}" if batch else None

    if await version() is None:
        raise NotFound
    return live(request, version)


async def take(request: Request) -> Response:
    """Take the file, to print it; from the second time on, whoever does is told that it was made before."""
    id = read_id(request)

    async def act(tx: Transaction) -> Response:
        await take_file(tx, id)
        return see(f"{batch_href(id)}/pdf")

    return await once(request, act)


async def give(request: Request) -> Response:
    """The file of a batch. Its name says when it was taken before."""
    site = site_of(request)
    async with site.database.reading() as tx:
        batch = await POSTING.batch(tx, id=read_id(request))
        kept = await stored_file(tx, batch["file_id"]) if batch and batch["file_id"] else None
    if batch is None or kept is None:
        raise NotFound
    response = give_file(site.database, kept)
    if batch["taken"] > 1:
        name = f"post-batch-{batch['number']}-made-before-copy-{batch['taken']}.pdf"
        response.headers["content-disposition"] = f"attachment; {saved_as(name)}"
    return response


async def posted(request: Request) -> Response:
    """A person says on which day it was posted, and what of it was not."""
    form, id = await read_form(request), read_id(request)
    out = [int(each) for each in map(str, form.getlist("out")) if each.isascii() and each.isdecimal()]
    typed = {"posted_on": str(form.get("posted_on", "")).strip(), "spoiled": str(form.get("spoiled", ""))}

    async def act(tx: Transaction) -> Response:
        batch = await POSTING.batch(tx, id=id)
        if batch is None:
            raise NotFound
        spoiled = read_numbers(typed["spoiled"], batch["letters"])
        day = _day(typed["posted_on"])
        by = signed_in(request).id
        await confirm_posted(tx, id, day, spoiled=spoiled, taken_out=out, by=by)
        return see(f"{batch_href(id)}?done=posted")

    try:
        return await press(request, act, id, {}, batch_href(id))
    except Refused as refused:
        if not refused.field:
            raise
        return await _page(request, refused, **typed, out=out)


async def correct(request: Request) -> Response:
    """A person says that it was posted on another day."""
    form, id = await read_form(request), read_id(request)
    typed = {name: str(form.get(name, "")).strip() for name in ("posted_on", "because")}

    async def act(tx: Transaction) -> Response:
        day, by = _day(typed["posted_on"]), signed_in(request).id
        await correct_day(tx, id, day, because=typed["because"], by=by)
        return see(f"{batch_href(id)}?done=corrected")

    try:
        return await once(request, act)
    except Refused as refused:
        if not refused.field:
            raise
        return await _page(request, refused, **typed)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Refused(
            "This is not a day.", "Choose it, or write it like 2026-11-30.", field="posted_on"
        ) from None


async def drop(request: Request) -> Response:
    """A person says that nothing of it was posted."""
    form, id = await read_form(request), read_id(request)
    if form.get("confirm") != "yes":
        cure = "Go back and tick the box."
        raise Refused("You have not said that nothing of it was posted.", cure, field="confirm")

    async def act(tx: Transaction) -> Response:
        await drop_batch(tx, id, by=signed_in(request).id)
        return see(there)

    there = f"{batch_href(id)}?done=dropped"
    return await press(request, act, id, {"post_dropped": there}, batch_href(id))


# What came back


async def letter_came_back(request: Request) -> Response:
    """A posted letter was returned."""
    id = read_id(request)

    async def act(tx: Transaction) -> Response:
        await returned_letter(tx, id)
        return see(there)

    there = f"{letter_href(id)}?done=returned"
    return await press(request, act, id, {"letter_returned": there}, letter_href(id))


async def chaser_came_back(request: Request) -> Response:
    """A posted chaser was returned."""
    return await act_on_chaser(request, returned_chaser, "returned", "chaser_returned")


async def of_letter(tx: Transaction, letter_id: UUID) -> Sequence[dict[str, Any]]:
    """The batches that a letter, or a chaser of it, was in."""
    rows = await rows_of(POSTING.posted_to(tx, letter_id=letter_id))
    return [{**row, "href": batch_href(row["batch_id"]), "state_words": _ITEMS[row["state"]]} for row in rows]
