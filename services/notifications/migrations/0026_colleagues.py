"""Colleagues by name, as partners says it; and which of them did what a letter's history tells."""

from chassis.migrations import run

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE colleagues (
    person_id uuid PRIMARY KEY,
    epoch     integer NOT NULL,
    version   bigint NOT NULL,
    -- What they are called; nothing once they were erased.
    name      text
);

-- The person of ours who did it; nobody where it was a command, a recipient or a program.
ALTER TABLE letter_history ADD COLUMN person_id uuid;

-- Who did what until now is in the audit, written in the same transaction and so at the same moment.
UPDATE letter_history h SET person_id = a.person_id FROM (
    SELECT at, min(person_id::text)::uuid AS person_id FROM audit
    GROUP BY at HAVING count(*) = count(person_id) AND min(person_id::text) = max(person_id::text)
) a WHERE a.at = h.at AND h.who = 'a member of staff';
"""


def upgrade() -> None:
    """Make the table, and tell who did what was done."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
