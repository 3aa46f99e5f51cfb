"""Letters of which it is no longer kept whom they were for; what went by itself."""

from chassis.migrations import run, run_chassis_schema

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STATEMENTS = """
-- When it was scrubbed whom a letter was for and what they wrote.
ALTER TABLE letters ADD COLUMN scrubbed_at timestamptz;
CREATE INDEX letters_contact ON letters (contact_id);
CREATE INDEX letters_not_scrubbed ON letters (changed_at) WHERE scrubbed_at IS NULL;
"""


def upgrade() -> None:
    """Make the column, the chassis's own first."""
    run_chassis_schema("0004")
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
