"""The register of organisations and contacts, and the timeline."""

from chassis.migrations import run, run_chassis_schema

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE organisations (
    id           uuid PRIMARY KEY,
    -- An org-id such as GB-NHS-5LA: what a line of an import is recognised by.
    identifier   text NOT NULL UNIQUE,
    name         text NOT NULL,
    -- The name in small letters without accents: what lists are sorted and searched by.
    listed_as    text COLLATE "C" NOT NULL,
    kinds        text[] NOT NULL,
    areas        text[] NOT NULL,
    closeness    text NOT NULL,
    opened_on    date,
    closed_on    date,
    -- Checked at commit, because a successor may stand on a later line of the same file.
    successor_id uuid REFERENCES organisations DEFERRABLE INITIALLY DEFERRED,
    version      integer NOT NULL CHECK (version > 0),
    changed_at   timestamptz NOT NULL,
    CONSTRAINT organisations_closed_after_opening CHECK (closed_on >= opened_on),
    CONSTRAINT organisations_another_succeeds CHECK (successor_id <> id)
);
CREATE UNIQUE INDEX organisations_listed_as ON organisations (listed_as, id);

CREATE TABLE contacts (
    id              uuid PRIMARY KEY,
    organisation_id uuid NOT NULL REFERENCES organisations,
    role            text NOT NULL,
    name            text NOT NULL,
    channel         text NOT NULL CHECK (channel IN ('email', 'post')),
    email           text,
    postal_address  text[] NOT NULL,
    postcode        text,
    -- Where we got the address: printed on every letter.
    source          text NOT NULL,
    listed_on       date NOT NULL,
    withdrawn_on    date,
    version         integer NOT NULL CHECK (version > 0),
    changed_at      timestamptz NOT NULL,
    CONSTRAINT contacts_one_per_role_and_name UNIQUE (organisation_id, role, name),
    CONSTRAINT contacts_withdrawn_after_listing CHECK (withdrawn_on >= listed_on),
    CONSTRAINT contacts_reachable CHECK (
        channel = 'email' AND email IS NOT NULL
        OR channel = 'post' AND cardinality(postal_address) > 0 AND postcode IS NOT NULL
    )
);

-- What happened, one row for each thing, never changed: so there is no version.
CREATE TABLE timeline (
    -- The id of the event that told it.
    id              uuid PRIMARY KEY,
    organisation_id uuid NOT NULL REFERENCES organisations,
    happened_at     timestamptz NOT NULL,
    kind            text NOT NULL,
    what            text NOT NULL,
    detail          text NOT NULL,
    letter_id       uuid,
    heard_at        timestamptz NOT NULL
);
CREATE INDEX timeline_of_organisation ON timeline (organisation_id, happened_at DESC, id DESC);
CREATE INDEX timeline_happened_at ON timeline (happened_at DESC, id DESC);
CREATE INDEX timeline_heard_at ON timeline (heard_at);
"""


def upgrade() -> None:
    """Make the tables, the chassis's own first."""
    run_chassis_schema("0001")
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: write another revision.")
