"""Whom a notice is for, so that it can be said when it did not arrive."""

from chassis.migrations import run

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

STATEMENTS = """
-- The account of whoever it is for; nothing where it is for somebody who has none any more.
ALTER TABLE notices ADD COLUMN person_id uuid;
"""


def upgrade() -> None:
    """Make the column."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
