"""In which languages letters to one person are written, as notifications says."""

from chassis.migrations import run

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

STATEMENTS = """
-- One row. Languages that every installation has are not in it.
CREATE TABLE letter_languages (
    only_one  boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    epoch     integer NOT NULL,
    version   integer NOT NULL,
    languages text[] NOT NULL
);
INSERT INTO letter_languages (epoch, version, languages) VALUES (0, 0, '{}');
"""


def upgrade() -> None:
    """Make the table."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
