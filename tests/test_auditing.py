"""``conduit audit verify`` beside a head that was mailed: whatever was done to the record since is found."""

import asyncio
import json
from collections.abc import Sequence

import pytest

from chassis.audit import verify
from contracts.topology import GRANTS, PARTNERS
from services.installation import Installation
from services.messages import opened
from tests.conftest import somebody_acts
from tests.journeys.running import conduit

#: With the rights of the server's administrator, who may switch off what keeps the record as it is.
_UNLOCK = ("GRANT ALL ON audit TO CURRENT_USER", "ALTER TABLE audit DISABLE TRIGGER USER")


def act(installation: Installation, times: int) -> str:
    """Somebody acts in grants. The digest of the last row, as it would be mailed."""

    async def run() -> str:
        async with opened(installation, GRANTS) as database:
            await somebody_acts(database, times)
            async with database.reading() as tx:
                return (await verify(tx)).head

    return asyncio.run(run())


def tamper(installation: Installation, *statements: str) -> None:
    async def run() -> None:
        async with opened(installation, GRANTS) as database, database.transaction() as tx:
            for statement in (*_UNLOCK, *statements):
                await tx.execute(statement)

    asyncio.run(run())


def answer(installation: Installation, *arguments: str) -> tuple[int, str]:
    """The exit code, and what it says on either stream."""
    settings = installation.settings
    done = conduit("audit", "verify", *arguments, home=settings.home, **settings.environment())
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def compared(installation: Installation, row: int, digest: str, service: str = GRANTS) -> tuple[int, str]:
    return answer(installation, "--service", service, "--row", str(row), "--digest", digest)


def test_a_record_that_has_only_grown_is_still_the_one_that_was_mailed(installation: Installation) -> None:
    mailed = act(installation, 1_004)  # more than are read together
    act(installation, 3)
    said = "grants: row 1,004 is the one that was mailed, and no row before it was changed"
    assert compared(installation, 1_004, mailed) == (0, said)
    assert compared(installation, 1_004, f" {mailed.upper()} ") == (0, said)
    code, document = answer(installation, "--service", GRANTS, "--row", "1004", "--digest", mailed, "--json")
    assert code == 0
    assert json.loads(document) == {
        "service": "grants",
        "row": 1004,
        "same": True,
        "cut_off": False,
        "broken_at": None,
        "rows_read": 1004,
    }


def test_an_end_that_was_cut_off_is_found_which_the_record_alone_does_not_show(
    installation: Installation,
) -> None:
    mailed = act(installation, 5)
    tamper(installation, "DELETE FROM audit WHERE number > 3")
    code, said = answer(installation)
    assert (code, "grants: 3 rows, whole" in said) == (0, True)
    assert compared(installation, 5, mailed) == (
        1,
        "grants: CUT OFF: the record ends at row 3, and row 5 was there when it was mailed",
    )
    tamper(installation, "TRUNCATE audit")
    assert compared(installation, 5, mailed) == (
        1,
        "grants: CUT OFF: the record is empty, and row 5 was there when it was mailed",
    )


def test_an_end_that_was_cut_off_and_written_anew_is_found(installation: Installation) -> None:
    """Whole in itself, and as long as before."""
    mailed = act(installation, 5)
    tamper(installation, "DELETE FROM audit WHERE number > 3", "ALTER TABLE audit ENABLE TRIGGER USER")
    act(installation, 2)
    assert answer(installation)[0] == 0
    assert compared(installation, 5, mailed) == (
        1,
        "grants: CHANGED: row 5 is not the one that was mailed, unless the line was typed wrongly",
    )


@pytest.mark.parametrize(
    ("statement", "at"),
    [
        ("UPDATE audit SET action = 'closed' WHERE number = 5", 5),
        # The row itself and its digest are still there; what it vouches for is not.
        ("UPDATE audit SET action = 'closed' WHERE number = 2", 2),
        ("UPDATE audit SET digest = repeat('0', 64) WHERE number = 5", 5),
        ("DELETE FROM audit WHERE number = 4", 4),
    ],
)
def test_a_row_that_was_changed_or_taken_out_is_found(
    installation: Installation, statement: str, at: int
) -> None:
    mailed = act(installation, 5)
    tamper(installation, statement)
    broken = f"row {at} is not what was written, or one is missing there"
    said = f"grants: CHANGED: {broken}, so row 5 is not the one that was mailed"
    assert compared(installation, 5, mailed) == (1, said)


def test_what_happened_after_the_row_is_no_matter_of_that_row(installation: Installation) -> None:
    """For the whole record there is the command without a row."""
    mailed = act(installation, 3)
    act(installation, 3)
    tamper(installation, "UPDATE audit SET action = 'closed' WHERE number = 5")
    assert compared(installation, 3, mailed)[0] == 0
    assert answer(installation)[0] == 1


@pytest.mark.parametrize(
    ("arguments", "cure"),
    [
        (["--service", GRANTS], "--service, --row and --digest go together"),
        (["--row", "5", "--digest", "a" * 64], "--service, --row and --digest go together"),
        (["--service", GRANTS, "--digest", "a" * 64], "--service, --row and --digest go together"),
        (["--service", "letters", "--row", "5", "--digest", "a" * 64], "partners, grants, notifications"),
        (["--service", GRANTS, "--row", "5", "--digest", "ab12…"], "copy it whole from the mail"),
        (["--service", GRANTS, "--row", "0", "--digest", "a" * 64], "--row"),
    ],
)
def test_what_is_typed_wrongly_is_said_with_the_cure(
    installation: Installation, arguments: Sequence[str], cure: str
) -> None:
    code, said = answer(installation, *arguments)
    assert code == 2
    assert cure in said


def test_a_head_of_one_service_says_nothing_of_another(installation: Installation) -> None:
    assert compared(installation, 2, act(installation, 2), service=PARTNERS)[0] == 1
