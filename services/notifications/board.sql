-- name: marks_of
-- The newest change of the bodies of each of these campaigns, and whether nothing older is under way any more: as long as
-- that stays so, so do their standings. A body that goes leaves its letters to another, which changes, or the campaign
-- has none any more. Marks beyond the newest transaction are another server's, from which this database was restored.
-- And whether its letters are going out, so that it changes all the time.
SELECT m.id AS campaign_id, b.changed_in::text AS changed_in,
       b.changed_in < pg_snapshot_xmin(pg_current_snapshot()) AS settled, m.state = 'sending' AS going
FROM campaigns m CROSS JOIN LATERAL (
    SELECT max(changed_in) AS changed_in FROM bodies
    WHERE campaign_id = m.id AND changed_in < pg_snapshot_xmax(pg_current_snapshot())
) b
WHERE m.id = ANY (:campaigns::uuid[]);

-- name: approvals_waiting
-- What waits for approval or was sent back, the newest campaign first: letters that have not gone, or how a campaign is to
-- chase of which they have.
SELECT m.id, m.name, m.hands, m.returned_because, false AS is_chasing, m.created_at FROM campaigns m
WHERE m.id = ANY (:campaigns::uuid[]) AND (m.state = 'submitted' OR m.state = 'draft' AND m.returned_because <> '')
UNION ALL
SELECT m.id, m.name, w.hands, w.returned_because, true, m.created_at FROM campaigns m JOIN LATERAL (
    SELECT * FROM chaser_words WHERE campaign_id = m.id ORDER BY version DESC LIMIT 1
) w ON w.approved_at IS NULL
WHERE m.id = ANY (:campaigns::uuid[]) AND m.state IN ('sending', 'paused', 'sent')
ORDER BY created_at DESC, id DESC;

-- name: standings_of
-- How many bodies of each of these campaigns stand where, by what they serve, with what they are asked and what became of
-- the letters to them. A question that we have answered is their turn, and a pledge of which nothing will
-- come is no promise. Nothing here keeps all rows of a group, so they need not be sorted.
SELECT campaign_id, areas, standing,
       CASE WHEN standing = 'silent' AND since < :very_late_before THEN 'very_late'
            WHEN standing = 'silent' AND since < :late_before THEN 'late'
            WHEN standing = 'asked' AND asking = 0 THEN 'acknowledged'
            WHEN written_back THEN 'written_back'
            ELSE standing END AS status,
       count(*) AS bodies, sum(ask_pence::integer) AS asked_pence, min(ask_pence) AS least_pence,
       max(ask_pence) AS most_pence, sum(letters) AS letters, sum(waiting) AS waiting, sum(blocked) AS blocked,
       sum(bounced) AS bounced, sum(returned) AS returned, sum(failed) AS failed, sum(unknown) AS unknown,
       sum(in_trouble) AS in_trouble, max(evidence_source) AS evidence_source, min(evidence_on) AS evidence_first,
       max(evidence_on) AS evidence_last,
       min(letter_id::text)::uuid AS letter_id
FROM bodies WHERE campaign_id = ANY (:campaigns::uuid[])
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4;

-- name: bodies_in_order
-- The next bodies of a campaign but these, what needs a person first and then by name: all, those of one status, those
-- whose name has these letters in it or that serve one of these areas. They are walked in their order, as far as is
-- needed, and not sorted first.
SELECT * FROM (
    SELECT b.*, lower(b.name) AS in_order,
           CASE WHEN standing = 'silent' AND since < :very_late_before THEN 'very_late'
                WHEN standing = 'silent' AND since < :late_before THEN 'late'
                WHEN standing = 'asked' AND asking = 0 THEN 'acknowledged'
                WHEN written_back THEN 'written_back'
                ELSE standing END AS status
    FROM bodies b
    WHERE b.campaign_id = :campaign_id AND b.organisation_id <> ALL (:but::uuid[])
      AND (:query = '' OR strpos(lower(b.name), :query) > 0 OR b.areas && :areas::text[])
      AND (:after::uuid IS NULL OR (b.place, lower(b.name), b.organisation_id) > (
          SELECT a.place, lower(a.name), a.organisation_id FROM bodies a
          WHERE a.campaign_id = :campaign_id AND a.organisation_id = :after::uuid))
      AND b.place BETWEEN :first_place AND :last_place
    ORDER BY b.place, in_order, b.organisation_id OFFSET 0
) AS found
WHERE :status = '' OR status = :status
ORDER BY place, in_order, organisation_id LIMIT :most;

