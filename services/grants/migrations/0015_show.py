"""What is shown of awards: each has a number of its own for everybody, which leads back to nobody."""

from chassis.migrations import run

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

STATEMENTS = """
-- Under this an award is published. Random, and made with the award: it is neither the number of the
-- application nor one that the applicant knows.
ALTER TABLE awards ADD COLUMN published_as uuid NOT NULL UNIQUE DEFAULT gen_random_uuid();
"""


def upgrade() -> None:
    """Number the awards for everybody."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
