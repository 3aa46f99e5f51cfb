"""What came of our letters to each body, kept: what worked is not counted from every letter at every look."""

from chassis.migrations import run

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

STATEMENTS = """
-- Of each body to which a letter came: in one campaign, and over all of them together.
CREATE TABLE outcomes (
    -- The campaign; the id of noughts for all of them.
    scope               uuid NOT NULL,
    organisation_id     uuid NOT NULL,
    -- Its kinds, and how far we got with each role and by each channel to which a letter came: 0 nobody
    -- answered, 1 somebody acknowledged, 2 answered. As text, because what is the same is counted together.
    said                text NOT NULL,
    -- In how many campaigns a letter came.
    times               integer NOT NULL,
    -- Days in London: of the first letter, of the first sign that it is there and of the first answer.
    sent_on             date,
    acknowledged_on     date,
    answered_on         date,
    -- On how many days it was chased by then.
    before_acknowledged integer NOT NULL,
    before_answered     integer NOT NULL,
    PRIMARY KEY (scope, organisation_id)
);
CREATE INDEX outcomes_organisation ON outcomes (organisation_id);

-- Bodies of which something has changed since their outcomes were kept. Whoever changes something adds a line
-- and waits for nobody; whoever reads reckons these anew.
CREATE TABLE outcomes_changed (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organisation_id uuid NOT NULL
);

-- Bodies with letters that did not arrive as far as we know.
CREATE INDEX bodies_apart ON bodies (campaign_id, organisation_id)
    WHERE bounced > 0 OR returned > 0 OR failed > 0 OR unknown > 0;

-- The outcomes of these bodies as their letters are now. A plan may have been made when there was next to
-- nothing yet: a body's letters are never looked for among all.
CREATE FUNCTION outcomes_of(organisations uuid[]) RETURNS SETOF outcomes LANGUAGE sql STABLE
SET enable_seqscan = off AS $$
    SELECT s.scope, s.organisation_id,
           jsonb_build_object('kinds', o.kinds, 'roles', s.roles, 'channels', s.channels)::text,
           s.times::integer, s.sent_on, a.acknowledged_on, a.answered_on,
           k.before_acknowledged::integer, k.before_answered::integer
    FROM (
        SELECT coalesce(l.campaign_id, '00000000-0000-0000-0000-000000000000') AS scope, l.organisation_id,
               -- Of several for one role, the last stays.
               jsonb_object_agg(l.role, c.far ORDER BY c.far) FILTER (WHERE c.came) AS roles,
               jsonb_object_agg(l.channel, c.far ORDER BY c.far) FILTER (WHERE c.came) AS channels,
               count(DISTINCT l.campaign_id) FILTER (WHERE c.came) AS times,
               min((l.sent_at AT TIME ZONE 'Europe/London')::date)
                   FILTER (WHERE l.delivery NOT IN ('bounced', 'returned') OR l.answer <> 'silent') AS sent_on
        FROM letters l CROSS JOIN LATERAL (
            SELECT l.state = 'sent' AND l.delivery NOT IN ('bounced', 'returned') OR l.answer <> 'silent'
                       AS came,
                   CASE WHEN l.answer IN ('silent', 'auto_replied') THEN 0
                        WHEN l.answer = 'acknowledged' THEN 1 ELSE 2 END AS far
        ) c
        WHERE l.organisation_id = ANY (organisations)
        GROUP BY GROUPING SETS ((l.organisation_id, l.campaign_id), (l.organisation_id))
    ) s LEFT JOIN organisations o ON o.id = s.organisation_id
    CROSS JOIN LATERAL (
        SELECT min(day) AS acknowledged_on,
               min(day) FILTER (WHERE kind NOT IN ('acknowledge', 'pass_on')) AS answered_on
        FROM (
            SELECT a.kind, coalesce(a.told_on, (a.at AT TIME ZONE 'Europe/London')::date) AS day
            FROM letters l JOIN answers a ON a.letter_id = l.id
            WHERE l.organisation_id = s.organisation_id AND a.corrected_at IS NULL
                AND s.scope IN (l.campaign_id, '00000000-0000-0000-0000-000000000000')
        ) said
    ) a CROSS JOIN LATERAL (
        SELECT count(DISTINCT day) FILTER (WHERE a.acknowledged_on IS NULL OR day <= a.acknowledged_on)
                   AS before_acknowledged,
               count(DISTINCT day) FILTER (WHERE a.answered_on IS NULL OR day <= a.answered_on)
                   AS before_answered
        FROM (
            SELECT (k.sent_at AT TIME ZONE 'Europe/London')::date AS day
            FROM letters l JOIN chasers k ON k.letter_id = l.id
            WHERE l.organisation_id = s.organisation_id AND k.state = 'sent'
                AND s.scope IN (l.campaign_id, '00000000-0000-0000-0000-000000000000')
        ) chased
    ) k
    WHERE s.times > 0
$$;

-- A new letter counts once it went or somebody answered.
CREATE FUNCTION outcomes_follow_new() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outcomes_changed (organisation_id)
    SELECT DISTINCT organisation_id FROM changed
    WHERE state = 'sent' OR sent_at IS NOT NULL OR answer <> 'silent';
    RETURN NULL;
END $$;
CREATE FUNCTION outcomes_follow_both() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outcomes_changed (organisation_id)
    WITH is_so AS (
        SELECT id, campaign_id, organisation_id, role, channel, delivery, answer, sent_at, state = 'sent'
        FROM changed
    ), was_so AS (
        SELECT id, campaign_id, organisation_id, role, channel, delivery, answer, sent_at, state = 'sent'
        FROM before
    )
    SELECT organisation_id FROM (SELECT * FROM is_so EXCEPT SELECT * FROM was_so) AS came
    UNION SELECT organisation_id FROM (SELECT * FROM was_so EXCEPT SELECT * FROM is_so) AS went;
    RETURN NULL;
END $$;
CREATE FUNCTION outcomes_follow_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outcomes_changed (organisation_id) SELECT DISTINCT organisation_id FROM gone;
    RETURN NULL;
END $$;
CREATE TRIGGER outcomes_follow_insert AFTER INSERT ON letters REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION outcomes_follow_new();
CREATE TRIGGER outcomes_follow_delete AFTER DELETE ON letters REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION outcomes_follow_gone();
CREATE TRIGGER outcomes_follow_update AFTER UPDATE ON letters
REFERENCING NEW TABLE AS changed OLD TABLE AS before
FOR EACH STATEMENT EXECUTE FUNCTION outcomes_follow_both();

-- What belongs to a letter.
CREATE FUNCTION outcomes_follow_theirs() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    INSERT INTO outcomes_changed (organisation_id)
    SELECT DISTINCT l.organisation_id FROM letters l JOIN changed ON changed.letter_id = l.id;
    RETURN NULL;
END $$;
CREATE TRIGGER outcomes_follow_insert AFTER INSERT ON answers REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION outcomes_follow_theirs();
CREATE TRIGGER outcomes_follow_update AFTER UPDATE ON answers REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION outcomes_follow_theirs();
CREATE TRIGGER outcomes_follow_insert AFTER INSERT ON chasers REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION outcomes_follow_theirs();
CREATE TRIGGER outcomes_follow_update AFTER UPDATE ON chasers REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION outcomes_follow_theirs();

-- A body's kinds.
CREATE FUNCTION outcomes_follow_kinds() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    INSERT INTO outcomes_changed (organisation_id)
    SELECT id FROM changed o WHERE EXISTS (SELECT FROM letters WHERE organisation_id = o.id);
    RETURN NULL;
END $$;
CREATE TRIGGER outcomes_follow_insert AFTER INSERT ON organisations REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION outcomes_follow_kinds();
CREATE TRIGGER outcomes_follow_update AFTER UPDATE ON organisations REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION outcomes_follow_kinds();
CREATE TRIGGER outcomes_follow_delete AFTER DELETE ON organisations REFERENCING OLD TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION outcomes_follow_kinds();

INSERT INTO outcomes_changed (organisation_id) SELECT DISTINCT organisation_id FROM letters;
"""


def upgrade() -> None:
    """Make the tables and what keeps them; the service fills them by itself."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
