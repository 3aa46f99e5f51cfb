"""When the services that others go by have said last that they live."""

from chassis.migrations import run_chassis_schema

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    run_chassis_schema("0006")


def downgrade() -> None:
    """Changes only go forward."""
