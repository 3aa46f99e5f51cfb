"""Campaigns in steps: an ask or none, words with versions, approval by a second person, pause and stop."""

from chassis.migrations import run

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

STATEMENTS = """
ALTER TABLE campaigns
    DROP CONSTRAINT campaigns_state_check,
    DROP CONSTRAINT campaigns_roles_check,
    ALTER COLUMN profession DROP NOT NULL,
    ALTER COLUMN formula_version DROP NOT NULL,
    ALTER COLUMN least_pence DROP NOT NULL,
    ALTER COLUMN each_pence DROP NOT NULL,
    ALTER COLUMN step_pence DROP NOT NULL,
    ALTER COLUMN most_pence DROP NOT NULL,
    ADD COLUMN asks boolean NOT NULL GENERATED ALWAYS AS (formula_version IS NOT NULL) STORED,
    -- Codes; none means everywhere.
    ADD COLUMN areas text[] NOT NULL DEFAULT '{}',
    -- One role after the other instead of all at once.
    ADD COLUMN in_turn boolean NOT NULL DEFAULT false,
    -- The number of its newest words; 0 before any were written.
    ADD COLUMN words_version integer NOT NULL DEFAULT 1 CHECK (words_version >= 0),
    -- Whoever wrote, changed or submitted it: they may not approve it.
    ADD COLUMN hands uuid[] NOT NULL DEFAULT '{}',
    ADD COLUMN submitted_by uuid,
    ADD COLUMN submitted_at timestamptz,
    ADD COLUMN approved_by uuid,
    ADD COLUMN approved_at timestamptz,
    -- Why it was sent back last, and by whom; empty once it is submitted again.
    ADD COLUMN returned_by uuid,
    ADD COLUMN returned_because text NOT NULL DEFAULT '',
    -- When its letters go by themselves.
    ADD COLUMN send_at timestamptz,
    ADD COLUMN stopped_at timestamptz,
    ADD CHECK (state IN ('draft', 'submitted', 'approved', 'sending', 'paused', 'sent', 'stopped')),
    ADD CHECK (state = 'draft' OR (cardinality(roles) > 0 AND words_version > 0)),
    ADD CHECK (
        num_nulls(profession, formula_version, least_pence, each_pence, step_pence, most_pence) IN (0, 6)
    ),
    ADD CHECK (send_at IS NULL OR state = 'approved');
CREATE INDEX campaigns_scheduled ON campaigns (send_at) WHERE send_at IS NOT NULL;

-- Every version of a campaign's words; the newest is in the campaign as well, for its letters.
CREATE TABLE campaign_words (
    campaign_id uuid NOT NULL REFERENCES campaigns ON DELETE CASCADE,
    number      integer NOT NULL CHECK (number > 0),
    subject     text NOT NULL,
    body        text NOT NULL,
    -- Nobody, where a command wrote them or they are older than this table.
    written_by  uuid,
    written_at  timestamptz NOT NULL,
    PRIMARY KEY (campaign_id, number)
);
INSERT INTO campaign_words (campaign_id, number, subject, body, written_at)
SELECT id, 1, subject, body, created_at FROM campaigns;

ALTER TABLE letters
    DROP CONSTRAINT letters_check2,
    ALTER COLUMN evidence_source DROP NOT NULL,
    ALTER COLUMN formula_version DROP NOT NULL,
    -- Of its campaign's words, those that it was made from.
    ADD COLUMN words_version integer NOT NULL DEFAULT 1,
    -- What one letter says instead; both or none.
    ADD COLUMN own_subject text,
    ADD COLUMN own_body text,
    ADD CHECK ((own_subject IS NULL) = (own_body IS NULL)),
    ADD CHECK (state NOT IN ('ready', 'sending', 'sent')
        OR (dated IS NOT NULL AND (ask_pence IS NOT NULL OR formula_version IS NULL)));
-- What was sent to a body lately, so that it does not get the same again.
CREATE INDEX letters_sent_lately ON letters (organisation_id, sent_at) WHERE sent_at IS NOT NULL;
"""


def upgrade() -> None:
    """Change the tables."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
