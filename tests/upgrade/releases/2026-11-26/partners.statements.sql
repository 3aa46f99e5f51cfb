-- statement: access.sql lock_standing
SELECT epoch, version, roles, barred FROM standings WHERE person_id = $1 FOR NO KEY UPDATE;

-- statement: access.sql remember_standings
INSERT INTO standings AS known (person_id, epoch, version, roles, barred)
SELECT person_id, epoch, version, roles, barred FROM jsonb_to_recordset($1) AS new (
    person_id uuid, epoch integer, version bigint, roles text[], barred boolean
)
ON CONFLICT (person_id) DO UPDATE SET
    epoch = excluded.epoch, version = excluded.version, roles = excluded.roles, barred = excluded.barred
WHERE (known.epoch, known.version) <= (excluded.epoch, excluded.version);

-- statement: access.sql remember_tokens
INSERT INTO tokens AS known (token_id, epoch, version, person_id, digest, role, writes, expires_at, revoked)
SELECT token_id, epoch, version, person_id, digest, role, writes, expires_at, revoked
FROM jsonb_to_recordset($1) AS new (
    token_id uuid, epoch integer, version bigint, person_id uuid, digest text, role text, writes boolean,
    expires_at timestamptz, revoked boolean
)
ON CONFLICT (token_id) DO UPDATE SET
    epoch = excluded.epoch, version = excluded.version, person_id = excluded.person_id, digest = excluded.digest,
    role = excluded.role, writes = excluded.writes, expires_at = excluded.expires_at, revoked = excluded.revoked
WHERE (known.epoch, known.version) <= (excluded.epoch, excluded.version);

-- statement: access.sql standings
SELECT person_id, epoch, version, roles, barred FROM standings;

-- statement: access.sql token_revoked
SELECT revoked FROM tokens WHERE token_id = $1;

-- statement: access.sql tokens_in_use
SELECT token_id, person_id, digest, role, writes, expires_at FROM tokens WHERE NOT revoked AND expires_at > $1;

-- statement: audit.sql actions_known
SELECT DISTINCT action FROM audit ORDER BY action;

-- statement: audit.sql append_rows
INSERT INTO audit (number, at, person_id, session_id, source, action, kind, object, before, after, cause, digest)
SELECT number, at, person_id, session_id, source, action, kind, object, before, after, cause, digest
FROM jsonb_to_recordset($1) AS new (
    number bigint, at timestamptz, person_id uuid, session_id uuid, source text, action text, kind text, object text,
    before jsonb, after jsonb, cause text, digest text
) ORDER BY number;

-- statement: audit.sql last_row
SELECT number, digest FROM audit ORDER BY number DESC LIMIT 1;

-- statement: audit.sql lock_chain
SELECT pg_advisory_xact_lock(hashtext('audit'));

-- statement: audit.sql rows_after
SELECT number, at, person_id, session_id, source, action, kind, object, before, after, cause, digest
FROM audit WHERE number > $1 ORDER BY number LIMIT $2;

-- statement: audit.sql rows_chosen
SELECT number, at, person_id, session_id, source, action, kind, object, before, after, cause, digest FROM audit
WHERE ($1::text IS NULL OR right(person_id::text, length($1::text)) = $1::text)
  AND ($2::text IS NULL OR action = $2::text)
  AND ($3::text IS NULL OR object = $3::text OR right(object, 12) = $3::text)
  AND ($4::timestamptz IS NULL OR at >= $4::timestamptz)
  AND ($5::timestamptz IS NULL OR at < $5::timestamptz)
  AND ($6::bigint IS NULL OR number < $6::bigint)
ORDER BY number DESC LIMIT $7;

-- statement: audit.sql rows_of
SELECT number, at, source, action, kind, object, before, after FROM audit
WHERE person_id = ANY($1::uuid[]) ORDER BY number;

-- statement: audit.sql tell_head
INSERT INTO audit_heads (week, number, digest, told_at)
SELECT $1, number, digest, $2 FROM audit ORDER BY number DESC LIMIT 1
ON CONFLICT (week) DO NOTHING RETURNING week, number, digest;

-- statement: copies.sql drop_people
DELETE FROM standings WHERE person_id = ANY($1::uuid[]);

-- statement: copies.sql drop_tokens
DELETE FROM tokens WHERE token_id = ANY($1::uuid[]);

-- statement: copies.sql people_copied
SELECT person_id AS id, version, roles, barred FROM standings
WHERE $1::uuid IS NULL OR person_id > $1::uuid ORDER BY person_id LIMIT $2;

-- statement: copies.sql tokens_copied
SELECT token_id AS id, version, person_id, digest, role, writes, expires_at, revoked FROM tokens
WHERE $1::uuid IS NULL OR token_id > $1::uuid ORDER BY token_id LIMIT $2;

-- statement: messages.sql announced_count
SELECT count(*) FROM outbox;

-- statement: messages.sql announced_ids
SELECT id FROM outbox WHERE type = ANY($1::text[]);

-- statement: messages.sql begin_night
INSERT INTO nights (night, began_at) VALUES ($1, $2) ON CONFLICT (night) DO NOTHING RETURNING night;

-- statement: messages.sql claim_outbox
SELECT id, type, subject, body, expected, attempts FROM outbox
WHERE published_at IS NULL AND next_try <= $1
ORDER BY next_try, recorded_at, id LIMIT $2 FOR UPDATE SKIP LOCKED;

-- statement: messages.sql complete_file
UPDATE files SET size = $1, digest = $2 WHERE id = $3;

-- statement: messages.sql discard_parked
DELETE FROM parked WHERE id = ANY($1::uuid[]) RETURNING id;

-- statement: messages.sql drop_files
DELETE FROM files WHERE id = ANY($1::uuid[]);

-- statement: messages.sql enter_file
INSERT INTO files (id, name, media_type, size, digest, received_at)
VALUES ($1, $2, $3, 0, '', $4);

-- statement: messages.sql enter_file_part
INSERT INTO file_parts (file_id, number, content) VALUES ($1, $2, $3);

-- statement: messages.sql enter_inbox
INSERT INTO inbox (id, digest, type, outcome, handled_at)
SELECT new.id, new.digest, new.type, $1, $2
FROM unnest($3::uuid[], $4::bytea[], $5::text[]) AS new (id, digest, type)
ORDER BY new.id
ON CONFLICT (id) DO NOTHING RETURNING id;

-- statement: messages.sql every_parked
SELECT id, body FROM parked ORDER BY id;

-- statement: messages.sql file_by_id
SELECT id, name, media_type, size, digest FROM files WHERE id = $1;

-- statement: messages.sql file_part
SELECT content FROM file_parts WHERE file_id = $1 AND number = $2;

-- statement: messages.sql given_answer
SELECT digest, status, location, body, media_type FROM idempotency WHERE key = $1;

-- statement: messages.sql handled_count
SELECT count(*) FROM inbox WHERE outcome = 'handled';

-- statement: messages.sql keep_answer
INSERT INTO idempotency (key, digest, status, location, body, media_type, given_at)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- statement: messages.sql known_digests
SELECT id, digest FROM inbox WHERE id = ANY($1::uuid[]);

-- statement: messages.sql lock_due_parked
SELECT * FROM parked WHERE next_try <= $1 ORDER BY next_try LIMIT 1 FOR UPDATE SKIP LOCKED;

-- statement: messages.sql lock_key
SELECT pg_advisory_xact_lock(hashtextextended($1, 0));

-- statement: messages.sql mark_published
UPDATE outbox SET published_at = $1, attempts = attempts + 1, last_failure = NULL WHERE id = ANY($2::uuid[]);

-- statement: messages.sql never_heard
SELECT given.id FROM unnest($1::uuid[]) AS given (id) WHERE NOT EXISTS (SELECT FROM inbox WHERE inbox.id = given.id);

-- statement: messages.sql never_seen
SELECT count(*) FROM unnest($1::uuid[]) AS given (id) WHERE NOT EXISTS (SELECT FROM inbox WHERE inbox.id = given.id);

-- statement: messages.sql next_due
SELECT min(next_try) FROM outbox WHERE published_at IS NULL;

-- statement: messages.sql note_life
INSERT INTO signs_of_life AS known (service, sent_at)
SELECT service, sent_at FROM unnest($1::text[], $2::timestamptz[]) AS new (service, sent_at)
ON CONFLICT (service) DO UPDATE SET sent_at = excluded.sent_at WHERE known.sent_at < excluded.sent_at;

-- statement: messages.sql outbox_state
SELECT count(*) AS pending, min(recorded_at) AS oldest,
       (array_agg(last_failure ORDER BY next_try DESC) FILTER (WHERE last_failure IS NOT NULL))[1] AS failure
FROM outbox WHERE published_at IS NULL;

-- statement: messages.sql park
INSERT INTO parked (id, type, subject, body, content_type, reason, failure, attempts, parked_at, next_try)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (id) DO NOTHING;

-- statement: messages.sql parked_by_reason
SELECT reason, count(*) AS count FROM parked GROUP BY reason;

-- statement: messages.sql parked_messages
SELECT id, type, subject, reason, failure, attempts, parked_at, next_try FROM parked ORDER BY parked_at, id LIMIT $1;

-- statement: messages.sql postpone
UPDATE outbox SET attempts = outbox.attempts + 1, last_failure = late.failure, next_try = late.next_try
FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS late (id, failure, next_try)
WHERE outbox.id = late.id;

-- statement: messages.sql postpone_parked
UPDATE parked SET attempts = $1, failure = $2, reason = $3, next_try = $4 WHERE id = $5;

-- statement: messages.sql present_epoch
SELECT value FROM epoch;

-- statement: messages.sql publish_again
UPDATE outbox SET published_at = NULL, next_try = $1 WHERE id = ANY($2::uuid[]);

-- statement: messages.sql published_page
SELECT id, type FROM outbox
WHERE published_at IS NOT NULL AND scrubbed_at IS NULL AND id > $1 ORDER BY id LIMIT $2;

-- statement: messages.sql purge_answers
DELETE FROM idempotency WHERE given_at < $1;

-- statement: messages.sql purge_inbox
DELETE FROM inbox WHERE handled_at < $1 AND outcome <> 'parked';

-- statement: messages.sql purge_outbox
DELETE FROM outbox WHERE published_at < $1;

-- statement: messages.sql raise_epoch
UPDATE epoch SET value = value + 1;

-- statement: messages.sql record_announcements
INSERT INTO outbox (id, type, subject, body, expected, recorded_at, next_try)
SELECT new.id, new.type, new.subject, new.body, new.expected, $1, $1
FROM unnest($2::uuid[], $3::text[], $4::text[], $5::bytea[], $6::boolean[])
     AS new (id, type, subject, body, expected);

-- statement: messages.sql retry_parked
UPDATE parked SET next_try = $1 WHERE cardinality($2::uuid[]) = 0 OR id = ANY($2::uuid[]) RETURNING id;

-- statement: messages.sql rewrite_announced
UPDATE outbox SET body = scrubbed.body, scrubbed_at = $1
FROM unnest($2::uuid[], $3::bytea[]) AS scrubbed (id, body) WHERE outbox.id = scrubbed.id;

-- statement: messages.sql rewrite_parked
UPDATE parked SET body = $1 WHERE id = $2;

-- statement: messages.sql sealed_of_types
SELECT id, body FROM outbox
WHERE type = ANY($1::text[]) AND published_at IS NOT NULL AND scrubbed_at IS NULL;

-- statement: messages.sql sealed_until
SELECT id, body FROM outbox
WHERE type = ANY($1::text[]) AND published_at < $2 AND scrubbed_at IS NULL
ORDER BY published_at LIMIT $3 FOR UPDATE SKIP LOCKED;

-- statement: messages.sql set_outcome
UPDATE inbox SET outcome = $1, handled_at = $2 WHERE id = ANY($3::uuid[]);

-- statement: messages.sql signs_of_life
SELECT service, sent_at FROM signs_of_life;

-- statement: messages.sql table_sizes
SELECT relname AS name, n_live_tup AS rows FROM pg_stat_user_tables ORDER BY relname;

-- statement: messages.sql unpark
DELETE FROM parked WHERE id = $1;

-- statement: agreements.sql agreement
SELECT a.*, o.name AS organisation, o.closed_on, p.name AS keeper, c.name AS contact
FROM agreements AS a JOIN organisations AS o ON o.id = a.organisation_id
LEFT JOIN people AS p ON p.id = a.kept_by LEFT JOIN contacts AS c ON c.id = a.contact_id
WHERE a.id = $1;

-- statement: agreements.sql agreement_outcomes_held
SELECT u.title AS agreement, u.organisation, u.what, u.measure, u.due_on, u.state, u.closed_on, u.note
FROM owned_outcomes AS u WHERE u.owner_id = ANY($1::uuid[]) ORDER BY u.due_on, u.id;

-- statement: agreements.sql agreements_count
SELECT count(*) FROM agreements AS a
WHERE ($1::uuid IS NULL OR a.organisation_id = $1::uuid)
  AND ($2::text = '' OR a.state = $2::text);

-- statement: agreements.sql agreements_ended_until
SELECT a.id FROM agreements AS a WHERE a.ended_on < $1 AND (
    EXISTS (SELECT FROM agreement_signatures AS g WHERE g.agreement_id = a.id AND g.name <> $2)
    OR EXISTS (SELECT FROM agreement_versions AS v WHERE v.agreement_id = a.id AND v.copy_id IS NOT NULL))
ORDER BY a.ended_on, a.id LIMIT $3 FOR UPDATE OF a SKIP LOCKED;

-- statement: agreements.sql agreements_listed
SELECT a.id, a.organisation_id, a.state, a.in_force, a.terms ->> 'title' AS title, a.changed_at, o.name AS organisation,
       v.offered_at, coalesce(s.sides, '{}') AS sides,
       (SELECT min(r.review_on) FROM agreement_reviews AS r
        WHERE r.agreement_id = a.id AND r.reviewed_on IS NULL) AS review_on,
       (SELECT count(*) FROM agreement_outcomes AS u WHERE u.agreement_id = a.id AND u.state = 'open') AS outcomes
FROM agreements AS a JOIN organisations AS o ON o.id = a.organisation_id
LEFT JOIN LATERAL (
    SELECT n.number, n.offered_at FROM agreement_versions AS n WHERE n.agreement_id = a.id AND n.state = 'offered'
) AS v ON true
LEFT JOIN LATERAL (
    SELECT array_agg(g.side) AS sides FROM agreement_signatures AS g WHERE g.agreement_id = a.id AND g.number = v.number
) AS s ON true
WHERE ($1::uuid IS NULL OR a.organisation_id = $1::uuid)
  AND ($2::text = '' OR a.state = $2::text)
