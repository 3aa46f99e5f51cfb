"""Applications of the example: entered the way that people enter them, each with the papers that it names."""

from collections.abc import AsyncIterator, Collection, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from chassis.database import Transaction
from services.grants import applying
from services.grants.applicants import Applicant
from services.grants.applying import Asked
from services.grants.conflicts import tick

#: A page with nothing on it, to stand for a paper that somebody photographed.
_PAPER = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>endobj
trailer<</Root 1 0 R/Size 4>>
%%EOF
"""

#: What such papers are called.
_NAMES = ("registration.pdf", "booking.pdf")


async def apply(
    tx: Transaction, round_id: UUID, described: Mapping[str, Any], *, knows: Collection[UUID] = ()
) -> None:
    """Apply in a round as somebody would; a draft stays one.

    Args:
        knows: members of the panel whom they say they know.
    """
    opened = (await applying.open_round(tx, round_id)).opens_on
    exam_after = described.get("exam_after")
    asked = Asked(
        **{name: described[name] for name in ("profession", "purpose", "amount_pence", "words")},
        qualified_abroad=True,
        exam_passed=False,
        exam_on=opened + timedelta(days=exam_after) if opened and exam_after else None,
    )
    who = Applicant(
        **{name: described[name] for name in ("name", "email", "telephone")},
        workplace=described.get("workplace", ""),
    )
    token = await applying.begin(tx, round_id, who.email, who.email)
    at = await applying.writing(tx, token)
    await applying.save(tx, at, **vars(asked))
    await applying.save_applicant(tx, at, who)
    await tick(tx, at.id, knows)
    for name in _NAMES[: described["papers"]]:
        await applying.add_evidence(tx, at, name=name, media_type="application/pdf", content=_paper())
    if described.get("sent", True):
        await applying.send(tx, token)


async def _paper() -> AsyncIterator[bytes]:
    yield _PAPER
