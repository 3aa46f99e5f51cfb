"""What came in answer to a campaign."""

from chassis.migrations import run

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE received (
    -- The id of the event that told it.
    id           uuid PRIMARY KEY,
    campaign_id  uuid NOT NULL,
    -- Below nothing when it went back.
    amount_pence bigint NOT NULL,
    heard_at     timestamptz NOT NULL
);
CREATE INDEX received_by_campaign ON received (campaign_id);
"""


def upgrade() -> None:
    """Make the table."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
