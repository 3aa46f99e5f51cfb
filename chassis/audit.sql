-- name: lock_chain!
-- Whoever comes next waits until this transaction has ended.
SELECT pg_advisory_xact_lock(hashtext('audit'));

-- name: last_row^
-- Where the chain ends.
SELECT number, digest FROM audit ORDER BY number DESC LIMIT 1;

-- name: append_rows!
-- What people have done.
INSERT INTO audit (number, at, person_id, session_id, source, action, kind, object, before, after, cause, digest)
SELECT number, at, person_id, session_id, source, action, kind, object, before, after, cause, digest
FROM jsonb_to_recordset(:rows) AS new (
    number bigint, at timestamptz, person_id uuid, session_id uuid, source text, action text, kind text, object text,
    before jsonb, after jsonb, cause text, digest text
) ORDER BY number;

-- name: keys_entered$
-- The mark of the keys that this database is used with.
SELECT after ->> 'mark' FROM audit WHERE object = :object AND action = 'keys_entered' ORDER BY number DESC LIMIT 1;

-- name: last_of$
-- Who did the newest of these acts to something, of which these facts were noted.
SELECT person_id FROM audit
WHERE object = :object AND action = ANY(:actions::text[])
  AND coalesce(before, '{}') || coalesce(after, '{}') @> :facts::jsonb
ORDER BY number DESC LIMIT 1;

-- name: last_act^
-- The newest of these acts that was done to any of these things, by whom and when, and what was there after it.
SELECT at, person_id, action, after FROM audit WHERE object = ANY(:objects::text[]) AND action = ANY(:actions::text[])
ORDER BY number DESC LIMIT 1;

-- name: rows_after
-- The next rows of the chain.
SELECT number, at, person_id, session_id, source, action, kind, object, before, after, cause, digest
FROM audit WHERE number > :after ORDER BY number LIMIT :most;

-- name: rows_of
-- What these people have done, the oldest first.
SELECT number, at, source, action, kind, object, before, after FROM audit
WHERE person_id = ANY(:people::uuid[]) ORDER BY number;

-- name: rows_chosen
-- What was done by somebody, of a kind, to something, in a time: the newest first. Each may be left open.
SELECT number, at, person_id, session_id, source, action, kind, object, before, after, cause, digest FROM audit
WHERE (:person::text IS NULL OR right(person_id::text, length(:person::text)) = :person::text)
  AND (:action::text IS NULL OR action = :action::text)
  AND (:object::text IS NULL OR object = :object::text OR right(object, 12) = :object::text)
  AND (:since::timestamptz IS NULL OR at >= :since::timestamptz)
  AND (:until::timestamptz IS NULL OR at < :until::timestamptz)
  AND (:below::bigint IS NULL OR number < :below::bigint)
ORDER BY number DESC LIMIT :most;

-- name: actions_known
-- What can be chosen from.
SELECT DISTINCT action FROM audit ORDER BY action;

-- name: tell_head^
-- Note where the chain ends, once a week. Nothing comes back when that was done, or where there is no chain yet.
INSERT INTO audit_heads (week, number, digest, told_at)
SELECT :week, number, digest, :now FROM audit ORDER BY number DESC LIMIT 1
ON CONFLICT (week) DO NOTHING RETURNING week, number, digest;
