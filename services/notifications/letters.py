"""One letter: everything it says, rendered again from what was frozen, and what a person can do about it.

The link on a letter is derived from its id and this service's key whenever it is printed; the database
keeps a digest of it and nothing that would open the page.
"""

from typing import Any
from uuid import UUID

from chassis.audit import note
from chassis.context import Context
from chassis.database import Transaction
from chassis.errors import Conflict, NotFound
from chassis.outbox import announce
from contracts.envelope import pounds_sterling
from contracts.notifications import LetterFailed, LetterSent
from services.notifications.campaigns import TOKENS
from services.notifications.colleagues import STAFF, done_by
from services.notifications.domain import CampaignState, LetterState, can, response_token
from services.notifications.hrefs import response_href
from services.notifications.queries import QUERIES
from services.notifications.rendering import Evidence, LetterContent
from services.notifications.wording import merge

#: What stands for the token in the link of a letter that is not for whoever reads it.
HIDDEN = "this-copy-leads-nowhere"


#: Letters that were handed to the mail server, as far as we know: what comes back for one says that it left.
HANDED_OVER = (LetterState.SENDING, LetterState.UNKNOWN)
ARRIVED, HAD_LEFT = "Marked as sent: it arrived", "Marked as sent: it had left"


def token_of(context: Context, letter_id: UUID) -> str:
    """The token in the letter's link: the same on every print."""
    return response_token(context.keys.derive(TOKENS), letter_id)


def values_of(context: Context, letter: Any, token: str = "") -> dict[str, str]:
    """What each merge field becomes in this letter."""
    frozen = letter["frozen"]
    values, url = frozen["values"], frozen["origin"] + response_href(token or token_of(context, letter["id"]))
    # Letters that were made before there was this field have the name of the role alone.
    return {"contact_role_in_text": values["contact_role"], **values, "response_url": url}


def subject_of(context: Context, letter: Any, token: str = "") -> str:
    """The merged subject; `letter` has its template: its campaign's, or one of its own."""
    return merge(letter["subject"], values_of(context, letter, token))


def body_of(context: Context, letter: Any, token: str = "") -> str:
    """The merged text between salutation and signature."""
    return merge(letter["body"], values_of(context, letter, token))


def content_of(context: Context, letter: Any, token: str = "") -> LetterContent:
    """The whole letter, ready to be rendered; a draft bears today's date.

    Args:
        token: what stands in its link instead of its own, for a reader who is not to have that.
    """
    frozen, values = letter["frozen"], values_of(context, letter, token)
    return LetterContent(
        subject=merge(letter["subject"], values),
        body=merge(letter["body"], values),
        house_name=values["house_name"],
        house_number=frozen["house_number"],
        house_address=frozen["house_address"],
        house_telephone=values["house_telephone"],
        house_email=values["house_email"],
        house_website=frozen["house_website"],
        recipient_name=values["contact_name"],
        recipient_role=values["contact_role"],
        recipient_body=values["body_name"],
        recipient_address=frozen["recipient_address"],
        dated=letter["dated"] or context.clock.today(),
        signatory_name=values["signatory_name"],
        signatory_position=values["signatory_position"],
        reference=letter["reference"],
        response_url=values["response_url"],
        address_source=frozen["address_source"],
        how_to_stop=frozen["how_to_stop"],
        evidence=_evidence_of(letter),
        asks=frozen["formula"] is not None,
    )


def _evidence_of(letter: Any) -> Evidence | None:
    frozen = letter["frozen"]
    if frozen["counted_on"] is None:
        return None
    return Evidence(
        figure=frozen["figure"],
        source=letter["evidence_source"],
        counted_on=frozen["values"]["evidence_date"],
        formula=frozen["formula"],
        version=letter["formula_version"],
    )


def facts_of(letter: Any) -> dict[str, Any]:
    """What every fact about a letter says of it."""
    return {
        "letter_id": letter["id"],
        "campaign_id": letter["campaign_id"],
        "campaign": letter["campaign"],
        "organisation_id": letter["organisation_id"],
        "contact_id": letter["contact_id"],
        "contact_role": letter["role"],
    }


def said_sent(letter: Any) -> dict[str, Any]:
    """What the fact says that a letter left."""
    ask = letter["ask_pence"]
    return {
        "sent_at": letter["sent_at"],
        "ask": pounds_sterling(ask) if ask is not None else None,
        **facts_of(letter),
    }


async def announce_sent(tx: Transaction, letter: Any) -> None:
    """Say that a letter left, when this commits."""
    said = said_sent(letter)
    await announce(tx, LetterSent, subject=letter["id"], sequence=letter["version"], **said)


async def announce_failed(tx: Transaction, letter: Any) -> None:
    """Say that a letter did not arrive, when this commits."""
    await announce(
        tx,
        LetterFailed,
        subject=letter["id"],
        sequence=letter["version"],
        failed_at=tx.now,
        **facts_of(letter),
    )


async def lock_letter(tx: Transaction, letter_id: UUID) -> Any:
    """The letter, which nobody else changes until this transaction ends.

    Raises:
        NotFound: when there is no such letter.
    """
    letter = await QUERIES.lock_letter(tx, id=letter_id)
    if letter is None:
        raise NotFound
    return letter


async def send_again(tx: Transaction, letter_id: UUID) -> None:
    """Let a letter go again that was refused, or of which nobody knows whether it left.

    It keeps its Message-ID, so that a mail program can tell the second copy from a second letter.

    Raises:
        Conflict: when it is in another state by now.
    """
    letter = await lock_letter(tx, letter_id)
    if letter["campaign_state"] == CampaignState.STOPPED:
        raise Conflict("This campaign was stopped.", "Write to them in another campaign.")
    _only_from(letter, LetterState.READY, (LetterState.FAILED, LetterState.UNKNOWN))
    note(tx, "letter_sent_again", "letter", letter_id, before={"state": letter["state"]})
    await QUERIES.resend_letter(tx, id=letter_id, now=tx.now)
    await QUERIES.note(tx, letter_id=letter_id, what="To be sent again", **done_by(tx), now=tx.now)


async def mark_sent(tx: Transaction, letter_id: UUID, who: str = STAFF, what: str = ARRIVED) -> None:
    """Note that a letter has left of which nobody knew yet whether it had.

    Raises:
        Conflict: when it is in another state by now.
    """
    letter = await lock_letter(tx, letter_id)
    _only_from(letter, LetterState.SENT, HANDED_OVER)
    note(tx, "letter_marked_sent", "letter", letter_id, before={"state": letter["state"]})
    sent = await QUERIES.mark_letter_sent(tx, id=letter_id, now=tx.now)
    await QUERIES.note(tx, letter_id=letter_id, what=what, **done_by(tx, who), now=tx.now)
    await announce_sent(tx, sent)


def _only_from(letter: Any, after: LetterState, befores: tuple[LetterState, ...]) -> None:
    before = LetterState(letter["state"])
    if before not in befores or not can(before, after):
        raise Conflict("This letter has moved on meanwhile.", "Open the page again to see where it stands.")


async def letter_to_area(tx: Transaction, campaign_id: UUID, area: str) -> UUID:
    """The first letter of a campaign to the body that serves an area (a code of the house's list).

    Raises:
        NotFound: when the campaign has no letter there.
    """
    id: UUID | None = await QUERIES.first_letter_to(tx, campaign_id=campaign_id, area=area)
    if id is None:
        raise NotFound
    return id
