"""Whoever belongs to an organisation is found without reading all people."""

from chassis.migrations import run

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

STATEMENTS = """
-- Those who sign in go with the body that they belong to.
CREATE INDEX people_organisation ON people (organisation_id);
"""


def upgrade() -> None:
    """Add the index."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