ORDER BY array_position(ARRAY['offered', 'draft', 'signed', 'ended'], a.state), a.changed_at DESC, a.id
LIMIT $3 OFFSET $4;

-- statement: agreements.sql begin_agreement
INSERT INTO agreements (id, organisation_id, state, terms, kept_by, begun_at, changed_at)
VALUES ($1, $2, 'draft', $3, $4, $5, $5);

-- statement: agreements.sql close_outcome
UPDATE agreement_outcomes SET state = $1, closed_on = $2, note = $3, changed_at = $4 WHERE id = $5;

-- statement: agreements.sql copies_signed_by
SELECT count(*) FROM agreement_versions AS v WHERE v.copy_id IS NOT NULL AND EXISTS (
    SELECT FROM agreement_signatures AS g WHERE g.agreement_id = v.agreement_id AND g.number = v.number
      AND (g.person_id = ANY($1::uuid[]) OR g.contact_id = ANY($1::uuid[])));

-- statement: agreements.sql drop_other_outcomes
UPDATE agreement_outcomes SET state = 'dropped', closed_on = $1, note = $2, changed_at = $3
WHERE agreement_id = $4 AND state = 'open' AND NOT id = ANY($5::uuid[]);

-- statement: agreements.sql drop_other_reviews
DELETE FROM agreement_reviews
WHERE agreement_id = $1 AND reviewed_on IS NULL AND NOT review_on = ANY($2::date[]);

-- statement: agreements.sql end_agreement
UPDATE agreements SET state = 'ended', ended_on = $1, ended_why = $2, revision = revision + 1, changed_at = $3
WHERE id = $4;

-- statement: agreements.sql enter_version
INSERT INTO agreement_versions (agreement_id, number, state, content, digest, link, offered_at)
VALUES ($1, $2, 'offered', $3, $4, $5, $6);

-- statement: agreements.sql fold_contacts_of_agreements
WITH one AS (
    SELECT losing, surviving FROM unnest($1::uuid[], $2::uuid[]) AS said (losing, surviving)
), owned AS (
    UPDATE agreement_outcomes AS u SET contact_id = one.surviving FROM one WHERE u.contact_id = one.losing
), signed AS (
    UPDATE agreement_signatures AS g SET contact_id = one.surviving FROM one WHERE g.contact_id = one.losing
)
UPDATE agreements AS a SET revision = a.revision + 1,
    contact_id = coalesce((SELECT one.surviving FROM one WHERE one.losing = a.contact_id), a.contact_id),
    terms = jsonb_set(a.terms, '{outcomes}', (
        SELECT coalesce(jsonb_agg(
            CASE WHEN one.losing IS NULL THEN e.outcome
                 ELSE e.outcome || jsonb_build_object('owner_id', one.surviving) END ORDER BY e.number), '[]')
        FROM jsonb_array_elements(a.terms -> 'outcomes') WITH ORDINALITY AS e (outcome, number)
        LEFT JOIN one ON one.losing::text = e.outcome ->> 'owner_id'))
WHERE a.organisation_id = ANY($3::uuid[])
  AND (a.contact_id = ANY($1::uuid[])
       OR EXISTS (SELECT FROM jsonb_array_elements(a.terms -> 'outcomes') AS e (outcome)
                  WHERE e.outcome ->> 'owner_id' = ANY($1::uuid[]::text[])));

-- statement: agreements.sql forget_signatures
WITH forgotten AS (
    UPDATE agreement_signatures AS g SET name = $1, position = '' FROM agreements AS a
    WHERE a.id = g.agreement_id AND g.name <> $1
      AND (g.person_id = ANY($2::uuid[]) OR g.contact_id = ANY($2::uuid[])
           OR lower(g.name) = ANY($3::text[]) AND EXISTS (
               SELECT FROM contacts AS c WHERE c.id = ANY($2::uuid[]) AND c.organisation_id = a.organisation_id))
    RETURNING 1
)
SELECT count(*) FROM forgotten;

-- statement: agreements.sql give_outcome
UPDATE agreement_outcomes SET person_id = $1, contact_id = $2, changed_at = $3 WHERE id = $4;

-- statement: agreements.sql hand_over_agreements
WITH gone AS (
    UPDATE agreements SET organisation_id = $1, contact_id = NULL, revision = revision + 1, changed_at = $2,
        state = CASE WHEN state = 'offered' THEN 'draft' ELSE state END
    WHERE organisation_id = $3 AND state <> 'ended' RETURNING id
)
UPDATE agreement_versions AS v SET state = 'withdrawn' FROM gone WHERE v.agreement_id = gone.id AND v.state = 'offered';

-- statement: agreements.sql let_go_of_copies
WITH held AS (
    SELECT agreement_id, number, copy_id FROM agreement_versions
    WHERE agreement_id = ANY($1::uuid[]) AND copy_id IS NOT NULL FOR UPDATE
), gone AS (
    UPDATE agreement_versions AS v SET copy_id = NULL FROM held
    WHERE v.agreement_id = held.agreement_id AND v.number = held.number
)
SELECT copy_id FROM held;

-- statement: agreements.sql lock_agreement
SELECT * FROM agreements WHERE id = $1 FOR UPDATE;

-- statement: agreements.sql lock_outcome
SELECT id FROM agreement_outcomes WHERE id = $1 FOR UPDATE;

-- statement: agreements.sql move_agreement
UPDATE agreements SET state = $1, terms = $2, in_force = $3, contact_id = $4,
    revision = revision + 1, changed_at = $5
WHERE id = $6;

-- statement: agreements.sql move_agreements
UPDATE agreements SET organisation_id = $1, revision = revision + 1 WHERE organisation_id = $2;

-- statement: agreements.sql needed_today
SELECT waiting.*, o.name AS organisation FROM (
    SELECT 'signature_waiting' AS kind, a.id, a.terms ->> 'title' AS title, a.organisation_id,
           v.offered_at::date AS due_on
    FROM agreements AS a JOIN agreement_versions AS v ON v.agreement_id = a.id AND v.state = 'offered'
    WHERE NOT EXISTS (
        SELECT FROM agreement_signatures AS g
        WHERE g.agreement_id = a.id AND g.number = v.number AND g.side = 'ours')
    UNION ALL
    SELECT 'review_due', a.id, a.terms ->> 'title', a.organisation_id, r.review_on
    FROM agreement_reviews AS r JOIN agreements AS a ON a.id = r.agreement_id
    WHERE r.reviewed_on IS NULL AND r.review_on <= $1 AND a.state <> 'ended'
    UNION ALL
    SELECT 'outcome_late', u.id, u.what, u.organisation_id, u.due_on
    FROM owned_outcomes AS u WHERE u.state = 'open' AND u.due_on < $2
    UNION ALL
    SELECT 'outcome_unowned', u.id, u.what, u.organisation_id, u.gone_on
    FROM owned_outcomes AS u WHERE u.state = 'open' AND u.gone_on <= $2
) AS waiting JOIN organisations AS o ON o.id = waiting.organisation_id
ORDER BY waiting.due_on, waiting.kind, waiting.id LIMIT $3;

-- statement: agreements.sql newest_version
SELECT * FROM agreement_versions WHERE agreement_id = $1 ORDER BY number DESC LIMIT 1;

-- statement: agreements.sql note_review
UPDATE agreement_reviews SET reviewed_on = $1, note = $2
WHERE agreement_id = $3 AND review_on = $4 AND reviewed_on IS NULL RETURNING review_on;

-- statement: agreements.sql note_told
UPDATE agreement_reviews AS r SET told_at = $1
FROM unnest($2::uuid[], $3::date[]) AS said (agreement_id, review_on)
WHERE r.agreement_id = said.agreement_id AND r.review_on = said.review_on;

-- statement: agreements.sql open_agreements_of
SELECT count(*) FROM agreements WHERE organisation_id = $1 AND state <> 'ended';

-- statement: agreements.sql open_agreements_to_lock
SELECT * FROM agreements WHERE organisation_id = $1 AND state <> 'ended' ORDER BY id FOR UPDATE;

-- statement: agreements.sql outcome_organisations
SELECT o.name, o.id FROM organisations AS o
WHERE EXISTS (
    SELECT FROM agreements AS a JOIN agreement_outcomes AS u ON u.agreement_id = a.id WHERE a.organisation_id = o.id
)
ORDER BY o.listed_as, o.id LIMIT $1;

-- statement: agreements.sql outcome_owners
SELECT DISTINCT u.owner AS name, u.owner_id AS id FROM owned_outcomes AS u ORDER BY name, id LIMIT $1;

-- statement: agreements.sql outcomes_counted
SELECT count(*) FILTER (WHERE u.state = 'open' AND u.due_on > $1) AS on_track,
       count(*) FILTER (WHERE u.state = 'open' AND u.due_on BETWEEN $2 AND $1) AS due,
       count(*) FILTER (WHERE u.state = 'open' AND u.due_on < $2) AS late,
       count(*) FILTER (WHERE u.state = 'met') AS met, count(*) FILTER (WHERE u.state = 'dropped') AS dropped,
       count(*) FILTER (WHERE u.state = 'open' AND u.gone_on <= $2) AS unowned
FROM owned_outcomes AS u
WHERE ($3::uuid IS NULL OR u.organisation_id = $3::uuid)
  AND ($4::uuid IS NULL OR u.owner_id = $4::uuid);

-- statement: agreements.sql outcomes_listed
SELECT u.* FROM owned_outcomes AS u
WHERE ($1::uuid IS NULL OR u.id = $1::uuid)
  AND ($2::uuid IS NULL OR u.agreement_id = $2::uuid)
  AND ($3::uuid IS NULL OR u.organisation_id = $3::uuid)
  AND ($4::uuid IS NULL OR u.owner_id = $4::uuid)
  AND ($5::text = '' OR u.state = $5::text)
  AND ($6::date IS NULL OR u.due_on >= $6::date) AND ($7::date IS NULL OR u.due_on <= $7::date)
  AND ($8::date IS NULL OR u.gone_on <= $8::date)
  AND ($9::uuid IS NULL
       OR (u.due_on, u.id) > (SELECT b.due_on, b.id FROM agreement_outcomes AS b WHERE b.id = $9::uuid))
ORDER BY u.due_on, u.id LIMIT $10;

-- statement: agreements.sql owners_named
SELECT p.id, p.name, 'ours' AS side, p.barred_at IS NULL AS present FROM people AS p WHERE p.id = ANY($1::uuid[])
UNION ALL
SELECT c.id, c.name, 'theirs' AS side,
       c.organisation_id = $2 AND (c.withdrawn_on IS NULL OR c.withdrawn_on > $3) AS present
FROM contacts AS c WHERE c.id = ANY($1::uuid[]);

-- statement: agreements.sql owners_to_choose
SELECT p.id, p.name, 'ours' AS side, NULL AS role, p.email FROM people AS p JOIN organisations AS o ON o.id = p.organisation_id
WHERE p.barred_at IS NULL AND o.identifier = $1
UNION ALL
SELECT c.id, c.name, 'theirs' AS side, c.role, c.email FROM contacts AS c
WHERE c.organisation_id = $2 AND (c.withdrawn_on IS NULL OR c.withdrawn_on > $3)
ORDER BY side, name, id;

-- statement: agreements.sql reviews_of
SELECT * FROM agreement_reviews WHERE agreement_id = $1 ORDER BY review_on;

-- statement: agreements.sql reviews_to_tell
SELECT r.agreement_id, r.review_on, a.in_force, a.organisation_id, a.terms ->> 'title' AS title, o.name AS organisation,
       p.id AS person_id, p.name AS person, p.email AS person_email,
       c.id AS contact_id, c.name AS contact, c.email AS contact_email
FROM agreement_reviews AS r JOIN agreements AS a ON a.id = r.agreement_id
JOIN organisations AS o ON o.id = a.organisation_id
LEFT JOIN people AS p ON p.id = a.kept_by AND p.barred_at IS NULL
LEFT JOIN contacts AS c ON c.id = a.contact_id AND c.organisation_id = a.organisation_id
    AND (c.withdrawn_on IS NULL OR c.withdrawn_on > $1)
WHERE r.reviewed_on IS NULL AND r.told_at IS NULL AND r.review_on <= $2 AND a.state <> 'ended'
ORDER BY r.review_on, r.agreement_id LIMIT $3 FOR UPDATE OF r SKIP LOCKED;

-- statement: agreements.sql scrub_signatures
UPDATE agreement_signatures SET name = $1, position = '' WHERE agreement_id = ANY($2::uuid[]);

-- statement: agreements.sql send_agreement_to
UPDATE agreements SET contact_id = $1, revision = revision + 1, changed_at = $2 WHERE id = $3;

-- statement: agreements.sql set_version
UPDATE agreement_versions
SET state = $1, signed_at = coalesce(signed_at, $2), copy_id = coalesce(copy_id, $3)
WHERE agreement_id = $4 AND number = $5;

