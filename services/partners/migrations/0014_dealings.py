"""What people enter on the timeline, with files; people who were referred on, by our own reference alone."""

from chassis.migrations import run

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

STATEMENTS = """
-- What an event told is never changed; what a person entered is, by people.
ALTER TABLE timeline
    -- Whom a letter was for.
    ADD COLUMN contact_id uuid,
    -- Which referral it is about.
    ADD COLUMN referral_id uuid,
    -- Who entered it; nobody where an event told it.
    ADD COLUMN written_by uuid,
    -- Of a meeting: when it ends, and where it is.
    ADD COLUMN ends_at timestamptz,
    ADD COLUMN place text NOT NULL DEFAULT '',
    -- Who took part: people of ours, and contacts.
    ADD COLUMN our_people uuid[] NOT NULL DEFAULT '{}',
    ADD COLUMN their_contacts uuid[] NOT NULL DEFAULT '{}',
    ADD COLUMN removed_at timestamptz,
    ADD COLUMN version integer NOT NULL DEFAULT 1 CHECK (version > 0),
    ADD COLUMN changed_at timestamptz,
    ADD CONSTRAINT timeline_only_people_change CHECK (
        written_by IS NOT NULL OR removed_at IS NULL AND version = 1
    ),
    ADD CONSTRAINT timeline_ends_after_its_beginning CHECK (ends_at > happened_at);
CREATE INDEX timeline_meetings ON timeline (happened_at) WHERE kind = 'meeting' AND removed_at IS NULL;
CREATE INDEX timeline_failed ON timeline (contact_id, happened_at DESC) WHERE kind = 'letter_failed';
CREATE INDEX timeline_letters ON timeline (contact_id, happened_at DESC)
    WHERE kind IN ('letter_sent', 'letter_acknowledged', 'letter_answered');
CREATE INDEX timeline_removed_at ON timeline (removed_at) WHERE removed_at IS NOT NULL;
CREATE INDEX timeline_written ON timeline (happened_at) WHERE written_by IS NOT NULL;

-- Files that people put beside an entry.
CREATE TABLE timeline_files (
    file_id  uuid PRIMARY KEY REFERENCES files ON DELETE CASCADE,
    entry_id uuid NOT NULL REFERENCES timeline ON DELETE CASCADE
);
CREATE INDEX timeline_files_entry ON timeline_files (entry_id);

-- Somebody whom we sent on to a partner. Nothing here says who they are.
CREATE TABLE referrals (
    id              uuid PRIMARY KEY,
    -- Our own reference of whom it is about: letters and figures that tell nobody else anything.
    reference       text NOT NULL,
    -- A code of the house's list.
    need            text NOT NULL,
    organisation_id uuid NOT NULL REFERENCES organisations,
    -- Which contact is asked; nobody in particular when the slip goes by hand.
    contact_id      uuid,
    state           text NOT NULL CHECK (state IN (
        'made', 'accepted', 'declined', 'helped', 'not_helped', 'not_known', 'taken_back', 'ended'
    )),
    -- Why it was declined.
    reason          text NOT NULL,
    made_by         uuid,
    made_at         timestamptz NOT NULL,
    -- When it came to its present state, and who of ours said so; nobody when the partner did by the link.
    changed_at      timestamptz NOT NULL,
    changed_by      uuid,
    -- The day from which on somebody of ours should ask; none when nothing more is expected.
    due_on          date,
    token_digest    bytea NOT NULL UNIQUE,
    version         integer NOT NULL CHECK (version > 0)
);
CREATE INDEX referrals_of_organisation ON referrals (organisation_id, made_at DESC, id DESC);
CREATE INDEX referrals_made_at ON referrals (made_at DESC, id DESC);
CREATE INDEX referrals_due ON referrals (due_on, id) WHERE due_on IS NOT NULL;
"""


def upgrade() -> None:
    """Add the columns and the tables."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