-- name: bodies_among
-- The next of these bodies, chosen and ordered as `bodies_in_order` does.
SELECT * FROM (
    SELECT b.*, lower(b.name) AS in_order,
           CASE WHEN standing = 'silent' AND since < :very_late_before THEN 'very_late'
                WHEN standing = 'silent' AND since < :late_before THEN 'late'
                WHEN standing = 'asked' AND asking = 0 THEN 'acknowledged'
                WHEN written_back THEN 'written_back'
                ELSE standing END AS status
    FROM bodies b
    WHERE b.campaign_id = :campaign_id AND b.organisation_id = ANY (:only::uuid[])
      AND (:query = '' OR strpos(lower(b.name), :query) > 0 OR b.areas && :areas::text[])
      AND (:after::uuid IS NULL OR (b.place, lower(b.name), b.organisation_id) > (
          SELECT a.place, lower(a.name), a.organisation_id FROM bodies a
          WHERE a.campaign_id = :campaign_id AND a.organisation_id = :after::uuid))
) AS found
WHERE :status = '' OR status = :status
ORDER BY place, in_order, organisation_id LIMIT :most;

-- name: going_by_themselves
-- Those of these campaigns of which letters go without anybody who posts them: whether any is still to go, and how many
-- the mail server has not answered for, and since when. The least of their states is the first that an index has, however
-- many there are.
SELECT m.id, g.least = 'ready' AS waiting, h.handed_over, h.since FROM campaigns m
CROSS JOIN LATERAL (
    SELECT min(l.state) AS least FROM letters l
    WHERE l.campaign_id = m.id AND l.channel <> 'post' AND l.state IN ('ready', 'sending')
) g
CROSS JOIN LATERAL (
    SELECT count(*) AS handed_over, min(l.claimed_at) AS since FROM letters l
    WHERE l.campaign_id = m.id AND l.channel <> 'post' AND l.state = 'sending'
) h
WHERE m.id = ANY (:campaigns::uuid[]) AND m.state = 'sending' AND g.least IS NOT NULL;

-- name: letters_by_state
-- How many letters of a campaign there are of each state.
SELECT state, count(*) AS count FROM letters WHERE campaign_id = :campaign_id GROUP BY state;

-- name: by_post_of
-- How many letters to each of these bodies of a campaign go by post, and how many of them lie printed.
SELECT organisation_id, count(*) AS letters, count(*) FILTER (WHERE state = 'printed') AS printed FROM letters
WHERE campaign_id = :campaign_id AND organisation_id = ANY (:bodies::uuid[]) AND channel = 'post'
GROUP BY organisation_id;

-- name: chased_of
-- How often each of these bodies of a campaign was chased: several letters chased at once are one time.
SELECT organisation_id, max(chased) AS chased FROM (
    SELECT l.organisation_id, count(*) AS chased FROM chasers k JOIN letters l ON l.id = k.letter_id
    WHERE l.campaign_id = :campaign_id AND l.organisation_id = ANY (:bodies::uuid[]) AND k.state = 'sent'
    GROUP BY l.organisation_id, l.id
) AS letters GROUP BY organisation_id;

-- name: pledges_of
-- What each of these bodies of a campaign has promised, in pence: what was confirmed and counts, as `pledged_in` has it;
-- what is not confirmed yet, but for what was replaced, as `answers_of` has it; and what will not come.
SELECT l.organisation_id,
       coalesce(sum(a.pledge_pence - a.written_back_pence) FILTER (WHERE a.confirmed_at IS NOT NULL), 0)::bigint AS confirmed,
       coalesce(sum(a.pledge_pence) FILTER (WHERE a.confirmed_at IS NULL), 0)::bigint AS open,
       coalesce(sum(a.written_back_pence) FILTER (WHERE a.corrected_at IS NULL), 0)::bigint AS written_back
FROM answers a JOIN letters l ON l.id = a.letter_id
WHERE l.campaign_id = :campaign_id AND l.organisation_id = ANY (:bodies::uuid[]) AND a.kind = 'pledge'
  AND (a.confirmed_at IS NOT NULL OR a.corrected_at IS NULL AND a.settled_at IS NULL AND NOT EXISTS (
        SELECT FROM answers n WHERE n.letter_id = a.letter_id AND n.kind IN ('pledge', 'decline')
            AND n.corrected_at IS NULL AND (n.at, n.id) > (a.at, a.id)))
GROUP BY l.organisation_id;

-- name: turns_of
-- Which of these bodies of a campaign have pledged and then declined, or declined and then pledged, to one letter: what
-- they said last, and the pledge before. The newest of each body.
SELECT DISTINCT ON (organisation_id) organisation_id, kind, pledge_pence FROM (
    SELECT l.organisation_id, a.id, a.at, a.kind, lag(a.kind) OVER said AS before,
           lag(a.pledge_pence) OVER said AS pledge_pence, lead(a.id) OVER said IS NULL AS is_last
    FROM answers a JOIN letters l ON l.id = a.letter_id
    WHERE l.campaign_id = :campaign_id AND l.organisation_id = ANY (:bodies::uuid[])
      AND a.kind IN ('pledge', 'decline') AND a.corrected_at IS NULL
    WINDOW said AS (PARTITION BY a.letter_id ORDER BY a.at, a.id)
) AS turns
WHERE is_last AND before <> kind ORDER BY organisation_id, at DESC, id DESC;