-- statement: agreements.sql sign
INSERT INTO agreement_signatures (agreement_id, number, side, way, name, position, signed_at, person_id, contact_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (agreement_id, number, side) DO NOTHING RETURNING side;

-- statement: agreements.sql signatures_by_name
SELECT a.terms ->> 'title' AS agreement, o.name AS organisation, g.number AS version, g.name, g.position, g.signed_at
FROM agreement_signatures AS g JOIN agreements AS a ON a.id = g.agreement_id JOIN organisations AS o ON o.id = a.organisation_id
WHERE lower(g.name) = ANY($1::text[])
  AND NOT coalesce(g.person_id = ANY($2::uuid[]), false) AND NOT coalesce(g.contact_id = ANY($2::uuid[]), false)
ORDER BY g.signed_at, a.id;

-- statement: agreements.sql signatures_held
SELECT a.terms ->> 'title' AS agreement, o.name AS organisation, g.number AS version, g.side, g.way, g.name, g.position,
       g.signed_at
FROM agreement_signatures AS g JOIN agreements AS a ON a.id = g.agreement_id JOIN organisations AS o ON o.id = a.organisation_id
WHERE g.person_id = ANY($1::uuid[]) OR g.contact_id = ANY($1::uuid[]) ORDER BY g.signed_at, a.id;

-- statement: agreements.sql signatures_of
SELECT * FROM agreement_signatures WHERE agreement_id = $1 ORDER BY number DESC, signed_at, side;

-- statement: agreements.sql version
SELECT * FROM agreement_versions WHERE agreement_id = $1 AND number = $2;

-- statement: agreements.sql version_by_link
SELECT v.*, a.organisation_id, a.ended_on FROM agreement_versions AS v
JOIN agreements AS a ON a.id = v.agreement_id WHERE v.link = $1;

-- statement: agreements.sql versions_of
SELECT v.*, f.name AS copy_name FROM agreement_versions AS v LEFT JOIN files AS f ON f.id = v.copy_id
WHERE v.agreement_id = $1 ORDER BY v.number DESC LIMIT $2;

-- statement: agreements.sql write_draft
UPDATE agreements SET terms = $1, kept_by = $2, revision = revision + 1, changed_at = $3 WHERE id = $4;

-- statement: agreements.sql write_outcomes
INSERT INTO agreement_outcomes AS known (id, agreement_id, what, measure, due_on, person_id, contact_id, state, changed_at)
SELECT said.id, $1, said.what, said.measure, said.due_on, said.person_id, said.contact_id, 'open', $2
FROM unnest($3::uuid[], $4::text[], $5::text[], $6::date[], $7::uuid[], $8::uuid[])
     AS said (id, what, measure, due_on, person_id, contact_id)
ON CONFLICT (id) DO UPDATE SET what = excluded.what, measure = excluded.measure, due_on = excluded.due_on,
    person_id = excluded.person_id, contact_id = excluded.contact_id, changed_at = excluded.changed_at
WHERE known.agreement_id = excluded.agreement_id;

-- statement: agreements.sql write_reviews
INSERT INTO agreement_reviews (agreement_id, review_on)
SELECT $1, said.review_on FROM unnest($2::date[]) AS said (review_on)
ON CONFLICT (agreement_id, review_on) DO NOTHING;

-- statement: backed_up.sql enter_backup
INSERT INTO backups (name, made_at, size, seconds) VALUES ($1, $2, $3, $4)
ON CONFLICT (name) DO NOTHING;

-- statement: copies.sql colleagues_owned
SELECT id, version, CASE WHEN erased_at IS NULL THEN name END AS name, CASE WHEN erased_at IS NULL THEN email END AS email
FROM people WHERE $1::uuid IS NULL OR id > $1::uuid ORDER BY id LIMIT $2;

-- statement: copies.sql contacts_owned
SELECT id, version, organisation_id, role, channel, listed_on, withdrawn_on,
       CASE WHEN withdrawn_on IS NULL THEN name END AS name,
       CASE WHEN withdrawn_on IS NULL THEN email END AS email,
       CASE WHEN withdrawn_on IS NULL THEN postal_address END AS postal_address,
       CASE WHEN withdrawn_on IS NULL THEN postcode END AS postcode,
       CASE WHEN withdrawn_on IS NULL THEN source END AS source
FROM contacts WHERE $1::uuid IS NULL OR id > $1::uuid ORDER BY id LIMIT $2;

-- statement: copies.sql organisations_owned
SELECT id, version, name, kinds, areas, closed_on, successor_id, handed_over, merged_into FROM organisations
WHERE $1::uuid IS NULL OR id > $1::uuid ORDER BY id LIMIT $2;

-- statement: copies.sql people_owned
SELECT id, version, roles, barred_at IS NOT NULL AS barred FROM people
WHERE $1::uuid IS NULL OR id > $1::uuid ORDER BY id LIMIT $2;

-- statement: copies.sql tokens_owned
SELECT id, version, person_id, digest, role, writes, expires_at, revoked_at IS NOT NULL AS revoked FROM issued_tokens
WHERE $1::uuid IS NULL OR id > $1::uuid ORDER BY id LIMIT $2;

-- statement: directory.sql end_services
UPDATE offered_services SET retired_at = $1, version = version + 1, changed_at = $1
WHERE organisation_id = $2 AND retired_at IS NULL;

-- statement: directory.sql hand_over_services
UPDATE offered_services SET organisation_id = $1, version = version + 1, changed_at = $2
WHERE organisation_id = $3 AND retired_at IS NULL;

-- statement: directory.sql lock_service
SELECT * FROM offered_services WHERE id = $1 FOR UPDATE;

-- statement: directory.sql move_services
UPDATE offered_services SET organisation_id = $1, version = version + 1, changed_at = $2
WHERE organisation_id = $3;

-- statement: directory.sql open_services_of
SELECT count(*) FROM offered_services WHERE organisation_id = $1 AND retired_at IS NULL;

-- statement: directory.sql organisations_identified
SELECT coalesce(merged_into, id) AS id, identifier FROM organisations WHERE identifier = ANY($1::text[])
ORDER BY id FOR KEY SHARE;

-- statement: directory.sql published_organisations
SELECT o.id AS organisation_id, o.name AS organisation, o.identifier, o.kinds, o.areas AS organisation_areas
FROM organisations AS o
WHERE o.merged_into IS NULL AND (o.closed_on IS NULL OR o.closed_on > $1)
  AND o.listed_as LIKE ALL($2::text[])
  AND EXISTS (SELECT FROM offered_services AS s
              WHERE s.organisation_id = o.id AND s.active AND s.retired_at IS NULL
                AND ($3::text = '' OR $3::text = ANY(s.needs)))
ORDER BY o.listed_as, o.id LIMIT $4 OFFSET $5;

-- statement: directory.sql published_organisations_found
SELECT count(*) FROM organisations AS o
WHERE o.merged_into IS NULL AND (o.closed_on IS NULL OR o.closed_on > $1)
  AND o.listed_as LIKE ALL($2::text[])
  AND EXISTS (SELECT FROM offered_services AS s
              WHERE s.organisation_id = o.id AND s.active AND s.retired_at IS NULL
                AND ($3::text = '' OR $3::text = ANY(s.needs)));

-- statement: directory.sql published_service
SELECT s.*, o.name AS organisation, o.identifier, o.kinds, o.areas AS organisation_areas
FROM offered_services AS s JOIN organisations AS o ON o.id = s.organisation_id
WHERE s.id = $1
  AND s.active AND s.retired_at IS NULL AND o.merged_into IS NULL AND (o.closed_on IS NULL OR o.closed_on > $2);

-- statement: directory.sql published_services
SELECT s.*, o.name AS organisation, o.identifier, o.kinds, o.areas AS organisation_areas
FROM offered_services AS s JOIN organisations AS o ON o.id = s.organisation_id
WHERE s.active AND s.retired_at IS NULL AND o.merged_into IS NULL AND (o.closed_on IS NULL OR o.closed_on > $1)
  AND s.searched || ' ' || o.listed_as LIKE ALL($2::text[])
  AND ($3::text = '' OR $3::text = ANY(s.needs))
  AND ($4::uuid IS NULL OR s.organisation_id = $4::uuid)
  AND ($5::timestamptz IS NULL OR s.changed_at >= $5::timestamptz)
ORDER BY s.listed_as, s.id LIMIT $6 OFFSET $7;

-- statement: directory.sql published_services_found
SELECT count(*) FROM offered_services AS s JOIN organisations AS o ON o.id = s.organisation_id
WHERE s.active AND s.retired_at IS NULL AND o.merged_into IS NULL AND (o.closed_on IS NULL OR o.closed_on > $1)
  AND s.searched || ' ' || o.listed_as LIKE ALL($2::text[])
  AND ($3::text = '' OR $3::text = ANY(s.needs))
  AND ($4::uuid IS NULL OR s.organisation_id = $4::uuid)
  AND ($5::timestamptz IS NULL OR s.changed_at >= $5::timestamptz);

-- statement: directory.sql service_by_id
SELECT s.*, o.name AS organisation, p.name AS checker, s.checked_on <= $1::date - interval '12 months' AS stale
FROM offered_services AS s JOIN organisations AS o ON o.id = s.organisation_id
LEFT JOIN people AS p ON p.id = s.checked_by
WHERE s.id = $2;

-- statement: directory.sql services_by_id
SELECT s.*, o.name AS organisation
FROM offered_services AS s JOIN organisations AS o ON o.id = s.organisation_id
WHERE s.id = ANY($1::uuid[]) ORDER BY s.listed_as, s.id;

-- statement: directory.sql services_called
SELECT organisation_id, name FROM offered_services WHERE organisation_id = ANY($1::uuid[]);

-- statement: directory.sql services_found
SELECT count(*) FROM offered_services AS s JOIN organisations AS o ON o.id = s.organisation_id
WHERE s.searched || ' ' || o.listed_as LIKE ALL($1::text[])
  AND ($2::text = '' OR $2::text = ANY(s.needs))
  AND ($3::text = '' OR $3::text = ANY(s.areas))
  AND ($4::text = '' OR $4::text = ANY(s.languages))
  AND ($5::text = '' OR ($5::text = 'free') = s.free)
  AND (s.retired_at IS NOT NULL) = $6::boolean;

-- statement: directory.sql services_listed
SELECT s.*, o.name AS organisation, s.checked_on <= $1::date - interval '12 months' AS stale
FROM offered_services AS s JOIN organisations AS o ON o.id = s.organisation_id
WHERE s.searched || ' ' || o.listed_as LIKE ALL($2::text[])
  AND ($3::text = '' OR $3::text = ANY(s.needs))
  AND ($4::text = '' OR $4::text = ANY(s.areas))
  AND ($5::text = '' OR $5::text = ANY(s.languages))
  AND ($6::text = '' OR ($6::text = 'free') = s.free)
  AND (s.retired_at IS NOT NULL) = $7::boolean
  AND ($8::uuid IS NULL
       OR (s.listed_as, s.id) > (SELECT p.listed_as, p.id FROM offered_services AS p WHERE p.id = $8::uuid))
ORDER BY s.listed_as, s.id LIMIT $9;

-- statement: directory.sql services_of
SELECT s.*, s.checked_on <= $1::date - interval '12 months' AS stale, count(*) OVER () AS total
FROM offered_services AS s
WHERE s.organisation_id = $2 AND s.retired_at IS NULL ORDER BY s.listed_as, s.id LIMIT $3;

-- statement: directory.sql services_unchecked
SELECT s.id, s.name, s.checked_on, (s.checked_on + interval '12 months')::date AS due_on, s.organisation_id,
       o.name AS organisation
FROM offered_services AS s JOIN organisations AS o ON o.id = s.organisation_id
WHERE s.retired_at IS NULL AND s.checked_on <= $1::date - interval '12 months'
  AND o.merged_into IS NULL AND (o.closed_on IS NULL OR o.closed_on > $1)
ORDER BY s.checked_on, s.id LIMIT $2;

-- statement: directory.sql write_services
INSERT INTO offered_services
    (id, organisation_id, name, listed_as, description, searched, needs, areas, languages, free, cost, telephone,
     email, website, postal_address, postcode, opening_hours, public_channels, active, checked_on, checked_by,
     retired_at, version, changed_at)
SELECT said.id, said.organisation_id, said.name, said.listed_as, said.description, said.searched,
       string_to_array(said.needs, E'\n'), string_to_array(said.areas, E'\n'), string_to_array(said.languages, E'\n'),
       said.free, said.cost, said.telephone, said.email, said.website, string_to_array(said.postal_address, E'\n'),
       said.postcode, said.opening_hours, string_to_array(said.public_channels, E'\n'), said.active, said.checked_on,
       said.checked_by, said.retired_at, said.version, $1
FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[],
            $7::text[], $8::text[], $9::text[], $10::text[], $11::boolean[], $12::text[],
            $13::text[], $14::text[], $15::text[], $16::text[], $17::text[],
            $18::text[], $19::text[], $20::boolean[], $21::date[],
            $22::uuid[], $23::timestamptz[], $24::integer[])
     AS said (id, organisation_id, name, listed_as, description, searched, needs, areas, languages, free, cost,
              telephone, email, website, postal_address, postcode, opening_hours, public_channels, active, checked_on,
              checked_by, retired_at, version)
ON CONFLICT (id) DO UPDATE SET
    name = excluded.name, listed_as = excluded.listed_as, description = excluded.description,
    searched = excluded.searched, needs = excluded.needs, areas = excluded.areas, languages = excluded.languages,
    free = excluded.free, cost = excluded.cost, telephone = excluded.telephone, email = excluded.email,
    website = excluded.website, postal_address = excluded.postal_address, postcode = excluded.postcode,
    opening_hours = excluded.opening_hours, public_channels = excluded.public_channels, active = excluded.active,
    checked_on = excluded.checked_on, checked_by = excluded.checked_by, retired_at = excluded.retired_at,
    version = excluded.version, changed_at = excluded.changed_at;

-- statement: imports.sql begin_attempt
UPDATE imports SET attempts = attempts + 1, done = 0, total = coalesce($1, total) WHERE id = $2 RETURNING attempts;

-- statement: imports.sql choose_import
UPDATE imports SET state = 'reading', format = $1, names = $2, speaks_of = $3, kinds = $4,
                   areas = $5, closeness = $6, person_id = $7, session_id = $8,
                   source = $9, done = 0, total = NULL, attempts = 0, changed_since = false, moved_at = $10
WHERE id = $11 AND state IN ('chosen', 'ready') RETURNING id;

-- statement: imports.sql claim_import
SELECT pg_try_advisory_xact_lock(7204202);

-- statement: imports.sql contacts_unmentioned
SELECT count(*) FROM contacts AS c JOIN import_organisations AS o ON o.id = c.organisation_id
WHERE o.import_id = $1 AND NOT EXISTS (
    SELECT FROM import_lines AS l
    WHERE l.import_id = o.import_id AND l.identifier = o.identifier AND l.contact_role = c.role
      AND l.contact_name = c.name
);

-- statement: imports.sql count_lines
ANALYZE import_lines;

-- statement: imports.sql count_organisations
ANALYZE import_organisations;

-- statement: imports.sql drop_fates
DELETE FROM import_fates WHERE import_id = $1;

-- statement: imports.sql drop_import
DELETE FROM imports WHERE id = $1;

-- statement: imports.sql drop_imports_with
DELETE FROM imports WHERE id IN (SELECT l.import_id FROM import_lines AS l WHERE l.email_digest = $1)
RETURNING file_id;

-- statement: imports.sql drop_lines
DELETE FROM import_lines WHERE import_id = $1;

