"""Who confirmed a pledge: the person, so that their name stands nowhere but with them."""

from chassis.migrations import run

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

STATEMENTS = """
-- The person of ours who confirmed what an event told; nobody where nobody had to, or a command did.
ALTER TABLE timeline ADD COLUMN confirmed_by uuid;
"""


def upgrade() -> None:
    """Add the column."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
