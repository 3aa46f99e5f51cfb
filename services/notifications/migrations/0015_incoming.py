"""Mail that came: kept as it is, matched to a letter or held for a person."""

from chassis.migrations import run

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

STATEMENTS = """
-- What is known of a letter's arrival, beside where it stands; nothing for most.
ALTER TABLE letters ADD COLUMN IF NOT EXISTS delivery text NOT NULL DEFAULT '' CHECK (
    delivery IN ('', 'delivered', 'bounced', 'returned')
);

CREATE TABLE incoming (
    id           uuid PRIMARY KEY,
    -- Of what its writer wrote; stays when all else has gone, so that it is not taken in a second time.
    digest       bytea NOT NULL UNIQUE,
    received_at  timestamptz NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('answer', 'auto_reply', 'bounce', 'notice', 'unreadable')),
    state        text NOT NULL CHECK (state IN ('held', 'matched', 'aside')),
    -- Why it is held, in words; where it is matched, by what.
    reason       text NOT NULL DEFAULT '',
    letter_id    uuid REFERENCES letters,
    -- As the mail says, in lower case: anybody can write any.
    sender       text NOT NULL,
    sender_name  text NOT NULL,
    verified     boolean NOT NULL,
    subject      text NOT NULL,
    words        text NOT NULL,
    folded       text NOT NULL,
    returns_on   date,
    moved_to     text[] NOT NULL,
    -- Of a bounce: whom it did not reach, why, and whether the address is bad.
    failed       text[] NOT NULL,
    why          text NOT NULL,
    hard         boolean NOT NULL,
    -- The mail as it came, until it has had its time.
    file_id      uuid,
    -- When nothing was left to be done about it, by a person or by itself.
    settled_at   timestamptz,
    scrubbed_at  timestamptz,
    version      integer NOT NULL DEFAULT 1 CHECK (version > 0),
    CHECK ((state = 'matched') = (letter_id IS NOT NULL)),
    CHECK (state <> 'held' OR settled_at IS NULL),
    CHECK (state <> 'aside' OR settled_at IS NOT NULL)
);
CREATE INDEX incoming_received_at ON incoming (received_at, id);
CREATE INDEX incoming_open ON incoming (received_at, id) WHERE settled_at IS NULL;
CREATE INDEX incoming_letter ON incoming (letter_id, received_at);
CREATE INDEX incoming_sender ON incoming (sender);
CREATE INDEX incoming_raw ON incoming (received_at) WHERE file_id IS NOT NULL;
CREATE INDEX contacts_email ON contacts (lower(email));

-- How far each mailbox was read.
CREATE TABLE mailboxes (
    -- A digest of server, user and folder.
    id           bytea PRIMARY KEY,
    uid_validity bigint NOT NULL,
    uid          bigint NOT NULL
);
"""


def upgrade() -> None:
    """Make the tables."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
