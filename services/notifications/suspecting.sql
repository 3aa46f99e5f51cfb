-- name: silent_addresses
-- Contacts whose address has swallowed everything, across campaigns: at least two mails, each sent before a moment and the
-- first so long before the last that no one bad day explains both; and not a word since the last sign of life there, not
-- even an automatic reply. Mails that are younger say nothing yet. Those that are suspected already are left out.
WITH mails AS (
    SELECT lower(c.email) AS email, coalesce(l.waits_since, l.sent_at) AS sent_at,
           CASE WHEN l.answer = 'auto_replied' THEN l.changed_at END AS alive_at, l.id AS letter_id
    FROM letters l JOIN contacts c ON c.id = l.contact_id
    WHERE l.state = 'sent' AND l.channel = 'email' AND l.delivery NOT IN ('bounced', 'returned') AND c.name IS NOT NULL AND c.email <> ''
    UNION ALL
    SELECT lower(c.email), k.sent_at, NULL, k.letter_id
    FROM chasers k JOIN letters l ON l.id = k.letter_id JOIN contacts c ON c.id = l.contact_id
    WHERE k.state = 'sent' AND k.channel = 'email' AND c.name IS NOT NULL AND c.email <> ''
), lives AS (
    SELECT email, max(alive_at) AS alive_at FROM (
        SELECT email, alive_at FROM mails WHERE alive_at IS NOT NULL
        UNION ALL SELECT m.email, a.at FROM mails m JOIN answers a ON a.letter_id = m.letter_id
        UNION ALL SELECT lower(c.email), s.lifted_at FROM suspected_addresses s JOIN contacts c ON c.id = s.contact_id
        WHERE s.channel = 'email' AND s.lifted_at IS NOT NULL
    ) AS signs GROUP BY email
), swallowed AS (
    SELECT m.email FROM mails m LEFT JOIN lives v ON v.email = m.email
    WHERE m.sent_at < :before AND (v.alive_at IS NULL OR m.sent_at > v.alive_at)
    GROUP BY m.email HAVING max(m.sent_at) - min(m.sent_at) >= :apart::interval
)
SELECT c.id AS contact_id, c.organisation_id, c.role, c.email FROM contacts c JOIN swallowed w ON w.email = lower(c.email)
WHERE c.name IS NOT NULL
  AND NOT EXISTS (SELECT FROM suspected_addresses s WHERE s.contact_id = c.id AND s.channel = 'email' AND s.lifted_at IS NULL)
ORDER BY c.id LIMIT :most;

-- name: suspect$
-- An address is suspect from now on, unless it is already. The number of what is announced.
INSERT INTO suspected_addresses AS s (contact_id, channel, digest, organisation_id, role, suspected_at, told)
SELECT :contact_id::uuid, :channel::text, :digest::bytea, :organisation_id::uuid, :role::text, :now::timestamptz,
       coalesce(max(told), 0) + 1
FROM suspected_addresses WHERE contact_id = :contact_id
ON CONFLICT (contact_id, channel) DO UPDATE SET
    digest = excluded.digest, suspected_at = excluded.suspected_at, lifted_at = NULL, lifted_because = NULL,
    told = excluded.told
WHERE s.lifted_at IS NOT NULL
RETURNING told;

-- name: suspects_that_answered
-- Suspects from whose address something has come since; of those by post, an answer to what was posted there since.
SELECT s.contact_id, s.channel FROM suspected_addresses s JOIN contacts c ON c.id = s.contact_id
WHERE s.lifted_at IS NULL AND CASE s.channel WHEN 'email' THEN EXISTS (
    SELECT FROM letters l JOIN contacts o ON o.id = l.contact_id
    WHERE lower(o.email) = lower(c.email) AND (
        l.answer = 'auto_replied' AND l.changed_at > s.suspected_at
        OR EXISTS (SELECT FROM answers a WHERE a.letter_id = l.id AND a.at > s.suspected_at)))
ELSE EXISTS (
    SELECT FROM letters l JOIN answers a ON a.letter_id = l.id
    WHERE l.contact_id = s.contact_id AND l.channel = 'post' AND l.delivery = '' AND l.sent_at > s.suspected_at) END
ORDER BY s.contact_id, s.channel;

-- name: addresses_suspected
-- What was suspected, and the address of that kind that the contact has now.
SELECT s.contact_id, s.channel, s.digest, c.email, c.postal_address, c.postcode
FROM suspected_addresses s JOIN contacts c ON c.id = s.contact_id WHERE s.lifted_at IS NULL AND c.name IS NOT NULL
ORDER BY s.contact_id, s.channel;

-- name: lift_suspicion^
-- The address works. Nothing when it was not suspected any more; else whether another of theirs still is.
UPDATE suspected_addresses s SET lifted_at = :now, lifted_because = :because,
    told = (SELECT max(told) + 1 FROM suspected_addresses WHERE contact_id = :contact_id)
WHERE contact_id = :contact_id AND channel = :channel AND lifted_at IS NULL
RETURNING contact_id, organisation_id, role, told, EXISTS (
    SELECT FROM suspected_addresses o WHERE o.contact_id = s.contact_id AND o.channel <> s.channel AND o.lifted_at IS NULL
) AS still;

-- name: suspects
-- The addresses that are suspected, the newest first.
SELECT s.contact_id, s.channel, s.suspected_at, s.role, c.name, c.email, c.postal_address, c.postcode,
       o.name AS body_name, s.organisation_id
FROM suspected_addresses s LEFT JOIN contacts c ON c.id = s.contact_id LEFT JOIN organisations o ON o.id = s.organisation_id
WHERE s.lifted_at IS NULL ORDER BY s.suspected_at DESC, s.contact_id, s.channel LIMIT :most;
