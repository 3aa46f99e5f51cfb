"""Funds and their ledgers, contributions, rounds."""

from chassis.migrations import run

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

STATEMENTS = """
-- Bodies as they are shown: one that was merged into another by the id and the name of that one.
CREATE VIEW bodies AS
SELECT known.id, coalesce(surviving.id, known.id) AS shown_id, coalesce(surviving.name, known.name) AS name
FROM organisations AS known LEFT JOIN organisations AS surviving ON surviving.id = known.merged_into;

CREATE TABLE funds (
    id           uuid PRIMARY KEY,
    name         text NOT NULL,
    purpose      text NOT NULL,
    -- What the money may be spent on: in words, and as codes of the house's list.
    restriction  text NOT NULL,
    restrictions text[] NOT NULL,
    -- Who gives the money.
    funders      uuid[] NOT NULL,
    opened_on    date NOT NULL,
    closed_on    date CHECK (closed_on >= opened_on),
    version      integer NOT NULL DEFAULT 1,
    changed_at   timestamptz NOT NULL
);

-- Every name that a fund has or had, or that somebody said means it, folded: pledges find their fund by it.
CREATE TABLE fund_names (
    name    text PRIMARY KEY,
    fund_id uuid NOT NULL REFERENCES funds
);
CREATE INDEX fund_names_of ON fund_names (fund_id);

-- What was agreed with the funders; the newest counts.
CREATE TABLE fund_terms (
    id              uuid PRIMARY KEY,
    fund_id         uuid NOT NULL REFERENCES funds,
    file_id         uuid NOT NULL REFERENCES files,
    -- Whether they ask for a rule on the immigration status of whoever applies.
    requires_status boolean NOT NULL,
    kept_at         timestamptz NOT NULL
);
CREATE INDEX fund_terms_of ON fund_terms (fund_id, kept_at DESC);

-- Nothing is ever spent that is not there, whatever a program does.
CREATE TABLE fund_balances (
    fund_id         uuid PRIMARY KEY REFERENCES funds,
    -- How many entries its ledger has.
    entries         bigint NOT NULL DEFAULT 0 CHECK (entries >= 0),
    received_pence  bigint NOT NULL DEFAULT 0,
    -- Given back to who gave it.
    refunded_pence  bigint NOT NULL DEFAULT 0 CHECK (refunded_pence >= 0),
    -- Promised to somebody and not paid yet.
    committed_pence bigint NOT NULL DEFAULT 0 CHECK (committed_pence >= 0),
    -- Ever paid, and what of it came back.
    paid_pence      bigint NOT NULL DEFAULT 0,
    returned_pence  bigint NOT NULL DEFAULT 0 CHECK (returned_pence >= 0),
    CONSTRAINT refunded_was_received CHECK (refunded_pence <= received_pence),
    CONSTRAINT returned_was_paid CHECK (returned_pence <= paid_pence),
    CONSTRAINT never_overspent CHECK (
        committed_pence + paid_pence - returned_pence <= received_pence - refunded_pence
    )
);

-- The same for each award.
CREATE TABLE commitments (
    award_id        uuid PRIMARY KEY,
    fund_id         uuid NOT NULL REFERENCES fund_balances,
    -- All that was ever committed for it, and what became of that.
    committed_pence bigint NOT NULL DEFAULT 0,
    released_pence  bigint NOT NULL DEFAULT 0 CHECK (released_pence >= 0),
    paid_pence      bigint NOT NULL DEFAULT 0,
    returned_pence  bigint NOT NULL DEFAULT 0 CHECK (returned_pence >= 0),
    CONSTRAINT award_not_overspent CHECK (released_pence + paid_pence <= committed_pence),
    CONSTRAINT award_returned_was_paid CHECK (returned_pence <= paid_pence)
);
CREATE INDEX commitments_of_fund ON commitments (fund_id);

-- Every penny's way, one row for each step. Nothing is changed or taken out.
CREATE TABLE ledger (
    fund_id         uuid NOT NULL REFERENCES fund_balances,
    -- 1, 2, 3 … in each fund, without a gap.
    number          bigint NOT NULL CHECK (number > 0),
    kind            text NOT NULL CHECK (
        kind IN ('received', 'refunded', 'committed', 'released', 'paid', 'returned')
    ),
    amount_pence    bigint NOT NULL CHECK (amount_pence > 0),
    -- What makes it: the contribution, decision or payment. The same one never makes it twice.
    cause_id        uuid NOT NULL,
    -- The award that it is about, or the contribution.
    award_id        uuid,
    contribution_id uuid,
    -- The day that counts, as on a bank statement.
    happened_on     date NOT NULL,
    recorded_at     timestamptz NOT NULL,
    -- Who did it; nobody where a program did.
    person_id       uuid,
    -- After it: what is at the bank, and what of that is free to commit.
    held_pence      bigint NOT NULL CHECK (held_pence >= 0),
    free_pence      bigint NOT NULL CHECK (free_pence >= 0),
    PRIMARY KEY (fund_id, number),
    CONSTRAINT once_for_each_cause UNIQUE (cause_id, kind),
    CONSTRAINT about_an_award_or_a_contribution CHECK (
        (kind IN ('received', 'refunded')) = (contribution_id IS NOT NULL)
        AND (award_id IS NULL) = (contribution_id IS NOT NULL)
    )
);
CREATE INDEX ledger_of_award ON ledger (award_id, number);
CREATE INDEX ledger_of_contribution ON ledger (contribution_id, number);

CREATE FUNCTION refuse_to_change_the_ledger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is only added to';
END $$;

CREATE TRIGGER ledger_is_only_added_to BEFORE UPDATE OR DELETE ON ledger
FOR EACH ROW EXECUTE FUNCTION refuse_to_change_the_ledger();
CREATE TRIGGER ledger_is_never_emptied BEFORE TRUNCATE ON ledger
FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_ledger();

REVOKE UPDATE, DELETE, TRUNCATE ON ledger FROM CURRENT_USER;

-- A pledge may also be entered by hand; then no campaign has brought it.
ALTER TABLE pledges ALTER COLUMN campaign_id DROP NOT NULL;
ALTER TABLE pledges ADD COLUMN fund_id uuid REFERENCES funds;
ALTER TABLE pledges ADD COLUMN fund_key text NOT NULL DEFAULT '';
UPDATE pledges SET fund_key = lower(btrim(regexp_replace(fund, '\\s+', ' ', 'g')));
ALTER TABLE pledges ALTER COLUMN fund_key DROP DEFAULT;
-- What of it has come, and what will not come any more.
ALTER TABLE pledges ADD COLUMN received_pence bigint NOT NULL DEFAULT 0 CHECK (received_pence >= 0);
ALTER TABLE pledges ADD COLUMN written_back_pence bigint NOT NULL DEFAULT 0 CHECK (written_back_pence >= 0);
ALTER TABLE pledges ADD COLUMN written_back_because text NOT NULL DEFAULT '';
ALTER TABLE pledges ADD CONSTRAINT never_more_than_pledged CHECK (
    received_pence + written_back_pence <= amount_pence
);
CREATE INDEX pledges_of_fund ON pledges (fund_id, pledged_on DESC, id DESC);
CREATE INDEX pledges_without_fund ON pledges (fund_key) WHERE fund_id IS NULL;

-- Money that came.
CREATE TABLE contributions (
    id              uuid PRIMARY KEY,
    fund_id         uuid NOT NULL REFERENCES funds,
    organisation_id uuid NOT NULL,
    -- Nothing when it came without having been pledged.
    pledge_id       uuid REFERENCES pledges,
    amount_pence    bigint NOT NULL CHECK (amount_pence > 0),
    received_on     date NOT NULL,
    bank_reference  text NOT NULL,
    -- Who entered it; nobody where a program did.
    entered_by      uuid,
    refunded_pence  bigint NOT NULL DEFAULT 0 CHECK (refunded_pence BETWEEN 0 AND amount_pence),
    version         integer NOT NULL DEFAULT 1,
    entered_at      timestamptz NOT NULL
);
CREATE INDEX contributions_of_fund ON contributions (fund_id, received_on DESC, id DESC);
CREATE INDEX contributions_of_pledge ON contributions (pledge_id);

CREATE TABLE rounds (
    id             uuid PRIMARY KEY,
    fund_id        uuid NOT NULL REFERENCES funds,
    name           text NOT NULL,
    state          text NOT NULL DEFAULT 'draft' CHECK (
        state IN ('draft', 'open', 'closed', 'decided', 'published')
    ),
    -- A draft may lack any of these; what is missing is said before it is opened.
    opens_on       date,
    closes_on      date,
    meets_on       date,
    most_pence     bigint CHECK (most_pence > 0),
    professions    text[] NOT NULL,
    purposes       text[] NOT NULL,
    -- Names of rules in code.
    eligibility    text[] NOT NULL,
    quorum         smallint CHECK (quorum > 0),
    needs_peer     boolean NOT NULL,
    needs_funder   boolean NOT NULL,
    help_name      text NOT NULL,
    help_telephone text NOT NULL,
    opened_at      timestamptz,
    closed_at      timestamptz,
    version        integer NOT NULL DEFAULT 1,
    changed_at     timestamptz NOT NULL
);
CREATE INDEX rounds_of_fund ON rounds (fund_id);

CREATE TABLE criteria (
    id       uuid PRIMARY KEY,
    round_id uuid NOT NULL REFERENCES rounds,
    number   smallint NOT NULL CHECK (number > 0),
    name     text NOT NULL,
    weight   smallint NOT NULL CHECK (weight BETWEEN 1 AND 100),
    -- What 0, 1, 2, 3, 4 and 5 mean.
    words    text[] NOT NULL CHECK (cardinality(words) = 6),
    version  integer NOT NULL DEFAULT 1,
    UNIQUE (round_id, number) DEFERRABLE
);
"""


def upgrade() -> None:
    """Make the tables, and let pledges say which fund they are for."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
