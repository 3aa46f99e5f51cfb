"""Who does not get what is sent to them."""

from chassis.migrations import run

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

STATEMENTS = """
-- The newest message to somebody that did not arrive. It goes when they are invited anew, barred, or sign in.
CREATE TABLE people_unreached (
    person_id uuid PRIMARY KEY REFERENCES people,
    kind      text NOT NULL,
    failed_at timestamptz NOT NULL
);
"""


def upgrade() -> None:
    """Make the table."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
