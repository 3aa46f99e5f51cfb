-- name: outcomes_alike
-- What came of our letters to bodies, in one scope (a campaign, or all of them): bodies of which the same was said, and then
-- bodies that took as long, where one has a day on which our first letter went. A body that several campaigns ask is one
-- body. Of bodies that something was changed about since, the outcomes are reckoned now.
WITH changed AS MATERIALIZED (SELECT DISTINCT organisation_id FROM outcomes_changed)
SELECT said, sent_on, acknowledged_on, answered_on, before_acknowledged, before_answered, count(*) AS bodies,
       sum(times) AS times
FROM (
    SELECT * FROM outcomes AS kept
    WHERE scope = :scope
      AND NOT EXISTS (SELECT FROM changed WHERE changed.organisation_id = kept.organisation_id)
    UNION ALL
    SELECT * FROM outcomes_of(ARRAY(SELECT organisation_id FROM changed)) AS anew WHERE scope = :scope
) AS body
GROUP BY GROUPING SETS (
    (said), (sent_on, acknowledged_on, answered_on, before_acknowledged, before_answered)
);

-- name: apart_of^
-- Letters that did not arrive as far as we know, and bodies that have none of ours; in one campaign or in all.
SELECT coalesce(sum(bounced), 0) AS bounced, coalesce(sum(returned), 0) AS returned, coalesce(sum(failed), 0) AS failed,
       coalesce(sum(unknown), 0) AS unknown,
       count(DISTINCT organisation_id) FILTER (WHERE standing = 'problem' AND NOT EXISTS (
           SELECT FROM letters l
           WHERE l.organisation_id = b.organisation_id AND (:campaign_id::uuid IS NULL OR l.campaign_id = :campaign_id)
             AND (l.state = 'sent' AND l.delivery NOT IN ('bounced', 'returned') OR l.answer <> 'silent')
       )) AS bodies
FROM bodies b
WHERE (bounced > 0 OR returned > 0 OR failed > 0 OR unknown > 0)
  AND (:campaign_id::uuid IS NULL OR campaign_id = :campaign_id);

-- name: campaigns_that_came$
-- How many campaigns have come to anybody.
SELECT count(*) FROM campaigns c
WHERE (:campaign_id::uuid IS NULL OR c.id = :campaign_id)
  AND EXISTS (SELECT FROM bodies b WHERE b.campaign_id = c.id AND b.place IN (1, 3, 4, 5));

-- name: keep_alone$
-- Whether nobody else keeps outcomes at this moment: whoever had begun before might put back what they were.
SELECT pg_try_advisory_xact_lock(7204202);

-- name: take_changed
-- Bodies of which something has changed, which are no longer marked so.
DELETE FROM outcomes_changed WHERE id IN (SELECT id FROM outcomes_changed ORDER BY id LIMIT :most)
RETURNING organisation_id;

-- name: forget_outcomes!
-- What was kept of these bodies.
DELETE FROM outcomes WHERE organisation_id = ANY (:organisations::uuid[]);

-- name: keep_outcomes!
-- What came of our letters to these bodies.
INSERT INTO outcomes SELECT * FROM outcomes_of(:organisations::uuid[]);
