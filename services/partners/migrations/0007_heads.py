"""How far the chains of what people have done went each week, the own one and those of the others."""

from chassis.migrations import run, run_chassis_schema

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STATEMENTS = """
-- What each service has told of its chain, this one too. What was told first stands: a later word on the same
-- week could be that of somebody who has cut off the end.
CREATE TABLE chain_heads (
    -- The Monday of the week.
    week     date NOT NULL,
    service  text NOT NULL,
    number   bigint NOT NULL,
    digest   text NOT NULL,
    heard_at timestamptz NOT NULL,
    PRIMARY KEY (week, service)
);

-- The weeks of which every auditor that there was then has been told.
CREATE TABLE head_reports (
    week        date PRIMARY KEY,
    reported_at timestamptz NOT NULL
);
"""


def upgrade() -> None:
    """Make the tables."""
    run_chassis_schema("0005")
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
