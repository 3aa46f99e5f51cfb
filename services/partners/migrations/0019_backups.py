"""When backups were made: what metrics, alerts and the page of ops go by."""

from chassis.migrations import run

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE backups (
    name    text PRIMARY KEY,
    made_at timestamptz NOT NULL,
    -- Bytes.
    size    bigint NOT NULL,
    seconds double precision NOT NULL
);
CREATE INDEX backups_made_at ON backups (made_at);
"""


def upgrade() -> None:
    """Make the table."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
