"""An invoice is confirmed as a booking is; the bank's file is marked; work is asked about later."""

from chassis.migrations import run

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

STATEMENTS = """
-- What shows that money is to be paid: the booking where the person is, the invoice where the exam's body is.
ALTER TABLE awards RENAME COLUMN booking_seen_at TO proof_seen_at;
ALTER TABLE awards
    -- Of the invoice that was seen.
    ADD COLUMN invoice_pence bigint CHECK (invoice_pence > 0),
    -- What is wrong with the proof, while another one is awaited.
    ADD COLUMN proof_wrong   text NOT NULL DEFAULT '';
ALTER TABLE award_papers
    -- When it was found to be of no use: nobody reads an account on it any more.
    ADD COLUMN returned_at timestamptz,
    DROP CONSTRAINT award_papers_kind_check,
    ADD CONSTRAINT award_papers_kind_check CHECK (kind IN ('booking', 'invoice', 'receipt'));
-- A booking that was seen says nothing of an invoice.
UPDATE awards SET proof_seen_at = NULL WHERE payee = 'exam_body';

ALTER TABLE payments
    -- The first file for the bank that it stood in, when that was taken, and by whom.
    ADD COLUMN filed_in uuid,
    ADD COLUMN filed_at timestamptz,
    ADD COLUMN filed_by uuid;

ALTER TABLE outcomes
    -- When whoever had passed was asked once more whether they work in their profession.
    ADD COLUMN post_asked_at timestamptz;
CREATE INDEX outcomes_to_ask ON outcomes (said_at) WHERE result = 'passed' AND post_asked_at IS NULL;
"""


def upgrade() -> None:
    """Give awards a proof of either kind, and payments and outcomes what is kept of them."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
