"""A question, or a refusal after a confirmed pledge, stays open until a person has settled it."""

from chassis.migrations import run

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = """
ALTER TABLE answers ADD COLUMN settled_at timestamptz;
ALTER TABLE answers ADD CONSTRAINT answers_settled_check
    CHECK (settled_at IS NULL OR kind IN ('ask', 'decline'));
"""


def upgrade() -> None:
    run(STATEMENTS)


def downgrade() -> None:
    raise NotImplementedError("Changes to the database only go forward.")
