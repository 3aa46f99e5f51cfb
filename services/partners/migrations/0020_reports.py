"""How each service is, as it has said itself, and what was asked about parked messages."""

from chassis.migrations import run, run_chassis_schema

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE service_reports (
    service     text PRIMARY KEY,
    epoch       integer NOT NULL,
    version     bigint NOT NULL,
    reported_at timestamptz NOT NULL,
    report      jsonb NOT NULL
);

CREATE TABLE parked_asks (
    id         uuid PRIMARY KEY,
    service    text NOT NULL,
    act        text NOT NULL CHECK (act IN ('retry', 'discard')),
    -- One message, or all that were parked for a reason.
    message_id uuid,
    reason     text,
    asked_at   timestamptz NOT NULL,
    -- What came of it; nothing while the service has not said so.
    number     integer,
    done_at    timestamptz,
    CHECK ((message_id IS NULL) <> (reason IS NULL))
);
-- What two people ask at once is asked once.
CREATE UNIQUE INDEX parked_asks_open ON parked_asks (service, act, coalesce(message_id::text, reason))
    WHERE done_at IS NULL;
CREATE INDEX parked_asks_asked_at ON parked_asks (asked_at);
"""


def upgrade() -> None:
    """Make the tables."""
    run_chassis_schema("0008")
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
