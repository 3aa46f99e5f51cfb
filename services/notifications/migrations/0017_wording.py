"""What messages to one person say: in versions, in several languages; with which of them each was sent."""

from chassis.migrations import run

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

STATEMENTS = """
-- What a kind of message says in one language. Words are never changed: there is a next version.
CREATE TABLE notice_words (
    kind       text NOT NULL,
    language   text NOT NULL,
    version    integer NOT NULL CHECK (version > 0),
    -- theirs: written here by staff; ours: as they come with the program; nobody: said no more.
    whose      text NOT NULL CHECK (whose IN ('theirs', 'ours', 'nobody')),
    -- With fields in braces.
    subject    text NOT NULL,
    body       text NOT NULL,
    -- Who of staff; nobody where they came with the program.
    written_by uuid,
    written_at timestamptz NOT NULL,
    PRIMARY KEY (kind, language, version),
    CHECK ((whose = 'nobody') = (body = ''))
);
-- The languages in which staff have written something, as others were told. One row, which whoever changes
-- words locks.
CREATE TABLE notice_languages (
    only_one  boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    version   integer NOT NULL,
    languages text[] NOT NULL
);
INSERT INTO notice_languages (version, languages) VALUES (0, '{}');

ALTER TABLE notices
    ADD COLUMN language text NOT NULL DEFAULT 'en',
    -- Which way its words run, as HTML says it.
    ADD COLUMN runs text NOT NULL DEFAULT 'ltr' CHECK (runs IN ('ltr', 'rtl')),
    -- The version of the words that it was written with; not known of what was written before there were any.
    ADD COLUMN words integer;
CREATE INDEX notices_of_kind ON notices (kind, made_at);
"""


def upgrade() -> None:
    """Make the tables, the columns and the index."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
