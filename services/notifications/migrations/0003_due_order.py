"""The next letter that is due is found without looking at all the others that are."""

from chassis.migrations import run

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = """
DROP INDEX letters_due;
CREATE INDEX letters_due ON letters (next_try, number, id) WHERE state = 'ready';
"""


def upgrade() -> None:
    """Give the index the order in which letters are claimed."""
    run(STATEMENTS)


def downgrade() -> None:
    raise NotImplementedError("Changes to the database only go forward.")
