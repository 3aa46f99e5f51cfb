"""How a body is reached, what its successor took over, what it was merged into; files that people give."""

from chassis.migrations import run, run_chassis_schema

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

STATEMENTS = """
ALTER TABLE organisations
    ADD COLUMN postal_address text[] NOT NULL DEFAULT '{}',
    ADD COLUMN postcode text,
    ADD COLUMN telephone text,
    ADD COLUMN website text,
    -- What the successor took over, as codes; what is not named here has ended.
    ADD COLUMN handed_over text[] NOT NULL DEFAULT '{}',
    -- Everything that was here is there. The row stays: old addresses and events still lead somewhere.
    ADD COLUMN merged_into uuid REFERENCES organisations,
    ADD CONSTRAINT organisations_merged_into_another CHECK (merged_into <> id);
CREATE INDEX organisations_merged_into ON organisations (merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX organisations_successor ON organisations (successor_id) WHERE successor_id IS NOT NULL;
"""


def upgrade() -> None:
    """Add the columns and the tables."""
    run_chassis_schema("0007")
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
