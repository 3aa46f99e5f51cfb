"""What a board reads without counting every body again; what did not change is not summed up again."""

from chassis.migrations import run

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

STATEMENTS = """
ALTER TABLE bodies
    -- Letters that need a person: see the statement that brings the first of them.
    ADD COLUMN in_trouble integer NOT NULL DEFAULT 0,
    -- Where the figures behind the asks come from, and as of when.
    ADD COLUMN evidence_source text,
    ADD COLUMN evidence_on date,
    -- The transaction that changed it last. Whoever knows the newest of a campaign knows whether it is as it
    -- was.
    ADD COLUMN changed_in xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX bodies_changed ON bodies (campaign_id, changed_in);

-- All that decides how many there are to chase.
DROP INDEX bodies_waiting;
CREATE INDEX bodies_waiting ON bodies (since, campaign_id, organisation_id)
    INCLUDE (standing, chased, least_chased, last_chased_at, under_way, waiting, letters)
    WHERE standing IN ('silent', 'acknowledged');

-- What was said and is to be seen to: of refusals, which are many, only those after a confirmed pledge are.
DROP INDEX answers_open;
CREATE INDEX answers_open ON answers (letter_id)
    WHERE settled_at IS NULL AND corrected_at IS NULL AND confirmed_at IS NULL
    AND kind IN ('ask', 'meet', 'pass_on', 'pledge');
CREATE INDEX answers_confirmed ON answers (letter_id) WHERE confirmed_at IS NOT NULL;

-- Sum up these bodies of campaigns again, each named by a pair of ids. One or many, they are found by what
-- they are known by: to think about how would take longer than to do it.
CREATE OR REPLACE FUNCTION sum_up(campaigns uuid[], organisations uuid[]) RETURNS void LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan AS $$
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
        in_trouble = s.in_trouble + CASE WHEN s.answer IN ('silent', 'auto_replied') THEN s.lost ELSE 0 END,
        evidence_source = s.evidence_source, evidence_on = s.evidence_on,
        letter_id = s.letter_id, version = s.version, changed_at = s.changed_at,
        changed_in = pg_current_xact_id()
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
               count(*) FILTER (WHERE r.in_trouble AND l.delivery NOT IN ('bounced', 'returned'))
                   AS in_trouble,
               count(*) FILTER (WHERE r.in_trouble AND l.delivery IN ('bounced', 'returned')) AS lost,
               max(l.evidence_source) AS evidence_source, max(l.evidence_on) AS evidence_on,
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
            SELECT rank, arrived, arrived OR l.answer = 'auto_replied' AS there,
                   (l.state IN ('blocked', 'failed', 'unknown') OR l.delivery IN ('bounced', 'returned'))
                   AND l.reason IS DISTINCT FROM 'stopped' AND (l.state <> 'sent' OR l.answer = 'silent')
                   AS in_trouble
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

-- A letter may go over to the body that a closed one was merged into. When it is due is nothing to its body.
CREATE OR REPLACE FUNCTION bodies_follow_both() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM sum_up(array_agg(campaign_id), array_agg(organisation_id))
    FROM (
        SELECT campaign_id, organisation_id FROM (
            SELECT campaign_id, organisation_id, id, number, body_name, areas, state, delivery, answer,
                   reason, ask_pence, evidence_source, evidence_on, waits_since, sent_at, version, changed_at
            FROM changed
            EXCEPT ALL
            SELECT campaign_id, organisation_id, id, number, body_name, areas, state, delivery, answer,
                   reason, ask_pence, evidence_source, evidence_on, waits_since, sent_at, version, changed_at
            FROM before
        ) AS there
        UNION
        SELECT campaign_id, organisation_id FROM (
            SELECT campaign_id, organisation_id, id FROM before
            EXCEPT ALL
            SELECT campaign_id, organisation_id, id FROM changed
        ) AS gone
    ) AS pair HAVING count(*) > 0;
    RETURN NULL;
END $$;

SELECT sum_up(array_agg(campaign_id), array_agg(organisation_id))
FROM (SELECT DISTINCT campaign_id, organisation_id FROM letters) AS pair;
"""


def upgrade() -> None:
    """Make the columns and the indexes, and sum up every body."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
