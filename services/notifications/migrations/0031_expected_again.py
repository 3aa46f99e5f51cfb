"""Which word of Grants on what will not come of a pledge is the newest: it may take an earlier one back."""

from chassis.migrations import run

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

STATEMENTS = """
ALTER TABLE answers ADD COLUMN written_back_epoch integer NOT NULL DEFAULT 0;
ALTER TABLE answers ADD COLUMN written_back_version bigint NOT NULL DEFAULT 0;
"""


def upgrade() -> None:
    """Add the columns."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
