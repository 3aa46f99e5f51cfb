"""What is shown: awards under numbers that lead back to nobody, and what is counted of others' work."""

from chassis.migrations import run

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

STATEMENTS = """
-- Under this an award is published. Random, and made with the award: it is neither the number of the
-- application nor one that the applicant knows.
ALTER TABLE awards ADD COLUMN published_as uuid NOT NULL UNIQUE DEFAULT gen_random_uuid();

-- What was heard of letters that ask for money, to be counted by body.
CREATE TABLE letters_heard (
    letter_id       uuid PRIMARY KEY,
    organisation_id uuid NOT NULL,
    -- Whether it was sent, and whether an answer came: the one may be heard before the other.
    asked           boolean NOT NULL DEFAULT false,
    answered        boolean NOT NULL DEFAULT false,
    heard_at        timestamptz NOT NULL
);

-- What was heard of work with partners that came to something.
CREATE TABLE results_heard (
    kind     text NOT NULL CHECK (kind IN ('outcome_met', 'referral_closed')),
    id       uuid NOT NULL,
    -- Whether it counts: a later word may put an earlier one right.
    counts   boolean NOT NULL,
    epoch    integer NOT NULL,
    version  bigint NOT NULL,
    heard_at timestamptz NOT NULL,
    PRIMARY KEY (kind, id)
);
"""


def upgrade() -> None:
    """Number the awards for everybody, and make room for what is heard."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
