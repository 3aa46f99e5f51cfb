"""How far the chain of what people have done went each week."""

from chassis.migrations import run_chassis_schema

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    run_chassis_schema("0005")


def downgrade() -> None:
    """Changes only go forward."""
