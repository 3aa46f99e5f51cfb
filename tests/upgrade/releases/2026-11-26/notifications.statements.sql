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

-- statement: answering.sql addresses_of_contacts
SELECT c.id, c.name, c.email, c.postal_address, c.postcode, b.id AS organisation_id,
       ARRAY(SELECT m.id FROM organisations m WHERE m.merged_into = b.id) || b.id AS bodies
FROM contacts c
LEFT JOIN organisations o ON o.id = c.organisation_id
CROSS JOIN LATERAL (SELECT coalesce(o.merged_into, o.id, c.organisation_id) AS id) b
WHERE c.id = ANY ($1::uuid[]);

-- statement: answering.sql answers_standing
SELECT id, kind, confirmed_at FROM answers WHERE letter_id = $1 AND corrected_at IS NULL ORDER BY at, id;

-- statement: answering.sql contact_to_write_to
SELECT id, organisation_id, role, channel, name, email, postal_address, postcode, source, withdrawn_on
FROM contacts WHERE id = $1;

-- statement: answering.sql contacts_at_address
SELECT id FROM contacts
WHERE name IS NOT NULL AND (
    lower(email) = lower($1::text) OR (lower(name), lower(postcode)) = (lower($2::text), lower($3::text))
);

-- statement: answering.sql contacts_at_bodies
SELECT id FROM contacts WHERE organisation_id = ANY ($1::uuid[]);

-- statement: answering.sql copy_letter
INSERT INTO letters (
    id, campaign_id, organisation_id, contact_id, number, reference, role, body_name, areas, state, ask_pence,
    count, evidence_on, evidence_source, formula_version, frozen, token_digest, message_id, dated, next_try, reason,
    failure, cure, changed_at
)
SELECT $1, l.campaign_id, l.organisation_id, $2, m.number, 'C' || c.number || '-' || lpad(m.number::text, 3, '0'),
       $3, l.body_name, l.areas, $4, l.ask_pence, l.count, l.evidence_on, l.evidence_source, l.formula_version,
       l.frozen || $5::jsonb || jsonb_build_object('values', (l.frozen -> 'values') || $6::jsonb),
       decode($7, 'hex'), $8, $9, $10, $11, $12, $13, $10
FROM letters l JOIN campaigns c ON c.id = l.campaign_id
CROSS JOIN LATERAL (
    SELECT greatest(max(k.number) + 1, 1) AS number FROM letters k WHERE k.campaign_id = l.campaign_id
) m
WHERE l.id = $14;

-- statement: answering.sql correct_answer
UPDATE answers SET corrected_at = $1, corrected_by = $2 WHERE id = $3;

-- statement: answering.sql drop_suggestion_of
UPDATE suggestions SET name = '', role = '', email = '', settled_at = $1
WHERE answer_id = $2 AND settled_at IS NULL;

