"""What a body was merged into: its pledges are shown by that name."""

from chassis.migrations import run

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

STATEMENTS = """
ALTER TABLE organisations ADD COLUMN merged_into uuid;
"""


def upgrade() -> None:
    """Add the column."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
