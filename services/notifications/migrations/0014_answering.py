"""Answers in every way, passing on to a colleague, and never writing again."""

from chassis.migrations import run

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

STATEMENTS = """
ALTER TABLE letters
    DROP CONSTRAINT letters_answer_check,
    ADD CONSTRAINT letters_answer_check CHECK (
        answer IN ('silent', 'auto_replied', 'acknowledged', 'asked', 'declined', 'will_meet', 'pledged')
    );

ALTER TABLE answers
    DROP CONSTRAINT answers_kind_check,
    ADD CONSTRAINT answers_kind_check CHECK (
        kind IN ('acknowledge', 'pledge', 'meet', 'decline', 'ask', 'pass_on')
    ),
    DROP CONSTRAINT answers_settled_check,
    ADD CONSTRAINT answers_settled_check CHECK (settled_at IS NULL OR kind IN ('ask', 'meet', 'decline')),
    -- How it came.
    ADD COLUMN way text NOT NULL DEFAULT 'page' CHECK (
        way IN ('page', 'email', 'post', 'telephone', 'person')
    ),
    -- Where a person of ours entered it: who, and on which day it was said.
    ADD COLUMN entered_by uuid,
    ADD COLUMN told_on date,
    -- A wrong entry stays, and counts no more.
    ADD COLUMN corrected_at timestamptz,
    -- The entry that took its place; none where it was no answer at all.
    ADD COLUMN corrected_by uuid REFERENCES answers,
    ADD CONSTRAINT answers_of_others_are_entered CHECK ((way = 'page') = (told_on IS NULL)),
    ADD CONSTRAINT answers_corrected_once CHECK (corrected_by IS NULL OR corrected_at IS NOT NULL);

-- Colleagues to whom a letter was passed on. Partners enters them; the names stay here until then.
CREATE TABLE suggestions (
    id            uuid PRIMARY KEY,
    answer_id     uuid NOT NULL REFERENCES answers,
    letter_id     uuid NOT NULL REFERENCES letters,
    name          text NOT NULL,
    role          text NOT NULL,
    email         text NOT NULL,
    made_at       timestamptz NOT NULL,
    -- When a member of staff had seen to it, and the letter that was made then.
    settled_at    timestamptz,
    new_letter_id uuid REFERENCES letters
);
CREATE INDEX suggestions_letter ON suggestions (letter_id);
CREATE INDEX suggestions_new_letter ON suggestions (new_letter_id);
CREATE INDEX suggestions_answer ON suggestions (answer_id);

-- Who wants no letter any more. What they are known by outlives everything else that we know of them.
CREATE TABLE stops (
    id              uuid PRIMARY KEY,
    scope           text NOT NULL CHECK (scope IN ('person', 'body')),
    -- Keyed digests of addresses, or of the body's id.
    digests         bytea[] NOT NULL CHECK (cardinality(digests) > 0),
    way             text NOT NULL CHECK (
        way IN ('page', 'one_click', 'email', 'post', 'telephone', 'person')
    ),
    -- The letter that it came with.
    letter_id       uuid NOT NULL,
    contact_id      uuid NOT NULL,
    organisation_id uuid NOT NULL,
    stopped_at      timestamptz NOT NULL,
    lifted_at       timestamptz,
    lifted_by       uuid,
    lifted_because  text,
    CHECK ((lifted_at IS NULL) = (lifted_because IS NULL))
);
CREATE INDEX stops_digests ON stops USING gin (digests) WHERE lifted_at IS NULL;
CREATE INDEX stops_letter ON stops (letter_id);
CREATE INDEX stops_newest ON stops (stopped_at DESC, id DESC);
"""


def upgrade() -> None:
    """Make the tables."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
