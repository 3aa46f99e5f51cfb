"""How a campaign chases is written by one person and approved by another."""

from chassis.migrations import run

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

STATEMENTS = """
ALTER TABLE chaser_words
    -- How often at most, how many working days apart, and whether by itself; as the campaign has it where
    -- nothing else was written with these words.
    ADD COLUMN most integer CHECK (most BETWEEN 0 AND 9),
    ADD COLUMN every integer CHECK (every BETWEEN 1 AND 60),
    ADD COLUMN by_itself boolean,
    -- Who has written it since one was approved: they may not approve it.
    ADD COLUMN hands uuid[] NOT NULL DEFAULT '{}',
    ADD COLUMN approved_by uuid,
    -- What was written before anybody had to approve it counts as approved.
    ADD COLUMN approved_at timestamptz DEFAULT now(),
    ADD COLUMN returned_by uuid,
    ADD COLUMN returned_because text NOT NULL DEFAULT '';
UPDATE chaser_words SET approved_at = made_at;
"""


def upgrade() -> None:
    """Make the columns; what there is stays as it was."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
