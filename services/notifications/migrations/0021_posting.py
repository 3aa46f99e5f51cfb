"""Post: the channel of a letter, batches that are printed and posted, and what became of each letter."""

from chassis.migrations import run

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

STATEMENTS = """
ALTER TABLE campaigns
    -- Who gets the letter by post: those who are listed so, those without an e-mail address too, or all.
    ADD COLUMN by_post text NOT NULL DEFAULT 'listed' CHECK (by_post IN ('listed', 'no_email', 'all'));

ALTER TABLE letters
    ADD COLUMN channel text NOT NULL DEFAULT 'email' CHECK (channel IN ('email', 'post')),
    DROP CONSTRAINT letters_state_check,
    ADD CONSTRAINT letters_state_check CHECK (
        state IN ('draft', 'blocked', 'ready', 'printed', 'sending', 'sent', 'failed', 'unknown')
    ),
    ADD CONSTRAINT letters_printed_for_the_post CHECK (
        state <> 'printed' OR (channel = 'post' AND dated IS NOT NULL)
    );
CREATE INDEX letters_to_be_printed ON letters (campaign_id, number)
    WHERE state = 'ready' AND channel = 'post';

ALTER TABLE chasers
    ADD COLUMN delivery text NOT NULL DEFAULT '' CHECK (delivery IN ('', 'returned')),
    DROP CONSTRAINT chasers_state_check,
    ADD CONSTRAINT chasers_state_check CHECK (
        state IN ('ready', 'printed', 'sending', 'sent', 'failed', 'unknown', 'withheld')
    );
DROP INDEX chasers_under_way;
CREATE UNIQUE INDEX chasers_under_way ON chasers (letter_id) WHERE state IN ('ready', 'printed', 'sending');
CREATE INDEX chasers_to_be_printed ON chasers (made_at) WHERE state = 'ready' AND channel = 'post';

-- Addresses from which letters came back by post are suspect as well: a contact may have one of each. In the
-- place of `suspects`, which stays for services of before.
CREATE TABLE suspected_addresses (
    contact_id      uuid NOT NULL,
    channel         text NOT NULL CHECK (channel IN ('email', 'post')),
    -- Keyed, of the address.
    digest          bytea NOT NULL,
    organisation_id uuid NOT NULL,
    role            text NOT NULL,
    suspected_at    timestamptz NOT NULL,
    -- What was last announced of the contact's addresses, counted from 1: suspected, or working after all.
    told            integer NOT NULL CHECK (told > 0),
    lifted_at       timestamptz,
    lifted_because  text,
    PRIMARY KEY (contact_id, channel),
    CHECK ((lifted_at IS NULL) = (lifted_because IS NULL))
);
INSERT INTO suspected_addresses
SELECT contact_id, 'email', digest, organisation_id, role, suspected_at,
       CASE WHEN lifted_at IS NULL THEN 2 * times - 1 ELSE 2 * times END, lifted_at, lifted_because
FROM suspects;

-- Letters and chasers that are printed as one file and posted together. A batch is made once.
CREATE TABLE post_batches (
    id         uuid PRIMARY KEY,
    -- What people call it.
    number     integer NOT NULL GENERATED ALWAYS AS IDENTITY UNIQUE,
    -- Of one campaign, or of all.
    campaign_id uuid REFERENCES campaigns,
    -- On both sides of the sheet: then each letter begins on a sheet of its own.
    duplex     boolean NOT NULL,
    state      text NOT NULL CHECK (state IN ('making', 'made', 'posted', 'dropped')),
    made_on    date NOT NULL,
    made_at    timestamptz NOT NULL,
    made_by    uuid,
    -- Of the letters in it, how many are set by now; and who is at it.
    done       integer NOT NULL DEFAULT 0,
    claimed_at timestamptz,
    -- Nothing once nobody needs it, or somebody in it was forgotten.
    file_id    uuid,
    -- Of the file, with the cover sheet.
    pages      integer,
    -- How often the file was taken, and when last.
    taken      integer NOT NULL DEFAULT 0,
    taken_at   timestamptz,
    posted_on  date,
    settled_at timestamptz,
    settled_by uuid,
    CHECK ((state IN ('posted', 'dropped')) = (settled_at IS NOT NULL)),
    CHECK ((state = 'posted') = (posted_on IS NOT NULL))
);
CREATE INDEX post_batches_open ON post_batches (number) WHERE state IN ('making', 'made');

CREATE TABLE post_items (
    batch_id   uuid NOT NULL REFERENCES post_batches ON DELETE CASCADE,
    -- In the order in which they are printed, from 1.
    number     integer NOT NULL CHECK (number > 0),
    letter_id  uuid NOT NULL REFERENCES letters ON DELETE CASCADE,
    -- Of a chaser, that one; of a letter, nothing.
    chaser_id  uuid REFERENCES chasers ON DELETE CASCADE,
    state      text NOT NULL CHECK (state IN ('printed', 'posted', 'spoiled', 'withheld')),
    -- The address that is printed and where it came from.
    says       jsonb NOT NULL DEFAULT '{}',
    -- Why it was not posted, in words.
    why        text NOT NULL DEFAULT '',
    -- Where in the file it begins, and how many pages it has.
    first_page integer,
    pages      integer,
    PRIMARY KEY (batch_id, number)
);
-- Nothing is in two batches that may both be posted.
CREATE UNIQUE INDEX post_items_open ON post_items (coalesce(chaser_id, letter_id)) WHERE state = 'printed';
CREATE INDEX post_items_letter ON post_items (letter_id);
"""


def upgrade() -> None:
    """Make the columns, the tables and the indexes."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
