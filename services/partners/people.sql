-- name: person_by_id^
-- One person, with the name of the body that they belong to.
SELECT p.*, o.name AS organisation, u.kind AS unreached_by, u.failed_at AS unreached_at
FROM people AS p JOIN organisations AS o ON o.id = p.organisation_id
LEFT JOIN people_unreached AS u ON u.person_id = p.id WHERE p.id = :id;

-- name: person_by_email^
-- The person of this address, locked: what follows depends on them.
SELECT * FROM people WHERE email_key = :email_key FOR UPDATE;

-- name: lock_person^
-- One person, locked.
SELECT * FROM people WHERE id = :id FOR UPDATE;

-- name: people_listed
-- Everybody who was ever admitted, those who may sign in first, by name.
SELECT p.*, o.name AS organisation, EXISTS (SELECT 1 FROM people_unreached AS u WHERE u.person_id = p.id) AS unreached,
       (SELECT max(s.renewed_at) FROM sessions AS s WHERE s.person_id = p.id) AS seen_at
FROM people AS p JOIN organisations AS o ON o.id = p.organisation_id
ORDER BY p.barred_at IS NOT NULL, lower(p.name), p.id;

-- name: people_trusted_as
-- Everybody who may sign in and has a role.
SELECT id, name, email FROM people WHERE barred_at IS NULL AND :role::text = ANY(roles) ORDER BY id;

-- name: one_leaves_at_a_time!
-- Two who administer and take that from each other at the same moment: the second one sees what the first has done.
SELECT pg_advisory_xact_lock(7204203);

-- name: people_count$
-- How many may sign in.
SELECT count(*) FROM people WHERE barred_at IS NULL;

-- name: people_after
-- The next people in the order of their ids.
SELECT * FROM people WHERE :after::uuid IS NULL OR id > :after::uuid ORDER BY id LIMIT :most;

-- name: lock_house!
-- Wait until nobody else enters our own body in the register.
SELECT pg_advisory_xact_lock(7204203);

-- name: admit_person!
-- Enter somebody.
INSERT INTO people (id, organisation_id, name, email, email_key, roles, admitted_at, version, changed_at)
VALUES (:id, :organisation_id, :name, :email, :email_key, :roles, :now, 1, :now);

-- name: change_person^
-- Give somebody these roles, bar or admit them; whatever was signed for them before is void.
UPDATE people SET roles = :roles, barred_at = :barred_at, version = version + 1, changed_at = :now
WHERE id = :id RETURNING *;

-- name: note_unreached!
-- A message to somebody who may sign in did not arrive; of several the newest is kept.
INSERT INTO people_unreached AS known (person_id, kind, failed_at)
SELECT id, :kind, :failed_at FROM people WHERE id = :person_id AND barred_at IS NULL
ON CONFLICT (person_id) DO UPDATE SET kind = excluded.kind, failed_at = excluded.failed_at
WHERE known.failed_at < excluded.failed_at;

-- name: is_unreached$
-- Whether the last that we know is that a message to somebody did not arrive.
SELECT EXISTS (SELECT 1 FROM people_unreached WHERE person_id = :person_id);

-- name: forget_unreached!
-- They are written to anew, or have read what was sent to them.
DELETE FROM people_unreached WHERE person_id = :person_id;

-- name: unreached_count$
-- How many do not get what is sent to them.
SELECT count(*) FROM people_unreached;

-- name: correct_address!
-- What somebody is written to, and signs in with.
UPDATE people SET email = :email, email_key = :email_key WHERE id = :id;

-- name: begin_sign_in!
-- Note that somebody wants to sign in.
INSERT INTO sign_ins (id, person_id, asker, browser, link, code, next, asked_at, expires_at)
VALUES (:id, :person_id, :asker, :browser, :link, :code, :next, :now, :expires_at);

-- name: sign_in_by_link^
-- What a link is good for.
SELECT s.*, p.barred_at, p.name FROM sign_ins AS s JOIN people AS p ON p.id = s.person_id WHERE s.link = :link;

-- name: sign_in_of_browser^
-- The last time that a browser asked.
SELECT s.*, p.barred_at FROM sign_ins AS s LEFT JOIN people AS p ON p.id = s.person_id
WHERE s.browser = :browser ORDER BY s.asked_at DESC, s.id DESC LIMIT 1;

-- name: use_sign_ins
-- What a person has asked for opens nothing any more. Which of it opened something until now.
UPDATE sign_ins SET used_at = :now WHERE person_id = :person_id AND used_at IS NULL RETURNING id;

-- name: count_guess!
-- A code was typed that is not the one.
UPDATE sign_ins SET guesses = guesses + 1 WHERE id = :id;

-- name: begin_session!
-- A browser is signed in.
INSERT INTO sessions (id, person_id, renewal, agent, began_at, renewed_at)
VALUES (:id, :person_id, :renewal, :agent, :now, :now);

-- name: session_to_renew^
-- The session that a browser keeps the key of, if it is neither ended nor too old, with its person. Locked.
SELECT s.id, s.person_id, s.proved_at, p.roles, p.version, p.second_factor FROM sessions AS s JOIN people AS p ON p.id = s.person_id
WHERE s.renewal = :renewal AND s.ended_at IS NULL AND p.barred_at IS NULL
  AND s.renewed_at > :idle_since AND s.began_at > :began_since
FOR UPDATE OF s;

-- name: note_renewal!
-- A session is in use.
UPDATE sessions SET renewed_at = :now WHERE id = :id;

