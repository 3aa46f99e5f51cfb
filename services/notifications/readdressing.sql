-- name: follow_merges!
-- Letters to an entry that was merged are of the surviving one; what is not sent yet goes in its name, whichever was
-- heard first, the merge or the name. Each is locked in the order of its id, so that two who do this never wait for
-- each other in a ring.
WITH bodies AS (
    SELECT o.id, s.id AS surviving, s.name
    FROM organisations o JOIN organisations s ON s.id = o.merged_into
    UNION SELECT s.id, s.id, s.name FROM organisations o JOIN organisations s ON s.id = o.merged_into
    WHERE s.merged_into IS NULL
), theirs AS (
    SELECT l.id, b.surviving, b.name FROM letters l JOIN bodies b ON b.id = l.organisation_id
    WHERE (l.organisation_id, l.body_name) IS DISTINCT FROM (b.surviving, b.name)
    ORDER BY l.id FOR UPDATE OF l
)
UPDATE letters l SET
    organisation_id = theirs.surviving, body_name = theirs.name, changed_at = :now, version = l.version + 1,
    frozen = CASE WHEN l.state IN ('draft', 'blocked', 'ready', 'failed')
        THEN jsonb_set(l.frozen, '{values,body_name}', to_jsonb(theirs.name)) ELSE l.frozen END
FROM theirs WHERE l.id = theirs.id;

-- name: letters_astray
-- The next letters that were released and cannot go as they are, or were set aside for that in a campaign that is still
-- being sent: with whoever takes over the letters of a closed body, and somebody of the same role to write to instead.
-- They are found from what is wrong, by bodies and contacts, and not by a look at everything that waits.
WITH RECURSIVE chain AS (
    SELECT o.id AS first, o.id, o.name, o.closed_on, o.successor_id, o.handed_over, ARRAY[o.id] AS way
    FROM organisations o
    WHERE o.closed_on <= :today
      AND EXISTS (SELECT FROM letters l WHERE l.organisation_id = o.id AND (l.state IN ('ready', 'blocked')) IS TRUE)
    UNION ALL
    SELECT c.first, n.id, n.name, n.closed_on, n.successor_id, n.handed_over, c.way || n.id
    FROM chain c JOIN organisations s ON s.id = c.successor_id
    JOIN organisations n ON n.id = coalesce(s.merged_into, s.id)
    WHERE c.closed_on <= :today AND 'letters' = ANY (c.handed_over) AND n.id <> ALL (c.way)
), heirs AS (
    SELECT first, id, name FROM chain WHERE closed_on IS NULL OR closed_on > :today
), looked_at AS (
    SELECT l.id FROM organisations o JOIN letters l ON l.organisation_id = o.id
    WHERE o.closed_on <= :today AND (l.state = 'ready') IS TRUE
    UNION
    SELECT l.id FROM contacts c JOIN letters l ON l.contact_id = c.id
    WHERE (c.name IS NULL OR coalesce(c.email, '') = '') AND l.state = 'ready' AND l.channel <> 'post'
    UNION
    SELECT l.id FROM contacts c JOIN letters l ON l.contact_id = c.id
    WHERE (c.name IS NULL OR coalesce(cardinality(c.postal_address), 0) = 0) AND l.state = 'ready' AND l.channel = 'post'
    UNION
    SELECT l.id FROM letters l JOIN campaigns m ON m.id = l.campaign_id
    WHERE l.state = 'blocked' AND l.dated IS NOT NULL AND m.state = 'sending' AND l.reason IN ('withdrawn', 'body_closed')
), astray AS (
    SELECT l.id, l.version, l.campaign_id, l.organisation_id, l.contact_id, l.role, l.channel, l.state, l.reason, l.failure,
           l.body_name,
           l.scrubbed_at IS NULL AS whole, o.closed_on, coalesce(o.closed_on <= :today, false) AS closed,
           h.id AS heir_id, h.name AS heir, t.name AS successor,
           c.name IS NOT NULL AND CASE l.channel WHEN 'post' THEN cardinality(c.postal_address) > 0
               ELSE coalesce(c.email, '') <> '' END IS TRUE AS reachable,
           w.merged_into IS NOT NULL AND w.merged_into = l.organisation_id AS was_folded
    FROM looked_at JOIN letters l ON l.id = looked_at.id
    JOIN organisations o ON o.id = l.organisation_id
    JOIN contacts c ON c.id = l.contact_id
    LEFT JOIN organisations w ON w.id = c.organisation_id
    LEFT JOIN organisations t ON t.id = o.successor_id
    LEFT JOIN heirs h ON h.first = o.id
    WHERE looked_at.id > :after AND o.merged_into IS NULL
)
SELECT a.*, n.id AS other_id, n.name AS other_name, n.postal_address, n.postcode, n.source,
       EXISTS (SELECT FROM letters x WHERE x.campaign_id = a.campaign_id AND x.organisation_id = a.heir_id
                 AND x.role = a.role) AS is_written_to
FROM astray a LEFT JOIN LATERAL (
    SELECT n.id, n.name, n.postal_address, n.postcode, n.source FROM contacts n
    WHERE n.organisation_id IN (
            SELECT coalesce(a.heir_id, a.organisation_id)
            UNION SELECT g.id FROM organisations g WHERE g.merged_into = coalesce(a.heir_id, a.organisation_id))
      AND n.role = a.role AND n.name IS NOT NULL
      AND CASE a.channel WHEN 'post' THEN cardinality(n.postal_address) > 0
          ELSE n.channel = 'email' AND coalesce(n.email, '') <> '' END
      AND (n.withdrawn_on IS NULL OR n.withdrawn_on > :today)
      AND NOT EXISTS (SELECT FROM letters x WHERE x.campaign_id = a.campaign_id AND x.contact_id = n.id)
    ORDER BY n.listed_on, n.id LIMIT 1
) n ON a.whole
ORDER BY a.id LIMIT :most;

-- name: readdress_letters!
-- Where these letters go instead, or why they do not, unless something has become of them meanwhile; with a line in the
-- history of each.
WITH given AS (
    SELECT * FROM jsonb_to_recordset(:letters) AS g (
        id uuid, version integer, state text, organisation_id uuid, contact_id uuid, body_name text, says jsonb,
        "values" jsonb, reason text, failure text, cure text, what text
    )
), changed AS (
    UPDATE letters l SET
        state = given.state, organisation_id = coalesce(given.organisation_id, l.organisation_id),
        contact_id = coalesce(given.contact_id, l.contact_id), body_name = coalesce(given.body_name, l.body_name),
        frozen = l.frozen || given.says || jsonb_build_object('values', (l.frozen -> 'values') || given."values"),
        next_try = CASE WHEN given.state = 'ready' THEN coalesce(l.next_try, :now) ELSE l.next_try END,
        reason = given.reason, failure = given.failure, cure = given.cure, changed_at = :now, version = l.version + 1
    FROM given WHERE l.id = given.id AND l.version = given.version RETURNING l.id, given.what
)
INSERT INTO letter_history (letter_id, at, what, who) SELECT id, :now, what, 'the address book' FROM changed;
