"""Registrations by the public form: who has not confirmed yet, the address, and what they agreed to."""

from chassis.migrations import run

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

STATEMENTS = """
ALTER TABLE registrations
    -- HMAC of the confirmed e-mail address, for whoever came by the form: finds them again.
    ADD COLUMN email bytea UNIQUE CHECK (octet_length(email) = 32),
    -- The address itself, sealed to the service that writes letters: it cannot be read here. Kept only for
    -- whoever has agreed to be written to.
    ADD COLUMN address text,
    -- Which privacy notice they were shown; nothing for whoever came by a file.
    ADD COLUMN notice_version text;

-- What somebody typed into the form. Once confirmed, only the way from the link to the registration stays.
CREATE TABLE registration_askings (
    id              uuid PRIMARY KEY,
    token_digest    bytea NOT NULL UNIQUE,
    email           bytea NOT NULL CHECK (octet_length(email) = 32),
    asked_at        timestamptz NOT NULL,
    registration_id uuid REFERENCES registrations ON DELETE CASCADE,
    reference       bytea CHECK (octet_length(reference) = 32),
    profession      text,
    area            text,
    country         text,
    exam_stage      text,
    purposes        text[],
    address         text,
    notice_version  text,
    CHECK (registration_id IS NOT NULL OR profession IS NOT NULL)
);
CREATE INDEX registration_askings_email ON registration_askings (email, asked_at);
CREATE INDEX registration_askings_asked_at ON registration_askings (asked_at);
CREATE INDEX registration_askings_of ON registration_askings (registration_id);

-- What somebody agreed to beside being counted, on which notice, and since when not any more.
CREATE TABLE registration_purposes (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    registration_id uuid NOT NULL REFERENCES registrations ON DELETE CASCADE,
    purpose         text NOT NULL,
    lawful_basis    text NOT NULL,
    notice_version  text NOT NULL,
    given_at        timestamptz NOT NULL,
    withdrawn_at    timestamptz
);
CREATE UNIQUE INDEX registration_purposes_given ON registration_purposes (registration_id, purpose)
    WHERE withdrawn_at IS NULL;
"""


def upgrade() -> None:
    """Make the tables."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
