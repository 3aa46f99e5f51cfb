"""What members write of a case is looked through before the others read it."""

from chassis.migrations import run

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

STATEMENTS = """
-- What the other members read of a comment. Nothing while it waits for somebody of ours to look through it.
ALTER TABLE reviews ADD COLUMN shown text DEFAULT '';
-- Those who could read what there is have read it.
UPDATE reviews SET shown = comment;
CREATE INDEX comments_waiting ON reviews (application_id) WHERE shown IS NULL;
"""


def upgrade() -> None:
    """Keep what others read apart from what was written."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