-- name: replace_renewal!
-- A session goes on under a new secret; the one before opens nothing any more.
UPDATE sessions SET renewal = :renewal, renewed_at = :now WHERE id = :id;

-- name: session_begun_since$
-- Whether a session has begun after this.
SELECT began_at > :since FROM sessions WHERE id = :id;

-- name: sessions_of
-- The sessions of one person that are still good, the one in use last first.
SELECT id, agent, began_at, renewed_at FROM sessions
WHERE person_id = :person_id AND ended_at IS NULL AND renewed_at > :idle_since AND began_at > :began_since
ORDER BY renewed_at DESC, id;

-- name: end_sessions$
-- End one session of a person, or all of them. How many were ended.
WITH ended AS (
    UPDATE sessions SET ended_at = :now
    WHERE person_id = :person_id AND ended_at IS NULL AND (:id::uuid IS NULL OR id = :id::uuid) RETURNING id
)
SELECT count(*) FROM ended;

-- name: take_second_factor!
-- Somebody's app knows this secret, and has shown the code of this half minute.
UPDATE people SET second_factor = :secret, second_factor_since = :now, second_factor_step = :step WHERE id = :id;

-- name: note_step!
-- The code of this half minute was used.
UPDATE people SET second_factor_step = :step WHERE id = :id;

-- name: forget_second_factor!
-- Somebody has no second factor any more.
UPDATE people SET second_factor = NULL, second_factor_since = NULL, second_factor_step = NULL WHERE id = :id;

-- name: note_proof!
-- The second factor was shown in a session.
UPDATE sessions SET proved_at = :now WHERE id = :id;

-- name: keep_recovery_codes!
-- What opens instead when the telephone is lost.
INSERT INTO recovery_codes (person_id, code) SELECT :person_id, unnest(:codes::bytea[]);

-- name: forget_recovery_codes!
-- These open nothing any more.
DELETE FROM recovery_codes WHERE person_id = :person_id;

-- name: use_recovery_code$
-- Use one up; gives something if it was good until now.
UPDATE recovery_codes SET used_at = :now WHERE person_id = :person_id AND code = :code AND used_at IS NULL
RETURNING 1;

-- name: recovery_codes_left$
-- How many are good.
SELECT count(*) FROM recovery_codes WHERE person_id = :person_id AND used_at IS NULL;

-- name: issue_token^
-- A program may act in somebody's name.
INSERT INTO issued_tokens (id, person_id, name, digest, role, writes, issued_at, expires_at, version)
VALUES (:id, :person_id, :name, :digest, :role, :writes, :now, :expires_at, 1) RETURNING *;

-- name: revoke_token^
-- It may no longer; gives nothing when the person has no such token, or it was revoked before.
UPDATE issued_tokens SET revoked_at = :now, version = version + 1
WHERE id = :id AND person_id = :person_id AND revoked_at IS NULL RETURNING *;

-- name: tokens_of
-- The tokens of one person that are good for something, the newest first.
SELECT id, name, role, writes, issued_at, expires_at FROM issued_tokens
WHERE person_id = :person_id AND revoked_at IS NULL AND expires_at > :now ORDER BY issued_at DESC, id;

-- name: tokens_after
-- The next tokens in the order of their ids.
SELECT * FROM issued_tokens WHERE :after::uuid IS NULL OR id > :after::uuid ORDER BY id LIMIT :most;

-- name: lock_attempts!
-- Two attempts of one kind by the same wait for each other.
SELECT pg_advisory_xact_lock(hashtextextended(:kind || encode(:who, 'hex'), 0));

-- name: attempts_since$
-- How many attempts of one kind somebody has made lately.
SELECT count(*) FROM attempts WHERE kind = :kind AND who = :who AND at > :since;

-- name: note_attempt!
-- One more attempt.
INSERT INTO attempts (kind, who, at) VALUES (:kind, :who, :now);

-- name: keep_form!
-- Keep what was posted too late.
INSERT INTO kept_forms (id, browser, sealed, kept_at) VALUES (:id, :browser, :sealed, :now);

-- name: kept_form^
-- The form that a browser has posted last.
SELECT sealed FROM kept_forms WHERE browser = :browser AND kept_at > :since ORDER BY kept_at DESC, id LIMIT 1;

-- name: last_sessions_of
-- The newest sessions of one person, those that have ended as well.
SELECT id FROM sessions WHERE person_id = :person_id ORDER BY began_at DESC, id LIMIT :most;

-- name: forget_kept_forms!
-- Whatever a browser has posted too late was given back, or is somebody else's.
DELETE FROM kept_forms WHERE browser = :browser;

-- name: purge_sign_ins$
-- Forget how people asked to sign in longer ago than this. How many.
WITH old AS (
    SELECT id FROM sign_ins WHERE asked_at < :before ORDER BY asked_at LIMIT :most FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM sign_ins AS s USING old WHERE s.id = old.id RETURNING 1
)
SELECT count(*) FROM gone;

-- name: purge_sessions$
-- Forget sessions that were used last longer ago than this. How many.
WITH old AS (
    SELECT id FROM sessions WHERE renewed_at < :before ORDER BY renewed_at LIMIT :most FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM sessions AS s USING old WHERE s.id = old.id RETURNING 1
)
SELECT count(*) FROM gone;

-- name: purge_attempts!
-- Forget attempts.
DELETE FROM attempts WHERE at < :before;

-- name: purge_kept_forms!
-- Forget forms that nobody came back for.
DELETE FROM kept_forms WHERE kept_at < :before;
