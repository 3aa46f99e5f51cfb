"""People who may sign in, how they do, and the sessions that follow."""

from chassis.migrations import run, run_chassis_schema

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE people (
    id              uuid PRIMARY KEY,
    organisation_id uuid NOT NULL REFERENCES organisations,
    name            text NOT NULL,
    email           text NOT NULL,
    -- The address in small letters: what somebody is found by who wants to sign in.
    email_key       text NOT NULL UNIQUE,
    roles           text[] NOT NULL,
    admitted_at     timestamptz NOT NULL,
    barred_at       timestamptz,
    -- Goes up with everything that ends what was signed before: roles, barring, signing out.
    version         integer NOT NULL CHECK (version > 0),
    changed_at      timestamptz NOT NULL
);

-- Somebody wants to sign in. There is a row for unknown addresses too, so that both take the same way.
CREATE TABLE sign_ins (
    id         uuid PRIMARY KEY,
    person_id  uuid REFERENCES people,
    -- A digest of the address that was typed, known or not: whom wrong codes are counted for.
    asker      bytea NOT NULL,
    -- The browser that asked; NULL when any browser may use the link.
    browser    bytea,
    link       bytea NOT NULL UNIQUE,
    code       bytea NOT NULL,
    next       text NOT NULL,
    asked_at   timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    guesses    integer NOT NULL DEFAULT 0,
    used_at    timestamptz
);
CREATE INDEX sign_ins_browser ON sign_ins (browser, asked_at DESC);
CREATE INDEX sign_ins_asked_at ON sign_ins (asked_at);

CREATE TABLE sessions (
    id         uuid PRIMARY KEY,
    person_id  uuid NOT NULL REFERENCES people,
    renewal    bytea NOT NULL UNIQUE,
    -- Which browser on what, in words: for the person to recognise it by.
    agent      text NOT NULL,
    began_at   timestamptz NOT NULL,
    renewed_at timestamptz NOT NULL,
    ended_at   timestamptz
);
CREATE INDEX sessions_person ON sessions (person_id, ended_at, renewed_at DESC);

-- What is only allowed so and so often: the kind of attempt, and a digest of whose.
CREATE TABLE attempts (
    kind text NOT NULL,
    who  bytea NOT NULL,
    at   timestamptz NOT NULL
);
CREATE INDEX attempts_who ON attempts (kind, who, at);
CREATE INDEX attempts_at ON attempts (at);

-- Forms that were posted after the session had ended, sealed with a key that only the browser has.
CREATE TABLE kept_forms (
    id      uuid PRIMARY KEY,
    browser bytea NOT NULL,
    sealed  bytea NOT NULL,
    kept_at timestamptz NOT NULL
);
"""


def upgrade() -> None:
    """Make the tables, the chassis's own first."""
    run_chassis_schema("0002")
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
