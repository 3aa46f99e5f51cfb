"""Applications: the case, and apart from it who applies."""

from chassis.migrations import run

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

STATEMENTS = """
-- What is asked for. Nothing in it says who asks: that stands in applicants.
CREATE TABLE applications (
    -- Random, like the reference: neither tells who came first.
    id               uuid PRIMARY KEY,
    round_id         uuid NOT NULL REFERENCES rounds,
    reference        text NOT NULL UNIQUE,
    state            text NOT NULL DEFAULT 'draft' CHECK (state IN (
        'draft', 'submitted', 'returned', 'eligible', 'ineligible', 'under_review', 'awarded', 'declined',
        'deferred', 'accepted', 'paid', 'reported', 'withdrawn', 'lapsed'
    )),
    -- The links are derived from this number; another address gets the next one.
    link_number      integer NOT NULL DEFAULT 1,
    -- Of the link that was mailed, and of the one that the browser began with; nothing when it ended.
    link_digest      bytea UNIQUE,
    browser_digest   bytea UNIQUE,
    -- From which computer it was begun, as a keyed digest; forgotten when it is sent.
    begun_from       bytea,
    -- A draft may lack any of these.
    profession       text,
    qualified_abroad boolean,
    area             text,
    purpose          text,
    amount_pence     bigint CHECK (amount_pence > 0),
    exam_on          date,
    exam_passed      boolean,
    -- Whether the status that the funder's terms ask for is theirs; nothing more, and in no other round.
    status_met       boolean,
    -- In their own words.
    words            text NOT NULL DEFAULT '',
    begun_at         timestamptz NOT NULL,
    -- When a link was mailed last, and when somebody was told that the last day is near.
    link_sent_at     timestamptz NOT NULL,
    reminded_at      timestamptz,
    submitted_at     timestamptz,
    scrubbed_at      timestamptz,
    version          integer NOT NULL DEFAULT 1,
    changed_at       timestamptz NOT NULL
);
CREATE INDEX applications_of_round ON applications (round_id, submitted_at, id);
CREATE INDEX applications_begun_from ON applications (begun_from, begun_at);

-- Who applies: sealed, and found by keyed digests alone.
CREATE TABLE applicants (
    application_id   uuid PRIMARY KEY REFERENCES applications ON DELETE CASCADE,
    -- Name, addresses, telephone, reference of their registration.
    sealed           bytea NOT NULL,
    email_digest     bytea NOT NULL,
    name_digest      bytea,
    telephone_digest bytea,
    -- As registrations have it.
    person_digest    bytea
);
CREATE INDEX applicants_by_email ON applicants (email_digest);
CREATE INDEX applicants_by_name ON applicants (name_digest);
CREATE INDEX applicants_by_telephone ON applicants (telephone_digest);
CREATE INDEX applicants_by_person ON applicants (person_digest);

CREATE TABLE evidence (
    file_id        uuid PRIMARY KEY REFERENCES files,
    application_id uuid NOT NULL REFERENCES applications ON DELETE CASCADE,
    added_at       timestamptz NOT NULL
);
CREATE INDEX evidence_of ON evidence (application_id, added_at);

-- Every state that an application came into, once it was sent.
CREATE TABLE application_steps (
    application_id uuid NOT NULL REFERENCES applications ON DELETE CASCADE,
    number         smallint NOT NULL CHECK (number > 0),
    state          text NOT NULL,
    happened_at    timestamptz NOT NULL,
    -- Who of ours; nobody where the applicant did it, or time.
    person_id      uuid,
    -- The rule by which it was refused.
    rule           text,
    -- What the applicant was told.
    words          text NOT NULL DEFAULT '',
    PRIMARY KEY (application_id, number)
);
"""


def upgrade() -> None:
    """Make the tables."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
