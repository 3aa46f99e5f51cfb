"""When the services that others go by have said last that they live."""

from chassis.migrations import run_chassis_schema

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    run_chassis_schema("0004")


def downgrade() -> None:
    """Changes only go forward."""
