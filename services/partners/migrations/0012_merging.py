"""Which entries were merged, and what succeeds what, is found without reading the whole register."""

from chassis.migrations import run

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

STATEMENTS = """
-- Entries that may be the same body are looked for by the first word of the name as well.
CREATE INDEX organisations_first_word ON organisations (split_part(listed_as, ' ', 1));
-- Those who sign in go with the body that they belong to.
CREATE INDEX people_organisation ON people (organisation_id);
"""


def upgrade() -> None:
    """Add the indexes."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
