"""What people have done, in a chain that is only added to."""

from chassis.migrations import run_chassis_schema

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    run_chassis_schema("0003")


def downgrade() -> None:
    """Changes only go forward."""
