"""What becomes of an award: how it is paid, each payment, what comes back, and how the exam went."""

from chassis.migrations import run

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

STATEMENTS = """
ALTER TABLE awards
    -- To whom it is paid; nothing while nobody has said it.
    ADD COLUMN payee text CHECK (payee IN ('person', 'exam_body')),
    -- What the invoice of the body says that holds the exam.
    ADD COLUMN invoice text NOT NULL DEFAULT '',
    -- When somebody was told that the last day to answer is near.
    ADD COLUMN reminded_at timestamptz,
    -- When somebody of ours has seen that the exam is booked.
    ADD COLUMN booking_seen_at timestamptz,
    -- The day of the exam, once it was moved.
    ADD COLUMN exam_on date,
    -- The day on which the last of it was paid; nothing while some is to be paid.
    ADD COLUMN paid_on date,
    -- How often they were asked how the exam went, and when last.
    ADD COLUMN asked smallint NOT NULL DEFAULT 0,
    ADD COLUMN asked_at timestamptz,
    -- When a receipt was seen that is none of the papers below.
    ADD COLUMN receipt_seen_at timestamptz,
    -- Of money for an exam that was not sat: nobody asks for it back.
    ADD COLUMN waived_at timestamptz;

-- Where to pay: sealed for whoever pays, and gone soon after they have.
CREATE TABLE bank_details (
    application_id uuid PRIMARY KEY REFERENCES awards ON DELETE CASCADE,
    sealed         bytea NOT NULL,
    given_at       timestamptz NOT NULL
);

CREATE TABLE award_papers (
    file_id        uuid PRIMARY KEY REFERENCES files,
    application_id uuid NOT NULL REFERENCES awards ON DELETE CASCADE,
    kind           text NOT NULL CHECK (kind IN ('booking', 'receipt')),
    added_at       timestamptz NOT NULL
);
CREATE INDEX papers_of_award ON award_papers (application_id, added_at);

-- Prepared by one, made by another.
CREATE TABLE payments (
    id             uuid PRIMARY KEY,
    application_id uuid NOT NULL REFERENCES awards,
    -- Counts up for each award: whoever prepares the next one has seen all before it.
    number         smallint NOT NULL CHECK (number > 0),
    amount_pence   bigint NOT NULL CHECK (amount_pence > 0),
    returned_pence bigint NOT NULL DEFAULT 0 CHECK (returned_pence BETWEEN 0 AND amount_pence),
    payee          text NOT NULL CHECK (payee IN ('person', 'exam_body')),
    invoice        text NOT NULL DEFAULT '',
    -- Whom it was paid to, sealed: an account must say that for six years.
    payee_sealed   bytea,
    state          text NOT NULL DEFAULT 'prepared' CHECK (state IN (
        'prepared', 'sent_back', 'cancelled', 'paid', 'returned'
    )),
    prepared_by    uuid NOT NULL,
    prepared_at    timestamptz NOT NULL,
    -- When it was made, sent back to whoever prepared it, or cancelled; by nobody where it went by itself.
    settled_by     uuid,
    settled_at     timestamptz,
    -- Why it was sent back or cancelled.
    words          text NOT NULL DEFAULT '',
    paid_on        date,
    bank_reference text NOT NULL DEFAULT '',
    version        integer NOT NULL DEFAULT 1,
    UNIQUE (application_id, number),
    -- Nobody pays what they have prepared.
    CHECK (state NOT IN ('paid', 'returned') OR (
        settled_by IS NOT NULL AND settled_by <> prepared_by AND paid_on IS NOT NULL
    )),
    CHECK (returned_pence = 0 OR state IN ('paid', 'returned')),
    CHECK ((state = 'returned') = (returned_pence = amount_pence))
);
CREATE INDEX payments_by_state ON payments (state, id);

-- Money that was paid and came back.
CREATE TABLE payment_returns (
    id           uuid PRIMARY KEY,
    payment_id   uuid NOT NULL REFERENCES payments,
    amount_pence bigint NOT NULL CHECK (amount_pence > 0),
    why          text NOT NULL CHECK (why IN ('bank_refused', 'came_back', 'not_sat')),
    words        text NOT NULL DEFAULT '',
    returned_on  date NOT NULL,
    recorded_by  uuid NOT NULL,
    recorded_at  timestamptz NOT NULL
);
CREATE INDEX returns_of_payment ON payment_returns (payment_id, id);

-- How an exam went, as whoever sat it says, or somebody of ours for them.
CREATE TABLE outcomes (
    application_id uuid PRIMARY KEY REFERENCES awards,
    result         text NOT NULL CHECK (result IN ('passed', 'not_passed', 'not_sat')),
    said_at        timestamptz NOT NULL,
    said_by        uuid,
    -- Whether they work in their profession; nothing while they have not said it.
    in_post        boolean,
    in_post_at     timestamptz
);

-- What was done about an award besides paying it, in order.
CREATE TABLE award_steps (
    application_id uuid NOT NULL REFERENCES awards,
    number         smallint NOT NULL CHECK (number > 0),
    what           text NOT NULL,
    happened_at    timestamptz NOT NULL,
    -- Who of ours; nobody where the applicant did it, or time.
    person_id      uuid,
    amount_pence   bigint,
    -- The day to which an exam was moved.
    day            date,
    words          text NOT NULL DEFAULT '',
    PRIMARY KEY (application_id, number)
);
"""


def upgrade() -> None:
    """Make the tables, and give awards what becomes of them."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
