"""Files of registrations that are taken in on a page, and what becomes of each line."""

from chassis.migrations import run

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE registration_imports (
    id            uuid PRIMARY KEY,
    state         text NOT NULL
        CHECK (state IN ('reading', 'ready', 'applying', 'applied', 'cancelled', 'failed')),
    -- Nothing once it is over: the file names people by their references.
    file_id       uuid REFERENCES files ON DELETE SET NULL,
    file_name     text NOT NULL,
    -- Whoever has asked for the present step.
    person_id     uuid,
    session_id    uuid,
    source        text NOT NULL,
    -- How far the present step is, of how much; nothing where that is not known.
    done          integer NOT NULL DEFAULT 0,
    total         integer,
    lines         integer NOT NULL DEFAULT 0,
    -- A digest of all that was compared: what is done is what was shown.
    shown         bytea,
    changed_since boolean NOT NULL DEFAULT false,
    attempts      integer NOT NULL DEFAULT 0,
    begun_at      timestamptz NOT NULL,
    moved_at      timestamptz NOT NULL
);
CREATE INDEX registration_imports_waiting ON registration_imports (moved_at)
    WHERE state IN ('reading', 'applying');
CREATE INDEX registration_imports_begun_at ON registration_imports (begun_at);
CREATE INDEX registration_imports_file ON registration_imports (file_id) WHERE file_id IS NOT NULL;

-- By the number of the line: whoever it names is in the file alone.
CREATE TABLE registration_import_fates (
    import_id   uuid NOT NULL REFERENCES registration_imports ON DELETE CASCADE,
    line        integer NOT NULL,
    number      bigint GENERATED ALWAYS AS IDENTITY,
    fate        text NOT NULL,
    column_name text NOT NULL,
    reason      text NOT NULL,
    cure        text NOT NULL,
    -- For each column that changes: its name, what stands there now, what will.
    changes     text[] NOT NULL,
    PRIMARY KEY (import_id, line, number)
);
CREATE INDEX registration_import_fates_fate ON registration_import_fates (import_id, fate, line, number);
"""


def upgrade() -> None:
    """Make the tables."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
