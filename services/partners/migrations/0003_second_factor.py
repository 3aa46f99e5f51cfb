"""The second factor of those who have one, and the codes for when the telephone is lost."""

from chassis.migrations import run

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = """
ALTER TABLE people
    -- The secret of their app, sealed.
    ADD COLUMN second_factor bytea,
    ADD COLUMN second_factor_since timestamptz,
    -- The half minute of the last code that was used: each counts once.
    ADD COLUMN second_factor_step bigint,
    ADD CONSTRAINT people_second_factor_whole CHECK (
        (second_factor IS NULL) = (second_factor_since IS NULL)
        AND (second_factor IS NULL) = (second_factor_step IS NULL)
    );

-- When the second factor was shown last in a session.
ALTER TABLE sessions ADD COLUMN proved_at timestamptz;

CREATE TABLE recovery_codes (
    person_id uuid NOT NULL REFERENCES people,
    code      bytea NOT NULL,
    used_at   timestamptz,
    PRIMARY KEY (person_id, code)
);
"""


def upgrade() -> None:
    """Make the columns and the table."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
