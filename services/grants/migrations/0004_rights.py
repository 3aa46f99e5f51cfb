"""What goes by itself, and from when on."""

from chassis.migrations import run, run_chassis_schema

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE INDEX registrations_changed_at ON registrations (changed_at);
"""


def upgrade() -> None:
    """Make the index, the chassis's own first."""
    run_chassis_schema("0004")
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
