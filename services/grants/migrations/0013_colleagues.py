"""Who works with us, by name: a copy of what partners has, for the panel's pages and minutes."""

from chassis.migrations import run

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE colleagues (
    person_id    uuid PRIMARY KEY,
    epoch        integer NOT NULL,
    version      bigint NOT NULL,
    -- Their name and address, sealed; nothing once they were erased.
    sealed       bytea,
    -- HMAC of the address, made as the one of an applicant's: the two can be compared.
    email_digest bytea CHECK (octet_length(email_digest) = 32),
    CHECK ((sealed IS NULL) = (email_digest IS NULL))
);
"""


def upgrade() -> None:
    """Make the table."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
