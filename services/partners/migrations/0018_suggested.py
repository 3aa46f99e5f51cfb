"""People to whom a letter was passed on, until somebody of ours has decided whether they are a contact."""

from chassis.migrations import run

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE suggested_contacts (
    -- The contact that is made of it has this id.
    id              uuid PRIMARY KEY,
    organisation_id uuid NOT NULL REFERENCES organisations,
    letter_id       uuid NOT NULL,
    -- As they were typed; empty once it is decided.
    name            text NOT NULL,
    role            text NOT NULL,
    email           text NOT NULL,
    suggested_at    timestamptz NOT NULL,
    settled_at      timestamptz,
    -- Who has the letter now; nobody where they were left out.
    contact_id      uuid
);
CREATE INDEX suggested_contacts_open ON suggested_contacts (suggested_at) WHERE settled_at IS NULL;
CREATE INDEX suggested_contacts_organisation ON suggested_contacts (organisation_id);
"""


def upgrade() -> None:
    """Make the table."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
