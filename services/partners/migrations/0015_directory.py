"""The directory: services that partners offer, for signposting."""

from chassis.migrations import run

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE offered_services (
    id              uuid PRIMARY KEY,
    organisation_id uuid NOT NULL REFERENCES organisations,
    name            text NOT NULL,
    -- The name in small letters without accents: what lists are sorted by.
    listed_as       text COLLATE "C" NOT NULL,
    description     text NOT NULL,
    -- Name and description in small letters without accents: what words are looked for in.
    searched        text NOT NULL,
    needs           text[] NOT NULL CHECK (cardinality(needs) > 0),
    areas           text[] NOT NULL,
    languages       text[] NOT NULL,
    free            boolean NOT NULL,
    -- What it costs, in words, where it is not free.
    cost            text NOT NULL,
    telephone       text,
    email           text,
    website         text,
    postal_address  text[] NOT NULL,
    postcode        text,
    opening_hours   text NOT NULL,
    -- Which of these ways to get it everybody may read.
    public_channels text[] NOT NULL,
    active          boolean NOT NULL,
    checked_on      date NOT NULL,
    -- Whoever of ours checked it; nobody where a file said so.
    checked_by      uuid,
    -- It is no more; what was there before is kept, so that it can be brought back.
    retired_at      timestamptz,
    version         integer NOT NULL CHECK (version > 0),
    changed_at      timestamptz NOT NULL,
    CONSTRAINT offered_services_cost CHECK (free = (cost = ''))
);
CREATE UNIQUE INDEX offered_services_listed_as ON offered_services (listed_as, id);
CREATE INDEX offered_services_of_organisation ON offered_services (organisation_id, listed_as, id);
CREATE INDEX offered_services_checked_on ON offered_services (checked_on) WHERE retired_at IS NULL;
"""


def upgrade() -> None:
    """Make the table."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: write another revision.")
