"""How far the chain of what people have done went each week."""

from chassis.migrations import run_chassis_schema

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    run_chassis_schema("0005")


def downgrade() -> None:
    """Changes only go forward."""
