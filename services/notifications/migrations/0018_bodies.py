"""Where each body of a campaign stands, kept beside its letters: a board does not count them all again."""

from chassis.migrations import run

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE bodies (
    campaign_id     uuid NOT NULL REFERENCES campaigns ON DELETE CASCADE,
    organisation_id uuid NOT NULL,
    name            text NOT NULL DEFAULT '',
    areas           text[] NOT NULL DEFAULT '{}',
    -- Of the letters that can go.
    ask_pence       bigint,
    -- How many letters there are, and of these: that were taken and did not come back; that came back by
    -- mail and by post; that were refused; of which nobody knows; that have not gone yet; that cannot go.
    letters         integer NOT NULL DEFAULT 0,
    arrived         integer NOT NULL DEFAULT 0,
    bounced         integer NOT NULL DEFAULT 0,
    returned        integer NOT NULL DEFAULT 0,
    failed          integer NOT NULL DEFAULT 0,
    unknown         integer NOT NULL DEFAULT 0,
    waiting         integer NOT NULL DEFAULT 0,
    blocked         integer NOT NULL DEFAULT 0,
    -- Questions that we have not answered.
    asking          integer NOT NULL DEFAULT 0,
    -- Of the letters that arrived: how often the one chased most and the one chased least were; when the one
    -- that was not chased for longest was chased last; about how many a chaser is on its way.
    chased          integer NOT NULL DEFAULT 0,
    least_chased    integer NOT NULL DEFAULT 0,
    last_chased_at  timestamptz NOT NULL DEFAULT '-infinity',
    under_way       integer NOT NULL DEFAULT 0,
    -- The best answer to any of them.
    answer          text NOT NULL DEFAULT 'silent',
    -- Since when the first of those that arrived waits for an answer; or that which somebody says is there.
    since           timestamptz,
    -- The letter that says most about the body.
    letter_id       uuid,
    -- The sum of its letters' versions: whatever is done to one of them makes it another.
    version         bigint NOT NULL DEFAULT 0,
    changed_at      timestamptz NOT NULL DEFAULT '-infinity',
    -- Where it stands, but for how late it is, which the calendar says.
    standing        text NOT NULL GENERATED ALWAYS AS (
        CASE WHEN answer NOT IN ('silent', 'auto_replied') THEN answer
             WHEN arrived > 0 OR answer = 'auto_replied' THEN 'silent'
             WHEN waiting > 0 THEN 'waiting'
             WHEN blocked = letters THEN 'blocked'
             ELSE 'problem' END
    ) STORED,
    -- In which order one looks at them: what needs a person first.
    place           smallint NOT NULL GENERATED ALWAYS AS (
        CASE WHEN answer IN ('asked', 'will_meet') THEN 4
             WHEN answer IN ('declined', 'pledged') THEN 5
             WHEN answer = 'acknowledged' THEN 3
             WHEN arrived > 0 OR answer = 'auto_replied' THEN 1
             WHEN waiting > 0 THEN 2
             ELSE 0 END
    ) STORED,
    PRIMARY KEY (campaign_id, organisation_id)
);
CREATE INDEX bodies_in_order ON bodies (campaign_id, place, lower(name), organisation_id);
CREATE INDEX bodies_waiting ON bodies (since, campaign_id, organisation_id)
    WHERE standing IN ('silent', 'acknowledged');
-- What needs a person: letters in trouble, and what was said and is to be seen to.
CREATE INDEX letters_in_trouble ON letters (campaign_id, number)
    WHERE state IN ('blocked', 'failed', 'unknown') OR delivery IN ('bounced', 'returned');
CREATE INDEX answers_open ON answers (letter_id) WHERE settled_at IS NULL AND corrected_at IS NULL
    AND kind <> 'acknowledge';

