-- name: enter_referral!
-- Somebody was sent on to a partner.
INSERT INTO referrals (id, reference, need, organisation_id, contact_id, state, reason, made_by, made_at, changed_at,
                       changed_by, due_on, token_digest, version)
VALUES (:id, :reference, :need, :organisation_id, :contact_id, 'made', '', :made_by, :now, :now, :made_by, :due_on,
        :token_digest, 1);

-- name: referral_made_since$
-- Whether somebody of this reference was sent there for the same need, and it still stands.
SELECT EXISTS (SELECT FROM referrals
WHERE organisation_id = :organisation_id AND lower(reference) = lower(:reference) AND need = :need
  AND made_at >= :since AND state <> 'taken_back');

-- name: referral^
-- One referral, with its organisation, whom was written to, and who of ours did what.
SELECT r.id, r.reference, r.need, r.organisation_id, r.contact_id, r.state, r.reason, r.made_by, r.made_at, r.changed_at,
       r.changed_by, r.due_on, r.version, o.name AS organisation, c.role AS contact_role, c.name AS contact,
       CASE WHEN c.withdrawn_on IS NULL THEN c.email END AS email, m.name AS maker, p.name AS changer
FROM referrals AS r JOIN organisations AS o ON o.id = r.organisation_id
LEFT JOIN contacts AS c ON c.id = r.contact_id
LEFT JOIN people AS m ON m.id = r.made_by LEFT JOIN people AS p ON p.id = r.changed_by
WHERE r.id = :id;

-- name: referral_by_token^
-- The referral that a link leads to.
SELECT r.id, r.reference, r.need, r.organisation_id, r.state, r.made_at, r.changed_at, r.version, o.name AS organisation
FROM referrals AS r JOIN organisations AS o ON o.id = r.organisation_id WHERE r.token_digest = :digest;

-- name: lock_referral^
-- One referral, locked: what is said of it comes one after the other.
SELECT id, reference, need, organisation_id, contact_id, state, reason, due_on, version FROM referrals
WHERE id = :id FOR UPDATE;

-- name: move_referral!
-- Where a referral stands now.
UPDATE referrals SET state = :state, reason = :reason, changed_at = :now, changed_by = :changed_by, due_on = :due_on,
    version = version + 1
WHERE id = :id;

-- name: put_off_referral!
-- Somebody has asked once more: there is time for an answer again.
UPDATE referrals SET due_on = :due_on, version = version + 1 WHERE id = :id;

-- name: referrals_listed
-- A page of referrals, newest first, after one of them: of one organisation or all, in one of these states.
SELECT r.id, r.reference, r.need, r.organisation_id, r.state, r.made_at, r.changed_at, r.due_on, o.name AS organisation
FROM referrals AS r JOIN organisations AS o ON o.id = r.organisation_id
WHERE (:organisation_id::uuid IS NULL OR r.organisation_id = :organisation_id::uuid)
  AND r.state = ANY(:states::text[]) AND (:need::text = '' OR r.need = :need::text)
  AND (:after::uuid IS NULL
       OR (r.made_at, r.id) < (SELECT b.made_at, b.id FROM referrals AS b WHERE b.id = :after::uuid))
ORDER BY r.made_at DESC, r.id DESC LIMIT :most;

-- name: referrals_figures^
-- How many were made, to one organisation or to all, and how they stand.
SELECT count(*) AS made, count(*) FILTER (WHERE state = 'made') AS waiting,
       count(*) FILTER (WHERE state = 'accepted') AS accepted, count(*) FILTER (WHERE state = 'declined') AS declined,
       count(*) FILTER (WHERE state = 'helped') AS helped, count(*) FILTER (WHERE state = 'not_helped') AS not_helped,
       count(*) FILTER (WHERE state = 'not_known') AS not_known,
       count(*) FILTER (WHERE state IN ('taken_back', 'ended')) AS taken_back
FROM referrals WHERE :organisation_id::uuid IS NULL OR organisation_id = :organisation_id::uuid;

-- name: referrals_by_need
-- How many were made for each need, and how they stand.
SELECT need, count(*) AS made, count(*) FILTER (WHERE state = 'declined') AS declined,
       count(*) FILTER (WHERE state IN ('taken_back', 'ended')) AS taken_back,
       count(*) FILTER (WHERE state = 'helped') AS helped, count(*) FILTER (WHERE state = 'not_helped') AS not_helped
