"""What the register is searched by, words that tell bodies apart, tags, and views that people have saved."""

from chassis.migrations import run

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

STATEMENTS = """
ALTER TABLE organisations
    -- All that it is found by, folded: name, identifier, postcode, kinds and areas by name, contacts.
    ADD COLUMN searched text COLLATE "C" NOT NULL DEFAULT '',
    -- The words of its name that tell it from others, folded.
    ADD COLUMN name_words text[] NOT NULL DEFAULT '{}';
-- Until the service has started, which writes them whole.
UPDATE organisations SET searched = listed_as || ' ' || lower(identifier);
-- The groups of three letters of a text's words. Its cost keeps the planner from making them row by row.
CREATE FUNCTION grams(said text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 10000
    RETURN (SELECT array_agg(DISTINCT substr(word, at, 3))
            FROM unnest(string_to_array(said, ' ')) AS word, generate_series(1, length(word) - 2) AS at);
CREATE INDEX organisations_searched ON organisations USING gin (grams(searched));
-- Counting the commonest groups takes long, and tells the planner nothing that it needs.
ALTER INDEX organisations_searched ALTER COLUMN 1 SET STATISTICS 0;
CREATE INDEX organisations_name_words ON organisations USING gin (name_words);
CREATE INDEX organisations_postcode ON organisations (postcode) WHERE postcode IS NOT NULL;
CREATE INDEX organisations_shown ON organisations (listed_as, id) WHERE merged_into IS NULL;

-- Whom one may write to, counted for each line of a list.
CREATE INDEX contacts_listed ON contacts (organisation_id) WHERE withdrawn_on IS NULL;

-- With which lists of the house, and which way of folding, the words above were written.
CREATE TABLE words_written (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    made_of text NOT NULL
);

CREATE TABLE tags (
    id      uuid PRIMARY KEY,
    name    text NOT NULL,
    -- The name folded: what stands in an address, and what makes two tags the same.
    key     text COLLATE "C" NOT NULL UNIQUE,
    made_at timestamptz NOT NULL
);
CREATE TABLE organisation_tags (
    organisation_id uuid NOT NULL REFERENCES organisations,
    tag_id          uuid NOT NULL REFERENCES tags,
    tagged_at       timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, tag_id)
);
CREATE INDEX organisation_tags_of_tag ON organisation_tags (tag_id, organisation_id);

-- A tag that somebody puts on many organisations, or takes from them: asked, then done, perhaps undone.
CREATE TABLE taggings (
    id            uuid PRIMARY KEY,
    person_id     uuid NOT NULL,
    tag_id        uuid NOT NULL REFERENCES tags,
    removes       boolean NOT NULL,
    -- Whom it was asked for; once it is done, those whom it has changed.
    organisations uuid[] NOT NULL,
    -- The list that it was begun from, as the end of an address.
    query         text NOT NULL,
    asked_at      timestamptz NOT NULL,
    done_at       timestamptz,
    undone_at     timestamptz
);
CREATE INDEX taggings_asked ON taggings (person_id) WHERE done_at IS NULL;

-- What somebody has asked of the list and wants to ask again.
CREATE TABLE saved_views (
    id         uuid PRIMARY KEY,
    person_id  uuid NOT NULL,
    name       text NOT NULL,
    -- The end of an address.
    query      text NOT NULL,
    -- For everybody who works with partners.
    shared     boolean NOT NULL,
    saved_at   timestamptz NOT NULL,
    -- Kept for a while, in case that it was a slip.
    deleted_at timestamptz
);
CREATE INDEX saved_views_of_person ON saved_views (person_id);
CREATE INDEX saved_views_deleted ON saved_views (deleted_at) WHERE deleted_at IS NOT NULL;
"""


def upgrade() -> None:
    """Add the columns and make the tables."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: write another revision.")
