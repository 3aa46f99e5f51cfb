"""What was said of what will not come of a pledge, and that it was taken back, each with its reason."""

from chassis.migrations import run

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE pledge_steps (
    pledge_id    uuid NOT NULL REFERENCES pledges,
    -- Counts up for each pledge: it is the sequence of what we announce of it.
    number       integer NOT NULL CHECK (number > 0),
    what         text NOT NULL CHECK (what IN ('written_back', 'replaced', 'expected_again')),
    amount_pence bigint NOT NULL CHECK (amount_pence >= 0),
    words        text NOT NULL,
    -- Who said it; nobody where we heard it, or it was said before this was kept.
    person_id    uuid,
    -- Nothing where it was said before this was kept.
    happened_at  timestamptz,
    PRIMARY KEY (pledge_id, number)
);
INSERT INTO pledge_steps (pledge_id, number, what, amount_pence, words)
SELECT id, 1, 'written_back', written_back_pence, written_back_because FROM pledges
WHERE written_back_pence > 0;
UPDATE pledge_steps SET what = 'replaced' WHERE words = 'They have pledged anew instead.';
"""


def upgrade() -> None:
    """Make the table, and enter what is known of earlier days."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