FROM referrals GROUP BY need ORDER BY count(*) DESC, need LIMIT :most;

-- name: referrals_by_partner
-- The partners to whom most were sent, and how they stand there.
SELECT r.organisation_id, o.name AS organisation, count(*) AS made,
       count(*) FILTER (WHERE r.state = 'declined') AS declined,
       count(*) FILTER (WHERE r.state IN ('taken_back', 'ended')) AS taken_back,
       count(*) FILTER (WHERE r.state = 'helped') AS helped,
       count(*) FILTER (WHERE r.state = 'not_helped') AS not_helped
FROM referrals AS r JOIN organisations AS o ON o.id = r.organisation_id
GROUP BY r.organisation_id, o.name ORDER BY count(*) DESC, o.name, r.organisation_id LIMIT :most;

-- name: referrals_due
-- Those about which somebody of ours should ask, the longest due first.
SELECT r.id, r.state, r.reference, r.due_on, r.organisation_id, o.name AS organisation
FROM referrals AS r JOIN organisations AS o ON o.id = r.organisation_id
WHERE r.due_on <= :today ORDER BY r.due_on, r.id LIMIT :most;

-- name: contacts_for_referral
-- Whom one may write to at an organisation.
SELECT id, role, name, channel, email FROM contacts WHERE organisation_id = :organisation_id AND withdrawn_on IS NULL
ORDER BY role, name, id LIMIT :most;

-- name: move_referrals!
-- Who was sent on to one organisation was sent on to the other that it was merged into.
UPDATE referrals SET organisation_id = :surviving, version = version + 1 WHERE organisation_id = :losing;

-- name: fold_contacts_of_referrals!
-- Where two contacts are one from now on, who was asked as the losing one was asked as the surviving one.
UPDATE referrals AS r SET contact_id = one.surviving, version = r.version + 1
FROM unnest(:losing::uuid[], :surviving::uuid[]) AS one (losing, surviving)
WHERE r.organisation_id = ANY(:organisations::uuid[]) AND r.contact_id = one.losing;

-- name: open_referrals_of$
-- How many of an organisation's referrals are not over.
SELECT count(*) FROM referrals WHERE organisation_id = :organisation_id AND state IN ('made', 'accepted');

-- name: hand_over_referrals!
-- A closed organisation's successor takes over whom it was to help.
UPDATE referrals SET organisation_id = :surviving, version = version + 1
WHERE organisation_id = :losing AND state IN ('made', 'accepted');

-- name: end_referrals
-- Nobody takes over whom a closed organisation was to help.
UPDATE referrals SET state = 'ended', due_on = NULL, changed_at = :now, version = version + 1
WHERE organisation_id = :losing AND state IN ('made', 'accepted')
RETURNING id, need, organisation_id, version;

-- name: referrals_held
-- Referrals under one of these references, or declined for a reason at one of these bodies or with one of these words.
SELECT r.id, r.organisation_id, r.reference, r.need, r.state, r.reason, r.made_at, r.changed_at, o.name AS organisation
FROM referrals AS r JOIN organisations AS o ON o.id = r.organisation_id
WHERE r.reference = ANY(:references::text[])
   OR r.reason <> '' AND (
       r.organisation_id = ANY(:organisations::uuid[])
       OR EXISTS (SELECT FROM unnest(:words::text[]) AS word WHERE strpos(lower(r.reason), lower(word)) > 0))
ORDER BY r.made_at, r.id;

-- name: scrub_referral!
-- A referral that leads to nobody any more: it is counted, and that is all.
UPDATE referrals SET reference = :reference, reason = :reason, version = version + 1 WHERE id = :id;

-- name: references_until$
-- Let go of our references, and of why one was declined, where nothing was said since a moment. How many had one.
WITH old AS (
    SELECT id FROM referrals WHERE changed_at < :before AND reference <> '' AND due_on IS NULL
    ORDER BY changed_at LIMIT :most FOR UPDATE SKIP LOCKED
), forgotten AS (
    UPDATE referrals AS r SET reference = '', reason = '' FROM old WHERE r.id = old.id RETURNING 1
)
SELECT count(*) FROM forgotten;
