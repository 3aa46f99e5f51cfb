"""What people ask about what is held on them, and what remains of those who were forgotten."""

from chassis.migrations import run, run_chassis_schema

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STATEMENTS = """
-- Somebody wants to see what is held on them, or to be forgotten.
CREATE TABLE rights_requests (
    id         uuid PRIMARY KEY,
    kind       text NOT NULL CHECK (kind IN ('export', 'erasure')),
    state      text NOT NULL CHECK (state IN (
        'gathering', 'gathered', 'released', 'asking', 'objected', 'erasing', 'erased', 'cancelled'
    )),
    -- Whom it is about, sealed with a key of this service; gone when it is over.
    subject    bytea,
    asked_at   timestamptz NOT NULL,
    -- The law's day.
    due_on     date NOT NULL,
    changed_at timestamptz NOT NULL
);
CREATE INDEX rights_requests_asked_at ON rights_requests (asked_at DESC, id DESC);

-- Who has answered it, and what.
CREATE TABLE rights_answers (
    request_id  uuid NOT NULL REFERENCES rights_requests ON DELETE CASCADE,
    service     text NOT NULL,
    step        text NOT NULL CHECK (step IN ('gathered', 'answered', 'scrubbed')),
    answered_at timestamptz NOT NULL,
    -- How many files, and of what.
    files       integer,
    objection   text,
    scrubbed    jsonb,
    kept        text[],
    PRIMARY KEY (request_id, step, service)
);

-- Pieces of the files that were gathered, each sealed with a key of this service.
CREATE TABLE rights_findings (
    request_id uuid NOT NULL REFERENCES rights_requests ON DELETE CASCADE,
    service    text NOT NULL,
    number     integer NOT NULL CHECK (number > 0),
    path       text NOT NULL,
    title      text NOT NULL,
    piece      integer NOT NULL,
    content    bytea NOT NULL,
    -- Why the file is not given out, when it is not.
    left_out   text,
    PRIMARY KEY (request_id, service, number)
);

-- Digests of the addresses of those who were forgotten: no list brings them back by itself.
CREATE TABLE erased_addresses (
    digest    bytea PRIMARY KEY,
    erased_at timestamptz NOT NULL
);

ALTER TABLE people ADD COLUMN erased_at timestamptz;
ALTER TABLE contacts
    ADD COLUMN erased_at timestamptz,
    DROP CONSTRAINT contacts_reachable,
    ADD CONSTRAINT contacts_reachable CHECK (
        withdrawn_on IS NOT NULL
        OR channel = 'email' AND email IS NOT NULL
        OR channel = 'post' AND cardinality(postal_address) > 0 AND postcode IS NOT NULL
    );
CREATE INDEX contacts_email ON contacts (lower(email));
"""


def upgrade() -> None:
    """Make the tables, the chassis's own first."""
    run_chassis_schema("0004")
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
