"""Files that people gave us."""

from chassis.migrations import run_chassis_schema

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    run_chassis_schema("0007")


def downgrade() -> None:
    """Changes only go forward."""
