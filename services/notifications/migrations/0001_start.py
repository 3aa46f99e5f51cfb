"""The address book, the campaigns, their letters and what came back."""

from chassis.migrations import run, run_chassis_schema

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = """
-- Copies of what others own. (epoch, version) only goes up.

CREATE TABLE organisations (
    id           uuid PRIMARY KEY,
    name         text NOT NULL,
    kinds        text[] NOT NULL,
    areas        text[] NOT NULL,
    closed_on    date,
    successor_id uuid,
    epoch        integer NOT NULL,
    version      bigint NOT NULL
);
CREATE INDEX organisations_kinds ON organisations USING gin (kinds);

-- The address book. No reference to organisations: a contact may be heard of before its body.
CREATE TABLE contacts (
    id              uuid PRIMARY KEY,
    organisation_id uuid NOT NULL,
    role            text NOT NULL,
    channel         text NOT NULL,
    -- NULL once withdrawn: what remains is a stone that says so.
    name            text,
    email           text,
    postal_address  text[],
    postcode        text,
    source          text,
    listed_on       date NOT NULL,
    withdrawn_on    date,
    epoch           integer NOT NULL,
    version         bigint NOT NULL
);
CREATE INDEX contacts_organisation ON contacts (organisation_id, role);

CREATE TABLE registration_counts (
    area       text NOT NULL,
    profession text NOT NULL,
    count      integer NOT NULL CHECK (count >= 0),
    counted_on date NOT NULL,
    epoch      integer NOT NULL,
    version    bigint NOT NULL,
    PRIMARY KEY (area, profession)
);

-- What this service owns.

CREATE TABLE campaigns (
    id              uuid PRIMARY KEY,
    -- What people see in the reference of a letter.
    number          integer NOT NULL GENERATED ALWAYS AS IDENTITY UNIQUE,
    name            text NOT NULL,
    purpose         text NOT NULL,
    fund            text NOT NULL,
    -- With merge fields in braces. Not changed once letters were made.
    subject         text NOT NULL,
    body            text NOT NULL,
    signatory       text NOT NULL,
    kind            text NOT NULL,
    roles           text[] NOT NULL CHECK (cardinality(roles) > 0),
    profession      text NOT NULL,
    formula_version integer NOT NULL CHECK (formula_version > 0),
    least_pence     bigint NOT NULL CHECK (least_pence >= 0),
    each_pence      bigint NOT NULL CHECK (each_pence >= 0),
    step_pence      bigint NOT NULL CHECK (step_pence > 0),
    most_pence      bigint NOT NULL CHECK (most_pence >= least_pence),
    state           text NOT NULL CHECK (state IN ('draft', 'sending', 'sent')),
    created_at      timestamptz NOT NULL,
    released_at     timestamptz,
    sent_at         timestamptz,
    version         integer NOT NULL CHECK (version > 0)
);

CREATE TABLE letters (
    id              uuid PRIMARY KEY,
    campaign_id     uuid NOT NULL REFERENCES campaigns,
    organisation_id uuid NOT NULL,
    contact_id      uuid NOT NULL,
    number          integer NOT NULL,
    reference       text NOT NULL UNIQUE,
    role            text NOT NULL,
    -- As they were when the letter was made.
    body_name       text NOT NULL,
    areas           text[] NOT NULL,
    state           text NOT NULL CHECK (
        state IN ('draft', 'blocked', 'ready', 'sending', 'sent', 'failed', 'unknown')
    ),
    answer          text NOT NULL DEFAULT 'silent' CHECK (
        answer IN ('silent', 'auto_replied', 'acknowledged', 'asked', 'declined', 'pledged')
    ),
    ask_pence       bigint,
    count           integer,
    evidence_on     date,
    evidence_source text NOT NULL,
    formula_version integer NOT NULL,
    -- Every word of the letter but its template, its date and its link.
    frozen          jsonb NOT NULL,
    -- The link is derived anew whenever it is printed; only its digest is kept.
    token_digest    bytea NOT NULL UNIQUE,
    message_id      text NOT NULL UNIQUE,
    dated           date,
    attempts        integer NOT NULL DEFAULT 0,
    next_try        timestamptz,
    claimed_at      timestamptz,
    sent_at         timestamptz,
    -- Why it is blocked: a code, for counting.
    reason          text,
    -- What is wrong with it and what a person can do about it, in words.
    failure         text,
    cure            text,
    changed_at      timestamptz NOT NULL,
    version         integer NOT NULL DEFAULT 1 CHECK (version > 0),
    UNIQUE (campaign_id, contact_id),
    CHECK (state <> 'sent' OR sent_at IS NOT NULL),
    CHECK (state <> 'sending' OR claimed_at IS NOT NULL),
    CHECK (state NOT IN ('ready', 'sending', 'sent') OR (ask_pence IS NOT NULL AND dated IS NOT NULL))
);
CREATE INDEX letters_due ON letters (next_try) WHERE state = 'ready';
CREATE INDEX letters_claimed ON letters (claimed_at) WHERE state = 'sending';
CREATE INDEX letters_campaign ON letters (campaign_id, number);

CREATE TABLE letter_history (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    letter_id uuid NOT NULL REFERENCES letters ON DELETE CASCADE,
    at        timestamptz NOT NULL,
    what      text NOT NULL,
    who       text NOT NULL
);
CREATE INDEX letter_history_letter ON letter_history (letter_id, id);

CREATE TABLE answers (
    id           uuid PRIMARY KEY,
    letter_id    uuid NOT NULL REFERENCES letters,
    kind         text NOT NULL CHECK (kind IN ('acknowledge', 'pledge', 'decline', 'ask')),
    detail       text NOT NULL DEFAULT '',
    name         text NOT NULL DEFAULT '',
    position     text NOT NULL DEFAULT '',
    pledge_pence bigint CHECK (pledge_pence > 0),
    at           timestamptz NOT NULL,
    confirmed_at timestamptz,
    CHECK ((kind = 'pledge') = (pledge_pence IS NOT NULL)),
    CHECK (confirmed_at IS NULL OR kind = 'pledge')
);
CREATE INDEX answers_letter ON answers (letter_id, at);
"""


def upgrade() -> None:
    run_chassis_schema("0001")
    run(STATEMENTS)


def downgrade() -> None:
    raise NotImplementedError("Changes to the database only go forward.")
