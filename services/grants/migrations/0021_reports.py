"""How the service says that it is, and what became of requests about parked messages."""

from chassis.migrations import run_chassis_schema

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    run_chassis_schema("0008")


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
