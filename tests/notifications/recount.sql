-- name: asked_by_kind
-- Bodies to which a letter came, by each of their kinds, with how many of them have acknowledged and answered; in one
-- campaign or in all. A body that several campaigns ask is one body, and has answered when it answered one of them.
SELECT kind AS what, count(*) AS asked, count(*) FILTER (WHERE acknowledged) AS acknowledged,
       count(*) FILTER (WHERE answered) AS answered
FROM (
    SELECT organisation_id, bool_or(standing <> 'silent') AS acknowledged,
           bool_or(standing NOT IN ('silent', 'acknowledged')) AS answered
    FROM bodies
    WHERE standing NOT IN ('waiting', 'problem', 'blocked') AND (:campaign_id::uuid IS NULL OR campaign_id = :campaign_id)
    GROUP BY organisation_id
) AS b JOIN organisations o ON o.id = b.organisation_id CROSS JOIN unnest(o.kinds) AS kind
GROUP BY kind ORDER BY count(*) DESC, kind;

-- name: asked_by_role
-- The same by whom the letter was for: a body counts once for each role with a letter that came.
SELECT role AS what, count(*) AS asked, count(*) FILTER (WHERE acknowledged) AS acknowledged,
       count(*) FILTER (WHERE answered) AS answered
FROM (
    SELECT role, bool_or(answer NOT IN ('silent', 'auto_replied')) AS acknowledged,
           bool_or(answer NOT IN ('silent', 'auto_replied', 'acknowledged')) AS answered
    FROM letters
    WHERE (:campaign_id::uuid IS NULL OR campaign_id = :campaign_id)
      AND (state = 'sent' AND delivery NOT IN ('bounced', 'returned') OR answer <> 'silent')
    GROUP BY organisation_id, role
) AS body
GROUP BY role ORDER BY count(*) DESC, role;

-- name: asked_by_channel
-- The same by how the letter came.
SELECT channel AS what, count(*) AS asked, count(*) FILTER (WHERE acknowledged) AS acknowledged,
       count(*) FILTER (WHERE answered) AS answered
FROM (
    SELECT l.channel, bool_or(l.answer NOT IN ('silent', 'auto_replied')) AS acknowledged,
           bool_or(l.answer NOT IN ('silent', 'auto_replied', 'acknowledged')) AS answered
    FROM letters l
    WHERE (:campaign_id::uuid IS NULL OR l.campaign_id = :campaign_id)
      AND (l.state = 'sent' AND l.delivery NOT IN ('bounced', 'returned') OR l.answer <> 'silent')
    GROUP BY l.organisation_id, l.channel
) AS body
GROUP BY channel ORDER BY count(*) DESC, channel;

-- name: replies_of
-- Bodies to which a letter came: on which day it went, on which day they acknowledged and answered, if they did, and on
-- how many days they were chased before. Where several campaigns ask a body, from our first letter to its first answer.
WITH asked AS (
    SELECT DISTINCT organisation_id FROM bodies
    WHERE standing NOT IN ('waiting', 'problem', 'blocked') AND (:campaign_id::uuid IS NULL OR campaign_id = :campaign_id)
), sent AS (
    SELECT organisation_id, min((sent_at AT TIME ZONE 'Europe/London')::date) AS sent_on
    FROM letters
    WHERE sent_at IS NOT NULL AND (:campaign_id::uuid IS NULL OR campaign_id = :campaign_id)
      AND (delivery NOT IN ('bounced', 'returned') OR answer <> 'silent')
    GROUP BY organisation_id
), said AS (
    SELECT l.organisation_id,
           min(coalesce(a.told_on, (a.at AT TIME ZONE 'Europe/London')::date)) AS acknowledged_on,
           min(coalesce(a.told_on, (a.at AT TIME ZONE 'Europe/London')::date))
               FILTER (WHERE a.kind NOT IN ('acknowledge', 'pass_on')) AS answered_on
    FROM answers a JOIN letters l ON l.id = a.letter_id
    WHERE a.corrected_at IS NULL AND (:campaign_id::uuid IS NULL OR l.campaign_id = :campaign_id)
    GROUP BY l.organisation_id
), chased AS (
    SELECT DISTINCT l.organisation_id, (k.sent_at AT TIME ZONE 'Europe/London')::date AS chased_on
    FROM chasers k JOIN letters l ON l.id = k.letter_id
    WHERE k.state = 'sent' AND (:campaign_id::uuid IS NULL OR l.campaign_id = :campaign_id)
), rounds AS (
    SELECT organisation_id,
           count(*) FILTER (WHERE s.acknowledged_on IS NULL OR chased_on <= s.acknowledged_on) AS before_acknowledged,
           count(*) FILTER (WHERE s.answered_on IS NULL OR chased_on <= s.answered_on) AS before_answered
    FROM chased LEFT JOIN said s USING (organisation_id) GROUP BY organisation_id
)
SELECT sent_on, acknowledged_on, answered_on, coalesce(before_acknowledged, 0) AS before_acknowledged,
       coalesce(before_answered, 0) AS before_answered, count(*) AS bodies
FROM asked JOIN sent USING (organisation_id) LEFT JOIN said USING (organisation_id)
LEFT JOIN rounds USING (organisation_id)
GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5;

-- name: apart_of^
-- Letters that did not arrive as far as we know, and bodies that have none of ours; in one campaign or in all.
SELECT coalesce(sum(bounced), 0) AS bounced, coalesce(sum(returned), 0) AS returned, coalesce(sum(failed), 0) AS failed,
       coalesce(sum(unknown), 0) AS unknown, count(*) FILTER (WHERE lost) AS bodies
FROM (
    SELECT sum(bounced) AS bounced, sum(returned) AS returned, sum(failed) AS failed, sum(unknown) AS unknown,
           bool_or(standing = 'problem') AND bool_and(standing IN ('waiting', 'problem', 'blocked')) AS lost
    FROM bodies WHERE :campaign_id::uuid IS NULL OR campaign_id = :campaign_id
    GROUP BY organisation_id
) AS body;

-- name: asked_in^
-- How many campaigns have come to bodies, and how often one has come to a body.
SELECT count(DISTINCT campaign_id) AS campaigns, count(*) AS times FROM bodies
WHERE standing NOT IN ('waiting', 'problem', 'blocked') AND (:campaign_id::uuid IS NULL OR campaign_id = :campaign_id);
