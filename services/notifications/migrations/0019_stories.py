"""Of which story a campaign and a notice are a part: what is mailed later goes on in it."""

from chassis.migrations import run

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

STATEMENTS = """
ALTER TABLE notices
    ADD COLUMN correlationid text NOT NULL DEFAULT '',
    -- The span of the handler that wrote it, as W3C trace context has it.
    ADD COLUMN traceparent text NOT NULL DEFAULT '';
ALTER TABLE campaigns
    ADD COLUMN correlationid text NOT NULL DEFAULT '',
    -- The span of the request that let its letters go.
    ADD COLUMN traceparent text NOT NULL DEFAULT '';
CREATE INDEX campaigns_story ON campaigns (correlationid);
"""


def upgrade() -> None:
    """Make the columns."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
