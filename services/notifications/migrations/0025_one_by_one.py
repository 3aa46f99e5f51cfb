"""Bodies are summed up one by one, whatever the planner believes of tables that have just grown."""

from chassis.migrations import run

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE INDEX bodies_organisation ON bodies (organisation_id);

-- Sum up these bodies of campaigns again, each named by a pair of ids. A plan is made once, when there may be
-- nothing there yet, and a campaign of 100,000 letters comes all at once: so that nothing is ever looked for
-- among all of a campaign, its id is compared in a way that no index serves, and the body leads to the few.
CREATE OR REPLACE FUNCTION sum_up(campaigns uuid[], organisations uuid[]) RETURNS void LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
    INSERT INTO bodies (campaign_id, organisation_id)
    SELECT DISTINCT c, o FROM unnest(campaigns, organisations) AS pair (c, o) ORDER BY c, o
    ON CONFLICT DO NOTHING;
    -- Whoever changes a letter waits here for whoever changes another to this body, then sees what they did.
    PERFORM FROM unnest(campaigns, organisations) AS pair (c, o)
    JOIN bodies b ON b.organisation_id = pair.o AND b.campaign_id IS NOT DISTINCT FROM pair.c
    ORDER BY b.campaign_id, b.organisation_id FOR NO KEY UPDATE OF b;
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
    FROM unnest(campaigns, organisations) AS pair (c, o) CROSS JOIN LATERAL (
        SELECT (array_agg(l.body_name ORDER BY l.number))[1] AS name,
               CASE WHEN min(l.areas) = max(l.areas) THEN min(l.areas) ELSE ARRAY(
                   SELECT code FROM letters a CROSS JOIN unnest(a.areas) WITH ORDINALITY AS each (code, nth)
                   WHERE a.organisation_id = pair.o AND a.campaign_id IS NOT DISTINCT FROM pair.c
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
        WHERE l.organisation_id = pair.o AND l.campaign_id IS NOT DISTINCT FROM pair.c
        HAVING count(*) > 0
    ) AS s
    WHERE b.organisation_id = pair.o AND b.campaign_id IS NOT DISTINCT FROM pair.c;
    DELETE FROM bodies b USING unnest(campaigns, organisations) AS pair (c, o)
    WHERE b.organisation_id = pair.o AND b.campaign_id IS NOT DISTINCT FROM pair.c AND NOT EXISTS (
        SELECT FROM letters l WHERE l.organisation_id = pair.o AND l.campaign_id IS NOT DISTINCT FROM pair.c
    );
END $$;

CREATE OR REPLACE FUNCTION bodies_follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM sum_up(array_agg(campaign_id), array_agg(organisation_id))
    FROM (SELECT DISTINCT campaign_id, organisation_id FROM changed) AS pair HAVING count(*) > 0;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION bodies_follow_theirs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM sum_up(array_agg(campaign_id), array_agg(organisation_id))
    FROM (
        SELECT DISTINCT campaign_id, organisation_id FROM letters JOIN changed ON letter_id = letters.id
    ) AS pair HAVING count(*) > 0;
    RETURN NULL;
END $$;
"""


def upgrade() -> None:
    """Replace the function; what it says stays the same."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
