"""Files beside notes that were removed, and can be put back for a while."""

from chassis.migrations import run

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

STATEMENTS = """
ALTER TABLE timeline_files ADD COLUMN removed_at timestamptz;
CREATE INDEX timeline_files_removed ON timeline_files (removed_at) WHERE removed_at IS NOT NULL;
"""


def upgrade() -> None:
    """Change the table."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