-- statement: imports.sql drop_old_imports
DELETE FROM imports WHERE begun_at < $1 AND state NOT IN ('reading', 'applying') RETURNING file_id;

-- statement: imports.sql drop_organisations
DELETE FROM import_organisations WHERE import_id = $1;

-- statement: imports.sql enter_import
INSERT INTO imports (id, state, file_id, file_name, format, names, speaks_of, kinds, areas, closeness, source,
                     begun_at, moved_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
        $12, $12);

-- statement: imports.sql fates_after
SELECT line, number, fate, what, thing_id, name, column_name, reason, cure, changes FROM import_fates
WHERE import_id = $1 AND fate = ANY($2::text[]) AND (line, number) > ($3, $4)
ORDER BY line, number LIMIT $5;

-- statement: imports.sql fates_counted
SELECT what, fate, count(*) AS count FROM import_fates WHERE import_id = $1 GROUP BY what, fate;

-- statement: imports.sql faults_of
SELECT line, column_name, reason, cure FROM import_fates
WHERE import_id = $1 AND fate = 'refused' ORDER BY line, number LIMIT $2;

-- statement: imports.sql find_successors
UPDATE import_organisations AS o
SET successor_id = CASE WHEN l.successor IS NOT NULL THEN coalesce(f.id, r.id)
                        WHEN k.id IS NOT NULL AND NOT 'successor' = ANY($1::text[]) THEN k.successor_id END
FROM import_lines AS l
LEFT JOIN organisations AS k ON k.identifier = l.identifier
LEFT JOIN organisations AS r ON r.identifier = l.successor
LEFT JOIN import_organisations AS f ON f.import_id = l.import_id AND f.identifier = l.successor
WHERE o.import_id = $2 AND l.import_id = o.import_id AND l.line = o.line
  AND (l.successor IS NOT NULL OR k.successor_id IS NOT NULL);

-- statement: imports.sql import_by_id
SELECT id, state, file_id, file_name, format, names, speaks_of, kinds, areas, closeness, person_id, session_id,
       source, done, total, lines, shown, changed_since, attempts, begun_at, moved_at
FROM imports WHERE id = $1;

-- statement: imports.sql imports_listed
SELECT id, state, file_name, format, lines, begun_at FROM imports ORDER BY begun_at DESC, id DESC LIMIT $1;

-- statement: imports.sql lines_of_merged
WITH RECURSIVE named AS (
    SELECT o.line, 'identifier' AS column_name, o.identifier, o.id AS body FROM import_organisations AS o
    WHERE o.import_id = $1
    UNION ALL
    SELECT o.line, 'successor', l.successor, o.successor_id FROM import_organisations AS o
    JOIN import_lines AS l ON l.import_id = o.import_id AND l.line = o.line
    WHERE o.import_id = $1 AND l.successor IS NOT NULL
), followed AS (
    SELECT n.line, n.column_name, n.identifier, r.merged_into AS here, 1 AS steps
    FROM named AS n JOIN organisations AS r ON r.id = n.body WHERE r.merged_into IS NOT NULL
    UNION ALL
    SELECT f.line, f.column_name, f.identifier, r.merged_into, f.steps + 1
    FROM followed AS f JOIN organisations AS r ON r.id = f.here WHERE r.merged_into IS NOT NULL AND f.steps < 20
)
SELECT DISTINCT ON (f.line, f.column_name) f.line, f.column_name, f.identifier, r.identifier AS survivor
FROM followed AS f JOIN organisations AS r ON r.id = f.here
ORDER BY f.line, f.column_name, f.steps DESC LIMIT $2;

-- statement: imports.sql lines_of_nothing_new
INSERT INTO import_fates (import_id, line, fate, what, name, reason, changes)
SELECT l.import_id, l.line, 'passed_over', 'line', l.name,
       'It says the same as line ' || o.line || '.', '{}'
FROM import_organisations AS o
JOIN import_lines AS l ON l.import_id = o.import_id AND l.identifier = o.identifier AND l.line > o.line
WHERE o.import_id = $1 AND l.contact_name IS NULL
  AND NOT EXISTS (SELECT FROM import_fates AS f
                  WHERE f.import_id = l.import_id AND f.line = l.line AND f.fate = 'refused');

-- statement: imports.sql lines_of_the_erased
SELECT l.line FROM import_lines AS l JOIN erased_addresses AS e ON e.digest = l.email_digest
WHERE l.import_id = $1 AND NOT EXISTS (
    SELECT FROM contacts AS c JOIN organisations AS o ON o.id = c.organisation_id
    WHERE o.identifier = l.identifier AND c.role = l.contact_role AND c.name = l.contact_name
      AND lower(c.email) = lower(l.contact_email) AND c.erased_at IS NULL
)
ORDER BY l.line LIMIT $2;

-- statement: imports.sql lines_that_disagree
SELECT l.line, first.line AS first, array_remove(ARRAY[
    CASE WHEN l.name <> first.name THEN 'name' END,
    CASE WHEN l.kinds IS DISTINCT FROM first.kinds THEN 'kinds' END,
    CASE WHEN l.areas IS DISTINCT FROM first.areas THEN 'areas' END,
    CASE WHEN l.closeness IS DISTINCT FROM first.closeness THEN 'closeness' END,
    CASE WHEN l.opened_on IS DISTINCT FROM first.opened_on THEN 'opened_on' END,
    CASE WHEN l.closed_on IS DISTINCT FROM first.closed_on THEN 'closed_on' END,
    CASE WHEN l.successor IS DISTINCT FROM first.successor THEN 'successor' END,
    CASE WHEN l.postal_address IS DISTINCT FROM first.postal_address THEN 'postal_address' END,
    CASE WHEN l.postcode IS DISTINCT FROM first.postcode THEN 'postcode' END,
    CASE WHEN l.telephone IS DISTINCT FROM first.telephone THEN 'telephone' END,
    CASE WHEN l.website IS DISTINCT FROM first.website THEN 'website' END], NULL) AS columns
FROM import_organisations AS o
JOIN import_lines AS first ON first.import_id = o.import_id AND first.line = o.line
JOIN import_lines AS l ON l.import_id = o.import_id AND l.identifier = o.identifier AND l.line > o.line
WHERE o.import_id = $1
  AND (l.name, l.kinds, l.areas, l.closeness, l.opened_on, l.closed_on, l.successor, l.postal_address, l.postcode,
       l.telephone, l.website) IS DISTINCT FROM
      (first.name, first.kinds, first.areas, first.closeness, first.opened_on, first.closed_on, first.successor,
       first.postal_address, first.postcode, first.telephone, first.website)
ORDER BY l.line LIMIT $2;

-- statement: imports.sql lines_that_repeat
SELECT line, first FROM (
    SELECT line, min(line) OVER (PARTITION BY identifier, contact_role, contact_name) AS first
    FROM import_lines
    WHERE import_id = $1 AND contact_name IS NOT NULL AND contact_role IS NOT NULL
) AS named
WHERE line > first ORDER BY line LIMIT $2;

-- statement: imports.sql move_import
UPDATE imports SET state = $1, changed_since = $2, done = 0, attempts = 0, moved_at = $3
WHERE id = $4 AND state = ANY($5::text[]) RETURNING id;

-- statement: imports.sql next_import
SELECT id, state, file_id, file_name, format, names, speaks_of, kinds, areas, closeness, person_id, session_id,
       source, done, total, lines, shown, changed_since, attempts, begun_at, moved_at
FROM imports WHERE state IN ('reading', 'applying') ORDER BY moved_at, id LIMIT 1;

-- statement: imports.sql note_progress
UPDATE imports SET done = $1 WHERE id = $2 AND state = $3 RETURNING id;

-- statement: imports.sql notices_of
SELECT name, reason FROM import_fates WHERE import_id = $1 AND fate = 'notice' ORDER BY number;

-- statement: imports.sql order_import
UPDATE imports AS i SET state = 'applying', person_id = $1, session_id = $2, source = $3,
       done = 0, attempts = 0, moved_at = $4, changed_since = false,
       total = (SELECT count(*) FROM import_fates AS f WHERE f.import_id = i.id AND f.what <> 'line')
WHERE i.id = $5 AND i.state = 'ready' AND i.shown = $6
  AND NOT EXISTS (SELECT FROM import_fates AS f WHERE f.import_id = i.id AND f.fate = 'refused')
RETURNING i.id;

-- statement: imports.sql organisations_amended_after
SELECT o.line, o.id FROM import_organisations AS o JOIN organisations AS r ON r.id = o.id
WHERE o.import_id = $1 AND o.line > $2
  AND (r.changed_at = $3
       OR EXISTS (SELECT FROM contacts AS c WHERE c.organisation_id = o.id AND c.changed_at = $3))
ORDER BY o.line LIMIT $4;

-- statement: imports.sql organisations_unmentioned
SELECT count(*) FROM organisations AS o
WHERE starts_with(o.identifier, $1) AND o.merged_into IS NULL
  AND NOT EXISTS (SELECT FROM import_organisations AS s WHERE s.import_id = $2 AND s.id = o.id);

-- statement: imports.sql pass_over_merged
WITH RECURSIVE followed AS (
    SELECT o.line, o.identifier, r.merged_into AS here, 1 AS steps
    FROM import_organisations AS o JOIN organisations AS r ON r.id = o.id
    WHERE o.import_id = $1 AND r.merged_into IS NOT NULL
    UNION ALL
    SELECT f.line, f.identifier, r.merged_into, f.steps + 1
    FROM followed AS f JOIN organisations AS r ON r.id = f.here WHERE r.merged_into IS NOT NULL AND f.steps < 20
), gone AS (
    DELETE FROM import_organisations AS o USING followed AS f
    WHERE o.import_id = $1 AND o.line = f.line
)
SELECT DISTINCT ON (f.line) f.line, f.identifier, r.identifier AS survivor, l.name
FROM followed AS f JOIN organisations AS r ON r.id = f.here
JOIN import_lines AS l ON l.import_id = $1 AND l.line = f.line
ORDER BY f.line, f.steps DESC;

-- statement: imports.sql rings_of_successors
WITH RECURSIVE links AS MATERIALIZED (
    SELECT o.id, o.successor_id FROM import_organisations AS o
    WHERE o.import_id = $1 AND o.successor_id IS NOT NULL
    UNION ALL
    SELECT r.id, r.successor_id FROM organisations AS r
    WHERE r.successor_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM import_organisations AS o WHERE o.import_id = $1 AND o.id = r.id)
), walk AS (
    SELECT o.line, o.id AS start, o.successor_id AS here, 1 AS steps FROM import_organisations AS o
    WHERE o.import_id = $1 AND o.successor_id IS NOT NULL
    UNION ALL
    SELECT w.line, w.start, l.successor_id, w.steps + 1 FROM walk AS w JOIN links AS l ON l.id = w.here
    WHERE w.here <> w.start AND w.steps < $2
)
SELECT DISTINCT line FROM walk WHERE here = start OR steps = $2 ORDER BY line LIMIT $3;

-- statement: imports.sql show_import
UPDATE imports SET state = 'ready', lines = $1, shown = $2, moved_at = $3
WHERE id = $4 AND state = 'reading' RETURNING id;

-- statement: imports.sql staged_contacts_after
SELECT l.line, coalesce(c.id, l.contact_id) AS id, o.id AS organisation_id, l.name AS organisation,
       l.contact_role AS role, l.contact_name AS name, l.contact_channel AS channel, l.contact_email AS email,
       l.contact_address AS postal_address, l.contact_postcode AS postcode, l.contact_source AS source,
       l.contact_listed_on AS listed_on, l.contact_withdrawn_on AS withdrawn_on
FROM import_lines AS l JOIN import_organisations AS o ON o.import_id = l.import_id AND o.identifier = l.identifier
LEFT JOIN contacts AS c ON c.organisation_id = o.id AND c.role = l.contact_role AND c.name = l.contact_name
WHERE l.import_id = $1 AND l.line > $2 AND l.contact_name IS NOT NULL ORDER BY l.line LIMIT $3;

-- statement: imports.sql staged_organisations_after
SELECT o.line, o.id, o.successor_id, l.identifier, l.name, l.kinds, l.areas, l.closeness, l.opened_on, l.closed_on,
       l.postal_address, l.postcode, l.telephone, l.website, l.successor, s.identifier AS known_successor
FROM import_organisations AS o JOIN import_lines AS l ON l.import_id = o.import_id AND l.line = o.line
LEFT JOIN organisations AS k ON k.id = o.id
LEFT JOIN organisations AS s ON s.id = k.successor_id
WHERE o.import_id = $1 AND o.line > $2 ORDER BY o.line LIMIT $3;

-- statement: imports.sql tell_organisations_apart
INSERT INTO import_organisations (import_id, line, identifier, id)
SELECT DISTINCT ON (l.identifier) l.import_id, l.line, l.identifier, coalesce(o.id, l.organisation_id)
FROM import_lines AS l LEFT JOIN organisations AS o ON o.identifier = l.identifier
WHERE l.import_id = $1
ORDER BY l.identifier, l.line;

-- statement: imports.sql unknown_successors
SELECT o.line, l.successor FROM import_organisations AS o
JOIN import_lines AS l ON l.import_id = o.import_id AND l.line = o.line
WHERE o.import_id = $1 AND l.successor IS NOT NULL AND o.successor_id IS NULL
ORDER BY o.line LIMIT $2;

-- statement: imports.sql unmentioned_contacts
SELECT c.id, c.name, c.role, c.withdrawn_on, o.id AS organisation_id, r.name AS organisation
FROM contacts AS c JOIN import_organisations AS o ON o.id = c.organisation_id
JOIN organisations AS r ON r.id = c.organisation_id
WHERE o.import_id = $1 AND ($2::uuid IS NULL OR c.id > $2::uuid) AND NOT EXISTS (
    SELECT FROM import_lines AS l
    WHERE l.import_id = o.import_id AND l.identifier = o.identifier AND l.contact_role = c.role
      AND l.contact_name = c.name
)
ORDER BY c.id LIMIT $3;

-- statement: imports.sql unmentioned_organisations
SELECT o.id, o.identifier, o.name, o.closed_on FROM organisations AS o
WHERE starts_with(o.identifier, $1) AND o.merged_into IS NULL
  AND NOT EXISTS (SELECT FROM import_organisations AS s WHERE s.import_id = $2 AND s.id = o.id)
  AND ($3::uuid IS NULL
       OR (o.listed_as, o.id) > (SELECT p.listed_as, p.id FROM organisations AS p WHERE p.id = $3::uuid))