-- statement: answering.sql enter_stop
INSERT INTO stops (id, scope, digests, way, letter_id, contact_id, organisation_id, stopped_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- statement: answering.sql enter_suggestion
INSERT INTO suggestions (id, answer_id, letter_id, name, role, email, made_at)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- statement: answering.sql forget_answers_by_name
WITH forgotten AS (
    UPDATE answers a SET name = $1, position = '' FROM letters l
    WHERE l.id = a.letter_id AND lower(a.name) = ANY ($2::text[]) AND NOT a.letter_id = ANY ($3::uuid[])
      AND (l.organisation_id IN (SELECT c.organisation_id FROM contacts c WHERE c.id = ANY ($4::uuid[]))
           OR NOT EXISTS (SELECT FROM contacts c WHERE c.id = ANY ($4::uuid[])))
    RETURNING 1
)
SELECT count(*) FROM forgotten;

-- statement: answering.sql forget_suggestions
WITH forgotten AS (
    UPDATE suggestions SET name = '', role = '', email = '', settled_at = coalesce(settled_at, $1)
    WHERE (id = ANY ($2::uuid[]) OR lower(email) = ANY ($3::text[]) OR letter_id = ANY ($4::uuid[]))
        AND (name, role, email) <> ('', '', '') RETURNING 1
)
SELECT count(*) FROM forgotten;

-- statement: answering.sql forget_why_lifted
UPDATE stops SET lifted_because = '' WHERE contact_id = ANY ($1::uuid[]) AND lifted_because <> '';

-- statement: answering.sql go_on_sending
UPDATE campaigns SET state = 'sending', version = version + 1 WHERE id = $1 AND state = 'sent';

-- statement: answering.sql letter_of_contact
SELECT id FROM letters WHERE campaign_id = $1 AND contact_id = $2;

-- statement: answering.sql lift_stop
UPDATE stops SET lifted_at = $1, lifted_by = $2, lifted_because = $3 WHERE id = $4;

-- statement: answering.sql lock_stop
SELECT * FROM stops WHERE id = $1 FOR UPDATE;

-- statement: answering.sql lock_suggestion
SELECT * FROM suggestions WHERE id = $1 FOR UPDATE;

-- statement: answering.sql passed_on_from
SELECT l.id, l.reference, l.frozen #>> '{values,contact_name}' AS contact_name
FROM suggestions s JOIN letters l ON l.id = s.letter_id WHERE s.new_letter_id = $1 LIMIT 1;

-- statement: answering.sql set_aside_letter
UPDATE letters SET
    state = 'blocked', claimed_at = NULL, reason = $1, failure = $2, cure = $3, changed_at = $4,
    version = version + 1
WHERE id = $5;

-- statement: answering.sql set_aside_stopped
WITH theirs AS (
    SELECT id FROM letters WHERE contact_id = ANY ($1::uuid[]) AND state IN ('draft', 'ready')
    ORDER BY id FOR UPDATE
), stopped AS (
    UPDATE letters l SET
        state = 'blocked', reason = 'stopped', failure = $2, cure = $3, changed_at = $4, version = l.version + 1
    FROM theirs WHERE l.id = theirs.id RETURNING l.id
), noted AS (
    INSERT INTO letter_history (letter_id, at, what, who)
    SELECT id, $4, 'Set aside: they want no letter any more', $5 FROM stopped
)
SELECT count(*) FROM stopped;

-- statement: answering.sql settle_suggestion
UPDATE suggestions SET
    name = '', role = '', email = '', settled_at = $1, new_letter_id = $2
WHERE id = $3;

-- statement: answering.sql stops
SELECT s.id, s.scope, s.way, s.letter_id, s.stopped_at, s.lifted_at, s.lifted_because, c.name, c.role,
       coalesce(o.name, l.body_name) AS body_name, l.reference
FROM stops s
LEFT JOIN letters l ON l.id = s.letter_id
LEFT JOIN contacts c ON c.id = s.contact_id
LEFT JOIN organisations o ON o.id = s.organisation_id
WHERE ($1::timestamptz IS NULL OR (s.stopped_at, s.id) < ($1::timestamptz, $2::uuid))
ORDER BY s.stopped_at DESC, s.id DESC LIMIT $3;

-- statement: answering.sql stops_among
SELECT s.id, s.scope, d.digest FROM stops s CROSS JOIN LATERAL unnest(s.digests) AS d (digest)
WHERE s.lifted_at IS NULL AND s.digests && $1::bytea[] AND d.digest = ANY ($1::bytea[]);

-- statement: answering.sql stops_held
SELECT scope, way, stopped_at, lifted_at, lifted_because FROM stops
WHERE contact_id = ANY ($1::uuid[]) ORDER BY stopped_at, id;

-- statement: answering.sql stops_of_letter
SELECT id, scope, way, stopped_at, lifted_at FROM stops WHERE letter_id = $1 ORDER BY stopped_at DESC, id DESC;

-- statement: answering.sql suggestions_held
SELECT s.name, s.role, s.email, s.made_at, l.reference FROM suggestions s JOIN letters l ON l.id = s.letter_id
WHERE s.id = ANY ($1::uuid[]) OR lower(s.email) = ANY ($2::text[]) OR lower(s.name) = ANY ($3::text[])
ORDER BY s.made_at, s.id;

-- statement: answering.sql suggestions_of_letter
SELECT s.id, s.answer_id, s.name, s.role, s.email, s.made_at, s.settled_at, s.new_letter_id, n.reference AS new_reference
FROM suggestions s LEFT JOIN letters n ON n.id = s.new_letter_id
WHERE s.letter_id = $1 ORDER BY s.made_at DESC, s.id DESC;

-- statement: chasing.sql batches_waiting
SELECT k.batch_id, min(k.made_at) AS made_at, min(k.next_try) AS goes_at, count(*) AS chasers,
       count(DISTINCT (l.campaign_id, l.organisation_id)) AS bodies, min(l.body_name) AS body_name
FROM chasers k JOIN letters l ON l.id = k.letter_id
WHERE k.state = 'ready' AND k.attempts = 0 AND k.channel = 'email'
GROUP BY k.batch_id ORDER BY min(k.made_at) DESC, k.batch_id LIMIT $1;

-- statement: chasing.sql call_back
WITH back AS (
    UPDATE chasers SET state = 'withheld', reason = 'called_back', failure = $1, next_try = NULL, changed_at = $2
    WHERE batch_id = $3 AND state = 'ready' AND attempts = 0 RETURNING letter_id
), touched AS (
    UPDATE letters l SET changed_at = $2, version = l.version + 1 FROM back WHERE l.id = back.letter_id
), noted AS (
    INSERT INTO letter_history (letter_id, at, what, who)
    SELECT letter_id, $2, 'Not chased: ' || $1, $4 FROM back
)
SELECT count(*) FROM back;

-- statement: chasing.sql chased_in
SELECT organisation_id, max(chased) AS chased, max(last_at) AS last_at FROM (
    SELECT l.organisation_id, count(*) AS chased, max(k.sent_at) AS last_at
    FROM chasers k JOIN letters l ON l.id = k.letter_id
    WHERE l.campaign_id = $1 AND k.state = 'sent' GROUP BY l.organisation_id, l.id
) AS letters GROUP BY organisation_id;

-- statement: chasing.sql chaser
SELECT w.body AS chaser_body, k.number AS chaser_number, l.*, coalesce(l.own_subject, m.subject) AS subject,
       coalesce(l.own_body, m.body) AS body, m.name AS campaign
FROM chasers k JOIN letters l ON l.id = k.letter_id JOIN campaigns m ON m.id = l.campaign_id
JOIN chaser_words w ON w.campaign_id = l.campaign_id AND w.version = k.words
WHERE k.id = $1;

-- statement: chasing.sql chaser_words_of
SELECT version, body, made_at FROM chaser_words WHERE campaign_id = $1 ORDER BY version DESC LIMIT 1;

-- statement: chasing.sql chasers_of
SELECT * FROM chasers WHERE letter_id = $1 ORDER BY number DESC;

-- statement: chasing.sql chasers_on_their_way
SELECT count(*) FROM chasers WHERE state IN ('ready', 'sending') AND channel = 'email';

-- statement: chasing.sql claim_chaser
UPDATE chasers k SET state = 'sending', claimed_at = $1, changed_at = $1
FROM letters l, campaigns m, contacts c, chaser_words w
WHERE k.id = $2 AND l.id = k.letter_id AND m.id = l.campaign_id AND c.id = l.contact_id
  AND w.campaign_id = l.campaign_id AND w.version = k.words
RETURNING k.id AS chaser_id, k.number AS chaser_number, k.message_id AS chaser_message_id,
    k.claimed_at AS chaser_claimed_at, k.attempts AS chaser_attempts, w.body AS chaser_body,
    l.*, c.email, coalesce(l.own_subject, m.subject) AS subject, coalesce(l.own_body, m.body) AS body,
    m.name AS campaign;

-- statement: chasing.sql due_chasers
SELECT count(*) FROM (
    SELECT FROM chasers k JOIN letters l ON l.id = k.letter_id JOIN campaigns m ON m.id = l.campaign_id
    WHERE k.state = 'ready' AND k.channel = 'email' AND k.next_try <= $1 AND m.state <> 'paused' LIMIT $2
) AS due;

-- statement: chasing.sql due_to_be_chased
SELECT l.campaign_id, m.name AS campaign, l.organisation_id, min(l.body_name) AS body_name,
       array_agg(l.id ORDER BY l.number) AS letter_ids, array_agg(DISTINCT l.role) AS roles,
       min(l.waits_since) AS since, max(k.chased) AS chased, max(k.last_at) AS last_at,
       bool_or(l.answer = 'acknowledged') AS acknowledged, min(k.chased) >= m.chase_most AS enough,
       count(*) OVER () AS in_all
FROM letters l
JOIN campaigns m ON m.id = l.campaign_id
JOIN organisations o ON o.id = l.organisation_id
JOIN contacts c ON c.id = l.contact_id
JOIN LATERAL (
    SELECT count(*) FILTER (WHERE k.state IN ('sent', 'unknown', 'failed')) AS chased,
           max(coalesce(k.sent_at, k.changed_at)) FILTER (WHERE k.state IN ('sent', 'unknown', 'failed')) AS last_at,
           count(*) FILTER (WHERE k.state IN ('ready', 'sending')) > 0 AS under_way
    FROM chasers k WHERE k.letter_id = l.id
) k ON NOT k.under_way AND (k.chased >= m.chase_most) = $1
   AND (k.last_at IS NULL OR k.last_at < ($2::timestamptz[])[m.chase_every])
WHERE l.state = 'sent' AND l.answer IN ('silent', 'auto_replied', 'acknowledged') AND l.waits_since < $3
  AND l.delivery NOT IN ('bounced', 'returned')
  AND m.state NOT IN ('paused', 'stopped') AND m.finished_at IS NULL
  AND ($4::uuid IS NULL OR l.campaign_id = $4)
  AND ($5::uuid IS NULL OR l.organisation_id = $5)
  AND (NOT $6 OR m.chase_by_itself)
  AND (o.closed_on IS NULL OR o.closed_on > $7)
  AND ($1 OR c.name IS NOT NULL AND (c.withdrawn_on IS NULL OR c.withdrawn_on > $7)
       AND coalesce(c.email, '') <> '')
  AND NOT EXISTS (
      SELECT FROM letters b WHERE b.campaign_id = l.campaign_id AND b.organisation_id = l.organisation_id
          AND (b.answer NOT IN ('silent', 'auto_replied', 'acknowledged')
               OR b.answer = 'acknowledged' AND l.answer <> 'acknowledged'))
  AND NOT ($1 AND EXISTS (
      SELECT FROM letters b LEFT JOIN chasers k ON k.letter_id = b.id
      WHERE b.campaign_id = l.campaign_id AND b.organisation_id = l.organisation_id AND (
          b.state IN ('ready', 'sending') OR b.state = 'sent' AND b.waits_since >= $3
          OR k.state IN ('ready', 'sending')
          OR k.sent_at >= ($2::timestamptz[])[m.chase_every])))
GROUP BY l.campaign_id, m.name, m.chase_most, l.organisation_id
ORDER BY min(l.waits_since), l.campaign_id, l.organisation_id LIMIT $8;

-- statement: chasing.sql enter_chasers
WITH made AS (
    INSERT INTO chasers (
        id, letter_id, number, contact_id, channel, state, words, message_id, batch_id, because, next_try, made_at,
        changed_at
    )
    SELECT n.id, n.letter_id, n.number, n.contact_id, n.channel, 'ready',
           (SELECT max(w.version) FROM chaser_words w WHERE w.campaign_id = n.campaign_id),
           n.message_id, $1, n.because, $2, $3, $3
    FROM jsonb_to_recordset($4::jsonb) AS n (
        id uuid, letter_id uuid, campaign_id uuid, number integer, contact_id uuid, channel text, message_id text,
        because text
    ) RETURNING letter_id, because, channel
), touched AS (
    UPDATE letters l SET changed_at = $3, version = l.version + 1 FROM made WHERE l.id = made.letter_id
)
INSERT INTO letter_history (letter_id, at, what, who)
SELECT letter_id, $3,
       CASE channel WHEN 'post' THEN 'To be posted again, ' ELSE 'To be chased, ' END || because, $5 FROM made;

-- statement: chasing.sql enter_first_words
INSERT INTO chaser_words (campaign_id, version, body, made_at)
SELECT id, 1, $1, $2 FROM campaigns WHERE id = ANY ($3::uuid[])
ON CONFLICT (campaign_id, version) DO NOTHING;

-- statement: chasing.sql enter_words
INSERT INTO chaser_words (campaign_id, version, body, made_at) VALUES ($1, $2, $3, $4);

-- statement: chasing.sql finish_campaigns_waited
UPDATE campaigns m SET finished_at = $1, version = m.version + 1
WHERE m.state = 'sent' AND m.finished_at IS NULL AND NOT EXISTS (
    SELECT FROM (
        SELECT bool_or(l.answer NOT IN ('silent', 'auto_replied', 'acknowledged')) AS answered,
               bool_or(l.state = 'sent' AND l.delivery NOT IN ('bounced', 'returned')) AS arrived,
               max(CASE WHEN l.state = 'sent' THEN l.waits_since ELSE m.sent_at END) AS since,
               max(k.chased) AS chased, max(k.last_at) AS last_at, bool_or(k.under_way) AS under_way,
               bool_or(EXISTS (SELECT FROM answers a
                   WHERE a.letter_id = l.id AND a.kind = 'ask' AND a.settled_at IS NULL)) AS asking
        FROM letters l JOIN LATERAL (
            SELECT count(*) FILTER (WHERE k.state IN ('sent', 'unknown', 'failed')) AS chased,
                   max(coalesce(k.sent_at, k.changed_at)) FILTER (WHERE k.state IN ('sent', 'unknown', 'failed'))
                       AS last_at,
                   count(*) FILTER (WHERE k.state IN ('ready', 'sending')) > 0 AS under_way
            FROM chasers k WHERE k.letter_id = l.id
        ) k ON true
        WHERE l.campaign_id = m.id GROUP BY l.organisation_id
    ) AS body
    WHERE body.asking OR body.under_way OR NOT body.answered AND (
        body.since >= $2
        OR body.arrived AND body.chased < m.chase_most AND body.since >= $3
        OR body.last_at >= ($4::timestamptz[])[m.chase_every + $5]
    )
)
RETURNING m.id, m.name, m.version,
    (SELECT count(DISTINCT l.organisation_id) FROM letters l WHERE l.campaign_id = m.id) AS bodies,
    (SELECT count(DISTINCT l.organisation_id) FROM letters l
     WHERE l.campaign_id = m.id AND l.answer NOT IN ('silent', 'auto_replied', 'acknowledged')) AS answered;

-- statement: chasing.sql give_up_chasers
WITH lost AS (
    UPDATE chasers SET state = 'unknown', changed_at = $1, failure = $2, cure = $3
    WHERE state = 'sending' AND claimed_at < $4 RETURNING letter_id
), touched AS (
    UPDATE letters l SET changed_at = $1, version = l.version + 1 FROM lost WHERE l.id = lost.letter_id
)
INSERT INTO letter_history (letter_id, at, what, who)
SELECT letter_id, $1, 'Perhaps chased: the sender was interrupted', 'the sender' FROM lost RETURNING letter_id;

-- statement: chasing.sql go_on_sending
UPDATE campaigns SET state = 'sending', version = version + 1 WHERE id = $1 AND state = 'sent';

-- statement: chasing.sql letters_due_of
SELECT id FROM letters WHERE campaign_id = $1 AND organisation_id = $2 AND state = 'sent'
ORDER BY id;

-- statement: chasing.sql lock_chaser
SELECT * FROM chasers WHERE id = $1 FOR UPDATE;

-- statement: chasing.sql lock_due_chaser
SELECT k.id, k.letter_id FROM chasers k JOIN letters l ON l.id = k.letter_id JOIN campaigns m ON m.id = l.campaign_id
WHERE k.state = 'ready' AND k.channel = 'email' AND k.next_try <= $1 AND m.state <> 'paused'
ORDER BY k.next_try, k.id LIMIT 1 FOR UPDATE OF k, l SKIP LOCKED;

-- statement: chasing.sql lock_letters
SELECT id FROM letters WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE;

-- statement: chasing.sql mark_chaser_sent
UPDATE chasers SET
    state = 'sent', sent_at = coalesce(claimed_at, $1), claimed_at = NULL, next_try = NULL, failure = NULL,
    cure = NULL, changed_at = $1
WHERE id = $2;

-- statement: chasing.sql note_late
WITH late AS (
    SELECT l.id FROM letters l
    WHERE l.state = 'sent' AND l.delivery NOT IN ('bounced', 'returned')
      AND l.answer IN ('silent', 'auto_replied', 'acknowledged') AND l.waits_since < $1 AND l.lateness = ANY ($2::text[])
      AND NOT EXISTS (
          SELECT FROM letters b WHERE b.campaign_id = l.campaign_id AND b.organisation_id = l.organisation_id
              AND b.answer NOT IN ('silent', 'auto_replied', 'acknowledged'))
    ORDER BY l.id LIMIT $3 FOR UPDATE OF l SKIP LOCKED
), noted AS (
    UPDATE letters l SET lateness = $4, changed_at = $5, version = l.version + 1
    FROM late, campaigns m WHERE l.id = late.id AND m.id = l.campaign_id
    RETURNING l.id, l.version, l.campaign_id, m.name AS campaign, l.organisation_id, l.contact_id, l.role, l.waits_since
), told AS (
    INSERT INTO letter_history (letter_id, at, what, who) SELECT id, $5, $6, 'the calendar' FROM noted
)
SELECT * FROM noted ORDER BY id;

-- statement: chasing.sql others_at
SELECT c.id AS contact_id, l.campaign_id, l.organisation_id, c.role, c.name
FROM (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS b (campaign_id uuid, organisation_id uuid)
) AS l
JOIN campaigns m ON m.id = l.campaign_id
JOIN contacts c ON c.organisation_id = l.organisation_id OR c.organisation_id IN (
    SELECT g.id FROM organisations g WHERE g.merged_into = l.organisation_id)
WHERE c.name IS NOT NULL AND (c.withdrawn_on IS NULL OR c.withdrawn_on > $2) AND coalesce(c.email, '') <> ''
  AND c.channel = 'email'
  AND NOT EXISTS (SELECT FROM letters x WHERE x.campaign_id = l.campaign_id AND x.contact_id = c.id)
ORDER BY l.campaign_id, l.organisation_id, c.role <> ALL (m.roles), c.role, c.id;

-- statement: chasing.sql postpone_due_chasers
UPDATE chasers SET next_try = $1, failure = $2, cure = NULL, changed_at = $3
WHERE state = 'ready' AND channel = 'email' AND next_try <= $3;

-- statement: chasing.sql recipient
SELECT c.id AS contact_id, c.role, c.channel, c.name, c.email, c.postal_address, c.postcode, c.source,
       o.id AS organisation_id, o.name AS body_name, o.areas, o.closed_on, NULL::text AS successor,
       (SELECT max(l.number) FROM letters l WHERE l.campaign_id = $1) + 1 AS number
FROM contacts c
JOIN organisations k ON k.id = c.organisation_id
JOIN organisations o ON o.id = coalesce(k.merged_into, k.id)
WHERE c.id = $2 AND c.name IS NOT NULL AND (c.withdrawn_on IS NULL OR c.withdrawn_on > $3)
  AND NOT EXISTS (
      SELECT FROM letters x WHERE x.campaign_id = $1 AND (
          x.contact_id = c.id OR x.organisation_id = o.id AND x.answer NOT IN ('silent', 'auto_replied', 'acknowledged')));

-- statement: chasing.sql release_letter
UPDATE letters SET
    state = 'ready', dated = $1, next_try = $2, changed_at = $2, version = version + 1
WHERE id = $3 AND state = 'draft';

-- statement: chasing.sql resend_chaser
UPDATE chasers SET
    state = 'ready', next_try = $1, attempts = 0, claimed_at = NULL, failure = NULL, cure = NULL, changed_at = $1
WHERE id = $2;

-- statement: chasing.sql set_chasing
UPDATE campaigns SET
    chase_most = $1, chase_every = $2, chase_by_itself = $3, version = version + 1
WHERE id = $4;

-- statement: chasing.sql settle_chaser
UPDATE chasers k SET
    state = $1, sent_at = $2, next_try = $3, failure = $4, cure = $5,
    claimed_at = CASE WHEN $1 = 'unknown' THEN k.claimed_at END,
    attempts = k.attempts + 1, changed_at = $6
WHERE k.id = $7 AND k.claimed_at = $8 AND k.state IN ('sending', 'unknown')
RETURNING k.*;

-- statement: chasing.sql to_be_posted
SELECT k.id, k.letter_id, k.made_at, l.body_name, l.reference FROM chasers k JOIN letters l ON l.id = k.letter_id
WHERE k.state = 'ready' AND k.channel = 'post' ORDER BY k.made_at, k.id LIMIT $1;

-- statement: chasing.sql waiting_letters
SELECT l.id, l.campaign_id, l.contact_id, l.state, l.answer, l.waits_since,
       l.delivery IN ('bounced', 'returned') AS came_back, b.answers AS body_answers,
       m.chase_most, m.chase_every, m.state = 'stopped' AS stopped, o.closed_on,
       c.name IS NOT NULL AND (c.withdrawn_on IS NULL OR c.withdrawn_on > $1) AS listed,
       coalesce(c.email, '') <> '' AS has_address, k.chased, k.last_at, k.under_way, k.numbers
FROM letters l
JOIN campaigns m ON m.id = l.campaign_id
JOIN LATERAL (
    SELECT array_agg(DISTINCT b.answer) AS answers FROM letters b
    WHERE b.campaign_id = l.campaign_id AND b.organisation_id = l.organisation_id
) b ON true
LEFT JOIN organisations o ON o.id = l.organisation_id
LEFT JOIN contacts c ON c.id = l.contact_id
JOIN LATERAL (
    SELECT count(*) FILTER (WHERE k.state IN ('sent', 'unknown', 'failed')) AS chased,
           max(coalesce(k.sent_at, k.changed_at)) FILTER (WHERE k.state IN ('sent', 'unknown', 'failed')) AS last_at,
           count(*) FILTER (WHERE k.state IN ('ready', 'sending')) > 0 AS under_way,
           count(*) AS numbers
    FROM chasers k WHERE k.letter_id = l.id AND k.id IS DISTINCT FROM $2
) k ON true
WHERE l.id = ANY ($3::uuid[]) ORDER BY l.id;

-- statement: chasing.sql withhold_chaser
WITH held AS (
    UPDATE chasers SET
        state = 'withheld', reason = $1, failure = $2, claimed_at = NULL, next_try = NULL, changed_at = $3
    WHERE id = $4 AND state IN ('ready', 'sending') AND claimed_at IS NOT DISTINCT FROM $5
    RETURNING letter_id
), touched AS (
    UPDATE letters l SET changed_at = $3, version = l.version + 1 FROM held WHERE l.id = held.letter_id
)
INSERT INTO letter_history (letter_id, at, what, who)
SELECT letter_id, $3, 'Not chased: ' || $2, 'the sender' FROM held;

-- statement: composing.sql approve_campaign
UPDATE campaigns SET state = 'approved', approved_by = $1, approved_at = $2, version = version + 1 WHERE id = $3;

-- statement: composing.sql blocked_by
SELECT reason, count(*) AS count FROM letters WHERE campaign_id = $1 AND state = 'blocked'
GROUP BY reason ORDER BY count(*) DESC, reason;

-- statement: composing.sql check_of
WITH bodies AS (
    SELECT max(ask_pence) AS ask_pence FROM letters
    WHERE campaign_id = $1 AND state <> 'blocked' GROUP BY organisation_id
)
SELECT count(*) AS letters, count(*) FILTER (WHERE l.state <> 'blocked') AS going,
       count(*) FILTER (WHERE l.state <> 'blocked' AND c.channel = 'email') AS email,
       count(*) FILTER (WHERE l.state <> 'blocked' AND c.channel = 'post') AS post,
       count(*) FILTER (WHERE l.own_body IS NOT NULL) AS own,
       (SELECT count(*) FROM bodies) AS bodies,
       (SELECT sum(ask_pence)::bigint FROM bodies) AS asked_pence,
       (SELECT min(ask_pence) FROM bodies) AS least_pence,
       (SELECT max(ask_pence) FROM bodies) AS most_pence
FROM letters l JOIN contacts c ON c.id = l.contact_id WHERE l.campaign_id = $1;

-- statement: composing.sql enter_campaign
INSERT INTO campaigns (
    id, name, purpose, fund, profession, formula_version, least_pence, each_pence, step_pence, most_pence, subject, body,
    signatory, kind, roles, words_version, hands, state, created_at, version
) VALUES (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, '', '',
    '', '', '{}', 0, array_remove(ARRAY[$11::uuid], NULL), 'draft', $12, 1
);

-- statement: composing.sql letter_at
SELECT id FROM letters WHERE campaign_id = $1
ORDER BY number < $2, CASE WHEN number < $2 THEN -number ELSE number END LIMIT 1;

-- statement: composing.sql letters_listed
SELECT l.id, l.number, l.reference, l.body_name, l.role, l.state, l.failure, l.ask_pence, l.own_body IS NOT NULL AS own
FROM letters l JOIN contacts c ON c.id = l.contact_id
WHERE l.campaign_id = $1 AND l.number > $2 AND CASE $3
    WHEN 'all' THEN true
    WHEN 'own' THEN l.own_body IS NOT NULL
    WHEN 'twice' THEN l.id = ANY ($4::uuid[])
    WHEN 'email' THEN l.state <> 'blocked' AND c.channel = 'email'
    WHEN 'post' THEN l.state <> 'blocked' AND c.channel = 'post'
    ELSE l.state = 'blocked' AND l.reason = $3
END
ORDER BY l.number LIMIT $5;

-- statement: composing.sql letters_said_before
SELECT l.id FROM letters l JOIN campaigns m ON m.id = l.campaign_id
WHERE l.campaign_id = $1 AND l.state <> 'blocked' AND EXISTS (
    SELECT FROM letters x JOIN campaigns n ON n.id = x.campaign_id
    WHERE x.organisation_id = l.organisation_id AND x.sent_at >= $2 AND x.campaign_id <> l.campaign_id
      AND coalesce(x.own_body, n.body) = coalesce(l.own_body, m.body)
);

-- statement: composing.sql own_words_of
SELECT contact_id, own_subject, own_body FROM letters WHERE campaign_id = $1 AND own_body IS NOT NULL;

-- statement: composing.sql pause_campaign
WITH paused AS (
    UPDATE campaigns SET state = 'paused', version = version + 1 WHERE id = $1
), waiting AS (
    UPDATE letters SET next_try = NULL, changed_at = $2 WHERE campaign_id = $1 AND state = 'ready' RETURNING 1
)
SELECT count(*) FROM waiting;

-- statement: composing.sql reopen_campaign
UPDATE campaigns SET
    state = 'draft', submitted_by = NULL, submitted_at = NULL, approved_by = NULL, approved_at = NULL, send_at = NULL,
    returned_by = $1, returned_because = $2, version = version + 1
WHERE id = $3;

-- statement: composing.sql resume_campaign
WITH resumed AS (
    UPDATE campaigns SET state = 'sending', version = version + 1 WHERE id = $1
), waiting AS (
    UPDATE letters SET next_try = coalesce(next_try, $2), changed_at = $2 WHERE campaign_id = $1 AND state = 'ready'
    RETURNING 1
)
SELECT count(*) FROM waiting;

-- statement: composing.sql schedule_campaign
UPDATE campaigns SET send_at = $1, version = version + 1 WHERE id = $2;

-- statement: composing.sql scheduled
SELECT id FROM campaigns WHERE send_at <= $1 AND state = 'approved' ORDER BY send_at, id FOR UPDATE SKIP LOCKED;

-- statement: composing.sql set_aside_stopped
WITH aside AS (
    UPDATE letters l SET
        state = 'blocked', reason = 'stopped', next_try = NULL, changed_at = $1, version = l.version + 1,
        failure = 'The campaign was stopped before this letter went.', cure = 'There is nothing to do.'
    FROM campaigns m WHERE m.id = l.campaign_id AND m.state = 'stopped' AND l.state = 'ready' RETURNING l.id
), noted AS (
    INSERT INTO letter_history (letter_id, at, what, who)
    SELECT id, $1, 'Set aside: the campaign was stopped', $2 FROM aside
)
SELECT count(*) FROM aside;

-- statement: composing.sql set_own_words
UPDATE letters SET own_subject = $1, own_body = $2, changed_at = $3, version = version + 1 WHERE id = $4;

-- statement: composing.sql set_purpose
UPDATE campaigns SET
    name = $1, purpose = $2, fund = $3, profession = $4, formula_version = $5,
    least_pence = $6, each_pence = $7, step_pence = $8, most_pence = $9
WHERE id = $10;

-- statement: composing.sql set_recipients
UPDATE campaigns SET kind = $1, areas = $2, roles = $3, in_turn = $4 WHERE id = $5;

-- statement: composing.sql set_signatory
UPDATE campaigns SET signatory = $1 WHERE id = $2;

-- statement: composing.sql set_words
WITH changed AS (
    UPDATE campaigns SET subject = $1, body = $2, words_version = words_version + 1
    WHERE id = $3 AND (words_version, subject, body) IS DISTINCT FROM (greatest(words_version, 1), $1, $2)
    RETURNING id, words_version
)
INSERT INTO campaign_words (campaign_id, number, subject, body, written_by, written_at)
SELECT id, words_version, $1, $2, $4, $5 FROM changed;

-- statement: composing.sql start_campaign
UPDATE campaigns SET state = 'sending', released_at = $1, send_at = NULL, version = version + 1 WHERE id = $2;

-- statement: composing.sql stop_campaign
UPDATE campaigns SET state = 'stopped', stopped_at = $1, version = version + 1 WHERE id = $2;

-- statement: composing.sql submit_campaign
UPDATE campaigns SET
    state = 'submitted', submitted_by = $1, submitted_at = $2, returned_by = NULL, returned_because = '',
    version = version + 1,
    hands = CASE WHEN $1::uuid IS NULL OR $1 = ANY (hands) THEN hands ELSE hands || $1::uuid END
WHERE id = $3;

-- statement: composing.sql touch_campaign
UPDATE campaigns SET
    version = version + 1,
    hands = CASE WHEN $1::uuid IS NULL OR $1 = ANY (hands) THEN hands ELSE hands || $1::uuid END
WHERE id = $2;

-- statement: composing.sql versions_of
SELECT number, subject, body, written_by, written_at FROM campaign_words
WHERE campaign_id = $1 ORDER BY number DESC LIMIT $2;

-- statement: copies.sql contacts_copied
SELECT id, version, organisation_id, role, channel, listed_on, withdrawn_on, name, email, postal_address, postcode,
       source
FROM contacts WHERE $1::uuid IS NULL OR id > $1::uuid ORDER BY id LIMIT $2;

-- statement: copies.sql counts_copied
SELECT (area || '/' || profession) COLLATE "C" AS id, version, count, counted_on FROM registration_counts
WHERE $1::text IS NULL OR (area || '/' || profession) COLLATE "C" > $1::text ORDER BY 1 LIMIT $2;

-- statement: copies.sql drop_contacts
DELETE FROM contacts WHERE id = ANY($1::uuid[]);

-- statement: copies.sql drop_counts
DELETE FROM registration_counts WHERE area || '/' || profession = ANY($1::text[]);

-- statement: copies.sql drop_organisations
DELETE FROM organisations WHERE id = ANY($1::uuid[]);

-- statement: copies.sql organisations_copied
SELECT id, version, name, kinds, areas, closed_on, successor_id, handed_over, merged_into FROM organisations
WHERE $1::uuid IS NULL OR id > $1::uuid ORDER BY id LIMIT $2;

-- statement: incoming.sql all_incoming
SELECT i.id, i.received_at, i.kind, i.state, i.reason, i.sender, i.sender_name, i.verified, i.subject, i.returns_on,
       i.why, i.moved_to, i.letter_id, l.body_name, l.reference
FROM incoming i LEFT JOIN letters l ON l.id = i.letter_id
WHERE $1::uuid IS NULL OR (i.received_at, i.id) < (SELECT a.received_at, a.id FROM incoming a WHERE a.id = $1)
ORDER BY i.received_at DESC, i.id DESC LIMIT $2;

-- statement: incoming.sql came_before
SELECT EXISTS (SELECT FROM incoming WHERE letter_id = $1 AND kind = $2 AND id <> $3);

-- statement: incoming.sql count_open
SELECT count(*) FILTER (WHERE state = 'held') AS held, count(*) FILTER (WHERE state = 'matched') AS turn
FROM incoming WHERE settled_at IS NULL;

-- statement: incoming.sql drop_raw
WITH old AS (SELECT id, file_id FROM incoming WHERE id = ANY($1::uuid[]) AND file_id IS NOT NULL),
gone AS (UPDATE incoming i SET file_id = NULL FROM old WHERE i.id = old.id)
SELECT file_id FROM old;

-- statement: incoming.sql hold
UPDATE incoming SET reason = $1 WHERE id = $2;

-- statement: incoming.sql incoming_by_id
SELECT i.*, l.reference, l.body_name, l.organisation_id FROM incoming i LEFT JOIN letters l ON l.id = i.letter_id
WHERE i.id = $1;

-- statement: incoming.sql incoming_held
SELECT id, received_at, kind, sender, sender_name, subject, words, folded, file_id FROM incoming
WHERE (letter_id = ANY($1::uuid[]) OR sender = ANY($2::text[])) AND scrubbed_at IS NULL
ORDER BY received_at, id;

-- statement: incoming.sql incoming_of
SELECT id, received_at, kind, sender, sender_name, verified, subject, words, returns_on, why, moved_to, settled_at
FROM incoming WHERE letter_id = $1 ORDER BY received_at DESC, id DESC LIMIT $2;

-- statement: incoming.sql keep_raw
UPDATE incoming SET file_id = $1 WHERE id = $2;

-- statement: incoming.sql letters_found
SELECT 5 AS rank, l.id, l.reference, l.body_name, l.role, l.frozen #>> '{values,contact_name}' AS contact_name, l.sent_at,
       m.name AS campaign
FROM letters l JOIN campaigns m ON m.id = l.campaign_id
WHERE l.state IN ('sent', 'unknown', 'failed')
    AND (lower(l.reference) LIKE $1 || '%' OR lower(l.body_name) LIKE '%' || $1 || '%')
ORDER BY l.sent_at DESC NULLS LAST, l.id LIMIT $2;

-- statement: incoming.sql lock_incoming
SELECT * FROM incoming WHERE id = $1 FOR UPDATE;

-- statement: incoming.sql mails_about
SELECT id FROM incoming
WHERE (letter_id = ANY($1::uuid[]) OR sender = ANY($2::text[])) AND scrubbed_at IS NULL ORDER BY id;

-- statement: incoming.sql match
UPDATE incoming SET state = 'matched', letter_id = $1, reason = $2, settled_at = $3,
    version = version + 1
WHERE id = $4;

-- statement: incoming.sql meant
SELECT l.id, l.state, lower(c.email) AS email FROM letters l LEFT JOIN contacts c ON c.id = l.contact_id
WHERE l.id = ANY($1::uuid[]) ORDER BY l.id;

-- statement: incoming.sql open_incoming
SELECT i.id, i.received_at, i.kind, i.state, i.reason, i.sender, i.sender_name, i.verified, i.subject, i.returns_on,
       i.why, i.moved_to, i.letter_id, l.body_name, l.reference
FROM incoming i LEFT JOIN letters l ON l.id = i.letter_id
WHERE i.settled_at IS NULL AND i.state = $1
    AND ($2::uuid IS NULL OR (i.received_at, i.id) > (SELECT a.received_at, a.id FROM incoming a WHERE a.id = $2))
ORDER BY i.received_at, i.id LIMIT $3;

-- statement: incoming.sql raw_until
SELECT id FROM incoming WHERE received_at < $1 AND file_id IS NOT NULL
ORDER BY received_at, id LIMIT $2 FOR UPDATE SKIP LOCKED;

-- statement: incoming.sql reach
INSERT INTO mailboxes (id, uid_validity, uid) VALUES ($1, $2, $3)
ON CONFLICT (id) DO UPDATE SET uid_validity = excluded.uid_validity, uid = CASE
    WHEN mailboxes.uid_validity = excluded.uid_validity THEN greatest(mailboxes.uid, excluded.uid) ELSE excluded.uid
END;

-- statement: incoming.sql reached
SELECT uid FROM mailboxes WHERE id = $1 AND uid_validity = $2;

-- statement: incoming.sql scrub_incoming
WITH scrubbed AS (
    UPDATE incoming SET
        sender = '', sender_name = '', subject = '', words = '', folded = '', moved_to = '{}', failed = '{}',
        state = CASE WHEN state = 'held' THEN 'aside' ELSE state END, settled_at = coalesce(settled_at, $1),
        scrubbed_at = $1, version = version + 1
    WHERE id = ANY($2::uuid[]) AND scrubbed_at IS NULL RETURNING 1
)
SELECT count(*) FROM scrubbed;

-- statement: incoming.sql set_aside
UPDATE incoming SET state = 'aside', settled_at = $1, version = version + 1 WHERE id = $2;

-- statement: incoming.sql set_bounced
UPDATE letters l SET delivery = 'bounced', changed_at = $1, version = l.version + 1
FROM campaigns m WHERE l.id = $2 AND m.id = l.campaign_id RETURNING l.*, m.name AS campaign;

-- statement: incoming.sql settle
UPDATE incoming SET settled_at = $1, version = version + 1 WHERE id = $2;

-- statement: incoming.sql suggested
WITH shared AS (
    SELECT count(DISTINCT organisation_id) AS bodies FROM contacts WHERE split_part(lower(email), '@', 2) = $1
), likely AS (
    SELECT id, 1 AS rank FROM letters WHERE reference = ANY($2::text[])
    UNION ALL
    SELECT l.id, 2 FROM contacts c JOIN letters l ON l.contact_id = c.id WHERE lower(c.email) = ANY($3::text[])
    UNION ALL
    SELECT l.id, 3 FROM organisations o JOIN letters l ON l.organisation_id = o.id
    WHERE length(o.name) > 5 AND position(lower(o.name) IN $4) > 0
    UNION ALL
    SELECT l.id, 4 FROM shared s CROSS JOIN contacts c JOIN letters l ON l.contact_id = c.id
    WHERE s.bodies BETWEEN 1 AND 3 AND split_part(lower(c.email), '@', 2) = $1
), best AS (
    SELECT id, min(rank) AS rank FROM likely GROUP BY id
)
SELECT b.rank, l.id, l.reference, l.body_name, l.role, l.frozen #>> '{values,contact_name}' AS contact_name, l.sent_at,
       m.name AS campaign
FROM best b JOIN letters l ON l.id = b.id JOIN campaigns m ON m.id = l.campaign_id
WHERE l.state IN ('sent', 'unknown', 'failed') ORDER BY b.rank, l.sent_at DESC NULLS LAST, l.id LIMIT $5;

-- statement: incoming.sql take_in
INSERT INTO incoming (
    id, digest, received_at, kind, state, reason, sender, sender_name, verified, subject, words, folded, returns_on,
    moved_to, failed, why, hard
) VALUES (
    $1, $2, $3, $4, 'held', '', $5, $6, $7, $8, $9, $10, $11,
    $12, $13, $14, $15
) ON CONFLICT (digest) DO NOTHING RETURNING id;

-- statement: incoming.sql unmatched_until
SELECT id FROM incoming WHERE received_at < $1 AND letter_id IS NULL AND scrubbed_at IS NULL
ORDER BY received_at, id LIMIT $2 FOR UPDATE SKIP LOCKED;

-- statement: notices.sql all_newest_words
SELECT DISTINCT ON (kind, language) kind, language, version, whose, subject, body, written_by, written_at
FROM notice_words ORDER BY kind, language, version DESC;

-- statement: notices.sql enter_words
INSERT INTO notice_words (kind, language, version, whose, subject, body, written_by, written_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING;

-- statement: notices.sql languages_written
SELECT DISTINCT newest.language FROM (
    SELECT DISTINCT ON (kind, language) language, whose FROM notice_words ORDER BY kind, language, version DESC
) AS newest WHERE newest.whose = 'theirs' ORDER BY 1;

-- statement: notices.sql last_used
SELECT k.kind, (SELECT max(n.made_at) FROM notices n WHERE n.kind = k.kind) AS used_at
FROM unnest($1::text[]) AS k (kind);

-- statement: notices.sql lock_languages
SELECT version, languages FROM notice_languages FOR UPDATE;

-- statement: notices.sql newest_words
SELECT DISTINCT ON (language) kind, language, version, whose, subject, body FROM notice_words
WHERE kind = $1 AND language = ANY($2::text[]) ORDER BY language, version DESC;

-- statement: notices.sql set_languages
UPDATE notice_languages SET version = version + 1, languages = $1::text[]
WHERE languages <> $1::text[] RETURNING version;

-- statement: notices.sql versions_of_words
SELECT w.version, w.whose, w.subject, w.body, w.written_by, w.written_at, coalesce(u.used, 0) AS used, u.used_at
FROM notice_words w LEFT JOIN (
    SELECT words, count(*) AS used, max(made_at) AS used_at FROM notices
    WHERE kind = $1 AND language = $2 GROUP BY words
) AS u ON u.words = w.version
WHERE w.kind = $1 AND w.language = $2 ORDER BY w.version DESC LIMIT $3;

-- statement: queries.sql addresses_held
SELECT c.id, c.role, c.channel, c.name, c.email, c.postal_address, c.postcode, c.source, c.listed_on, c.withdrawn_on,
       s.suspected_at AS thought_dead_since
FROM contacts c LEFT JOIN suspects s ON s.contact_id = c.id AND s.lifted_at IS NULL
WHERE c.id = ANY($1::uuid[]) AND c.name IS NOT NULL ORDER BY c.id;

-- statement: queries.sql answer
SELECT * FROM answers WHERE id = $1;

-- statement: queries.sql answers_by_name
SELECT a.kind, a.detail, a.name, a.position, a.pledge_pence, a.at, l.reference
FROM answers a JOIN letters l ON l.id = a.letter_id
WHERE lower(a.name) = ANY($1::text[]) AND NOT l.contact_id = ANY($2::uuid[]) ORDER BY a.at, a.id;

-- statement: queries.sql answers_held
SELECT letter_id, kind, detail, name, position, pledge_pence, at, confirmed_at, settled_at FROM answers
WHERE letter_id = ANY($1::uuid[]) ORDER BY at, id;

-- statement: queries.sql answers_of
SELECT a.*, EXISTS (
           SELECT FROM answers n WHERE n.letter_id = a.letter_id AND n.kind IN ('pledge', 'decline')
               AND n.corrected_at IS NULL AND (n.at, n.id) > (a.at, a.id)
       ) AS replaced
FROM answers a WHERE a.letter_id = $1 ORDER BY a.at DESC, a.id DESC;

-- statement: queries.sql bodies_of
SELECT l.organisation_id, min(l.number) AS number,
       (array_agg(l.body_name ORDER BY l.number))[1] AS body_name,
       array_agg(to_jsonb(l.areas) ORDER BY l.number) AS areas,
       max(l.ask_pence) FILTER (WHERE l.state <> 'blocked') AS ask_pence,
       max(l.count) AS count,
       array_agg(l.id ORDER BY l.number) AS ids,
       array_agg(l.state ORDER BY l.number) AS states,
       array_agg(l.answer ORDER BY l.number) AS answers,
       array_agg(coalesce(l.waits_since, l.sent_at) ORDER BY l.number) AS waits_since,
       max(l.changed_at) AS changed_at
FROM letters l WHERE l.campaign_id = $1
GROUP BY l.organisation_id ORDER BY min(l.number);

-- statement: queries.sql campaign
SELECT * FROM campaigns WHERE id = $1;

-- statement: queries.sql campaign_called
SELECT id FROM campaigns WHERE name = $1 ORDER BY created_at DESC LIMIT 1;

-- statement: queries.sql campaigns
SELECT c.id, c.name, c.purpose, c.state, c.sent_at, c.released_at,
       count(DISTINCT l.organisation_id) FILTER (WHERE l.state <> 'blocked') AS bodies,
       count(DISTINCT l.organisation_id)
           FILTER (WHERE l.answer IN ('acknowledged', 'asked', 'declined', 'will_meet', 'pledged')) AS acknowledged
FROM campaigns c LEFT JOIN letters l ON l.campaign_id = c.id
GROUP BY c.id ORDER BY c.created_at DESC, c.id DESC LIMIT $1;

-- statement: queries.sql claim_letter
WITH due AS (
    SELECT l.id FROM letters l JOIN contacts c ON c.id = l.contact_id JOIN organisations o ON o.id = l.organisation_id
    JOIN campaigns m ON m.id = l.campaign_id
    WHERE l.state = 'ready' AND l.next_try <= $1 AND c.name IS NOT NULL AND coalesce(c.email, '') <> ''
      AND m.state IN ('sending', 'sent')
      AND o.merged_into IS NULL AND (o.closed_on IS NULL OR o.closed_on > $2)
    ORDER BY l.next_try, l.number, l.id LIMIT 1 FOR UPDATE OF l SKIP LOCKED
)
UPDATE letters l SET state = 'sending', claimed_at = $1, changed_at = $1, version = l.version + 1
FROM due, contacts c, campaigns m
WHERE l.id = due.id AND c.id = l.contact_id AND m.id = l.campaign_id
RETURNING l.*, c.email, coalesce(l.own_subject, m.subject) AS subject, coalesce(l.own_body, m.body) AS body,
    m.name AS campaign;

-- statement: queries.sql claim_notice
WITH due AS (
    SELECT id FROM notices WHERE state = 'ready' AND next_try <= $1 AND not_after > $1
    ORDER BY next_try, id LIMIT 1
    FOR UPDATE SKIP LOCKED
)
UPDATE notices AS n SET state = 'sending', claimed_at = $1, attempts = n.attempts + 1 FROM due
WHERE n.id = due.id RETURNING n.*;

-- statement: queries.sql confirm_pledge
UPDATE answers SET confirmed_at = $1 WHERE id = $2;

-- statement: queries.sql count_received
INSERT INTO received (id, campaign_id, amount_pence, heard_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (id) DO NOTHING;

-- statement: queries.sql counts_of
SELECT area, count, counted_on FROM registration_counts WHERE profession = $1;

-- statement: queries.sql discard_campaign
DELETE FROM campaigns WHERE id = $1 AND state = 'draft';

-- statement: queries.sql due_letters
SELECT count(*) FROM (
    SELECT FROM letters l JOIN organisations o ON o.id = l.organisation_id JOIN campaigns m ON m.id = l.campaign_id
    WHERE l.state = 'ready' AND l.next_try <= $1 AND m.state IN ('sending', 'sent')
      AND o.merged_into IS NULL AND (o.closed_on IS NULL OR o.closed_on > $2) LIMIT $3
) AS due;

-- statement: queries.sql enter_answer
INSERT INTO answers (id, letter_id, kind, detail, name, position, pledge_pence, at, way, entered_by, told_on)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- statement: queries.sql enter_letters
INSERT INTO letters (
    id, campaign_id, organisation_id, contact_id, number, reference, role, body_name, areas, state, ask_pence,
    count, evidence_on, evidence_source, formula_version, frozen, token_digest, message_id, reason, failure,
    cure, words_version, own_subject, own_body, changed_at
)
SELECT l.id, $1, l.organisation_id, l.contact_id, l.number, l.reference, l.role, l.body_name, l.areas,
       l.state, l.ask_pence, l.count, l.evidence_on, l.evidence_source, l.formula_version, l.frozen,
       decode(l.token_digest, 'hex'), l.message_id, l.reason, l.failure, l.cure, l.words_version, l.own_subject,
       l.own_body, $2
FROM jsonb_to_recordset($3::jsonb) AS l (
    id uuid, organisation_id uuid, contact_id uuid, number integer, reference text, role text, body_name text,
    areas text[], state text, ask_pence bigint, count integer, evidence_on date, evidence_source text,
    formula_version integer, frozen jsonb, token_digest text, message_id text, reason text, failure text,
    cure text, words_version integer, own_subject text, own_body text
);

-- statement: queries.sql evidence_of
SELECT max(evidence_source) AS source, max(evidence_on) AS as_of FROM letters WHERE campaign_id = $1;

-- statement: queries.sql finish_campaigns
UPDATE campaigns c SET state = 'sent', sent_at = $1, version = version + 1
WHERE state = 'sending'
  AND NOT EXISTS (SELECT FROM letters l WHERE l.campaign_id = c.id AND l.state IN ('ready', 'sending'))
RETURNING c.id, c.name, c.version,
    (SELECT count(DISTINCT l.organisation_id) FROM letters l WHERE l.campaign_id = c.id AND l.state = 'sent') AS bodies,
    (SELECT count(*) FROM letters l WHERE l.campaign_id = c.id AND l.state = 'sent') AS letters;

-- statement: queries.sql first_letter
SELECT id FROM letters WHERE campaign_id = $1 ORDER BY number LIMIT 1;

-- statement: queries.sql first_letter_to
SELECT id FROM letters WHERE campaign_id = $1 AND $2 = ANY (areas) ORDER BY number LIMIT 1;

-- statement: queries.sql forget_addresses
WITH unsuspected AS (
    DELETE FROM suspects WHERE contact_id = ANY($1::uuid[])
), forgotten AS (
    UPDATE contacts SET name = NULL, email = NULL, postal_address = NULL, postcode = NULL, source = NULL
    WHERE id = ANY($1::uuid[]) AND name IS NOT NULL RETURNING 1
)
SELECT count(*) FROM forgotten;

-- statement: queries.sql forget_contacts
UPDATE contacts SET epoch = 0, version = 0;

-- statement: queries.sql forget_letters
DELETE FROM letters WHERE campaign_id = $1 AND state IN ('draft', 'blocked');

-- statement: queries.sql forget_notices
WITH forgotten AS (
    UPDATE notices SET state = 'late', settled_at = $1, email = NULL, subject = NULL, body = NULL
    WHERE state = 'ready' AND lower(email) = ANY($2::text[]) RETURNING 1
)
SELECT count(*) FROM forgotten;

-- statement: queries.sql forget_organisations
UPDATE organisations SET epoch = 0, version = 0;

-- statement: queries.sql forget_registration_counts
UPDATE registration_counts SET epoch = 0, version = 0;

-- statement: queries.sql give_up_claims
WITH lost AS (
    UPDATE letters SET
        state = 'unknown', changed_at = $1, version = version + 1,
        failure = 'We were interrupted while this letter was being sent, so it may or may not have arrived.',
        cure = 'Ask the recipient, then mark it as sent or send it again.'
    WHERE state = 'sending' AND claimed_at < $2 RETURNING id
)
INSERT INTO letter_history (letter_id, at, what, who)
SELECT id, $1, 'Perhaps sent: the sender was interrupted', 'the sender' FROM lost RETURNING letter_id;

-- statement: queries.sql give_up_notices
UPDATE notices SET state = 'unknown', settled_at = $1, email = NULL, subject = NULL, body = NULL
WHERE state = 'sending' AND claimed_at < $2;

-- statement: queries.sql history_held
SELECT letter_id, at, what, who FROM letter_history WHERE letter_id = ANY($1::uuid[]) ORDER BY id;

-- statement: queries.sql history_of
SELECT at, what, who FROM letter_history WHERE letter_id = $1 ORDER BY id DESC;

-- statement: queries.sql let_go_of_late_notices
UPDATE notices SET state = 'late', settled_at = $1, email = NULL, subject = NULL, body = NULL
WHERE state = 'ready' AND not_after <= $1 RETURNING id, kind, person_id, settled_at;

-- statement: queries.sql letter
SELECT l.*, m.name AS campaign, m.fund, m.asks, m.state AS campaign_state, m.formula_version AS campaign_formula_version,
       coalesce(l.own_subject, m.subject) AS subject, coalesce(l.own_body, m.body) AS body,
       n.*
FROM letters l JOIN campaigns m ON m.id = l.campaign_id, LATERAL (
    SELECT (SELECT p.id FROM letters p WHERE p.campaign_id = l.campaign_id ORDER BY p.number LIMIT 1) AS first_id,
           (SELECT p.id FROM letters p WHERE p.campaign_id = l.campaign_id AND p.number < l.number
            ORDER BY p.number DESC LIMIT 1) AS previous_id,
           (SELECT p.id FROM letters p WHERE p.campaign_id = l.campaign_id AND p.number > l.number
            ORDER BY p.number LIMIT 1) AS next_id,
           (SELECT p.number FROM letters p WHERE p.campaign_id = l.campaign_id
            ORDER BY p.number DESC LIMIT 1) AS last_number
) n WHERE l.id = $1;

-- statement: queries.sql letter_by_token
SELECT l.*, m.name AS campaign, m.fund, m.asks, coalesce(l.own_subject, m.subject) AS subject, coalesce(l.own_body, m.body) AS body
FROM letters l JOIN campaigns m ON m.id = l.campaign_id WHERE l.token_digest = $1;

-- statement: queries.sql letters_by_state
SELECT state, count(*) AS count FROM letters GROUP BY state;

-- statement: queries.sql letters_held
SELECT l.*, m.name AS campaign, coalesce(l.own_subject, m.subject) AS subject, coalesce(l.own_body, m.body) AS body
FROM letters l JOIN campaigns m ON m.id = l.campaign_id
WHERE l.contact_id = ANY($1::uuid[]) ORDER BY l.id;

-- statement: queries.sql letters_of_contacts
SELECT id FROM letters WHERE contact_id = ANY($1::uuid[]) AND scrubbed_at IS NULL ORDER BY id;

-- statement: queries.sql letters_until
SELECT id FROM letters WHERE changed_at < $1 AND scrubbed_at IS NULL
ORDER BY changed_at, id LIMIT $2 FOR UPDATE SKIP LOCKED;

-- statement: queries.sql lock_campaign
SELECT * FROM campaigns WHERE id = $1 FOR UPDATE;

-- statement: queries.sql lock_letter
SELECT l.*, m.name AS campaign, m.fund, m.state AS campaign_state
FROM letters l JOIN campaigns m ON m.id = l.campaign_id WHERE l.id = $1 FOR UPDATE OF l;

-- statement: queries.sql mark_letter_sent
UPDATE letters l SET
    state = 'sent', sent_at = coalesce(l.claimed_at, $1), waits_since = coalesce(l.claimed_at, $1), lateness = '',
    claimed_at = NULL, failure = NULL, cure = NULL, changed_at = $1, version = l.version + 1
FROM campaigns m WHERE l.id = $2 AND m.id = l.campaign_id
RETURNING l.*, m.name AS campaign;

-- statement: queries.sql newest_answer
SELECT * FROM answers WHERE letter_id = $1 AND corrected_at IS NULL ORDER BY at DESC, id DESC LIMIT 1;

-- statement: queries.sql note
INSERT INTO letter_history (letter_id, at, what, who) VALUES ($1, $2, $3, $4);

-- statement: queries.sql note_in_all
INSERT INTO letter_history (letter_id, at, what, who)
SELECT id, $1, $2, $3 FROM letters WHERE campaign_id = $4;

-- statement: queries.sql notices_held
SELECT kind, email, subject, body, made_at FROM notices WHERE lower(email) = ANY($1::text[]) ORDER BY made_at, id;

-- statement: queries.sql oldest_due
SELECT min(next_try) FROM letters WHERE state = 'ready' AND next_try <= $1;

-- statement: queries.sql open_answers_of
SELECT a.id, a.letter_id, a.kind, a.detail, a.pledge_pence, a.at, l.organisation_id, l.body_name
FROM answers a JOIN letters l ON l.id = a.letter_id
WHERE l.campaign_id = $1 AND a.settled_at IS NULL AND a.corrected_at IS NULL AND (
    a.kind IN ('ask', 'meet')
    OR a.kind = 'pass_on' AND EXISTS (SELECT FROM suggestions s WHERE s.answer_id = a.id AND s.settled_at IS NULL)
    OR NOT EXISTS (
        SELECT FROM answers n WHERE n.letter_id = a.letter_id AND n.kind IN ('pledge', 'decline')
            AND n.corrected_at IS NULL AND (n.at, n.id) > (a.at, a.id)
    ) AND (
        a.kind = 'pledge' AND a.confirmed_at IS NULL
        OR a.kind = 'decline' AND EXISTS (
            SELECT FROM answers p JOIN letters k ON k.id = p.letter_id
            WHERE k.campaign_id = l.campaign_id AND k.organisation_id = l.organisation_id
                AND p.confirmed_at IS NOT NULL AND (p.at, p.id) < (a.at, a.id)
        )
    )
)
ORDER BY a.at, a.id;

-- statement: queries.sql pledge
SELECT a.*, l.organisation_id, l.campaign_id, m.name AS campaign, m.fund,
       EXISTS (
           SELECT FROM answers n WHERE n.letter_id = a.letter_id AND n.kind IN ('pledge', 'decline')
               AND n.corrected_at IS NULL AND (n.at, n.id) > (a.at, a.id)
       ) AS replaced
FROM answers a JOIN letters l ON l.id = a.letter_id JOIN campaigns m ON m.id = l.campaign_id
WHERE a.id = $1 AND a.kind = 'pledge';

-- statement: queries.sql pledged_in
SELECT coalesce(sum(a.pledge_pence), 0)::bigint AS pence, count(DISTINCT l.organisation_id) AS bodies
FROM answers a JOIN letters l ON l.id = a.letter_id
WHERE l.campaign_id = $1 AND a.confirmed_at IS NOT NULL;

-- statement: queries.sql postpone_due
UPDATE letters SET next_try = $1, failure = $2, cure = NULL, changed_at = $3
WHERE state = 'ready' AND next_try <= $3;

-- statement: queries.sql problems_of
SELECT id, body_name, state, failure, cure FROM letters
WHERE campaign_id = $1 AND state IN ('blocked', 'failed', 'unknown') AND reason IS DISTINCT FROM 'stopped'
ORDER BY number;

-- statement: queries.sql pulse_of
SELECT c.state, c.version, count(l.id) AS letters, sum(l.version) AS versions, max(l.changed_at) AS changed_at,
       (SELECT count(*) FROM received r WHERE r.campaign_id = c.id) AS received
FROM campaigns c LEFT JOIN letters l ON l.campaign_id = c.id WHERE c.id = $1 GROUP BY c.id;

-- statement: queries.sql purge_notices
WITH old AS (
    SELECT id FROM notices WHERE settled_at < $1 ORDER BY settled_at LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM notices AS n USING old WHERE n.id = old.id RETURNING 1
)
SELECT count(*) FROM gone;

-- statement: queries.sql put_back_notice
UPDATE notices SET state = 'ready', claimed_at = NULL, next_try = $1
WHERE id = $2 AND claimed_at = $3;

-- statement: queries.sql received_in
SELECT coalesce(sum(amount_pence), 0)::bigint FROM received WHERE campaign_id = $1;

-- statement: queries.sql recipients
WITH RECURSIVE chain AS (
    SELECT o.id AS first, o.name, o.successor_id, ARRAY[o.id] AS way FROM organisations o
    WHERE o.closed_on <= $1 AND o.successor_id IS NOT NULL AND $2 = ANY (o.kinds)
    UNION ALL
    SELECT c.first, n.name, n.successor_id, c.way || n.id
    FROM chain c JOIN organisations s ON s.id = c.successor_id
    JOIN organisations n ON n.id = coalesce(s.merged_into, s.id)
    WHERE n.id <> ALL (c.way)
), successors AS (
    SELECT DISTINCT ON (first) first, name FROM chain WHERE cardinality(way) > 1 ORDER BY first, cardinality(way) DESC
), everybody AS (
    SELECT c.id AS contact_id, c.role, c.channel, c.name, c.email, c.postal_address, c.postcode, c.source,
           o.id AS organisation_id, o.name AS body_name, o.areas, o.closed_on, s.name AS successor,
           row_number() OVER (
               PARTITION BY o.id
               ORDER BY c.channel = 'email' AND coalesce(c.email, '') <> '' DESC,
                        array_position($3::text[], c.role), c.id
           ) AS turn
    FROM contacts c
    JOIN organisations k ON k.id = c.organisation_id
    JOIN organisations o ON o.id = coalesce(k.merged_into, k.id)
    LEFT JOIN successors s ON s.first = o.id
    WHERE $2 = ANY (o.kinds) AND c.role = ANY ($3::text[])
      AND (cardinality($4::text[]) = 0 OR o.areas && $4::text[])
      AND c.name IS NOT NULL AND (c.withdrawn_on IS NULL OR c.withdrawn_on > $1)
)
SELECT * FROM everybody WHERE NOT $5 OR turn = 1
ORDER BY body_name, organisation_id, array_position($3::text[], role), contact_id;

-- statement: queries.sql release_letters
WITH released AS (
    UPDATE letters SET state = 'ready', dated = $1, next_try = $2, changed_at = $2, version = version + 1
    WHERE campaign_id = $3 AND state = 'draft' RETURNING id
), noted AS (
    INSERT INTO letter_history (letter_id, at, what, who) SELECT id, $2, 'Released', $4 FROM released
)
SELECT count(*) FROM released;

-- statement: queries.sql remember_contacts
INSERT INTO contacts AS known (
    id, organisation_id, role, channel, name, email, postal_address, postcode, source, listed_on, withdrawn_on,
    epoch, version
)
SELECT
    contact_id, organisation_id, role, channel, name, email, postal_address, postcode, source, listed_on, withdrawn_on,
    epoch, version
FROM jsonb_to_recordset($1) AS new (
    contact_id uuid, organisation_id uuid, role text, channel text, name text, email text, postal_address text[],
    postcode text, source text, listed_on date, withdrawn_on date, epoch integer, version bigint
)
ON CONFLICT (id) DO UPDATE SET
    organisation_id = excluded.organisation_id, role = excluded.role, channel = excluded.channel,
    name = excluded.name, email = excluded.email, postal_address = excluded.postal_address,
    postcode = excluded.postcode, source = excluded.source, listed_on = excluded.listed_on,
    withdrawn_on = excluded.withdrawn_on, epoch = excluded.epoch, version = excluded.version
WHERE (known.epoch, known.version) < (excluded.epoch, excluded.version);

-- statement: queries.sql remember_counts
INSERT INTO registration_counts AS known (area, profession, count, counted_on, epoch, version)
SELECT area, profession, count, counted_on, epoch, version
FROM jsonb_to_recordset($1) AS new (
    area text, profession text, count integer, counted_on date, epoch integer, version bigint
)
ON CONFLICT (area, profession) DO UPDATE SET
    count = excluded.count, counted_on = excluded.counted_on, epoch = excluded.epoch, version = excluded.version
WHERE (known.epoch, known.version) < (excluded.epoch, excluded.version);

-- statement: queries.sql remember_organisations
INSERT INTO organisations AS known
    (id, name, kinds, areas, closed_on, successor_id, handed_over, merged_into, epoch, version)
SELECT organisation_id, name, kinds, areas, closed_on, successor_id, handed_over, merged_into, epoch, version
FROM jsonb_to_recordset($1) AS new (
    organisation_id uuid, name text, kinds text[], areas text[], closed_on date, successor_id uuid,
    handed_over text[], merged_into uuid, epoch integer, version bigint
)
ON CONFLICT (id) DO UPDATE SET
    name = excluded.name, kinds = excluded.kinds, areas = excluded.areas, closed_on = excluded.closed_on,
    successor_id = excluded.successor_id, handed_over = excluded.handed_over, merged_into = excluded.merged_into,
    epoch = excluded.epoch, version = excluded.version
WHERE (known.epoch, known.version) < (excluded.epoch, excluded.version);

-- statement: queries.sql resend_letter
UPDATE letters SET
    state = 'ready', next_try = $1, attempts = 0, claimed_at = NULL, failure = NULL, cure = NULL,
    changed_at = $1, version = version + 1
WHERE id = $2;

-- statement: queries.sql scrub_letters
WITH letters_scrubbed AS (
    UPDATE letters SET
        frozen = jsonb_set(
            frozen || '{"recipient_address": [], "address_source": ""}', '{values,contact_name}', to_jsonb($1::text)
        ),
        failure = CASE WHEN failure IS NOT NULL THEN 'Why is no longer kept.' END, cure = NULL,
        own_subject = NULL, own_body = NULL,
        scrubbed_at = $2, version = version + 1
    WHERE id = ANY($3::uuid[]) AND scrubbed_at IS NULL RETURNING 1
), chasers_scrubbed AS (
    UPDATE chasers SET failure = 'Why is no longer kept.', cure = NULL
    WHERE letter_id = ANY($3::uuid[]) AND failure IS NOT NULL AND state <> 'withheld'
), answers_scrubbed AS (
    UPDATE answers SET detail = '', name = '', position = ''
    WHERE letter_id = ANY($3::uuid[]) AND (detail, name, position) <> ('', '', '') RETURNING 1
)
SELECT (SELECT count(*) FROM letters_scrubbed) AS letters, (SELECT count(*) FROM answers_scrubbed) AS answers;

-- statement: queries.sql set_answer
UPDATE letters SET
    answer = $1, waits_since = CASE WHEN $1 = 'acknowledged' THEN $2 ELSE waits_since END,
    lateness = CASE WHEN $1 = 'acknowledged' THEN '' ELSE lateness END, changed_at = $2, version = version + 1
WHERE id = $3 RETURNING version;

-- statement: queries.sql settle_answer
UPDATE answers SET settled_at = $1 WHERE id = $2;

-- statement: queries.sql settle_letter
UPDATE letters l SET
    state = $1, sent_at = $2, waits_since = $2, lateness = '', next_try = $3,
    failure = $4, cure = $5, claimed_at = CASE WHEN $1 = 'unknown' THEN l.claimed_at END,
    attempts = l.attempts + 1, changed_at = $6, version = l.version + 1
FROM campaigns m
WHERE l.id = $7 AND l.claimed_at = $8 AND l.state IN ('sending', 'unknown') AND m.id = l.campaign_id
RETURNING l.*, m.name AS campaign;

-- statement: queries.sql settle_notice
UPDATE notices SET state = $1, settled_at = $2, email = NULL, subject = NULL, body = NULL
WHERE id = $3 AND claimed_at = $4 RETURNING id, kind, person_id, settled_at;

-- statement: queries.sql standing_answers
SELECT count(*) AS count, coalesce(bool_or(confirmed_at IS NOT NULL), false) AS confirmed
FROM answers WHERE letter_id = $1;

-- statement: queries.sql touch_letter
UPDATE letters SET changed_at = $1, version = version + 1 WHERE id = $2;

-- statement: queries.sql waiting_since
SELECT count(*) AS count, min(since) AS since FROM (
    SELECT made_at AS since FROM notices WHERE settled_at IS NULL
    UNION ALL SELECT m.released_at FROM letters AS l JOIN campaigns AS m ON m.id = l.campaign_id
    WHERE l.state = 'ready' AND m.state <> 'paused'
) AS waiting;

-- statement: queries.sql words_of
SELECT DISTINCT ON (l.organisation_id, a.kind)
       l.organisation_id, a.kind, a.detail, a.pledge_pence, a.confirmed_at, a.settled_at
FROM answers a JOIN letters l ON l.id = a.letter_id
WHERE l.campaign_id = $1 AND a.kind NOT IN ('acknowledge', 'pass_on') AND a.corrected_at IS NULL
ORDER BY l.organisation_id, a.kind, (a.confirmed_at IS NOT NULL) DESC, (a.settled_at IS NULL) DESC, a.at DESC, a.id DESC;

-- statement: queries.sql write_notice
INSERT INTO notices (id, kind, person_id, state, email, language, runs, words, subject, body, not_after, next_try,
                     made_at)
VALUES ($1, $2, $3, 'ready', $4, $5, $6, $7, $8, $9, $10, $11, $11)
ON CONFLICT (id) DO NOTHING;

-- statement: readdressing.sql follow_merges
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
    organisation_id = theirs.surviving, body_name = theirs.name, changed_at = $1, version = l.version + 1,
    frozen = CASE WHEN l.state IN ('draft', 'blocked', 'ready', 'failed')
        THEN jsonb_set(l.frozen, '{values,body_name}', to_jsonb(theirs.name)) ELSE l.frozen END
FROM theirs WHERE l.id = theirs.id;

-- statement: readdressing.sql letters_astray
WITH RECURSIVE chain AS (
    SELECT o.id AS first, o.id, o.name, o.closed_on, o.successor_id, o.handed_over, ARRAY[o.id] AS way
    FROM organisations o
    WHERE o.closed_on <= $1
      AND EXISTS (SELECT FROM letters l WHERE l.organisation_id = o.id AND l.state IN ('ready', 'blocked'))
    UNION ALL
    SELECT c.first, n.id, n.name, n.closed_on, n.successor_id, n.handed_over, c.way || n.id
    FROM chain c JOIN organisations s ON s.id = c.successor_id
    JOIN organisations n ON n.id = coalesce(s.merged_into, s.id)
    WHERE c.closed_on <= $1 AND 'letters' = ANY (c.handed_over) AND n.id <> ALL (c.way)
), heirs AS (
    SELECT first, id, name FROM chain WHERE closed_on IS NULL OR closed_on > $1
), astray AS (
    SELECT l.id, l.version, l.campaign_id, l.organisation_id, l.contact_id, l.role, l.state, l.reason, l.failure, l.body_name,
           l.scrubbed_at IS NULL AS whole, o.closed_on, coalesce(o.closed_on <= $1, false) AS closed,
           h.id AS heir_id, h.name AS heir, t.name AS successor,
           c.name IS NOT NULL AND coalesce(c.email, '') <> '' AS reachable,
           w.merged_into IS NOT NULL AND w.merged_into = l.organisation_id AS was_folded
    FROM letters l JOIN campaigns m ON m.id = l.campaign_id
    JOIN organisations o ON o.id = l.organisation_id
    JOIN contacts c ON c.id = l.contact_id
    LEFT JOIN organisations w ON w.id = c.organisation_id
    LEFT JOIN organisations t ON t.id = o.successor_id
    LEFT JOIN heirs h ON h.first = o.id
    WHERE l.id > $2 AND o.merged_into IS NULL AND (
        l.state = 'ready' AND (o.closed_on <= $1 OR c.name IS NULL OR coalesce(c.email, '') = '')
        OR l.state = 'blocked' AND l.dated IS NOT NULL AND m.state = 'sending'
           AND l.reason IN ('withdrawn', 'body_closed'))
)
SELECT a.*, n.id AS other_id, n.name AS other_name, n.postal_address, n.postcode, n.source,
       EXISTS (SELECT FROM letters x WHERE x.campaign_id = a.campaign_id AND x.organisation_id = a.heir_id
                 AND x.role = a.role) AS is_written_to
FROM astray a LEFT JOIN LATERAL (
    SELECT n.id, n.name, n.postal_address, n.postcode, n.source FROM contacts n
    WHERE n.organisation_id IN (
            SELECT coalesce(a.heir_id, a.organisation_id)
            UNION SELECT g.id FROM organisations g WHERE g.merged_into = coalesce(a.heir_id, a.organisation_id))
      AND n.role = a.role AND n.channel = 'email' AND n.name IS NOT NULL AND coalesce(n.email, '') <> ''
      AND (n.withdrawn_on IS NULL OR n.withdrawn_on > $1)
      AND NOT EXISTS (SELECT FROM letters x WHERE x.campaign_id = a.campaign_id AND x.contact_id = n.id)
    ORDER BY n.listed_on, n.id LIMIT 1
) n ON a.whole
ORDER BY a.id LIMIT $3;

-- statement: readdressing.sql readdress_letters
WITH given AS (
    SELECT * FROM jsonb_to_recordset($1) AS g (
        id uuid, version integer, state text, organisation_id uuid, contact_id uuid, body_name text, says jsonb,
        "values" jsonb, reason text, failure text, cure text, what text
    )
), changed AS (
    UPDATE letters l SET
        state = given.state, organisation_id = coalesce(given.organisation_id, l.organisation_id),
        contact_id = coalesce(given.contact_id, l.contact_id), body_name = coalesce(given.body_name, l.body_name),
        frozen = l.frozen || given.says || jsonb_build_object('values', (l.frozen -> 'values') || given."values"),
        next_try = CASE WHEN given.state = 'ready' THEN coalesce(l.next_try, $2) ELSE l.next_try END,
        reason = given.reason, failure = given.failure, cure = given.cure, changed_at = $2, version = l.version + 1
    FROM given WHERE l.id = given.id AND l.version = given.version RETURNING l.id, given.what
)
INSERT INTO letter_history (letter_id, at, what, who) SELECT id, $2, what, 'the address book' FROM changed;

-- statement: suspecting.sql lift_suspicion
UPDATE suspects SET lifted_at = $1, lifted_because = $2
WHERE contact_id = $3 AND lifted_at IS NULL RETURNING contact_id, organisation_id, role, times;

-- statement: suspecting.sql silent_addresses
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
    GROUP BY m.email HAVING count(*) > 1 AND min(m.sent_at) < $1
)
SELECT c.id AS contact_id, c.organisation_id, c.role, c.email FROM contacts c JOIN swallowed w ON w.email = lower(c.email)
WHERE c.name IS NOT NULL
  AND NOT EXISTS (SELECT FROM suspects s WHERE s.contact_id = c.id AND s.lifted_at IS NULL)
ORDER BY c.id LIMIT $2;

-- statement: suspecting.sql suspect
INSERT INTO suspects AS s (contact_id, digest, organisation_id, role, suspected_at, times)
VALUES ($1, $2, $3, $4, $5, 1)
ON CONFLICT (contact_id) DO UPDATE SET
    digest = excluded.digest, suspected_at = excluded.suspected_at, lifted_at = NULL, lifted_because = NULL,
    times = s.times + 1
WHERE s.lifted_at IS NOT NULL
RETURNING times;

-- statement: suspecting.sql suspected_among
SELECT contact_id FROM suspects WHERE lifted_at IS NULL AND contact_id = ANY ($1::uuid[]);

-- statement: suspecting.sql suspects
SELECT s.contact_id, s.suspected_at, s.role, c.name, c.email, o.name AS body_name, s.organisation_id
FROM suspects s LEFT JOIN contacts c ON c.id = s.contact_id LEFT JOIN organisations o ON o.id = s.organisation_id
WHERE s.lifted_at IS NULL ORDER BY s.suspected_at DESC, s.contact_id LIMIT $1;

-- statement: suspecting.sql suspects_that_answered
SELECT s.contact_id FROM suspects s JOIN contacts c ON c.id = s.contact_id
WHERE s.lifted_at IS NULL AND EXISTS (
    SELECT FROM letters l JOIN contacts o ON o.id = l.contact_id
    WHERE lower(o.email) = lower(c.email) AND (
        l.answer = 'auto_replied' AND l.changed_at > s.suspected_at
        OR EXISTS (SELECT FROM answers a WHERE a.letter_id = l.id AND a.at > s.suspected_at)))
ORDER BY s.contact_id;
