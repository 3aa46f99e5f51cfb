"""The versions of people, so that a session that was ended elsewhere is no longer good here."""

from chassis.migrations import run_chassis_schema

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the chassis's table."""
    run_chassis_schema("0002")


def downgrade() -> None:
    """Changes only go forward."""