ORDER BY o.listed_as, o.id LIMIT $4;

-- statement: merging.sql agreements_with
SELECT count(*) FROM agreements WHERE organisation_id = $1;

-- statement: merging.sql chain_of
WITH RECURSIVE chain AS (
    SELECT o.id, o.name, o.closed_on, o.handed_over, o.successor_id, ARRAY[o.id] AS way
    FROM organisations AS o WHERE o.id = $1
    UNION ALL
    SELECT n.id, n.name, n.closed_on, n.handed_over, n.successor_id, c.way || n.id
    FROM chain AS c JOIN organisations AS s ON s.id = c.successor_id
    JOIN organisations AS n ON n.id = coalesce(s.merged_into, s.id)
    WHERE n.id <> ALL(c.way)
)
SELECT id, name, closed_on, handed_over FROM chain ORDER BY cardinality(way);

-- statement: merging.sql contacts_at
SELECT count(*) FROM contacts WHERE organisation_id = $1;

-- statement: merging.sql contacts_in_both
SELECT l.id AS losing_id, s.id AS surviving_id, s.role, s.name, l.withdrawn_on AS losing_withdrawn_on,
       l.listed_on AS losing_listed_on, s.withdrawn_on AS surviving_withdrawn_on,
       coalesce(l.email, array_to_string(l.postal_address, ', ')) AS losing_address,
       coalesce(s.email, array_to_string(s.postal_address, ', ')) AS surviving_address
FROM contacts AS l JOIN contacts AS s ON s.organisation_id = $1 AND s.role = l.role AND s.name = l.name
WHERE l.organisation_id = $2 ORDER BY s.role, s.name;

-- statement: merging.sql entries_leading_to
SELECT id, identifier, name, kinds, areas, closeness, opened_on, closed_on, successor_id, postal_address, postcode,
       telephone, website, handed_over, merged_into, version
FROM organisations WHERE merged_into = $1 OR successor_id = $1 ORDER BY id;

-- statement: merging.sql entries_merged_into
SELECT name, identifier FROM organisations WHERE merged_into = $1 ORDER BY listed_as, id;

-- statement: merging.sql entries_on_timeline
SELECT count(*) FROM timeline WHERE organisation_id = $1;

-- statement: merging.sql lock_entries
SELECT id FROM organisations WHERE id = ANY($1::uuid[]) OR merged_into = ANY($1::uuid[])
ORDER BY id FOR UPDATE;

-- statement: merging.sql move_contacts
UPDATE contacts AS c SET organisation_id = $1, version = c.version + 1, changed_at = $2
WHERE c.organisation_id = $3
  AND NOT EXISTS (SELECT FROM contacts AS s
                  WHERE s.organisation_id = $1 AND s.role = c.role AND s.name = c.name)
RETURNING c.id, c.organisation_id, c.role, c.name, c.channel, c.email, c.postal_address, c.postcode, c.source,
          c.listed_on, c.withdrawn_on, c.version;

-- statement: merging.sql move_people
UPDATE people SET organisation_id = $1, version = version + 1, changed_at = $2
WHERE organisation_id = $3 RETURNING *;

-- statement: merging.sql people_at
SELECT count(*) FROM people WHERE organisation_id = $1;

-- statement: merging.sql referrals_to
SELECT count(*) FROM referrals WHERE organisation_id = $1;

-- statement: merging.sql services_at
SELECT count(*) FROM offered_services WHERE organisation_id = $1;

-- statement: merging.sql tags_at
SELECT count(*) FROM organisation_tags WHERE organisation_id = $1;

-- statement: people.sql admit_person
INSERT INTO people (id, organisation_id, name, email, email_key, roles, admitted_at, version, changed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $7);

-- statement: people.sql attempts_since
SELECT count(*) FROM attempts WHERE kind = $1 AND who = $2 AND at > $3;

-- statement: people.sql begin_session
INSERT INTO sessions (id, person_id, renewal, agent, began_at, renewed_at)
VALUES ($1, $2, $3, $4, $5, $5);

-- statement: people.sql begin_sign_in
INSERT INTO sign_ins (id, person_id, asker, browser, link, code, next, asked_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- statement: people.sql change_person
UPDATE people SET roles = $1, barred_at = $2, version = version + 1, changed_at = $3
WHERE id = $4 RETURNING *;

-- statement: people.sql correct_address
UPDATE people SET email = $1, email_key = $2 WHERE id = $3;

-- statement: people.sql count_guess
UPDATE sign_ins SET guesses = guesses + 1 WHERE id = $1;

-- statement: people.sql end_sessions
WITH ended AS (
    UPDATE sessions SET ended_at = $1
    WHERE person_id = $2 AND ended_at IS NULL AND ($3::uuid IS NULL OR id = $3::uuid) RETURNING id
)
SELECT count(*) FROM ended;

-- statement: people.sql forget_kept_forms
DELETE FROM kept_forms WHERE browser = $1;

-- statement: people.sql forget_recovery_codes
DELETE FROM recovery_codes WHERE person_id = $1;

-- statement: people.sql forget_second_factor
UPDATE people SET second_factor = NULL, second_factor_since = NULL, second_factor_step = NULL WHERE id = $1;

-- statement: people.sql forget_unreached
DELETE FROM people_unreached WHERE person_id = $1;

-- statement: people.sql is_unreached
SELECT EXISTS (SELECT 1 FROM people_unreached WHERE person_id = $1);

-- statement: people.sql issue_token
INSERT INTO issued_tokens (id, person_id, name, digest, role, writes, issued_at, expires_at, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1) RETURNING *;

-- statement: people.sql keep_form
INSERT INTO kept_forms (id, browser, sealed, kept_at) VALUES ($1, $2, $3, $4);

-- statement: people.sql keep_recovery_codes
INSERT INTO recovery_codes (person_id, code) SELECT $1, unnest($2::bytea[]);

-- statement: people.sql kept_form
SELECT sealed FROM kept_forms WHERE browser = $1 AND kept_at > $2 ORDER BY kept_at DESC, id LIMIT 1;

-- statement: people.sql last_sessions_of
SELECT id FROM sessions WHERE person_id = $1 ORDER BY began_at DESC, id LIMIT $2;

-- statement: people.sql lock_attempts
SELECT pg_advisory_xact_lock(hashtextextended($1 || encode($2, 'hex'), 0));

-- statement: people.sql lock_person
SELECT * FROM people WHERE id = $1 FOR UPDATE;

-- statement: people.sql note_attempt
INSERT INTO attempts (kind, who, at) VALUES ($1, $2, $3);

-- statement: people.sql note_proof
UPDATE sessions SET proved_at = $1 WHERE id = $2;

-- statement: people.sql note_renewal
UPDATE sessions SET renewed_at = $1 WHERE id = $2;

-- statement: people.sql note_step
UPDATE people SET second_factor_step = $1 WHERE id = $2;

-- statement: people.sql note_unreached
INSERT INTO people_unreached AS known (person_id, kind, failed_at)
SELECT id, $1, $2 FROM people WHERE id = $3 AND barred_at IS NULL
ON CONFLICT (person_id) DO UPDATE SET kind = excluded.kind, failed_at = excluded.failed_at
WHERE known.failed_at < excluded.failed_at;

-- statement: people.sql people_after
SELECT * FROM people WHERE $1::uuid IS NULL OR id > $1::uuid ORDER BY id LIMIT $2;

-- statement: people.sql people_count
SELECT count(*) FROM people WHERE barred_at IS NULL;

-- statement: people.sql people_listed
SELECT p.*, o.name AS organisation, EXISTS (SELECT 1 FROM people_unreached AS u WHERE u.person_id = p.id) AS unreached,
       (SELECT max(s.renewed_at) FROM sessions AS s WHERE s.person_id = p.id) AS seen_at
FROM people AS p JOIN organisations AS o ON o.id = p.organisation_id
ORDER BY p.barred_at IS NOT NULL, lower(p.name), p.id;

-- statement: people.sql people_trusted_as
SELECT id, name, email FROM people WHERE barred_at IS NULL AND $1::text = ANY(roles) ORDER BY id;

-- statement: people.sql person_by_email
SELECT * FROM people WHERE email_key = $1 FOR UPDATE;

-- statement: people.sql person_by_id
SELECT p.*, o.name AS organisation, u.kind AS unreached_by, u.failed_at AS unreached_at
FROM people AS p JOIN organisations AS o ON o.id = p.organisation_id
LEFT JOIN people_unreached AS u ON u.person_id = p.id WHERE p.id = $1;

-- statement: people.sql purge_attempts
DELETE FROM attempts WHERE at < $1;

-- statement: people.sql purge_kept_forms
DELETE FROM kept_forms WHERE kept_at < $1;

-- statement: people.sql purge_sessions
WITH old AS (
    SELECT id FROM sessions WHERE renewed_at < $1 ORDER BY renewed_at LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM sessions AS s USING old WHERE s.id = old.id RETURNING 1
)
SELECT count(*) FROM gone;

-- statement: people.sql purge_sign_ins
WITH old AS (
    SELECT id FROM sign_ins WHERE asked_at < $1 ORDER BY asked_at LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM sign_ins AS s USING old WHERE s.id = old.id RETURNING 1
)
SELECT count(*) FROM gone;

-- statement: people.sql recovery_codes_left
SELECT count(*) FROM recovery_codes WHERE person_id = $1 AND used_at IS NULL;

-- statement: people.sql replace_renewal
UPDATE sessions SET renewal = $1, renewed_at = $2 WHERE id = $3;

-- statement: people.sql revoke_token
UPDATE issued_tokens SET revoked_at = $1, version = version + 1
WHERE id = $2 AND person_id = $3 AND revoked_at IS NULL RETURNING *;

-- statement: people.sql session_begun_since
SELECT began_at > $1 FROM sessions WHERE id = $2;

-- statement: people.sql session_to_renew
SELECT s.id, s.person_id, s.proved_at, p.roles, p.version, p.second_factor FROM sessions AS s JOIN people AS p ON p.id = s.person_id
WHERE s.renewal = $1 AND s.ended_at IS NULL AND p.barred_at IS NULL
  AND s.renewed_at > $2 AND s.began_at > $3
FOR UPDATE OF s;

-- statement: people.sql sessions_of
SELECT id, agent, began_at, renewed_at FROM sessions
WHERE person_id = $1 AND ended_at IS NULL AND renewed_at > $2 AND began_at > $3
ORDER BY renewed_at DESC, id;

-- statement: people.sql sign_in_by_link
SELECT s.*, p.barred_at, p.name FROM sign_ins AS s JOIN people AS p ON p.id = s.person_id WHERE s.link = $1;

-- statement: people.sql sign_in_of_browser
SELECT s.*, p.barred_at FROM sign_ins AS s LEFT JOIN people AS p ON p.id = s.person_id
WHERE s.browser = $1 ORDER BY s.asked_at DESC, s.id DESC LIMIT 1;

-- statement: people.sql take_second_factor
UPDATE people SET second_factor = $1, second_factor_since = $2, second_factor_step = $3 WHERE id = $4;

-- statement: people.sql tokens_after
SELECT * FROM issued_tokens WHERE $1::uuid IS NULL OR id > $1::uuid ORDER BY id LIMIT $2;

-- statement: people.sql tokens_of
SELECT id, name, role, writes, issued_at, expires_at FROM issued_tokens
WHERE person_id = $1 AND revoked_at IS NULL AND expires_at > $2 ORDER BY issued_at DESC, id;

-- statement: people.sql unreached_count
SELECT count(*) FROM people_unreached;

-- statement: people.sql use_recovery_code
UPDATE recovery_codes SET used_at = $1 WHERE person_id = $2 AND code = $3 AND used_at IS NULL
RETURNING 1;

-- statement: people.sql use_sign_ins
UPDATE sign_ins SET used_at = $1 WHERE person_id = $2 AND used_at IS NULL RETURNING id;

-- statement: queries.sql begin_report
INSERT INTO head_reports (week, reported_at) VALUES ($1, $2) ON CONFLICT (week) DO NOTHING RETURNING true;

-- statement: queries.sql contacts_after
SELECT id, organisation_id, role, name, channel, email, postal_address, postcode, source, listed_on, withdrawn_on,
       version
FROM contacts WHERE $1::uuid IS NULL OR id > $1::uuid ORDER BY id LIMIT $2;

-- statement: queries.sql contacts_by_id
SELECT id, organisation_id, role, name, channel, email, postal_address, postcode, source, listed_on, withdrawn_on,
       version
FROM contacts WHERE id = ANY($1::uuid[]);

-- statement: queries.sql contacts_count
SELECT count(*) FROM contacts WHERE withdrawn_on IS NULL;

-- statement: queries.sql contacts_of
SELECT id, organisation_id, role, name, channel, email, postal_address, postcode, source, listed_on, withdrawn_on,
       version
FROM contacts WHERE organisation_id = ANY($1::uuid[]);

-- statement: queries.sql enter_head
INSERT INTO chain_heads (week, service, number, digest, heard_at)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT (week, service) DO NOTHING;

-- statement: queries.sql enter_on_timeline
WITH known AS (
    SELECT coalesce(merged_into, id) AS id FROM organisations WHERE id = $1 FOR KEY SHARE
), entered AS (
    INSERT INTO timeline (id, organisation_id, happened_at, kind, what, detail, letter_id, contact_id, heard_at)
    SELECT $2, known.id, $3, $4, $5, $6, $7, $8, $9 FROM known
    ON CONFLICT (id) DO NOTHING
)
SELECT id FROM known;

-- statement: queries.sql heads_of
SELECT service, number, digest, heard_at FROM chain_heads WHERE week = $1 ORDER BY service;

-- statement: queries.sql lock_register
LOCK TABLE organisations, contacts IN SHARE ROW EXCLUSIVE MODE;

-- statement: queries.sql organisation_by_id
SELECT o.id, o.identifier, o.name, o.kinds, o.areas, o.closeness, o.opened_on, o.closed_on, o.successor_id,
       o.postal_address, o.postcode, o.telephone, o.website, o.handed_over, o.merged_into, o.version,
       s.name AS successor_name
FROM organisations AS o LEFT JOIN organisations AS s ON s.id = o.successor_id
WHERE o.id = $1;

-- statement: queries.sql organisation_identified
SELECT coalesce(merged_into, id) FROM organisations WHERE identifier = $1 FOR KEY SHARE;

-- statement: queries.sql organisations_after
SELECT id, identifier, name, kinds, areas, closeness, opened_on, closed_on, successor_id, postal_address, postcode,
       telephone, website, handed_over, merged_into, version
FROM organisations WHERE $1::uuid IS NULL OR id > $1::uuid ORDER BY id LIMIT $2;

-- statement: queries.sql organisations_by_closeness
SELECT closeness AS code, count(*) AS count FROM organisations WHERE merged_into IS NULL GROUP BY closeness;

-- statement: queries.sql organisations_by_id
SELECT id, identifier, name, kinds, areas, closeness, opened_on, closed_on, successor_id, postal_address, postcode,
       telephone, website, handed_over, merged_into, version
FROM organisations WHERE id = ANY($1::uuid[]);

-- statement: queries.sql organisations_by_kind
SELECT kind AS code, count(*) AS count FROM organisations, unnest(kinds) AS kind
WHERE merged_into IS NULL GROUP BY kind;

-- statement: queries.sql organisations_count
SELECT count(*) FROM organisations WHERE merged_into IS NULL;

-- statement: queries.sql timeline_heard_at
SELECT max(heard_at) FROM timeline WHERE kind LIKE 'letter%' OR kind = 'contribution_pledged';

-- statement: queries.sql timeline_lately
SELECT t.happened_at, t.what, o.id AS organisation_id, o.name FROM timeline AS t
JOIN organisations AS o ON o.id = t.organisation_id
WHERE t.happened_at <= $1 AND t.removed_at IS NULL
ORDER BY t.happened_at DESC, t.id DESC LIMIT $2;

-- statement: queries.sql timeline_of
SELECT id, happened_at, kind, what, letter_id, written_by FROM timeline
WHERE organisation_id = $1 AND removed_at IS NULL
ORDER BY happened_at DESC, id DESC LIMIT $2;

-- statement: queries.sql write_contacts
INSERT INTO contacts AS known
    (id, organisation_id, role, name, channel, email, postal_address, postcode, source, listed_on, withdrawn_on,
     version, changed_at)
SELECT said.id, said.organisation_id, said.role, said.name, said.channel, said.email,
       string_to_array(said.postal_address, E'\n'), said.postcode, said.source, said.listed_on, said.withdrawn_on,
       said.version, $1
FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[],
            $8::text[], $9::text[], $10::text[], $11::date[],
            $12::date[], $13::integer[])
     AS said (id, organisation_id, role, name, channel, email, postal_address, postcode, source, listed_on,
              withdrawn_on, version)
