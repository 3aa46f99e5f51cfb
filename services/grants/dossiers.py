"""The dossier of a decision: how it came about, in a form that anybody can check years later.

It tells an application by its reference, as its panel has read it: whoever applied is not in it. People of
ours stand in it by their ids, so that it stays what it was when one of them is renamed or forgotten; their
names are given beside it, and are no part of what the digest covers.

The digest is SHA-256 of the dossier written as JSON with sorted keys, no spaces, in UTF-8. Each time one is
made for somebody to take away, the digest is noted in the audit.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from chassis.audit import note
from chassis.database import Transaction
from chassis.errors import NotFound
from services.grants.colleagues import called
from services.grants.queries import DOSSIERS, ROUNDS

FORMAT = "conduit decision dossier 1"

#: A dossier: what JSON can say, and no fraction but where a decision's basis has one.
Dossier = dict[str, Any]


class Undecided(NotFound):
    """Nothing was decided yet, so that there is nothing to tell; what members gave is not shown before."""

    def __init__(self) -> None:
        super().__init__("Nothing is decided on this application yet.", "Look again after the meeting.")


async def gather(tx: Transaction, application_id: UUID) -> Dossier:
    """How the decision on an application came about, as far as it has come.

    Raises:
        NotFound, Undecided: when there is no such application, or nothing was decided.
    """
    row = await DOSSIERS.application_told(tx, application_id=application_id)
    if row is None:
        raise NotFound
    decisions = [each async for each in DOSSIERS.decisions_told(tx, application_id=application_id)]
    if not decisions:
        raise Undecided
    stands = [dict(each) async for each in DOSSIERS.upheld_told(tx, application_id=application_id)]
    told: Dossier = _plain(
        {
            "format": FORMAT,
            "application": _application(row),
            "criteria": [
                {name: each[name] for name in ("id", "name", "weight")}
                async for each in ROUNDS.criteria_of(tx, round_id=row["round_id"])
            ],
            "conflicts": [
                dict(each) async for each in DOSSIERS.conflicts_told(tx, application_id=application_id)
            ],
            "scores": _scores(
                [each async for each in DOSSIERS.scores_told(tx, application_id=application_id)]
            ),
            "decisions": [_decision(each, stands) for each in decisions],
            "award": _award(row),
            "payments": [
                dict(each) async for each in DOSSIERS.payments_told(tx, application_id=application_id)
            ],
            "ledger": [dict(each) async for each in DOSSIERS.money_told(tx, application_id=application_id)],
        }
    )
    return told


def _application(row: Mapping[str, Any]) -> dict[str, Any]:
    same = (
        "id",
        "reference",
        "state",
        "profession",
        "purpose",
        "exam_on",
        "submitted_at",
        "round_id",
        "round",
    )
    rules = ("quorum", "needs_peer", "needs_funder")
    return {
        **{name: row[name] for name in (*same, "fund_id", "fund")},
        "asked_pence": row["amount_pence"],
        "rules": {name: row[name] for name in rules},
        "case": {name: row[name] for name in ("label", "words", "papers", "handed_at", "handed_by")},
    }


def _award(row: Mapping[str, Any]) -> dict[str, Any] | None:
    if row["awarded_pence"] is None:
        return None
    said = {name: row[name] for name in ("offered_at", "answer_by", "accepted_at")}
    return {"amount_pence": row["awarded_pence"], **said}


def _decision(row: Mapping[str, Any], stands: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """A decision, with why it stands in spite of whom."""
    said = ("person_id", "words", "said_by", "said_at")
    upheld = [{name: each[name] for name in said} for each in stands if each["decision_id"] == row["id"]]
    return {**row, "upheld": upheld}


def _scores(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What each member gave."""
    members: dict[UUID, dict[str, Any]] = {}
    for row in rows:
        said = {name: row[name] for name in ("person_id", "comment", "submitted_at", "kept_from")}
        member = members.setdefault(row["person_id"], {**said, "given": []})
        if row["criterion_id"] is not None:
            member["given"].append({"criterion_id": row["criterion_id"], "score": row["score"]})
    return list(members.values())


def _plain(value: Any) -> Any:
    """The same as JSON can say it: moments in UTC, days and ids as text."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def digest_of_dossier(dossier: Dossier) -> str:
    """SHA-256 of a dossier, as 64 hexadecimal digits."""
    written = json.dumps(dossier, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(written.encode("utf-8", "surrogatepass")).hexdigest()


def people_in(dossier: Dossier) -> set[UUID]:
    """Everybody of ours who stands in a dossier."""
    alone = [dossier["application"]["case"]["handed_by"]]
    alone += [each[name] for each in dossier["conflicts"] for name in ("person_id", "settled_by")]
    alone += [each["person_id"] for part in ("scores", "ledger") for each in dossier[part]]
    alone += [each[name] for each in dossier["payments"] for name in ("prepared_by", "settled_by")]
    for each in dossier["decisions"]:
        alone += [each["decided_by"], *each["present"], *each["stepped_out"], *each["acquainted"]]
        alone += each["basis"].get("not_waited_for", [])
        alone += [one[name] for one in each["upheld"] for name in ("person_id", "said_by")]
    return {UUID(id) for id in alone if id is not None}


async def names_in(tx: Transaction, dossier: Dossier) -> dict[str, str]:
    """What the people of ours in a dossier are called, by their ids; nothing of whoever was forgotten."""
    return {str(id): name for id, name in sorted((await called(tx, people_in(dossier))).items())}


def enclose(dossier: Dossier, names: Mapping[str, str]) -> dict[str, Any]:
    """A dossier as it is given out, with what it is checked by."""
    return {"sha256": digest_of_dossier(dossier), "dossier": dossier, "names": dict(names)}


def note_made(tx: Transaction, application_id: UUID, digest: str) -> None:
    """Note in the audit that a dossier was made."""
    note(tx, "dossier_made", "application", application_id, after={"sha256": digest})


class NoDossier(ValueError):
    """A file is no dossier."""


def read_dossier(content: bytes) -> tuple[Dossier, str]:
    """The dossier in a file, and the digest that the file gives it.

    Raises:
        NoDossier: when it is none.
    """
    try:
        file = json.loads(content)
        dossier, digest = file["dossier"], file["sha256"]
        UUID(dossier["application"]["id"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise NoDossier from error
    if dossier.get("format") != FORMAT or not isinstance(digest, str):
        raise NoDossier
    return dossier, digest
