"""Registrations and their counts, the copy of organisations, pledges."""

from chassis.migrations import run, run_chassis_schema

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE registrations (
    id           uuid PRIMARY KEY,
    -- HMAC of the person's reference: finds them again, and tells nothing about them.
    person       bytea NOT NULL UNIQUE CHECK (octet_length(person) = 32),
    profession   text NOT NULL,
    area         text NOT NULL,
    country      text NOT NULL,
    exam_stage   text NOT NULL,
    lawful_basis text NOT NULL,
    registered_on date NOT NULL,
    version      integer NOT NULL DEFAULT 1,
    recorded_at  timestamptz NOT NULL,
    changed_at   timestamptz NOT NULL
);
CREATE INDEX registrations_area ON registrations (area, profession);

-- What was announced last: differs from the registrations only inside the transaction that changes them.
CREATE TABLE registration_counts (
    area       text NOT NULL,
    profession text NOT NULL,
    count      integer NOT NULL CHECK (count >= 0),
    counted_on date NOT NULL,
    version    integer NOT NULL CHECK (version > 0),
    PRIMARY KEY (area, profession)
);

-- A copy of what partners says.
CREATE TABLE organisations (
    id        uuid PRIMARY KEY,
    name      text NOT NULL,
    closed_on date,
    epoch     integer NOT NULL,
    version   bigint NOT NULL
);

CREATE TABLE pledges (
    id              uuid PRIMARY KEY,
    organisation_id uuid NOT NULL,
    campaign_id     uuid NOT NULL,
    campaign        text NOT NULL,
    fund            text NOT NULL,
    amount_pence    bigint NOT NULL CHECK (amount_pence >= 0),
    pledged_on      date NOT NULL,
    heard_at        timestamptz NOT NULL
);
"""


def upgrade() -> None:
    run_chassis_schema("0001")
    run(STATEMENTS)


def downgrade() -> None:
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