ON CONFLICT (id) DO UPDATE SET
    role = excluded.role, name = excluded.name, channel = excluded.channel, email = excluded.email, postal_address = excluded.postal_address,
    postcode = excluded.postcode, source = excluded.source, listed_on = excluded.listed_on,
    withdrawn_on = excluded.withdrawn_on, version = known.version + 1, changed_at = excluded.changed_at;

-- statement: queries.sql write_organisations
INSERT INTO organisations AS known
    (id, identifier, name, listed_as, kinds, areas, closeness, opened_on, closed_on, successor_id, postal_address,
     postcode, telephone, website, handed_over, merged_into, version, changed_at)
SELECT said.id, said.identifier, said.name, said.listed_as, string_to_array(said.kinds, E'\n'),
       string_to_array(said.areas, E'\n'), said.closeness, said.opened_on, said.closed_on, said.successor_id,
       string_to_array(said.postal_address, E'\n'), said.postcode, said.telephone, said.website,
       string_to_array(said.handed_over, E'\n'), said.merged_into, said.version, $1
FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
            $8::text[], $9::date[], $10::date[], $11::uuid[],
            $12::text[], $13::text[], $14::text[], $15::text[],
            $16::text[], $17::uuid[], $18::integer[])
     AS said (id, identifier, name, listed_as, kinds, areas, closeness, opened_on, closed_on, successor_id,
              postal_address, postcode, telephone, website, handed_over, merged_into, version)
ON CONFLICT (id) DO UPDATE SET
    identifier = excluded.identifier, name = excluded.name, listed_as = excluded.listed_as, kinds = excluded.kinds,
    areas = excluded.areas, closeness = excluded.closeness, opened_on = excluded.opened_on,
    closed_on = excluded.closed_on, successor_id = excluded.successor_id, postal_address = excluded.postal_address,
    postcode = excluded.postcode, telephone = excluded.telephone, website = excluded.website,
    handed_over = excluded.handed_over, merged_into = excluded.merged_into, version = known.version + 1,
    changed_at = excluded.changed_at;

-- statement: referrals.sql contacts_for_referral
SELECT id, role, name, channel, email FROM contacts WHERE organisation_id = $1 AND withdrawn_on IS NULL
ORDER BY role, name, id LIMIT $2;

-- statement: referrals.sql end_referrals
UPDATE referrals SET state = 'ended', due_on = NULL, changed_at = $1, version = version + 1
WHERE organisation_id = $2 AND state IN ('made', 'accepted')
RETURNING id, need, organisation_id, version;

-- statement: referrals.sql enter_referral
INSERT INTO referrals (id, reference, need, organisation_id, contact_id, state, reason, made_by, made_at, changed_at,
                       changed_by, due_on, token_digest, version)
VALUES ($1, $2, $3, $4, $5, 'made', '', $6, $7, $7, $6, $8,
        $9, 1);

-- statement: referrals.sql fold_contacts_of_referrals
UPDATE referrals AS r SET contact_id = one.surviving, version = r.version + 1
FROM unnest($1::uuid[], $2::uuid[]) AS one (losing, surviving)
WHERE r.organisation_id = ANY($3::uuid[]) AND r.contact_id = one.losing;

-- statement: referrals.sql hand_over_referrals
UPDATE referrals SET organisation_id = $1, version = version + 1
WHERE organisation_id = $2 AND state IN ('made', 'accepted');

-- statement: referrals.sql lock_referral
SELECT id, reference, need, organisation_id, contact_id, state, reason, due_on, version FROM referrals
WHERE id = $1 FOR UPDATE;

-- statement: referrals.sql move_referral
UPDATE referrals SET state = $1, reason = $2, changed_at = $3, changed_by = $4, due_on = $5,
    version = version + 1
WHERE id = $6;

-- statement: referrals.sql move_referrals
UPDATE referrals SET organisation_id = $1, version = version + 1 WHERE organisation_id = $2;

-- statement: referrals.sql open_referrals_of
SELECT count(*) FROM referrals WHERE organisation_id = $1 AND state IN ('made', 'accepted');

-- statement: referrals.sql put_off_referral
UPDATE referrals SET due_on = $1, version = version + 1 WHERE id = $2;

-- statement: referrals.sql references_until
WITH old AS (
    SELECT id FROM referrals WHERE changed_at < $1 AND reference <> '' AND due_on IS NULL
    ORDER BY changed_at LIMIT $2 FOR UPDATE SKIP LOCKED
), forgotten AS (
    UPDATE referrals AS r SET reference = '', reason = '' FROM old WHERE r.id = old.id RETURNING 1
)
SELECT count(*) FROM forgotten;

-- statement: referrals.sql referral
SELECT r.id, r.reference, r.need, r.organisation_id, r.contact_id, r.state, r.reason, r.made_by, r.made_at, r.changed_at,
       r.changed_by, r.due_on, r.version, o.name AS organisation, c.role AS contact_role, c.name AS contact,
       CASE WHEN c.withdrawn_on IS NULL THEN c.email END AS email, m.name AS maker, p.name AS changer
FROM referrals AS r JOIN organisations AS o ON o.id = r.organisation_id
LEFT JOIN contacts AS c ON c.id = r.contact_id
LEFT JOIN people AS m ON m.id = r.made_by LEFT JOIN people AS p ON p.id = r.changed_by
WHERE r.id = $1;

-- statement: referrals.sql referral_by_token
SELECT r.id, r.reference, r.need, r.organisation_id, r.state, r.made_at, r.changed_at, r.version, o.name AS organisation
FROM referrals AS r JOIN organisations AS o ON o.id = r.organisation_id WHERE r.token_digest = $1;

-- statement: referrals.sql referral_made_since
SELECT EXISTS (SELECT FROM referrals
WHERE organisation_id = $1 AND lower(reference) = lower($2) AND need = $3
  AND made_at >= $4 AND state <> 'taken_back');

-- statement: referrals.sql referrals_by_need
SELECT need, count(*) AS made, count(*) FILTER (WHERE state = 'declined') AS declined,
       count(*) FILTER (WHERE state IN ('taken_back', 'ended')) AS taken_back,
       count(*) FILTER (WHERE state = 'helped') AS helped, count(*) FILTER (WHERE state = 'not_helped') AS not_helped
FROM referrals GROUP BY need ORDER BY count(*) DESC, need LIMIT $1;

-- statement: referrals.sql referrals_by_partner
SELECT r.organisation_id, o.name AS organisation, count(*) AS made,
       count(*) FILTER (WHERE r.state = 'declined') AS declined,
       count(*) FILTER (WHERE r.state IN ('taken_back', 'ended')) AS taken_back,
       count(*) FILTER (WHERE r.state = 'helped') AS helped,
       count(*) FILTER (WHERE r.state = 'not_helped') AS not_helped
FROM referrals AS r JOIN organisations AS o ON o.id = r.organisation_id
GROUP BY r.organisation_id, o.name ORDER BY count(*) DESC, o.name, r.organisation_id LIMIT $1;

-- statement: referrals.sql referrals_due
SELECT r.id, r.state, r.reference, r.due_on, r.organisation_id, o.name AS organisation
FROM referrals AS r JOIN organisations AS o ON o.id = r.organisation_id
WHERE r.due_on <= $1 ORDER BY r.due_on, r.id LIMIT $2;

-- statement: referrals.sql referrals_figures
SELECT count(*) AS made, count(*) FILTER (WHERE state = 'made') AS waiting,
       count(*) FILTER (WHERE state = 'accepted') AS accepted, count(*) FILTER (WHERE state = 'declined') AS declined,
       count(*) FILTER (WHERE state = 'helped') AS helped, count(*) FILTER (WHERE state = 'not_helped') AS not_helped,
       count(*) FILTER (WHERE state = 'not_known') AS not_known,
       count(*) FILTER (WHERE state IN ('taken_back', 'ended')) AS taken_back
FROM referrals WHERE $1::uuid IS NULL OR organisation_id = $1::uuid;

-- statement: referrals.sql referrals_held
SELECT r.id, r.organisation_id, r.reference, r.need, r.state, r.reason, r.made_at, r.changed_at, o.name AS organisation
FROM referrals AS r JOIN organisations AS o ON o.id = r.organisation_id
WHERE r.reference = ANY($1::text[])
   OR r.reason <> '' AND (
       r.organisation_id = ANY($2::uuid[])
       OR EXISTS (SELECT FROM unnest($3::text[]) AS word WHERE strpos(lower(r.reason), lower(word)) > 0))
ORDER BY r.made_at, r.id;

-- statement: referrals.sql referrals_listed
SELECT r.id, r.reference, r.need, r.organisation_id, r.state, r.made_at, r.changed_at, r.due_on, o.name AS organisation
FROM referrals AS r JOIN organisations AS o ON o.id = r.organisation_id
WHERE ($1::uuid IS NULL OR r.organisation_id = $1::uuid)
  AND r.state = ANY($2::text[]) AND ($3::text = '' OR r.need = $3::text)
  AND ($4::uuid IS NULL
       OR (r.made_at, r.id) < (SELECT b.made_at, b.id FROM referrals AS b WHERE b.id = $4::uuid))
ORDER BY r.made_at DESC, r.id DESC LIMIT $5;

-- statement: referrals.sql scrub_referral
UPDATE referrals SET reference = $1, reason = $2, version = version + 1 WHERE id = $3;

-- statement: register.sql address_was_erased
SELECT EXISTS (SELECT FROM erased_addresses WHERE digest = $1);

-- statement: register.sql ask_tagging
INSERT INTO taggings (id, person_id, tag_id, removes, organisations, query, asked_at)
SELECT $1, $2, $3, $4, coalesce(array_agg(o.id ORDER BY o.id), '{}'), $5, $6
FROM organisations AS o WHERE o.id = ANY($7::uuid[]) AND o.merged_into IS NULL;

-- statement: register.sql begin_amending
LOCK TABLE organisations, contacts IN ROW EXCLUSIVE MODE;

-- statement: register.sql contact_known
SELECT c.id, c.organisation_id, c.role, c.name, c.channel, c.email, c.postal_address, c.postcode, c.source, c.listed_on,
       c.withdrawn_on, c.version, o.name AS organisation, o.merged_into
FROM contacts AS c JOIN organisations AS o ON o.id = c.organisation_id WHERE c.id = $1 AND c.erased_at IS NULL;

-- statement: register.sql contact_of_key
SELECT id FROM contacts WHERE organisation_id = $1 AND role = $2 AND name = $3;

-- statement: register.sql finish_tagging
UPDATE taggings SET organisations = $1::uuid[], done_at = $2 WHERE id = $3;

-- statement: register.sql forget_taggings_asked
DELETE FROM taggings WHERE person_id = $1 AND done_at IS NULL;

-- statement: register.sql forget_views_of
WITH own AS (DELETE FROM saved_views WHERE person_id = $1 AND NOT shared)
DELETE FROM taggings WHERE person_id = $1 AND done_at IS NULL;

-- statement: register.sql letters_by_contact
SELECT contact_id,
       count(DISTINCT letter_id) FILTER (WHERE kind = 'letter_sent') AS sent,
       count(DISTINCT letter_id) FILTER (WHERE kind IN ('letter_acknowledged', 'letter_answered')) AS acknowledged,
       count(DISTINCT letter_id) FILTER (WHERE kind = 'letter_answered') AS answered,
       max(happened_at) FILTER (WHERE kind = 'letter_sent') AS sent_at,
       max(happened_at) FILTER (WHERE kind = 'letter_failed') AS failed_at,
       max(happened_at) FILTER (WHERE kind = 'letter_acknowledged') AS acknowledged_at,
       max(happened_at) FILTER (WHERE kind = 'letter_answered') AS answered_at,
       max(happened_at) FILTER (WHERE kind = 'contact_suspected') AS suspected_at,
       max(happened_at) FILTER (WHERE kind = 'contact_cleared') AS cleared_at
