"""Counting time and chasing: since when we wait, what was noted of it, and what goes after a letter."""

from chassis.migrations import run

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

STATEMENTS = """
ALTER TABLE letters ADD COLUMN IF NOT EXISTS delivery text NOT NULL DEFAULT '' CHECK (
    delivery IN ('', 'delivered', 'bounced', 'returned')
);
ALTER TABLE letters
    -- Since when we wait: the moment it was sent, or at which somebody there said that they have it.
    ADD COLUMN waits_since timestamptz,
    -- What was noted of its silence. Begins anew when the letter is sent again.
    ADD COLUMN lateness text NOT NULL DEFAULT '' CHECK (lateness IN ('', 'late', 'very_late'));
UPDATE letters SET waits_since = sent_at WHERE state = 'sent';
UPDATE letters l SET waits_since = a.at
FROM (SELECT letter_id, max(at) AS at FROM answers WHERE kind = 'acknowledge' GROUP BY letter_id) a
WHERE a.letter_id = l.id AND l.answer = 'acknowledged';
CREATE INDEX letters_waiting ON letters (waits_since)
    WHERE state = 'sent' AND answer IN ('silent', 'auto_replied', 'acknowledged');
CREATE INDEX letters_body ON letters (campaign_id, organisation_id);

ALTER TABLE campaigns
    -- How often somebody is chased at most, and after how many working days again.
    ADD COLUMN chase_most integer NOT NULL DEFAULT 2 CHECK (chase_most BETWEEN 0 AND 9),
    ADD COLUMN chase_every integer NOT NULL DEFAULT 10 CHECK (chase_every BETWEEN 1 AND 60),
    ADD COLUMN chase_by_itself boolean NOT NULL DEFAULT false,
    -- When every body had answered or was given up.
    ADD COLUMN finished_at timestamptz;

-- What a chaser says, with merge fields in braces. Words that were used are never changed.
CREATE TABLE chaser_words (
    campaign_id uuid NOT NULL REFERENCES campaigns ON DELETE CASCADE,
    version     integer NOT NULL CHECK (version > 0),
    body        text NOT NULL,
    made_at     timestamptz NOT NULL,
    PRIMARY KEY (campaign_id, version)
);

CREATE TABLE chasers (
    id         uuid PRIMARY KEY,
    letter_id  uuid NOT NULL REFERENCES letters ON DELETE CASCADE,
    -- 1 is the first chaser of a letter. One that was not sent keeps its number.
    number     integer NOT NULL CHECK (number > 0),
    contact_id uuid NOT NULL,
    channel    text NOT NULL CHECK (channel IN ('email', 'post')),
    state      text NOT NULL CHECK (
        state IN ('ready', 'sending', 'sent', 'failed', 'unknown', 'withheld')
    ),
    -- The version of the words of its campaign that it uses.
    words      integer NOT NULL,
    message_id text NOT NULL UNIQUE,
    -- Those that were ordered together can be called back together.
    batch_id   uuid NOT NULL,
    -- Why it is sent, in words for staff.
    because    text NOT NULL,
    attempts   integer NOT NULL DEFAULT 0,
    next_try   timestamptz,
    claimed_at timestamptz,
    sent_at    timestamptz,
    -- Why it was withheld: a code, for counting.
    reason     text,
    failure    text,
    cure       text,
    made_at    timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    UNIQUE (letter_id, number),
    CHECK (state <> 'sent' OR sent_at IS NOT NULL),
    CHECK (state <> 'sending' OR claimed_at IS NOT NULL),
    CHECK ((state = 'withheld') = (reason IS NOT NULL))
);
-- Nobody is written to twice at once about the same letter.
CREATE UNIQUE INDEX chasers_under_way ON chasers (letter_id) WHERE state IN ('ready', 'sending');
CREATE INDEX chasers_due ON chasers (next_try) WHERE state = 'ready';
CREATE INDEX chasers_claimed ON chasers (claimed_at) WHERE state = 'sending';

-- Addresses from which nothing ever comes, by the contact that has each.
CREATE TABLE suspects (
    contact_id      uuid PRIMARY KEY,
    -- Keyed, of the address.
    digest          bytea NOT NULL,
    organisation_id uuid NOT NULL,
    role            text NOT NULL,
    suspected_at    timestamptz NOT NULL,
    -- How often it was suspected by now.
    times           integer NOT NULL CHECK (times > 0),
    lifted_at       timestamptz,
    lifted_because  text,
    CHECK ((lifted_at IS NULL) = (lifted_because IS NULL))
);
"""


def upgrade() -> None:
    """Make the columns, the tables and the indexes."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
