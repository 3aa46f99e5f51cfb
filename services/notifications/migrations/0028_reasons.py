"""Why somebody did something stands beside what they did, so that it can go alone."""

from chassis.migrations import run

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

STATEMENTS = """
-- Why, in the words of whoever did it; empty where nobody gave a reason, and once it has had its time.
ALTER TABLE letter_history ADD COLUMN because text NOT NULL DEFAULT '';

-- Until now it stood behind what was done.
UPDATE letter_history h SET
    what = split_part(what, '. Why: ', 1),
    because = CASE WHEN l.scrubbed_at IS NULL THEN substr(what, strpos(what, '. Why: ') + 7) ELSE '' END
FROM letters l
WHERE l.id = h.letter_id AND what LIKE 'Put right: %posted on %. Why: %';
"""


def upgrade() -> None:
    """Make the column, and part what was done from why."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