FROM timeline WHERE organisation_id = $1 AND kind = ANY ($2::text[]) GROUP BY contact_id
HAVING count(*) FILTER (WHERE kind NOT IN ('contact_suspected', 'contact_cleared')) > 0;

-- statement: register.sql letters_lately_of
SELECT letter_id, kind, what, happened_at FROM (
    SELECT DISTINCT ON (letter_id) letter_id, kind, what, happened_at FROM timeline
    WHERE organisation_id = $1 AND letter_id IS NOT NULL AND kind LIKE 'letter\_%'
    ORDER BY letter_id, happened_at DESC, id DESC
) AS last ORDER BY happened_at DESC, letter_id LIMIT $2;

-- statement: register.sql lock_organisation
SELECT id, identifier, name, kinds, areas, closeness, opened_on, closed_on, successor_id, postal_address, postcode,
       telephone, website, handed_over, merged_into, version
FROM organisations WHERE id = $1 FOR UPDATE;

-- statement: register.sql lock_organisation_of_contact
SELECT o.id FROM organisations AS o WHERE o.id = (SELECT c.organisation_id FROM contacts AS c WHERE c.id = $1)
FOR UPDATE;

-- statement: register.sql lock_tagging
SELECT id, tag_id, removes, organisations, query, done_at, undone_at FROM taggings
WHERE id = $1 AND person_id = $2 FOR UPDATE;

-- statement: register.sql lock_view
SELECT id, name, query, shared, deleted_at FROM saved_views
WHERE id = $1 AND (shared OR person_id = $2) FOR UPDATE;

-- statement: register.sql make_tag
INSERT INTO tags AS t (id, name, key, made_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (key) DO UPDATE SET key = t.key RETURNING t.id, t.name, t.key;

-- statement: register.sql move_tags
WITH moved AS (
    DELETE FROM organisation_tags WHERE organisation_id = $1 RETURNING tag_id, tagged_at
)
INSERT INTO organisation_tags (organisation_id, tag_id, tagged_at) SELECT $2, tag_id, tagged_at FROM moved
ON CONFLICT (organisation_id, tag_id) DO NOTHING;

-- statement: register.sql name_identified
SELECT name FROM organisations WHERE identifier = $1;

-- statement: register.sql note_undone
UPDATE taggings SET undone_at = $1 WHERE id = $2;

-- statement: register.sql note_words_written
INSERT INTO words_written (made_of) VALUES ($1) ON CONFLICT (one) DO UPDATE SET made_of = excluded.made_of;

-- statement: register.sql organisation_known
SELECT id, identifier, name, kinds, areas, closeness, opened_on, closed_on, successor_id, postal_address, postcode,
       telephone, website, handed_over, merged_into, version
FROM organisations WHERE id = $1;

-- statement: register.sql organisations_alike
SELECT id, identifier, name, kinds, areas, closeness, opened_on, closed_on, successor_id, postal_address, postcode,
       telephone, website, handed_over, merged_into, version
FROM organisations
WHERE identifier = $1
   OR merged_into IS NULL AND (name_words && $2::text[] OR postcode = $3)
ORDER BY identifier = $1 DESC,
         (SELECT count(*) FROM unnest(name_words) AS word WHERE word = ANY($2::text[]))::real
             / (cardinality(name_words) + cardinality($2::text[])) DESC,
         postcode = $3 DESC NULLS LAST, id
LIMIT $4;

-- statement: register.sql organisations_listed
SELECT o.id, o.identifier, o.name, o.kinds, o.areas, o.closeness, o.opened_on, o.closed_on, o.successor_id,
       o.postal_address, o.postcode, o.telephone, o.website, o.handed_over, o.merged_into, o.version,
       (SELECT count(*) FROM contacts AS c WHERE c.organisation_id = o.id AND c.withdrawn_on IS NULL) AS contacts,
       ARRAY(SELECT t.name FROM organisation_tags AS g JOIN tags AS t ON t.id = g.tag_id
             WHERE g.organisation_id = o.id ORDER BY t.key) AS tags
FROM (
    SELECT * FROM organisations AS o
    WHERE o.merged_into IS NULL
      AND (cardinality($1::text[]) = 0 OR grams(o.searched) @> $1::text[])
      AND o.searched LIKE ALL($2::text[])
      AND ($3::text = '' OR $3::text = ANY(o.kinds))
      AND ($4::text = '' OR $4::text = ANY(o.areas))
      AND ($5::text = '' OR $5::text = o.closeness)
      AND ($6::text = '' OR ($6::text = 'closed') = coalesce(o.closed_on <= $7::date, false))
      AND ($8::text = ''
           OR o.id NOT IN (SELECT c.organisation_id FROM contacts AS c WHERE c.withdrawn_on IS NULL))
      AND ($9::text = ''
           OR o.id IN (SELECT g.organisation_id FROM organisation_tags AS g JOIN tags AS t ON t.id = g.tag_id
                       WHERE t.key = $9::text))
      AND ($10::uuid IS NULL
           OR (o.listed_as, o.id) > (SELECT p.listed_as, p.id FROM organisations AS p WHERE p.id = $10::uuid))
    ORDER BY o.listed_as, o.id LIMIT $11
) AS o ORDER BY o.listed_as, o.id;

-- statement: register.sql organisations_page
WITH found AS MATERIALIZED (
    SELECT o.id, o.listed_as FROM organisations AS o
    WHERE o.merged_into IS NULL
      AND (cardinality($1::text[]) = 0 OR grams(o.searched) @> $1::text[])
      AND o.searched LIKE ALL($2::text[])
      AND ($3::text = '' OR $3::text = ANY(o.kinds))
      AND ($4::text = '' OR $4::text = ANY(o.areas))
      AND ($5::text = '' OR $5::text = o.closeness)
      AND ($6::text = '' OR ($6::text = 'closed') = coalesce(o.closed_on <= $7::date, false))
      AND ($8::text = ''
           OR o.id NOT IN (SELECT c.organisation_id FROM contacts AS c WHERE c.withdrawn_on IS NULL))
      AND ($9::text = ''
           OR o.id IN (SELECT g.organisation_id FROM organisation_tags AS g JOIN tags AS t ON t.id = g.tag_id
                       WHERE t.key = $9::text))
), page AS (
    SELECT o.id, o.identifier, o.name, o.kinds, o.areas, o.closeness, o.opened_on, o.closed_on, o.successor_id,
           o.postal_address, o.postcode, o.telephone, o.website, o.handed_over, o.merged_into, o.version, o.listed_as,
           (SELECT count(*) FROM contacts AS c WHERE c.organisation_id = o.id AND c.withdrawn_on IS NULL) AS contacts,
           ARRAY(SELECT t.name FROM organisation_tags AS g JOIN tags AS t ON t.id = g.tag_id
                 WHERE g.organisation_id = o.id ORDER BY t.key) AS tags
    FROM (
        SELECT f.id FROM found AS f
        WHERE $10::uuid IS NULL
           OR (f.listed_as, f.id) > (SELECT p.listed_as, p.id FROM organisations AS p WHERE p.id = $10::uuid)
        ORDER BY f.listed_as, f.id LIMIT $11
    ) AS f JOIN organisations AS o ON o.id = f.id
)
SELECT n.total, page.* FROM (SELECT count(*) AS total FROM found) AS n LEFT JOIN page ON true
ORDER BY page.listed_as, page.id;

-- statement: register.sql pledges_of
SELECT what, happened_at, letter_id FROM timeline
WHERE organisation_id = $1 AND kind = 'contribution_pledged' ORDER BY happened_at DESC, id DESC LIMIT $2;

-- statement: register.sql purge_views
WITH old AS (
    DELETE FROM saved_views WHERE id IN (
        SELECT id FROM saved_views WHERE deleted_at < $1 ORDER BY deleted_at LIMIT $2 FOR UPDATE SKIP LOCKED
    ) RETURNING 1
)
SELECT count(*) FROM old;

-- statement: register.sql rename_view
UPDATE saved_views SET name = $1 WHERE id = $2;

-- statement: register.sql save_view
INSERT INTO saved_views (id, person_id, name, query, shared, saved_at)
VALUES ($1, $2, $3, $4, $5, $6);

-- statement: register.sql set_view_deleted
UPDATE saved_views SET deleted_at = $1::timestamptz WHERE id = $2;

-- statement: register.sql tag_by_key
SELECT id, name, key FROM tags WHERE key = $1;

-- statement: register.sql tag_organisations
INSERT INTO organisation_tags (organisation_id, tag_id, tagged_at)
SELECT o.id, $1, $2 FROM organisations AS o
WHERE o.id = ANY($3::uuid[]) AND o.merged_into IS NULL ORDER BY o.id FOR KEY SHARE
ON CONFLICT (organisation_id, tag_id) DO NOTHING RETURNING organisation_id;

-- statement: register.sql tagging
SELECT g.id, g.tag_id, g.removes, g.query, g.done_at, g.undone_at, cardinality(g.organisations) AS count,
       t.name AS tag,
       ARRAY(SELECT o.name FROM organisations AS o WHERE o.id = ANY(g.organisations) ORDER BY o.listed_as, o.id
             LIMIT $1) AS names
FROM taggings AS g JOIN tags AS t ON t.id = g.tag_id WHERE g.id = $2 AND g.person_id = $3;

-- statement: register.sql tags_all
SELECT t.id, t.name, t.key FROM tags AS t
WHERE EXISTS (SELECT FROM organisation_tags AS g WHERE g.tag_id = t.id) ORDER BY t.key LIMIT $1;

-- statement: register.sql tags_of
SELECT t.id, t.name, t.key FROM organisation_tags AS g JOIN tags AS t ON t.id = g.tag_id
WHERE g.organisation_id = $1 ORDER BY t.key;

-- statement: register.sql untag_organisations
DELETE FROM organisation_tags WHERE tag_id = $1 AND organisation_id = ANY($2::uuid[])
RETURNING organisation_id;

-- statement: register.sql views_held
SELECT name, query, shared, saved_at FROM saved_views WHERE person_id = $1 ORDER BY saved_at;

-- statement: register.sql views_of
SELECT id, name, query, shared, person_id = $1 AS own FROM saved_views
WHERE deleted_at IS NULL AND (shared OR person_id = $1) ORDER BY lower(name), id LIMIT $2;

-- statement: register.sql words_made_of
SELECT made_of FROM words_written;

-- statement: register.sql words_of
SELECT o.id, o.name, o.identifier, o.postcode, o.kinds, o.areas,
       ARRAY(SELECT m.name || ' ' || m.identifier FROM organisations AS m WHERE m.merged_into = o.id
             ORDER BY m.id) AS merged,
       coalesce(array_agg(c.name ORDER BY c.id) FILTER (WHERE c.id IS NOT NULL), '{}') AS contacts,
       coalesce(array_agg(DISTINCT c.role) FILTER (WHERE c.withdrawn_on IS NULL AND c.id IS NOT NULL), '{}') AS roles
FROM organisations AS o LEFT JOIN contacts AS c ON c.organisation_id = o.id AND c.erased_at IS NULL
WHERE o.id = ANY($1::uuid[]) GROUP BY o.id ORDER BY o.id;

-- statement: register.sql write_words
UPDATE organisations AS o
SET searched = said.searched, listed_as = said.listed_as, name_words = string_to_array(said.name_words, ' ')
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[])
     AS said (id, searched, listed_as, name_words)
WHERE o.id = said.id AND (o.searched, o.listed_as, o.name_words)
      IS DISTINCT FROM (said.searched, said.listed_as, string_to_array(said.name_words, ' '));

-- statement: rights.sql answers_to
SELECT service, step, answered_at, files, objection, scrubbed, kept FROM rights_answers
WHERE request_id = $1 ORDER BY answered_at, service;

-- statement: rights.sql contacts_held
SELECT c.*, o.name AS organisation FROM contacts AS c JOIN organisations AS o ON o.id = c.organisation_id
WHERE c.id = ANY($1::uuid[]) ORDER BY c.id;

-- statement: rights.sql contacts_known_by
SELECT c.id, c.name, c.email, c.role, o.name AS organisation FROM contacts AS c JOIN organisations AS o ON o.id = c.organisation_id
WHERE c.erased_at IS NULL AND (c.id = ANY($1::uuid[]) OR lower(c.email) = ANY($2::text[])) ORDER BY c.id;

-- statement: rights.sql contacts_withdrawn_until
SELECT id FROM contacts WHERE withdrawn_on < $1 AND erased_at IS NULL
ORDER BY withdrawn_on, id LIMIT $2 FOR UPDATE SKIP LOCKED;

-- statement: rights.sql enter_answer
INSERT INTO rights_answers (request_id, service, step, answered_at, files, objection, scrubbed, kept)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (request_id, step, service) DO NOTHING RETURNING service;

-- statement: rights.sql enter_finding
INSERT INTO rights_findings (request_id, service, number, path, title, piece, content)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (request_id, service, number) DO NOTHING;

-- statement: rights.sql erase_contact
UPDATE contacts SET name = 'Somebody who was erased (' || right(id::text, 8) || ')', email = NULL,
    postal_address = '{}', postcode = NULL, source = '', withdrawn_on = coalesce(withdrawn_on, greatest(listed_on, $1::date)),
    erased_at = $2, version = version + 1, changed_at = $2
WHERE id = $3 AND erased_at IS NULL RETURNING *;

-- statement: rights.sql erase_person
UPDATE people SET name = 'Somebody who was erased', email = '', email_key = 'erased ' || id, erased_at = $1,
    second_factor = NULL, second_factor_since = NULL, second_factor_step = NULL, version = version + 1, changed_at = $1
WHERE id = $2 RETURNING *;

-- statement: rights.sql files_of
SELECT service, path, title, min(number) AS number, sum(octet_length(content)) AS size, max(left_out) AS left_out
FROM rights_findings WHERE request_id = $1 GROUP BY service, path, title ORDER BY service, min(number);

-- statement: rights.sql findings_count
SELECT count(*) FROM rights_findings WHERE request_id = $1 AND service = $2;

-- statement: rights.sql forget_findings
DELETE FROM rights_findings WHERE request_id = $1;

-- statement: rights.sql forget_token_names
UPDATE issued_tokens SET name = '' WHERE person_id = $1;

-- statement: rights.sql forget_ways_in
WITH asked AS (DELETE FROM sign_ins WHERE person_id = $1), codes AS (
    DELETE FROM recovery_codes WHERE person_id = $1
)
DELETE FROM sessions WHERE person_id = $1;

