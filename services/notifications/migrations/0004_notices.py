"""The versions of people, and the short messages that are no letters of a campaign."""

from chassis.migrations import run, run_chassis_schema

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATEMENTS = """
-- What is to be said to one person by mail, once. When it is settled the words and the address go.
CREATE TABLE notices (
    -- The id of the event that asked for it.
    id         uuid PRIMARY KEY,
    kind       text NOT NULL,
    state      text NOT NULL CHECK (state IN ('ready', 'sending', 'sent', 'failed', 'unknown', 'late')),
    email      text,
    subject    text,
    body       text,
    -- After this moment it is of no use to anybody.
    not_after  timestamptz NOT NULL,
    attempts   integer NOT NULL DEFAULT 0,
    next_try   timestamptz NOT NULL,
    claimed_at timestamptz,
    made_at    timestamptz NOT NULL,
    settled_at timestamptz,
    CONSTRAINT notices_forget_when_settled CHECK ((settled_at IS NULL) = (body IS NOT NULL))
);
CREATE INDEX notices_due ON notices (next_try, id) WHERE state = 'ready';
CREATE INDEX notices_open ON notices (claimed_at) WHERE settled_at IS NULL;
CREATE INDEX notices_settled_at ON notices (settled_at);
"""


def upgrade() -> None:
    """Make the tables."""
    run_chassis_schema("0002")
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
