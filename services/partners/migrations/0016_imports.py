"""Files that are taken into the register: what each is, its lines, and what becomes of every line."""

from chassis.migrations import run

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE imports (
    id            uuid PRIMARY KEY,
    state         text NOT NULL
        CHECK (state IN ('chosen', 'reading', 'ready', 'applying', 'applied', 'cancelled', 'failed')),
    -- Nothing where it was given by command, and once it has had its time.
    file_id       uuid REFERENCES files ON DELETE SET NULL,
    file_name     text NOT NULL,
    -- A code of the formats in the code.
    format        text NOT NULL,
    -- The column of ours that each column of the file is, by its place; nothing: as its own header says.
    names         text[],
    -- The columns in which it may change an organisation that the register has.
    speaks_of     text[] NOT NULL,
    -- What a body is to us that only this file knows.
    kinds         text[] NOT NULL,
    areas         text[] NOT NULL,
    closeness     text,
    -- Whoever has asked for the present step.
    person_id     uuid,
    session_id    uuid,
    source        text NOT NULL,
    -- How far the present step is, of how much; nothing where that is not known.
    done          integer NOT NULL DEFAULT 0,
    total         integer,
    lines         integer NOT NULL DEFAULT 0,
    -- A digest of all that was compared: what is applied is what was shown.
    shown         bytea,
    changed_since boolean NOT NULL DEFAULT false,
    attempts      integer NOT NULL DEFAULT 0,
    begun_at      timestamptz NOT NULL,
    moved_at      timestamptz NOT NULL
);
CREATE INDEX imports_waiting ON imports (moved_at) WHERE state IN ('reading', 'applying');
CREATE INDEX imports_begun_at ON imports (begun_at);
CREATE INDEX imports_file ON imports (file_id) WHERE file_id IS NOT NULL;

-- What the lines say; nothing where a line or its whole file says nothing.
CREATE TABLE import_lines (
    import_id            uuid NOT NULL REFERENCES imports ON DELETE CASCADE,
    line                 integer NOT NULL,
    -- Ids for the organisation and the contact of this line, in case that they are new.
    organisation_id      uuid NOT NULL,
    contact_id           uuid NOT NULL,
    identifier           text NOT NULL,
    name                 text NOT NULL,
    kinds                text[],
    areas                text[],
    closeness            text,
    opened_on            date,
    closed_on            date,
    successor            text,
    postal_address       text[],
    postcode             text,
    telephone            text,
    website              text,
    contact_role         text,
    contact_name         text,
    contact_channel      text,
    contact_email        text,
    contact_address      text[],
    contact_postcode     text,
    contact_source       text,
    contact_listed_on    date,
    contact_withdrawn_on date,
    -- By what an address is known that is to be forgotten.
    email_digest         bytea,
    PRIMARY KEY (import_id, line)
);
CREATE INDEX import_lines_identifier ON import_lines (import_id, identifier, line);

-- The organisations of a file: the first line of each, its id, and the body that then succeeds it.
CREATE TABLE import_organisations (
    import_id    uuid NOT NULL REFERENCES imports ON DELETE CASCADE,
    line         integer NOT NULL,
    identifier   text NOT NULL,
    id           uuid NOT NULL,
    successor_id uuid,
    PRIMARY KEY (import_id, line),
    UNIQUE (import_id, identifier),
    UNIQUE (import_id, id)
);

-- What becomes of each line: of its organisation, of its contact, or of the line as such.
CREATE TABLE import_fates (
    import_id   uuid NOT NULL REFERENCES imports ON DELETE CASCADE,
    line        integer NOT NULL,
    number      bigint GENERATED ALWAYS AS IDENTITY,
    fate        text NOT NULL,
    what        text NOT NULL CHECK (what IN ('organisation', 'contact', 'line')),
    thing_id    uuid,
    name        text NOT NULL,
    column_name text,
    reason      text,
    cure        text,
    -- For each column that changes: its name, what stands there now, what will.
    changes     text[] NOT NULL,
    PRIMARY KEY (import_id, line, number)
);
CREATE INDEX import_fates_fate ON import_fates (import_id, fate, line, number);
"""


def upgrade() -> None:
    """Make the tables."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
