-- name: spread
-- Of the letters that are due first, those beyond a few for each domain wait for a place of their own, so that they do
-- not stand in the way of others.
WITH front AS (
    SELECT l.id, l.next_try, l.number, lower(split_part(c.email, '@', -1)) AS domain
    FROM letters l JOIN contacts c ON c.id = l.contact_id
    WHERE l.state = 'ready' AND l.channel = 'email' AND l.next_try <= :now AND coalesce(c.email, '') <> ''
    ORDER BY l.next_try, l.number, l.id LIMIT :most FOR UPDATE OF l SKIP LOCKED
), placed AS (
    SELECT id, domain, row_number() OVER (PARTITION BY domain ORDER BY next_try, number, id) AS place FROM front
)
UPDATE letters l SET
    next_try = greatest(d.next_at, :now::timestamptz) + (p.place - :free) * :spacing::interval
FROM placed p LEFT JOIN mail_domains d ON d.domain = p.domain WHERE l.id = p.id AND p.place > :free
RETURNING l.id;

-- name: slow_down!
-- A mail server said that it was too much: nothing goes there for twice as long as the last time.
INSERT INTO mail_domains AS known (domain, next_at, pause)
VALUES (:domain, :now::timestamptz + :first::interval, :first::interval)
ON CONFLICT (domain) DO UPDATE SET
    pause = least(greatest(known.pause * 2, :first::interval), :longest::interval),
    next_at = :now::timestamptz + least(greatest(known.pause * 2, :first::interval), :longest::interval);

-- name: pick_up!
-- It takes mail again.
UPDATE mail_domains SET pause = '0' WHERE domain = :domain;

-- name: forget_domains!
-- Where nothing went lately.
DELETE FROM mail_domains WHERE next_at < :before;

-- name: domains_waiting
-- Where many letters of a campaign that is being sent wait because a domain takes no more at once, the most first.
WITH next AS (
    SELECT contact_id FROM letters
    WHERE campaign_id = :campaign_id AND state = 'ready' AND channel = 'email'
      AND EXISTS (SELECT FROM campaigns WHERE id = :campaign_id AND state = 'sending')
    ORDER BY next_try LIMIT :most
)
SELECT d.domain, count(*) AS letters, d.pause > '0' AND d.next_at > :now AS slowed, d.next_at
FROM next n JOIN contacts c ON c.id = n.contact_id
JOIN mail_domains d ON d.domain = lower(split_part(c.email, '@', -1))
GROUP BY d.domain HAVING count(*) > :free OR d.pause > '0' AND d.next_at > :now
ORDER BY count(*) DESC, d.domain LIMIT 3;