-- statement: rights.sql leave_out
WITH changed AS (
    UPDATE rights_findings AS f SET left_out = $1 FROM rights_findings AS first
    WHERE first.request_id = $2 AND first.service = $3 AND first.number = $4
      AND f.request_id = first.request_id AND f.service = first.service AND f.path = first.path RETURNING 1
)
SELECT count(*) FROM changed;

-- statement: rights.sql lock_request
SELECT * FROM rights_requests WHERE id = $1 FOR UPDATE;

-- statement: rights.sql may_sign_in
SELECT EXISTS (SELECT 1 FROM people WHERE id = ANY($1::uuid[]) AND barred_at IS NULL);

-- statement: rights.sql move_request
UPDATE rights_requests SET state = $1, subject = $2, changed_at = $3 WHERE id = $4;

-- statement: rights.sql note_erased_address
INSERT INTO erased_addresses (digest, erased_at) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING;

-- statement: rights.sql open_request
INSERT INTO rights_requests (id, kind, state, subject, asked_at, due_on, changed_at)
VALUES ($1, $2, $3, $4, $5, $6, $5);

-- statement: rights.sql people_barred_until
SELECT id FROM people WHERE barred_at < $1 AND erased_at IS NULL
ORDER BY barred_at, id LIMIT $2 FOR UPDATE SKIP LOCKED;

-- statement: rights.sql people_known_by
SELECT p.id, p.name, p.email, o.name AS organisation FROM people AS p JOIN organisations AS o ON o.id = p.organisation_id
WHERE p.erased_at IS NULL AND (p.id = ANY($1::uuid[]) OR p.email_key = ANY($2::text[])) ORDER BY p.id;

-- statement: rights.sql pieces_of
SELECT f.path, f.title, f.content, f.left_out FROM rights_findings AS f JOIN rights_findings AS first
    ON first.request_id = f.request_id AND first.service = f.service AND first.path = f.path
WHERE first.request_id = $1 AND first.service = $2 AND first.number = $3 ORDER BY f.piece;

-- statement: rights.sql purge_requests
WITH old AS (
    SELECT id FROM rights_requests
    WHERE changed_at < $1 AND state IN ('gathered', 'released', 'objected', 'cancelled') AND subject IS NOT NULL
    ORDER BY changed_at LIMIT $2 FOR UPDATE SKIP LOCKED
), emptied AS (
    DELETE FROM rights_findings AS f USING old WHERE f.request_id = old.id
), forgotten AS (
    UPDATE rights_requests AS r SET subject = NULL FROM old WHERE r.id = old.id RETURNING 1
)
SELECT count(*) FROM forgotten;

-- statement: rights.sql request
SELECT * FROM rights_requests WHERE id = $1;

-- statement: rights.sql requests
SELECT * FROM rights_requests
ORDER BY state IN ('released', 'objected', 'erased', 'cancelled'), asked_at DESC, id DESC LIMIT $1;

-- statement: rights.sql requests_waiting
SELECT count(*) AS count, min(due_on) AS due_on FROM rights_requests WHERE state = 'gathered';

-- statement: rights.sql sessions_held
SELECT agent, began_at, renewed_at, ended_at FROM sessions WHERE person_id = $1 ORDER BY began_at;

-- statement: rights.sql tokens_held
SELECT name, role, writes, issued_at, expires_at, revoked_at FROM issued_tokens
WHERE person_id = $1 ORDER BY issued_at;

-- statement: suggestions.sql enter_suggestion
INSERT INTO suggested_contacts (id, organisation_id, letter_id, name, role, email, suggested_at)
SELECT $1, coalesce(o.merged_into, o.id), $2, $3, $4, $5, $6
FROM organisations o WHERE o.id = $7
ON CONFLICT (id) DO NOTHING;

-- statement: suggestions.sql lock_suggestion
SELECT * FROM suggested_contacts WHERE id = $1 FOR UPDATE;

-- statement: suggestions.sql move_suggestions
UPDATE suggested_contacts SET organisation_id = $1 WHERE organisation_id = $2;

-- statement: suggestions.sql settle_suggestion
UPDATE suggested_contacts SET name = '', role = '', email = '', settled_at = $1, contact_id = $2
WHERE id = $3;

-- statement: suggestions.sql suggestion
SELECT s.*, o.name AS organisation FROM suggested_contacts s JOIN organisations o ON o.id = s.organisation_id
WHERE s.id = $1;

-- statement: suggestions.sql suggestions_at
SELECT count(*) FROM suggested_contacts WHERE organisation_id = $1 AND settled_at IS NULL;

-- statement: suggestions.sql suggestions_held
SELECT name, role, email, suggested_at FROM suggested_contacts
WHERE settled_at IS NULL
  AND (id = ANY($1::uuid[]) OR lower(email) = ANY($2::text[]) OR lower(name) = ANY($3::text[]))
ORDER BY suggested_at, id;

-- statement: suggestions.sql suggestions_of
SELECT id, name, role, email, letter_id, suggested_at FROM suggested_contacts
WHERE organisation_id = $1 AND settled_at IS NULL ORDER BY suggested_at, id;

-- statement: suggestions.sql suggestions_to_forget
SELECT id FROM suggested_contacts
WHERE settled_at IS NULL AND (id = ANY($1::uuid[]) OR lower(email) = ANY($2::text[])) ORDER BY id;

-- statement: suggestions.sql suggestions_until
SELECT id FROM suggested_contacts WHERE settled_at IS NULL AND suggested_at < $1 ORDER BY suggested_at LIMIT $2;

-- statement: suggestions.sql suggestions_waiting
SELECT s.id, s.organisation_id, s.suggested_at, o.name AS organisation
FROM suggested_contacts s JOIN organisations o ON o.id = s.organisation_id
WHERE s.settled_at IS NULL ORDER BY s.suggested_at, s.id LIMIT $1;

-- statement: timeline.sql change_note
UPDATE timeline SET happened_at = $1, what = $2, detail = $3, ends_at = $4, place = $5,
    our_people = $6, their_contacts = $7, version = version + 1, changed_at = $8
WHERE id = $9;

-- statement: timeline.sql enter_note
INSERT INTO timeline (id, organisation_id, happened_at, kind, what, detail, heard_at, written_by, ends_at, place,
                      our_people, their_contacts, referral_id, changed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,
        $11, $12, $13, $7);

-- statement: timeline.sql entries_held
SELECT t.id, t.organisation_id, t.happened_at, t.kind, t.what, t.detail, t.place, t.ends_at, t.written_by,
       t.our_people, t.their_contacts, o.name AS organisation,
       ARRAY(SELECT f.name FROM timeline_files AS b JOIN files AS f ON f.id = b.file_id
             WHERE b.entry_id = t.id ORDER BY f.name) AS files
FROM timeline AS t JOIN organisations AS o ON o.id = t.organisation_id
WHERE t.written_by IS NOT NULL AND (
    t.written_by = ANY($1::uuid[]) OR t.our_people && $1::uuid[] OR t.their_contacts && $1::uuid[]
    OR t.organisation_id = ANY($2::uuid[])
    OR EXISTS (SELECT FROM unnest($3::text[]) AS word
               WHERE strpos(lower(t.what || ' ' || t.detail || ' ' || t.place), lower(word)) > 0)
)
ORDER BY t.happened_at, t.id;

-- statement: timeline.sql files_beside
SELECT f.id, f.name, f.media_type, f.size, f.digest, f.received_at, t.removed_at
FROM timeline_files AS t JOIN files AS f ON f.id = t.file_id
WHERE t.entry_id = $1 ORDER BY f.received_at, f.id;

-- statement: timeline.sql fold_contacts_of_timeline
WITH one AS (
    SELECT losing, surviving FROM unnest($1::uuid[], $2::uuid[]) AS said (losing, surviving)
)
UPDATE timeline AS t SET
    contact_id = coalesce((SELECT one.surviving FROM one WHERE one.losing = t.contact_id), t.contact_id),
    their_contacts = ARRAY(
        SELECT coalesce(one.surviving, took_part.id)
        FROM unnest(t.their_contacts) WITH ORDINALITY AS took_part (id, number) LEFT JOIN one ON one.losing = took_part.id
        GROUP BY 1 ORDER BY min(took_part.number))
WHERE t.organisation_id = ANY($3::uuid[])
  AND (t.contact_id = ANY($1::uuid[]) OR t.their_contacts && $1::uuid[]);

-- statement: timeline.sql forget_entries
WITH gone AS (
    DELETE FROM files AS f USING timeline_files AS b WHERE b.file_id = f.id AND b.entry_id = ANY($1::uuid[])
), forgotten AS (
    DELETE FROM timeline WHERE id = ANY($1::uuid[]) RETURNING 1
)
SELECT count(*) FROM forgotten;

-- statement: timeline.sql forget_removed_files
WITH old AS (
    SELECT file_id FROM timeline_files WHERE removed_at < $1 ORDER BY removed_at LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM files WHERE id IN (SELECT file_id FROM old) RETURNING 1
)
SELECT count(*) FROM gone;

-- statement: timeline.sql hold_organisation
SELECT id, name, closed_on, merged_into FROM organisations WHERE id = $1 FOR SHARE;

-- statement: timeline.sql homes_of
SELECT id, organisation_id FROM contacts WHERE id = ANY($1::uuid[])
UNION ALL SELECT id, organisation_id FROM people WHERE id = ANY($1::uuid[]);

-- statement: timeline.sql letters_not_arrived
WITH failed AS (
    SELECT DISTINCT ON (contact_id) contact_id, happened_at, organisation_id FROM timeline
    WHERE kind = 'letter_failed' AND contact_id IS NOT NULL ORDER BY contact_id, happened_at DESC
)
SELECT c.id, c.role, t.happened_at, t.organisation_id, o.name AS organisation FROM failed AS t
JOIN contacts AS c ON c.id = t.contact_id JOIN organisations AS o ON o.id = t.organisation_id
WHERE c.withdrawn_on IS NULL AND c.changed_at < t.happened_at AND o.closed_on IS NULL AND NOT EXISTS (
    SELECT FROM timeline AS s WHERE s.contact_id = c.id AND s.happened_at > t.happened_at
      AND s.kind IN ('letter_sent', 'letter_acknowledged', 'letter_answered')
)
ORDER BY t.happened_at, c.id LIMIT $1;

-- statement: timeline.sql lock_entry
SELECT id, organisation_id, happened_at, kind, what, detail, written_by, ends_at, place, our_people, their_contacts,
       removed_at, version
FROM timeline WHERE id = $1 FOR UPDATE;

-- statement: timeline.sql mark_file_removed
UPDATE timeline_files SET removed_at = $1 WHERE file_id = $2;

-- statement: timeline.sql mark_removed
UPDATE timeline SET removed_at = $1, version = version + 1, changed_at = $2 WHERE id = $3;

-- statement: timeline.sql may_take_part
(SELECT id, name, '' AS role, true AS ours FROM people
 WHERE erased_at IS NULL AND barred_at IS NULL OR id = ANY($1::uuid[]) ORDER BY name, id LIMIT $2)
UNION ALL
(SELECT id, name, role, false FROM contacts
 WHERE organisation_id = $3 AND (withdrawn_on IS NULL OR id = ANY($4::uuid[]))
 ORDER BY name, id LIMIT $2);

-- statement: timeline.sql meetings_between
SELECT t.id, t.happened_at, t.what, t.organisation_id, o.name AS organisation
FROM timeline AS t JOIN organisations AS o ON o.id = t.organisation_id
WHERE t.kind = 'meeting' AND t.removed_at IS NULL AND t.happened_at >= $1 AND t.happened_at < $2
ORDER BY t.happened_at, t.id LIMIT $3;

-- statement: timeline.sql move_timeline
UPDATE timeline SET organisation_id = $1 WHERE organisation_id = $2;

-- statement: timeline.sql notes_removed_until
SELECT id FROM timeline WHERE removed_at < $1 ORDER BY removed_at LIMIT $2 FOR UPDATE SKIP LOCKED;

-- statement: timeline.sql notes_until
SELECT id FROM timeline WHERE written_by IS NOT NULL AND kind IN ('note', 'call', 'meeting') AND happened_at < $1
ORDER BY happened_at LIMIT $2 FOR UPDATE SKIP LOCKED;

-- statement: timeline.sql put_beside
INSERT INTO timeline_files (file_id, entry_id) VALUES ($1, $2);

-- statement: timeline.sql scrub_entry
UPDATE timeline SET what = $1, detail = $2, place = $3, version = version + 1, changed_at = $4,
    our_people = ARRAY(SELECT id FROM unnest(our_people) AS id WHERE id <> ALL($5::uuid[])),
    their_contacts = ARRAY(SELECT id FROM unnest(their_contacts) AS id WHERE id <> ALL($5::uuid[]))
WHERE id = $6;

-- statement: timeline.sql timeline_entry
SELECT t.id, t.organisation_id, t.happened_at, t.kind, t.what, t.detail, t.letter_id, t.written_by, t.ends_at, t.place,
       t.our_people, t.their_contacts, t.removed_at, t.version, t.heard_at, t.changed_at, o.name AS organisation,
       p.name AS author
FROM timeline AS t JOIN organisations AS o ON o.id = t.organisation_id LEFT JOIN people AS p ON p.id = t.written_by
WHERE t.id = $1;

-- statement: timeline.sql timeline_listed
SELECT t.id, t.happened_at, t.kind, t.what, t.detail, t.letter_id, t.referral_id, t.written_by, t.place, p.name AS author,
       (SELECT count(*) FROM timeline_files AS f WHERE f.entry_id = t.id AND f.removed_at IS NULL) AS files
FROM timeline AS t LEFT JOIN people AS p ON p.id = t.written_by
WHERE t.organisation_id = $1 AND t.removed_at IS NULL AND t.kind LIKE ANY($2::text[])
  AND ($3::uuid IS NULL
       OR (t.happened_at, t.id) < (SELECT b.happened_at, b.id FROM timeline AS b WHERE b.id = $3::uuid))
ORDER BY t.happened_at DESC, t.id DESC LIMIT $4;

-- statement: timeline.sql took_part
SELECT id, name, '' AS role, true AS ours FROM people WHERE id = ANY($1::uuid[])
UNION ALL SELECT id, name, role, false FROM contacts WHERE id = ANY($2::uuid[]) ORDER BY ours DESC, name, id;
