"""What the send ledger says was begun and this database does not know; how fast each domain takes mail."""

from chassis.migrations import run

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

STATEMENTS = """
-- How often it was claimed to be sent, however that ended. Where the ledger knows of more, this is a backup.
ALTER TABLE letters ADD COLUMN begun integer NOT NULL DEFAULT 0 CHECK (begun >= 0);
ALTER TABLE chasers ADD COLUMN begun integer NOT NULL DEFAULT 0 CHECK (begun >= 0);
UPDATE letters SET begun = attempts WHERE attempts > 0;
UPDATE chasers SET begun = attempts WHERE attempts > 0;

-- How far each file of the ledger was compared with this database, in bytes.
CREATE TABLE ledger_files (
    name    text PRIMARY KEY,
    reached bigint NOT NULL CHECK (reached >= 0)
);

-- Attempts of which only the ledger knows.
CREATE TABLE begun_sends (
    message_id text NOT NULL,
    attempt    integer NOT NULL CHECK (attempt > 0),
    kind       text NOT NULL CHECK (kind IN ('letter', 'chaser', 'notice')),
    -- Of the letter, the chaser or the notice; there may be none of it here.
    id         uuid NOT NULL,
    begun_at   timestamptz NOT NULL,
    -- Whether the mail server said that it took it.
    taken      boolean NOT NULL DEFAULT false,
    PRIMARY KEY (message_id, attempt)
);
CREATE INDEX begun_sends_id ON begun_sends (id);
CREATE INDEX begun_sends_begun_at ON begun_sends (begun_at);

-- Where letters went lately, so that no mail server gets more than it takes.
CREATE TABLE mail_domains (
    domain  text PRIMARY KEY,
    -- The next letter there goes no sooner.
    next_at timestamptz NOT NULL,
    -- For how long it waits because they said that it was too much; doubles each time.
    pause   interval NOT NULL DEFAULT '0'
);
CREATE INDEX mail_domains_next_at ON mail_domains (next_at);

-- The answer that was recorded because of a mail, to be taken back where the mail is about another letter.
ALTER TABLE incoming ADD COLUMN answer_id uuid REFERENCES answers ON DELETE SET NULL;
CREATE INDEX incoming_answer ON incoming (answer_id);
"""


def upgrade() -> None:
    """Make the tables."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