-- Sum up these bodies of campaigns again, each named by a pair of ids.
CREATE FUNCTION sum_up(campaigns uuid[], organisations uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO bodies (campaign_id, organisation_id)
    SELECT DISTINCT c, o FROM unnest(campaigns, organisations) AS pair (c, o) ORDER BY c, o
    ON CONFLICT DO NOTHING;
    -- Whoever changes a letter waits here for whoever changes another to this body, then sees what they did.
    PERFORM FROM bodies b
    WHERE (b.campaign_id, b.organisation_id) IN (SELECT * FROM unnest(campaigns, organisations))
    ORDER BY b.campaign_id, b.organisation_id FOR NO KEY UPDATE;
    UPDATE bodies b SET
        name = s.name, areas = s.areas, ask_pence = s.ask_pence, letters = s.letters,
        arrived = s.arrived, bounced = s.bounced, returned = s.returned, failed = s.failed,
        unknown = s.unknown, waiting = s.waiting, blocked = s.blocked, asking = s.asking,
        chased = s.chased, least_chased = s.least_chased,
        last_chased_at = s.last_chased_at, under_way = s.under_way, answer = s.answer, since = s.since,
        letter_id = s.letter_id, version = s.version, changed_at = s.changed_at
    FROM (
        SELECT l.campaign_id, l.organisation_id,
               (array_agg(l.body_name ORDER BY l.number))[1] AS name,
               CASE WHEN min(l.areas) = max(l.areas) THEN min(l.areas) ELSE ARRAY(
                   SELECT code FROM letters a CROSS JOIN unnest(a.areas) WITH ORDINALITY AS each (code, nth)
                   WHERE a.campaign_id = l.campaign_id AND a.organisation_id = l.organisation_id
                   GROUP BY code ORDER BY min(a.number), min(nth)
               ) END AS areas,
               max(l.ask_pence) FILTER (WHERE l.state <> 'blocked') AS ask_pence,
               count(*) AS letters,
               count(*) FILTER (WHERE r.arrived) AS arrived,
               count(*) FILTER (WHERE l.state = 'sent' AND l.delivery = 'bounced') AS bounced,
               count(*) FILTER (WHERE l.state = 'sent' AND l.delivery = 'returned') AS returned,
               count(*) FILTER (WHERE l.state = 'failed') AS failed,
               count(*) FILTER (WHERE l.state = 'unknown') AS unknown,
               count(*) FILTER (WHERE l.state NOT IN ('sent', 'failed', 'unknown', 'blocked')) AS waiting,
               count(*) FILTER (WHERE l.state = 'blocked') AS blocked,
               sum(q.asking) AS asking,
               (array_agg(l.answer ORDER BY r.rank DESC))[1] AS answer,
               coalesce(max(k.chased) FILTER (WHERE r.there), 0) AS chased,
               coalesce(min(k.chased) FILTER (WHERE r.there), 0) AS least_chased,
               coalesce(min(k.last_at) FILTER (WHERE r.there), '-infinity') AS last_chased_at,
               count(*) FILTER (WHERE r.there AND k.under_way) AS under_way,
               coalesce(
                   min(coalesce(l.waits_since, l.sent_at)) FILTER (WHERE l.answer = 'acknowledged'),
                   min(coalesce(l.waits_since, l.sent_at)) FILTER (WHERE r.there)
               ) AS since,
               (array_agg(l.id ORDER BY CASE WHEN r.rank > 1 THEN r.rank ELSE 0 END DESC,
                   l.state IN ('unknown', 'failed', 'blocked') OR l.delivery IN ('bounced', 'returned') DESC,
                   l.number))[1] AS letter_id,
               sum(l.version) AS version, max(l.changed_at) AS changed_at
        FROM letters l CROSS JOIN LATERAL (
            SELECT rank, arrived, arrived OR l.answer = 'auto_replied' AS there
            FROM array_position(
                ARRAY['silent', 'auto_replied', 'acknowledged', 'asked', 'declined', 'will_meet', 'pledged'],
                l.answer
            ) AS rank
            CROSS JOIN LATERAL (
                SELECT l.state = 'sent' AND l.delivery NOT IN ('bounced', 'returned') AS arrived
            ) AS came
        ) r CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE state IN ('sent', 'unknown', 'failed')) AS chased,
                   coalesce(
                       max(coalesce(sent_at, changed_at))
                           FILTER (WHERE state IN ('sent', 'unknown', 'failed')),
                       '-infinity'
                   ) AS last_at,
                   count(*) FILTER (WHERE state NOT IN ('sent', 'unknown', 'failed', 'withheld')) > 0
                       AS under_way
            FROM chasers WHERE letter_id = l.id
        ) k CROSS JOIN LATERAL (
            SELECT count(*) AS asking FROM answers
            WHERE letter_id = l.id AND settled_at IS NULL AND corrected_at IS NULL AND kind = 'ask'
        ) q
        WHERE (l.campaign_id, l.organisation_id) IN (SELECT * FROM unnest(campaigns, organisations))
        GROUP BY l.campaign_id, l.organisation_id
    ) AS s
    WHERE b.campaign_id = s.campaign_id AND b.organisation_id = s.organisation_id;
    DELETE FROM bodies b
    WHERE (b.campaign_id, b.organisation_id) IN (SELECT * FROM unnest(campaigns, organisations))
        AND NOT EXISTS (
            SELECT FROM letters l
            WHERE l.campaign_id = b.campaign_id AND l.organisation_id = b.organisation_id
        );
END $$;

CREATE FUNCTION bodies_follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM sum_up(array_agg(campaign_id), array_agg(organisation_id))
    FROM (SELECT DISTINCT campaign_id, organisation_id FROM changed) AS pair;
    RETURN NULL;
END $$;

-- A letter may go over to the body that a closed one was merged into.
CREATE FUNCTION bodies_follow_both() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM sum_up(array_agg(campaign_id), array_agg(organisation_id))
    FROM (
        SELECT campaign_id, organisation_id FROM changed UNION SELECT campaign_id, organisation_id FROM before
    ) AS pair;
    RETURN NULL;
END $$;

CREATE TRIGGER bodies_follow_insert AFTER INSERT ON letters REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION bodies_follow();
CREATE TRIGGER bodies_follow_delete AFTER DELETE ON letters REFERENCING OLD TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION bodies_follow();
CREATE TRIGGER bodies_follow_update AFTER UPDATE ON letters
REFERENCING NEW TABLE AS changed OLD TABLE AS before
FOR EACH STATEMENT EXECUTE FUNCTION bodies_follow_both();

-- What belongs to a letter.
CREATE FUNCTION bodies_follow_theirs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM sum_up(array_agg(campaign_id), array_agg(organisation_id))
    FROM (
        SELECT DISTINCT campaign_id, organisation_id FROM letters JOIN changed ON letter_id = letters.id
    ) AS pair;
    RETURN NULL;
END $$;
CREATE TRIGGER bodies_follow_insert AFTER INSERT ON answers REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION bodies_follow_theirs();
CREATE TRIGGER bodies_follow_update AFTER UPDATE ON answers REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION bodies_follow_theirs();
CREATE TRIGGER bodies_follow_insert AFTER INSERT ON chasers REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION bodies_follow_theirs();
CREATE TRIGGER bodies_follow_update AFTER UPDATE ON chasers REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION bodies_follow_theirs();

SELECT sum_up(array_agg(campaign_id), array_agg(organisation_id))
FROM (SELECT DISTINCT campaign_id, organisation_id FROM letters) AS pair;
"""


def upgrade() -> None:
    """Make the table, what keeps it, and its rows."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
