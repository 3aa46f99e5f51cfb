-- name: silent_addresses
-- Contacts whose address has swallowed everything since before a moment, across campaigns: at least two mails, and not a
-- word since the last sign of life there, not even an automatic reply. Those that are suspected already are left out.
WITH mails AS (
    SELECT lower(c.email) AS email, coalesce(l.waits_since, l.sent_at) AS sent_at,
           CASE WHEN l.answer = 'auto_replied' THEN l.changed_at END AS alive_at, l.id AS letter_id
    FROM letters l JOIN contacts c ON c.id = l.contact_id
    WHERE l.state = 'sent' AND l.delivery NOT IN ('bounced', 'returned') AND c.name IS NOT NULL AND c.email <> ''
    UNION ALL
    SELECT lower(c.email), k.sent_at, NULL, k.letter_id
    FROM chasers k JOIN letters l ON l.id = k.letter_id JOIN contacts c ON c.id = l.contact_id
    WHERE k.state = 'sent' AND k.channel = 'email' AND c.name IS NOT NULL AND c.email <> ''
), lives AS (
    SELECT email, max(alive_at) AS alive_at FROM (
        SELECT email, alive_at FROM mails WHERE alive_at IS NOT NULL
        UNION ALL SELECT m.email, a.at FROM mails m JOIN answers a ON a.letter_id = m.letter_id
        UNION ALL SELECT lower(c.email), s.lifted_at FROM suspects s JOIN contacts c ON c.id = s.contact_id
        WHERE s.lifted_at IS NOT NULL
    ) AS signs GROUP BY email
), swallowed AS (
    SELECT m.email FROM mails m LEFT JOIN lives v ON v.email = m.email
    WHERE v.alive_at IS NULL OR m.sent_at > v.alive_at
    GROUP BY m.email HAVING count(*) > 1 AND min(m.sent_at) < :before
)
SELECT c.id AS contact_id, c.organisation_id, c.role, c.email FROM contacts c JOIN swallowed w ON w.email = lower(c.email)
WHERE c.name IS NOT NULL
  AND NOT EXISTS (SELECT FROM suspects s WHERE s.contact_id = c.id AND s.lifted_at IS NULL)
ORDER BY c.id LIMIT :most;

-- name: suspect$
-- An address is suspect from now on, unless it is already. The times that it was.
INSERT INTO suspects AS s (contact_id, digest, organisation_id, role, suspected_at, times)
VALUES (:contact_id, :digest, :organisation_id, :role, :now, 1)
ON CONFLICT (contact_id) DO UPDATE SET
    digest = excluded.digest, suspected_at = excluded.suspected_at, lifted_at = NULL, lifted_because = NULL,
    times = s.times + 1
WHERE s.lifted_at IS NOT NULL
RETURNING times;

-- name: suspects_that_answered
-- Suspects from whose address something has come since.
SELECT s.contact_id FROM suspects s JOIN contacts c ON c.id = s.contact_id
WHERE s.lifted_at IS NULL AND EXISTS (
    SELECT FROM letters l JOIN contacts o ON o.id = l.contact_id
    WHERE lower(o.email) = lower(c.email) AND (
        l.answer = 'auto_replied' AND l.changed_at > s.suspected_at
        OR EXISTS (SELECT FROM answers a WHERE a.letter_id = l.id AND a.at > s.suspected_at)))
ORDER BY s.contact_id;

-- name: lift_suspicion^
-- The address works. Nothing when it was not suspected any more.
UPDATE suspects SET lifted_at = :now, lifted_because = :because
WHERE contact_id = :contact_id AND lifted_at IS NULL RETURNING contact_id, organisation_id, role, times;

-- name: suspects
-- The addresses that are suspected, the newest first.
SELECT s.contact_id, s.suspected_at, s.role, c.name, c.email, o.name AS body_name, s.organisation_id
FROM suspects s LEFT JOIN contacts c ON c.id = s.contact_id LEFT JOIN organisations o ON o.id = s.organisation_id
WHERE s.lifted_at IS NULL ORDER BY s.suspected_at DESC, s.contact_id LIMIT :most;

-- name: suspected_among
-- Which of these contacts have an address that is suspected.
SELECT contact_id FROM suspects WHERE lifted_at IS NULL AND contact_id = ANY (:ids::uuid[]);
