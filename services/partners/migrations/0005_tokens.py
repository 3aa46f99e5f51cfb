"""Tokens by which programs act in the name of somebody."""

from chassis.migrations import run

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

STATEMENTS = """
-- Named apart from the copy of them that every service keeps, this one too.
CREATE TABLE issued_tokens (
    id         uuid PRIMARY KEY,
    person_id  uuid NOT NULL REFERENCES people,
    -- What the person calls it.
    name       text NOT NULL,
    digest     text NOT NULL UNIQUE,
    role       text NOT NULL,
    writes     boolean NOT NULL,
    issued_at  timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    version    integer NOT NULL CHECK (version > 0)
);
CREATE INDEX issued_tokens_person ON issued_tokens (person_id, issued_at DESC);
"""


def upgrade() -> None:
    """Make the table."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
