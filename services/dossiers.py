"""``conduit dossier``: whether a dossier is what was once made here, and still what is kept."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from chassis.clock import LOCAL
from chassis.errors import Refused
from contracts.topology import GRANTS
from services.grants.dossiers import Dossier, digest_of_dossier, gather, read_dossier
from services.grants.queries import DOSSIERS
from services.installation import Installation
from services.messages import opened


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What was found out about a dossier in a file."""

    reference: str
    #: The digest that the file gives, and whether it is that of what is in the file.
    digest: str
    whole: bool
    #: When one with this digest was made here last; nothing when none was.
    made_at: datetime | None
    #: Whether what is kept here gives this digest now; nothing where nothing is kept.
    same: bool | None
    #: Which parts are others now.
    differing: Sequence[str]

    @property
    def good(self) -> bool:
        """Whether it is what was once made here."""
        return self.whole and self.made_at is not None

    def __str__(self) -> str:
        if not self.whole:
            return f"{self.reference}: CHANGED: what is in the file is not what its digest was made of"
        if self.made_at is None:
            return f"{self.reference}: UNKNOWN: no dossier with this digest was made here"
        made_on = self.made_at.astimezone(LOCAL).date().isoformat()
        made = f"{self.reference}: made here on {made_on}, and not changed since"
        if self.same is None:
            return f"{made}; nothing of it is kept here any more"
        now = f"other by now: {', '.join(self.differing)}"
        return f"{made}; what is kept here is {'the same' if self.same else now}"

    def as_dict(self) -> dict[str, Any]:
        made = self.made_at and self.made_at.isoformat()
        return {**asdict(self), "made_at": made, "differing": list(self.differing), "good": self.good}


def verify(installation: Installation, file: Path) -> Checked:
    """Look at a dossier in a file, and at what is kept here.

    Raises:
        NoDossier: when it is none.
    """
    dossier, digest = read_dossier(file.read_bytes())
    with installation.database():
        return asyncio.run(_compared(installation, dossier, digest))


async def _compared(installation: Installation, dossier: Dossier, digest: str) -> Checked:
    id = dossier["application"]["id"]
    async with opened(installation, GRANTS) as database, database.reading() as tx:
        noted = await DOSSIERS.digest_noted(tx, application_id=id, digest=digest)
        try:
            now: Dossier | None = await gather(tx, UUID(id))
        except Refused:
            now = None
    parts = sorted(name for name in dossier if now is not None and dossier[name] != now.get(name))
    return Checked(
        reference=str(dossier["application"].get("reference", id)),
        digest=digest,
        whole=digest_of_dossier(dossier) == digest,
        made_at=noted["at"] if noted else None,
        same=None if now is None else digest_of_dossier(now) == digest,
        differing=parts,
    )
