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

-- statement: applications.sql add_evidence
INSERT INTO evidence (file_id, application_id, added_at) VALUES ($1, $2, $3);

-- statement: applications.sql applicant
SELECT sealed FROM applicants WHERE application_id = $1;

-- statement: applications.sql application_by_id
SELECT id, round_id, reference, state, link_number, profession, qualified_abroad, area, purpose, amount_pence, exam_on,
       exam_passed, status_met, words, begun_at, link_sent_at, submitted_at, scrubbed_at, version
FROM applications WHERE id = $1;

-- statement: applications.sql application_by_link
SELECT id, round_id, link_digest = $1 AS mailed FROM applications
WHERE link_digest = $1 OR browser_digest = $1;

-- statement: applications.sql applications_alike
SELECT applications.id, reference, applications.state, round_id, rounds.name AS round, purpose, amount_pence,
       submitted_at,
       coalesce(other.email_digest = own.email_digest, false) AS same_email,
       coalesce(other.name_digest = own.name_digest, false) AS same_name,
       coalesce(other.telephone_digest = own.telephone_digest, false) AS same_telephone,
       coalesce(other.person_digest = own.person_digest, false) AS same_person
FROM applicants AS own
JOIN applicants AS other ON other.application_id <> own.application_id
    AND (other.email_digest = own.email_digest OR other.name_digest = own.name_digest
        OR other.telephone_digest = own.telephone_digest OR other.person_digest = own.person_digest)
JOIN applications ON applications.id = other.application_id
JOIN rounds ON rounds.id = round_id
WHERE own.application_id = $1 AND submitted_at IS NOT NULL
ORDER BY submitted_at DESC, applications.id LIMIT $2;

-- statement: applications.sql applications_by
SELECT applications.id, round_id, rounds.name AS round, reference, applications.state, profession, qualified_abroad,
       area, purpose, amount_pence, exam_on, exam_passed, status_met, words, begun_at, submitted_at, sealed
FROM applicants JOIN applications ON applications.id = application_id JOIN rounds ON rounds.id = round_id
WHERE email_digest = ANY($1::bytea[]) OR person_digest = ANY($2::bytea[])
ORDER BY begun_at, applications.id;

-- statement: applications.sql applications_counted
SELECT state, count(*) AS count, coalesce(sum(amount_pence), 0)::bigint AS asked_pence
FROM applications WHERE round_id = $1 AND (submitted_at IS NOT NULL OR state = 'draft') GROUP BY state;

-- statement: applications.sql applications_listed
SELECT id, reference, state, profession, purpose, amount_pence, exam_on, submitted_at, sealed,
       (SELECT count(*) FROM evidence WHERE evidence.application_id = id) AS files,
       EXISTS (
           SELECT FROM applicants AS other JOIN applications AS theirs ON theirs.id = other.application_id
           WHERE theirs.round_id = $1 AND theirs.id <> applications.id AND theirs.submitted_at IS NOT NULL
               AND (other.email_digest = applicants.email_digest OR other.name_digest = applicants.name_digest
                   OR other.telephone_digest = applicants.telephone_digest
                   OR other.person_digest = applicants.person_digest)
       ) AS alike
FROM applications LEFT JOIN applicants ON application_id = id
WHERE round_id = $1 AND state = ANY($2) AND submitted_at IS NOT NULL
    AND ($3::uuid IS NULL OR (submitted_at, id) > (SELECT submitted_at, id FROM applications WHERE id = $3))
ORDER BY submitted_at, id LIMIT $4;

-- statement: applications.sql applications_sent
SELECT count(*) AS count, coalesce(sum(amount_pence), 0)::bigint AS asked_pence
FROM applications WHERE submitted_at IS NOT NULL;

-- statement: applications.sql applications_to_check
SELECT round_id, rounds.name, count(*) AS count, min(submitted_at) AS since
FROM applications JOIN rounds ON rounds.id = round_id
WHERE applications.state = 'submitted' GROUP BY round_id, rounds.name ORDER BY since LIMIT $1;

-- statement: applications.sql begin_application
INSERT INTO applications (
    id, round_id, reference, link_digest, browser_digest, begun_from, begun_at, link_sent_at, changed_at
) VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $7);

-- statement: applications.sql begun_lately
SELECT greatest(
    (SELECT count(*) FROM applicants JOIN applications ON id = application_id
     WHERE email_digest = $1 AND begun_at > $2) * $3 / $4,
    (SELECT count(*) FROM applications WHERE begun_from = $5 AND begun_at > $2)
);

-- statement: applications.sql drafts_to_remind
WITH near AS (
    SELECT applications.id FROM applications JOIN rounds ON rounds.id = round_id
    WHERE applications.state = 'draft' AND rounds.state = 'open' AND closes_on BETWEEN $1 AND $2
        AND reminded_at IS NULL AND link_sent_at < $3
    ORDER BY applications.id LIMIT $4 FOR UPDATE OF applications SKIP LOCKED
)
UPDATE applications SET reminded_at = $5, version = version + 1 FROM near WHERE applications.id = near.id
RETURNING applications.id;

-- statement: applications.sql drop_applications
DELETE FROM applications WHERE id = ANY($1::uuid[]) AND submitted_at IS NULL;

-- statement: applications.sql end_browser_link
UPDATE applications SET browser_digest = NULL WHERE id = $1;

-- statement: applications.sql enter_steps
INSERT INTO application_steps (application_id, number, state, happened_at, person_id, rule, words)
SELECT id, coalesce(last.number, 0) + 1, $1, $2, $3, $4, $5
FROM unnest($6::uuid[]) AS moved (id)
LEFT JOIN LATERAL (
    SELECT max(number) AS number FROM application_steps WHERE application_id = moved.id
) AS last ON true;

-- statement: applications.sql evidence_by_id
SELECT file_id, application_id, name, media_type, size, digest FROM evidence JOIN files ON id = file_id
WHERE file_id = $1;

-- statement: applications.sql evidence_of
SELECT file_id, name, media_type, size, added_at FROM evidence JOIN files ON id = file_id
WHERE application_id = $1 ORDER BY added_at, file_id;

-- statement: applications.sql forget_applicants
DELETE FROM applicants WHERE application_id = ANY($1::uuid[]);

-- statement: applications.sql hold_round
SELECT id, fund_id, name, state, opens_on, closes_on, meets_on, most_pence, professions, purposes, eligibility, quorum,
       needs_peer, needs_funder, help_name, help_telephone, opened_at, closed_at, version
FROM rounds WHERE id = $1 FOR SHARE;

-- statement: applications.sql is_registered
SELECT EXISTS (SELECT FROM registrations WHERE person = person_digest) FROM applicants
WHERE application_id = $1 AND person_digest IS NOT NULL;

-- statement: applications.sql keep_applicant
INSERT INTO applicants (application_id, sealed, email_digest, name_digest, telephone_digest, person_digest)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (application_id) DO UPDATE SET sealed = excluded.sealed, email_digest = excluded.email_digest,
    name_digest = excluded.name_digest, telephone_digest = excluded.telephone_digest,
    person_digest = excluded.person_digest;

-- statement: applications.sql lapse
WITH late AS (
    SELECT applications.id FROM applications JOIN rounds ON rounds.id = round_id
    WHERE (applications.state = 'draft' AND (rounds.state <> 'open' OR closes_on < $1))
        OR (applications.state = 'returned' AND meets_on <= $1)
    ORDER BY applications.id LIMIT $2 FOR UPDATE OF applications SKIP LOCKED
)
UPDATE applications SET state = 'lapsed', version = version + 1, changed_at = $3 FROM late
WHERE applications.id = late.id RETURNING applications.id;

-- statement: applications.sql links_asked_for
UPDATE applications SET link_sent_at = $1, version = version + 1
FROM applicants
WHERE application_id = id AND round_id = $2 AND email_digest = $3 AND link_digest IS NOT NULL
    AND link_sent_at <= $4
RETURNING id;

-- statement: applications.sql lock_application
SELECT id, round_id, reference, state, link_number, profession, qualified_abroad, area, purpose, amount_pence, exam_on,
       exam_passed, status_met, words, begun_at, link_sent_at, submitted_at, scrubbed_at, version
FROM applications WHERE id = $1 FOR UPDATE;

-- statement: applications.sql move_application
UPDATE applications SET state = $1, version = version + 1, changed_at = $2,
    submitted_at = CASE $1 WHEN 'submitted' THEN $2 ELSE submitted_at END,
    begun_from = NULL
WHERE id = $3 RETURNING version;

-- statement: applications.sql remove_evidence
DELETE FROM evidence WHERE file_id = $1 AND application_id = $2 RETURNING file_id;

-- statement: applications.sql renew_links
UPDATE applications SET link_number = $1, link_digest = $2, browser_digest = $3,
    link_sent_at = $4, version = version + 1, changed_at = $4
WHERE id = $5 RETURNING version;

-- statement: applications.sql save_application
UPDATE applications SET profession = $1, qualified_abroad = $2, area = $3,
    purpose = $4, amount_pence = $5, exam_on = $6, exam_passed = $7,
    status_met = $8, words = $9, version = version + 1, changed_at = $10
WHERE id = $11 RETURNING version;

-- statement: applications.sql scrub_applications
UPDATE applications SET words = '', area = NULL, qualified_abroad = NULL, exam_on = NULL, exam_passed = NULL,
    status_met = NULL, begun_from = NULL, link_digest = NULL, browser_digest = NULL, scrubbed_at = $1,
    version = version + 1, changed_at = $1
WHERE id = ANY($2::uuid[]);

-- statement: applications.sql scrub_steps
UPDATE application_steps SET words = '' WHERE application_id = ANY($1::uuid[]);

-- statement: applications.sql steps_of
SELECT number, state, happened_at, person_id, rule, words FROM application_steps
WHERE application_id = $1 ORDER BY number;

-- statement: applications.sql take_evidence
DELETE FROM evidence WHERE application_id = ANY($1::uuid[]) RETURNING file_id;

-- statement: applications.sql unawarded_until
SELECT applications.id FROM applications JOIN rounds ON rounds.id = round_id
WHERE submitted_at IS NOT NULL AND scrubbed_at IS NULL AND closes_on < $1
    AND applications.state NOT IN ('awarded', 'accepted', 'paid', 'reported')
ORDER BY applications.id LIMIT $2 FOR UPDATE OF applications SKIP LOCKED;

-- statement: applications.sql unsent_until
SELECT applications.id FROM applications JOIN rounds ON rounds.id = round_id
WHERE submitted_at IS NULL AND closes_on < $1
ORDER BY applications.id LIMIT $2 FOR UPDATE OF applications SKIP LOCKED;

-- statement: attending.sql is_seen
SELECT $1 IN (SELECT meeting_id FROM meetings_for($2));

-- statement: attending.sql items_for
SELECT application_id, seen.id AS case_id, seen.label, profession, purpose, amount_pence, exam_on, seen.words, papers,
       NULL::text AS state, opened_at
FROM items JOIN cases_for($1) AS seen USING (application_id)
WHERE meeting_id = $2 ORDER BY seen.label;

-- statement: attending.sql marks_for
WITH item AS MATERIALIZED (SELECT application_id, mark FROM item_marks($1))
SELECT viewer, md5(concat_ws('/', ended_at, rounds.state = 'published', here.marks, own.marks)) AS mark
FROM meetings
JOIN rounds ON rounds.id = round_id
CROSS JOIN LATERAL (
    SELECT string_agg(concat_ws(':', person_id, seat, (
        SELECT max(arrived_at) FROM attendance
        WHERE meeting_id = meetings.id AND attendance.person_id = panel_members.person_id AND attendance.left_at IS NULL
    )), ',' ORDER BY person_id) AS marks
    FROM panel_members WHERE panel_members.round_id = meetings.round_id AND takes_part AND left_at IS NULL
) AS here
CROSS JOIN unnest($2::uuid[]) AS viewer
LEFT JOIN LATERAL (
    SELECT string_agg(concat_ws(':', seen.id, item.mark), ',' ORDER BY seen.id) AS marks
    FROM cases_for(viewer) AS seen JOIN item USING (application_id)
) AS own ON true
WHERE meetings.id = $1;

-- statement: attending.sql seen_by
SELECT viewer, array_agg(application_id ORDER BY application_id) AS ids
FROM unnest($1::uuid[]) AS viewer CROSS JOIN LATERAL cases_for(viewer) AS seen JOIN items USING (application_id)
WHERE meeting_id = $2 GROUP BY viewer;

-- statement: colleagues.sql colleagues
SELECT person_id, sealed FROM colleagues WHERE person_id = ANY($1::uuid[]) AND sealed IS NOT NULL;

-- statement: colleagues.sql colleagues_with
SELECT c.person_id, c.sealed FROM colleagues AS c JOIN standings AS s ON s.person_id = c.person_id
WHERE $1::text = ANY(s.roles) AND NOT s.barred AND c.sealed IS NOT NULL;

-- statement: colleagues.sql forget_colleagues
WITH forgotten AS (
    UPDATE colleagues SET sealed = NULL, email_digest = NULL
    WHERE person_id = ANY($1::uuid[]) AND sealed IS NOT NULL RETURNING 1
)
SELECT count(*) FROM forgotten;

-- statement: colleagues.sql forget_versions
UPDATE colleagues SET epoch = 0, version = 0;

-- statement: colleagues.sql remember_colleagues
INSERT INTO colleagues AS known (person_id, epoch, version, sealed, email_digest)
SELECT person_id, epoch, version, decode(sealed, 'hex'), decode(email_digest, 'hex')
FROM jsonb_to_recordset($1) AS new (
    person_id uuid, epoch integer, version bigint, sealed text, email_digest text
)
ON CONFLICT (person_id) DO UPDATE SET
    epoch = excluded.epoch, version = excluded.version, sealed = excluded.sealed, email_digest = excluded.email_digest
WHERE (known.epoch, known.version) < (excluded.epoch, excluded.version);

-- statement: conflicts.sql acquainted_with
SELECT DISTINCT application_id, person_id FROM conflicts
WHERE application_id = ANY($1::uuid[]) AND state = 'confirmed' AND tie = 'acquaintance'
    AND NOT EXISTS (
        SELECT FROM removals
        WHERE removals.application_id = conflicts.application_id AND removals.person_id = conflicts.person_id
    );

-- statement: conflicts.sql add_interest
INSERT INTO interests (id, person_id, kind, sealed, said_at) VALUES ($1, $2, $3, $4, $5);

-- statement: conflicts.sql compared
SELECT applications.id, applications.words, applicants.sealed, applicants.email_digest, applications.submitted_at
FROM applications JOIN applicants ON applicants.application_id = applications.id
WHERE applications.id = $1;

-- statement: conflicts.sql compared_for
SELECT applications.id, applications.words, applicants.sealed, applicants.email_digest, applications.submitted_at,
       handed_at IS NOT NULL AS handed
FROM panel_members
JOIN rounds ON rounds.id = panel_members.round_id
JOIN applications ON applications.round_id = rounds.id
JOIN cases ON cases.application_id = applications.id
JOIN applicants ON applicants.application_id = applications.id
WHERE panel_members.person_id = $1 AND left_at IS NULL AND rounds.state IN ('open', 'closed', 'decided')
    AND applications.state IN ('submitted', 'returned', 'eligible', 'under_review', 'deferred');

-- statement: conflicts.sql conflict_by_id
SELECT conflicts.id, conflicts.application_id, person_id, source, tie, conflicts.state, keeps, interest_id, conflicts.words,
       noticed_at, settled_at, settled_by, round_id, reference, applications.words AS application_words, sealed,
       email_digest
FROM conflicts
JOIN applications ON applications.id = conflicts.application_id
LEFT JOIN applicants ON applicants.application_id = applications.id
WHERE conflicts.id = $1 AND submitted_at IS NOT NULL;

-- statement: conflicts.sql conflicts_held
SELECT source, tie, conflicts.state, noticed_at, settled_at
FROM conflicts JOIN applications ON applications.id = application_id JOIN rounds ON rounds.id = round_id
WHERE person_id = ANY($1::uuid[]) AND (source = 'declared' OR rounds.state = 'published')
ORDER BY noticed_at, conflicts.id;

-- statement: conflicts.sql conflicts_of_application
SELECT conflicts.id, conflicts.application_id, person_id, source, tie, conflicts.state, keeps, interest_id, conflicts.words,
       noticed_at, settled_at, settled_by, applications.words AS application_words, sealed, email_digest
FROM conflicts
JOIN applications ON applications.id = conflicts.application_id
LEFT JOIN applicants ON applicants.application_id = applications.id
WHERE conflicts.application_id = $1 ORDER BY noticed_at DESC, conflicts.id;

-- statement: conflicts.sql conflicts_of_round
SELECT conflicts.id, conflicts.application_id, conflicts.person_id, source, tie, conflicts.state, keeps, interest_id,
       conflicts.words, noticed_at, settled_at, settled_by, reference, applications.words AS application_words, label,
       sealed, email_digest, applications.state AS application_state,
       panel_members.left_at IS NULL AND takes_part IS NOT false AS sits
FROM conflicts
JOIN applications ON applications.id = conflicts.application_id
LEFT JOIN cases ON cases.application_id = applications.id
LEFT JOIN applicants ON applicants.application_id = applications.id
LEFT JOIN panel_members ON panel_members.round_id = applications.round_id
    AND panel_members.person_id = conflicts.person_id
WHERE applications.round_id = $1 AND submitted_at IS NOT NULL
    AND applications.state NOT IN ('ineligible', 'withdrawn', 'lapsed')
ORDER BY conflicts.state <> 'suggested', CASE WHEN conflicts.state = 'suggested' THEN noticed_at END,
    noticed_at DESC, conflicts.id
LIMIT $2;

-- statement: conflicts.sql declare
INSERT INTO conflicts AS known (id, application_id, person_id, source, tie, state, noticed_at)
VALUES ($1, $2, $3, 'declared', $4, 'confirmed', $5)
ON CONFLICT (application_id, person_id, source) DO UPDATE SET
    tie = excluded.tie, state = 'confirmed', words = '', noticed_at = excluded.noticed_at, settled_at = NULL,
    settled_by = NULL
WHERE known.state = 'dismissed' OR known.tie = 'acquaintance'
RETURNING id;

-- statement: conflicts.sql drop_ended
DELETE FROM interests
WHERE ended_at IS NOT NULL AND NOT EXISTS (SELECT FROM conflicts WHERE interest_id = interests.id);

-- statement: conflicts.sql end_interests
WITH kept AS (
    UPDATE interests SET ended_at = $1
    WHERE id = ANY($2::uuid[]) AND EXISTS (SELECT FROM conflicts WHERE interest_id = interests.id)
)
DELETE FROM interests
WHERE id = ANY($2::uuid[]) AND NOT EXISTS (SELECT FROM conflicts WHERE interest_id = interests.id);

-- statement: conflicts.sql enter
INSERT INTO conflicts AS known (id, application_id, person_id, source, tie, state, noticed_at, settled_at, settled_by)
VALUES ($1, $2, $3, 'entered', $4, 'confirmed', $5, $5, $6)
ON CONFLICT (application_id, person_id, source) DO UPDATE SET
    tie = excluded.tie, state = 'confirmed', words = '', settled_at = excluded.settled_at,
    settled_by = excluded.settled_by
RETURNING id;

-- statement: conflicts.sql forget_applications
DELETE FROM conflicts WHERE application_id = ANY($1::uuid[]);

-- statement: conflicts.sql forget_conflicts
DELETE FROM conflicts WHERE person_id = ANY($1::uuid[]);

-- statement: conflicts.sql forget_interests
WITH gone AS (DELETE FROM interests WHERE person_id = ANY($1::uuid[]) RETURNING 1)
SELECT count(*) FROM gone;

-- statement: conflicts.sql forget_said
DELETE FROM interests_said WHERE person_id = ANY($1::uuid[]);

-- statement: conflicts.sql hold_members_of
SELECT person_id FROM panel_members WHERE round_id = $1 AND left_at IS NULL
ORDER BY person_id FOR SHARE;

-- statement: conflicts.sql interests_of
SELECT id, person_id, kind, sealed, said_at, ended_at FROM interests
WHERE person_id = ANY($1::uuid[]) ORDER BY person_id, said_at, id;

-- statement: conflicts.sql interests_said_at
SELECT said_at FROM interests_said WHERE person_id = $1;

-- statement: conflicts.sql is_case_for
SELECT EXISTS (SELECT FROM cases_for($1) WHERE application_id = $2);

-- statement: conflicts.sql is_member
SELECT EXISTS (
    SELECT FROM applications JOIN panel_members ON panel_members.round_id = applications.round_id
    WHERE applications.id = $1 AND person_id = $2
);

-- statement: conflicts.sql lock_conflict
SELECT id, application_id, person_id, source, tie, state, interest_id, words, noticed_at, settled_at, settled_by
FROM conflicts WHERE id = $1 FOR UPDATE;

-- statement: conflicts.sql lock_seats_of
SELECT round_id FROM panel_members WHERE person_id = $1 AND left_at IS NULL ORDER BY round_id FOR UPDATE;

-- statement: conflicts.sql note_interests_said
INSERT INTO interests_said (person_id, said_at) VALUES ($1, $2)
ON CONFLICT (person_id) DO UPDATE SET said_at = excluded.said_at;

-- statement: conflicts.sql people_done_with
SELECT person_id FROM interests_said
WHERE said_at < $1 AND NOT EXISTS (
    SELECT FROM panel_members JOIN rounds ON rounds.id = round_id
    WHERE panel_members.person_id = interests_said.person_id
        AND (closes_on IS NULL OR closes_on >= $2)
)
ORDER BY person_id LIMIT $3 FOR UPDATE SKIP LOCKED;

-- statement: conflicts.sql removed_from
SELECT application_id, person_id FROM removals WHERE application_id = ANY($1::uuid[]);

-- statement: conflicts.sql settle
UPDATE conflicts SET state = $1, tie = $2, words = $3, settled_at = $4, settled_by = $5 WHERE id = $6;

-- statement: conflicts.sql suggest
INSERT INTO conflicts AS known (id, application_id, person_id, source, state, keeps, interest_id, noticed_at)
SELECT id, application_id, person_id, 'derived', 'suggested', keeps, interest_id, $1
FROM jsonb_to_recordset($2) AS new (
    id uuid, application_id uuid, person_id uuid, keeps boolean, interest_id uuid, since timestamptz
)
ON CONFLICT (application_id, person_id, source) DO UPDATE SET
    state = 'suggested', tie = NULL, keeps = excluded.keeps, interest_id = excluded.interest_id, words = '',
    noticed_at = excluded.noticed_at, settled_at = NULL, settled_by = NULL
WHERE known.state = 'dismissed' AND known.settled_at < (
    SELECT since FROM jsonb_to_recordset($2) AS new (application_id uuid, person_id uuid, since timestamptz)
    WHERE new.application_id = known.application_id AND new.person_id = known.person_id
);

-- statement: conflicts.sql suggestions_on
SELECT DISTINCT application_id FROM conflicts
JOIN applications ON applications.id = application_id
JOIN panel_members ON panel_members.round_id = applications.round_id AND panel_members.person_id = conflicts.person_id
WHERE application_id = ANY($1::uuid[]) AND conflicts.state = 'suggested' AND left_at IS NULL
    AND takes_part IS NOT false;

-- statement: conflicts.sql suggestions_waiting
SELECT rounds.id AS round_id, rounds.name, count(*) AS count, min(noticed_at) AS since, bool_and(keeps) AS kept
FROM conflicts
JOIN applications ON applications.id = application_id
JOIN rounds ON rounds.id = round_id
JOIN panel_members ON panel_members.round_id = rounds.id AND panel_members.person_id = conflicts.person_id
WHERE conflicts.state = 'suggested' AND rounds.state IN ('open', 'closed', 'decided') AND left_at IS NULL
    AND takes_part IS NOT false AND submitted_at IS NOT NULL
    AND applications.state IN ('submitted', 'returned', 'eligible', 'under_review', 'deferred')
GROUP BY rounds.id, rounds.name ORDER BY since LIMIT $1;

-- statement: conflicts.sql tick
INSERT INTO conflicts (id, application_id, person_id, source, state, noticed_at)
SELECT new.id, $1, new.person_id, 'ticked', 'suggested', $2
FROM unnest($3::uuid[], $4::uuid[]) AS new (id, person_id)
ON CONFLICT (application_id, person_id, source) DO NOTHING;

-- statement: conflicts.sql ticked
SELECT person_id FROM conflicts WHERE application_id = $1 AND source = 'ticked';

-- statement: conflicts.sql untick
DELETE FROM conflicts
WHERE application_id = $1 AND source = 'ticked' AND state = 'suggested'
    AND person_id <> ALL($2::uuid[]);

-- statement: copies.sql colleagues_copied
SELECT person_id, version, sealed FROM colleagues
WHERE $1::uuid IS NULL OR person_id > $1::uuid ORDER BY person_id LIMIT $2;

-- statement: copies.sql counts_owned
SELECT (area || '/' || profession) COLLATE "C" AS id, version, count, counted_on FROM registration_counts
WHERE $1::text IS NULL OR (area || '/' || profession) COLLATE "C" > $1::text ORDER BY 1 LIMIT $2;

-- statement: copies.sql drop_colleagues
DELETE FROM colleagues WHERE person_id = ANY($1::uuid[]);

-- statement: copies.sql drop_organisations
DELETE FROM organisations WHERE id = ANY($1::uuid[]);

-- statement: copies.sql organisations_copied
SELECT id, version, name, closed_on, merged_into FROM organisations
WHERE $1::uuid IS NULL OR id > $1::uuid ORDER BY id LIMIT $2;

-- statement: desk.sql case_for
SELECT seen.application_id, seen.id, seen.round_id, label, profession, purpose, amount_pence, exam_on, seen.words,
       papers, rounds.name AS round, meets_on, help_name, help_telephone, rounds.state = 'published' AS published,
       coalesce(kind <> 'defer', false) AS decided, comment, submitted_at, coalesce(reviews.version, 0) AS version,
       EXISTS (
           SELECT FROM conflicts WHERE conflicts.application_id = seen.application_id
               AND conflicts.person_id = $1 AND conflicts.state = 'confirmed' AND tie = 'acquaintance'
       ) AS met
FROM cases_for($1) AS seen
JOIN rounds ON rounds.id = seen.round_id
LEFT JOIN reviews ON reviews.application_id = seen.application_id AND reviews.person_id = $1
LEFT JOIN LATERAL (
    SELECT kind FROM decisions WHERE decisions.application_id = seen.application_id ORDER BY number DESC LIMIT 1
) AS last ON true
WHERE seen.id = $2;

-- statement: desk.sql criteria_for
SELECT criteria.id, number, name, weight, criteria.words
FROM cases_for($1) AS seen JOIN criteria ON criteria.round_id = seen.round_id
WHERE seen.id = $2 ORDER BY number;

-- statement: desk.sql desk_of
SELECT listed.id, listed.round_id, label, profession, purpose, amount_pence, exam_on, begun, done,
       coalesce(kind <> 'defer', false) AS decided
FROM panel_members
CROSS JOIN LATERAL (
    SELECT seen.application_id, seen.id, seen.round_id, label, profession, purpose, amount_pence, exam_on,
           reviews.version IS NOT NULL AS begun, submitted_at IS NOT NULL AS done
    FROM cases_for($1) AS seen
    LEFT JOIN reviews ON reviews.application_id = seen.application_id AND reviews.person_id = $1
    WHERE seen.round_id = panel_members.round_id AND ($2::text IS NULL OR label > $2::text)
    ORDER BY label LIMIT $3
) AS listed
LEFT JOIN LATERAL (
    SELECT kind FROM decisions WHERE decisions.application_id = listed.application_id ORDER BY number DESC LIMIT 1
) AS last ON true
WHERE panel_members.person_id = $1 AND ($4::uuid IS NULL OR panel_members.round_id = $4::uuid)
ORDER BY listed.round_id, label;

-- statement: desk.sql has_said_interests
SELECT EXISTS (SELECT FROM interests_said WHERE person_id = $1);

-- statement: desk.sql hold_review
INSERT INTO reviews (application_id, person_id, version, changed_at)
SELECT application_id, $1, 0, $2 FROM cases_for($1) WHERE id = $3
ON CONFLICT (application_id, person_id) DO UPDATE SET version = reviews.version
RETURNING application_id, person_id, comment, submitted_at, version;

-- statement: desk.sql members_beside
SELECT colleagues.person_id, sealed
FROM cases_for($1) AS seen
JOIN panel_members ON panel_members.round_id = seen.round_id
JOIN colleagues ON colleagues.person_id = panel_members.person_id
WHERE seen.id = $2 AND sealed IS NOT NULL;

-- statement: desk.sql next_case
WITH this AS MATERIALIZED (
    SELECT round_id, label FROM cases_for($1) AS seen WHERE seen.id = $2
)
SELECT found.id, found.label FROM this CROSS JOIN LATERAL (
    SELECT seen.id, seen.label FROM cases_for($1) AS seen
    WHERE seen.round_id = this.round_id AND seen.label > this.label AND NOT EXISTS (
        SELECT FROM reviews
        WHERE reviews.application_id = seen.application_id AND person_id = $1 AND submitted_at IS NOT NULL
    ) AND NOT EXISTS (
        SELECT FROM decisions WHERE decisions.application_id = seen.application_id AND kind <> 'defer'
    )
    ORDER BY seen.label LIMIT 1
) AS found
UNION ALL
SELECT found.id, found.label FROM this CROSS JOIN LATERAL (
    SELECT seen.id, seen.label FROM cases_for($1) AS seen
    WHERE seen.round_id = this.round_id AND seen.label < this.label AND NOT EXISTS (
        SELECT FROM reviews
        WHERE reviews.application_id = seen.application_id AND person_id = $1 AND submitted_at IS NOT NULL
    ) AND NOT EXISTS (
        SELECT FROM decisions WHERE decisions.application_id = seen.application_id AND kind <> 'defer'
    )
    ORDER BY seen.label LIMIT 1
) AS found
LIMIT 1;

-- statement: desk.sql progress_of
SELECT round_id, count(*) AS cases, count(submitted_at) AS done
FROM cases_for($1) AS seen
LEFT JOIN reviews ON reviews.application_id = seen.application_id AND reviews.person_id = $1
GROUP BY round_id;

-- statement: desk.sql reviews_of_others
SELECT reviews.person_id, seat, reviews.comment, criterion_id, score
FROM cases_for($1) AS seen
JOIN reviews AS own ON own.application_id = seen.application_id AND own.person_id = $1
JOIN reviews ON reviews.application_id = seen.application_id AND reviews.person_id <> $1
JOIN panel_members ON panel_members.round_id = seen.round_id AND panel_members.person_id = reviews.person_id
LEFT JOIN scores ON scores.application_id = reviews.application_id AND scores.person_id = reviews.person_id
WHERE seen.id = $2 AND own.submitted_at IS NOT NULL AND reviews.submitted_at IS NOT NULL
    AND takes_part AND left_at IS NULL AND NOT EXISTS (
        SELECT FROM removals
        WHERE removals.application_id = seen.application_id AND removals.person_id = reviews.person_id
    )
ORDER BY reviews.person_id, criterion_id;

-- statement: desk.sql scores_by
SELECT criterion_id, score FROM scores
JOIN cases_for($1) AS seen ON seen.application_id = scores.application_id
WHERE seen.id = $2 AND scores.person_id = $1;

-- statement: desk.sql seats_of
SELECT rounds.id, rounds.name, meets_on, help_name, help_telephone, rounds.state = 'published' AS published, seat,
       takes_part, meeting.id AS meeting_id
FROM panel_members
JOIN rounds ON rounds.id = panel_members.round_id
LEFT JOIN LATERAL (
    SELECT meetings.id FROM meetings JOIN items ON items.meeting_id = meetings.id
    JOIN cases_for($1) AS seen ON seen.application_id = items.application_id
    WHERE meetings.round_id = rounds.id AND ended_at IS NULL LIMIT 1
) AS meeting ON true
WHERE person_id = $1 AND left_at IS NULL
ORDER BY rounds.state = 'published', meets_on, rounds.name, rounds.id LIMIT $2;

-- statement: desk.sql write_review
UPDATE reviews SET comment = $1, version = version + 1, changed_at = $2,
    submitted_at = coalesce(submitted_at, CASE WHEN $3 THEN $2::timestamptz END)
WHERE application_id = $4 AND person_id = $5 RETURNING version;

-- statement: desk.sql write_scores
INSERT INTO scores (application_id, person_id, criterion_id, score)
SELECT $1, $2, given.criterion_id, given.score
FROM unnest($3::uuid[], $4::smallint[]) AS given (criterion_id, score)
JOIN criteria ON criteria.id = given.criterion_id AND criteria.round_id = $5
ON CONFLICT (application_id, person_id, criterion_id) DO UPDATE SET score = excluded.score;

-- statement: dossiers.sql application_told
SELECT applications.id, applications.reference, applications.state, applications.profession, applications.purpose,
       applications.amount_pence, applications.exam_on, applications.submitted_at, applications.round_id,
       rounds.name AS round, rounds.quorum, rounds.needs_peer, rounds.needs_funder, rounds.fund_id,
       funds.name AS fund, cases.label, cases.words, cases.papers, cases.handed_at, cases.handed_by,
       awards.amount_pence AS awarded_pence, awards.offered_at, awards.answer_by, awards.accepted_at
FROM applications
JOIN rounds ON rounds.id = applications.round_id
JOIN funds ON funds.id = rounds.fund_id
LEFT JOIN cases ON cases.application_id = applications.id
LEFT JOIN awards ON awards.application_id = applications.id
WHERE applications.id = $1;

-- statement: dossiers.sql conflicts_told
SELECT person_id, source, tie, state, words, noticed_at, settled_at, settled_by FROM conflicts
WHERE application_id = $1 ORDER BY noticed_at, person_id, source;

-- statement: dossiers.sql decisions_told
SELECT decisions.id, number, meeting_id, kind, amount_pence, present, stepped_out, acquainted, basis, decided_by,
       decided_at, reasons.words AS reason, reasons.why_changed
FROM decisions LEFT JOIN reasons ON reasons.decision_id = decisions.id
WHERE application_id = $1 ORDER BY number;

-- statement: dossiers.sql digest_noted
SELECT at, person_id FROM audit
WHERE action = 'dossier_made' AND object = $1 AND after ->> 'sha256' = $2
ORDER BY number DESC LIMIT 1;

-- statement: dossiers.sql digests_noted
SELECT at, person_id, after ->> 'sha256' AS digest FROM audit
WHERE action = 'dossier_made' AND object = $1 ORDER BY number DESC LIMIT $2;

-- statement: dossiers.sql money_told
SELECT number, kind, amount_pence, cause_id, happened_on, recorded_at, person_id FROM ledger
WHERE award_id = $1 ORDER BY number;

-- statement: dossiers.sql payments_told
SELECT id, number, amount_pence, returned_pence, payee, state, prepared_by, prepared_at, settled_by, settled_at, paid_on
FROM payments WHERE application_id = $1 ORDER BY number;

-- statement: dossiers.sql scores_told
SELECT reviews.person_id, reviews.comment, reviews.submitted_at, scores.criterion_id, scores.score,
       EXISTS (
           SELECT FROM removals
           WHERE removals.application_id = reviews.application_id AND removals.person_id = reviews.person_id
       ) AS kept_from
FROM reviews
LEFT JOIN scores ON scores.application_id = reviews.application_id AND scores.person_id = reviews.person_id
LEFT JOIN criteria ON criteria.id = scores.criterion_id
WHERE reviews.application_id = $1 ORDER BY reviews.person_id, criteria.number;

-- statement: doubts.sql doubted_decision
SELECT decision_id FROM doubted WHERE application_id = $1 AND person_id = $2;

-- statement: doubts.sql doubts_in
SELECT decision_id, doubted.application_id, person_id, conflict_id, doubted.state, label
FROM doubted
JOIN applications ON applications.id = doubted.application_id
JOIN cases ON cases.application_id = applications.id
WHERE round_id = $1 AND applications.state IN ('under_review', 'deferred', 'awarded', 'declined')
    AND ($2::uuid IS NULL OR applications.id = $2)
ORDER BY label, person_id;

-- statement: doubts.sql doubts_waiting
SELECT rounds.id AS round_id, rounds.name, count(DISTINCT decision_id) AS count, rounds.state = 'published' AS published
FROM doubted
JOIN applications ON applications.id = doubted.application_id
JOIN rounds ON rounds.id = round_id
WHERE applications.state IN ('under_review', 'deferred', 'awarded', 'declined')
GROUP BY rounds.id ORDER BY published, rounds.name, rounds.id LIMIT $1;

-- statement: doubts.sql upheld_at
SELECT decision_id, person_id, upheld.words FROM upheld JOIN decisions ON decisions.id = decision_id
WHERE meeting_id = $1 ORDER BY decision_id, person_id;

-- statement: doubts.sql uphold
INSERT INTO upheld (decision_id, person_id, words, said_by, said_at)
VALUES ($1, $2, $3, $4, $5);

-- statement: funds.sql amend_fund
UPDATE funds SET name = $1, purpose = $2, restriction = $3, restrictions = $4,
    funders = $5, opened_on = $6, version = version + 1, changed_at = $7
WHERE id = $8;

-- statement: funds.sql bodies_called
SELECT id, name FROM organisations
WHERE merged_into IS NULL AND lower(name) IN (SELECT lower(each) FROM unnest($1::text[]) AS each) ORDER BY id;

-- statement: funds.sql bodies_offered
SELECT DISTINCT name, lower(name) AS folded FROM organisations WHERE merged_into IS NULL
ORDER BY folded LIMIT $1;

-- statement: funds.sql claim_name
WITH claimed AS (
    INSERT INTO fund_names (name, fund_id) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING
    RETURNING fund_id
)
SELECT fund_id FROM claimed UNION ALL SELECT fund_id FROM fund_names WHERE name = $1 LIMIT 1;

-- statement: funds.sql close_fund
UPDATE funds SET closed_on = $1, version = version + 1, changed_at = $2 WHERE id = $3;

-- statement: funds.sql contribution_by_id
SELECT contributions.id, contributions.fund_id, funds.name AS fund, contributions.organisation_id,
       bodies.name AS body_name, pledge_id, amount_pence, refunded_pence, received_on, bank_reference,
       entered_by, entered_at
FROM contributions JOIN funds ON funds.id = contributions.fund_id
LEFT JOIN bodies ON bodies.id = contributions.organisation_id WHERE contributions.id = $1;

-- statement: funds.sql contributions_of
SELECT contributions.id, bodies.name AS body_name, pledge_id, amount_pence, refunded_pence, received_on,
       bank_reference
FROM contributions LEFT JOIN bodies ON bodies.id = contributions.organisation_id
WHERE fund_id = $1 ORDER BY received_on DESC, contributions.id DESC LIMIT $2;

-- statement: funds.sql contributions_to_pledge
SELECT id, amount_pence, refunded_pence, received_on FROM contributions
WHERE pledge_id = $1 ORDER BY received_on, id;

-- statement: funds.sql enter_contribution
INSERT INTO contributions (
    id, fund_id, organisation_id, pledge_id, amount_pence, received_on, bank_reference, entered_by, entered_at
) VALUES (
    $1, $2, $3, $4, $5, $6, $7, $8, $9
);

-- statement: funds.sql entered_before
SELECT EXISTS (
    SELECT FROM contributions WHERE fund_id = $1 AND received_on = $2
        AND amount_pence = $3 AND lower(bank_reference) = lower($4)
);

-- statement: funds.sql fund_by_id
SELECT id, name, purpose, restriction, restrictions, funders, opened_on, closed_on, version FROM funds
WHERE id = $1;

-- statement: funds.sql funds_listed
SELECT id, name, purpose, restriction, restrictions, funders, opened_on, closed_on, version, entries, received_pence,
       refunded_pence, committed_pence, paid_pence, returned_pence, coalesce(promised.pence, 0)::bigint AS promised_pence
FROM funds JOIN fund_balances ON fund_id = id
LEFT JOIN (
    SELECT fund_id, sum(amount_pence - received_pence - written_back_pence) AS pence FROM pledges GROUP BY fund_id
) AS promised ON promised.fund_id = funds.id
ORDER BY closed_on IS NOT NULL, lower(name), id;

-- statement: funds.sql keep_terms
INSERT INTO fund_terms (id, fund_id, file_id, requires_status, kept_at)
VALUES ($1, $2, $3, $4, $5);

-- statement: funds.sql lock_contribution
SELECT contributions.id, contributions.fund_id, funds.name AS fund,
       coalesce(shown_id, contributions.organisation_id) AS organisation_id, pledge_id, campaign_id,
       contributions.amount_pence, refunded_pence, received_on, contributions.version
FROM contributions JOIN funds ON funds.id = contributions.fund_id LEFT JOIN pledges ON pledges.id = pledge_id
LEFT JOIN bodies ON bodies.id = contributions.organisation_id
WHERE contributions.id = $1 FOR UPDATE OF contributions;

-- statement: funds.sql lock_fund
SELECT id, name, purpose, restriction, restrictions, funders, opened_on, closed_on, version FROM funds
WHERE id = $1 FOR UPDATE;

-- statement: funds.sql lock_pledge
SELECT pledges.id, coalesce(shown_id, organisation_id) AS organisation_id, campaign_id, fund_id, fund_key, amount_pence,
       received_pence, written_back_pence
FROM pledges LEFT JOIN bodies ON bodies.id = organisation_id WHERE pledges.id = $1 FOR UPDATE OF pledges;

-- statement: funds.sql match_pledges
WITH matched AS (
    UPDATE pledges SET fund_id = $1 WHERE fund_id IS NULL AND fund_key = $2 RETURNING 1
)
SELECT count(*) FROM matched;

-- statement: funds.sql names_of_bodies
SELECT id, shown_id, name FROM bodies WHERE id = ANY($1::uuid[]) ORDER BY lower(name), id;

-- statement: funds.sql note_received
UPDATE pledges SET received_pence = received_pence + $1 WHERE id = $2;

-- statement: funds.sql note_refunded
UPDATE contributions SET refunded_pence = refunded_pence + $1, version = version + 1 WHERE id = $2
RETURNING version;

-- statement: funds.sql open_fund
INSERT INTO funds (id, name, purpose, restriction, restrictions, funders, opened_on, changed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- statement: funds.sql pledge_by_id
SELECT pledges.id, pledges.organisation_id, bodies.name AS body_name, campaign_id, campaign, fund, fund_id,
       funds.name AS fund_name, amount_pence, received_pence, written_back_pence, written_back_because, pledged_on
FROM pledges LEFT JOIN bodies ON bodies.id = pledges.organisation_id
LEFT JOIN funds ON funds.id = fund_id WHERE pledges.id = $1;

-- statement: funds.sql pledged_pence
SELECT coalesce(sum(amount_pence - written_back_pence), 0)::bigint FROM pledges;

-- statement: funds.sql pledges
SELECT pledges.id, pledges.organisation_id, bodies.name AS body_name, campaign, fund, fund_id, amount_pence,
       received_pence, written_back_pence, pledged_on, heard_at
FROM pledges LEFT JOIN bodies ON bodies.id = pledges.organisation_id
ORDER BY pledged_on DESC, pledges.id DESC LIMIT $1;

-- statement: funds.sql pledges_of
SELECT pledges.id, pledges.organisation_id, bodies.name AS body_name, campaign, fund, amount_pence,
       received_pence, written_back_pence, pledged_on
FROM pledges LEFT JOIN bodies ON bodies.id = pledges.organisation_id
WHERE fund_id = $1 ORDER BY pledged_on DESC, pledges.id DESC LIMIT $2;

-- statement: funds.sql pledges_without_fund
SELECT pledges.id, pledges.organisation_id, bodies.name AS body_name, campaign, fund, amount_pence, pledged_on
FROM pledges LEFT JOIN bodies ON bodies.id = pledges.organisation_id
WHERE fund_id IS NULL AND written_back_pence < amount_pence ORDER BY pledged_on, pledges.id LIMIT $1;

-- statement: funds.sql promised_to
SELECT coalesce(sum(amount_pence - written_back_pence), 0)::bigint AS pledged_pence,
       coalesce(sum(amount_pence - written_back_pence - received_pence), 0)::bigint AS promised_pence
FROM pledges WHERE fund_id = $1;

-- statement: funds.sql record_pledge
INSERT INTO pledges (
    id, organisation_id, campaign_id, campaign, fund, fund_key, fund_id, amount_pence, pledged_on, heard_at
) VALUES (
    $1, $2, $3, $4, $5, $6,
    (SELECT fund_id FROM fund_names WHERE name = $6), $7, $8, $9
) ON CONFLICT (id) DO NOTHING;

-- statement: funds.sql terms_file
SELECT file_id FROM fund_terms WHERE id = $1;

-- statement: funds.sql terms_of
SELECT fund_terms.id, fund_terms.fund_id, file_id, requires_status, kept_at, name, size
FROM fund_terms JOIN files ON files.id = file_id WHERE fund_terms.fund_id = $1 ORDER BY kept_at DESC, fund_terms.id DESC;

-- statement: funds.sql write_back
UPDATE pledges SET written_back_pence = amount_pence - received_pence, written_back_because = $1 WHERE id = $2;

-- statement: ledger.sql balance_of
SELECT fund_id, entries, received_pence, refunded_pence, committed_pence, paid_pence, returned_pence
FROM fund_balances WHERE fund_id = $1;

-- statement: ledger.sql balance_of_all
SELECT coalesce(sum(received_pence), 0)::bigint AS received_pence,
       coalesce(sum(refunded_pence), 0)::bigint AS refunded_pence,
       coalesce(sum(committed_pence), 0)::bigint AS committed_pence,
       coalesce(sum(paid_pence), 0)::bigint AS paid_pence,
       coalesce(sum(returned_pence), 0)::bigint AS returned_pence,
       coalesce(sum(entries), 0)::bigint AS entries
FROM fund_balances;

-- statement: ledger.sql closed_on
SELECT closed_on FROM funds WHERE id = $1;

-- statement: ledger.sql commitment_of
SELECT award_id, fund_id, committed_pence, released_pence, paid_pence, returned_pence
FROM commitments WHERE award_id = $1;

-- statement: ledger.sql differing
WITH signed AS (
    SELECT fund_id, number, held_pence, free_pence, amount_pence, kind,
        sum(CASE kind WHEN 'received' THEN amount_pence WHEN 'returned' THEN amount_pence
                      WHEN 'refunded' THEN -amount_pence WHEN 'paid' THEN -amount_pence ELSE 0 END)
            OVER so_far AS held,
        sum(CASE kind WHEN 'received' THEN amount_pence WHEN 'returned' THEN amount_pence
                      WHEN 'released' THEN amount_pence
                      WHEN 'refunded' THEN -amount_pence WHEN 'committed' THEN -amount_pence ELSE 0 END)
            OVER so_far AS free
    FROM ledger WINDOW so_far AS (PARTITION BY fund_id ORDER BY number)
), counted AS (
    SELECT fund_id, count(*) AS entries, max(number) AS last,
        bool_and(held = held_pence AND free = free_pence) AS each_is_right,
        coalesce(sum(amount_pence) FILTER (WHERE kind = 'received'), 0) AS received,
        coalesce(sum(amount_pence) FILTER (WHERE kind = 'refunded'), 0) AS refunded,
        coalesce(sum(amount_pence) FILTER (WHERE kind = 'committed'), 0) AS committed,
        coalesce(sum(amount_pence) FILTER (WHERE kind = 'released'), 0) AS released,
        coalesce(sum(amount_pence) FILTER (WHERE kind = 'paid'), 0) AS paid,
        coalesce(sum(amount_pence) FILTER (WHERE kind = 'returned'), 0) AS returned
    FROM signed GROUP BY fund_id
), awarded AS (
    SELECT fund_id, sum(committed_pence) AS committed, sum(released_pence) AS released,
        sum(paid_pence) AS paid, sum(returned_pence) AS returned
    FROM commitments GROUP BY fund_id
), came AS (
    SELECT fund_id, sum(amount_pence) AS received, sum(refunded_pence) AS refunded
    FROM contributions GROUP BY fund_id
)
SELECT funds.id FROM funds
LEFT JOIN fund_balances AS balance ON balance.fund_id = funds.id
LEFT JOIN counted ON counted.fund_id = funds.id
LEFT JOIN awarded ON awarded.fund_id = funds.id
LEFT JOIN came ON came.fund_id = funds.id
WHERE (
    balance.entries, balance.entries, balance.received_pence, balance.refunded_pence, balance.committed_pence,
    balance.paid_pence, balance.returned_pence
) IS DISTINCT FROM (
    coalesce(counted.entries, 0), coalesce(counted.last, 0), coalesce(counted.received, 0),
    coalesce(counted.refunded, 0), coalesce(counted.committed - counted.released - counted.paid, 0),
    coalesce(counted.paid, 0), coalesce(counted.returned, 0)
)
OR (
    coalesce(awarded.committed, 0), coalesce(awarded.released, 0), coalesce(awarded.paid, 0),
    coalesce(awarded.returned, 0), coalesce(came.received, 0), coalesce(came.refunded, 0)
) IS DISTINCT FROM (
    coalesce(counted.committed, 0), coalesce(counted.released, 0), coalesce(counted.paid, 0),
    coalesce(counted.returned, 0), coalesce(counted.received, 0), coalesce(counted.refunded, 0)
)
OR counted.each_is_right IS FALSE
ORDER BY funds.id;

-- statement: ledger.sql enter
INSERT INTO ledger (
    fund_id, number, kind, amount_pence, cause_id, award_id, contribution_id, happened_on, recorded_at, person_id,
    held_pence, free_pence
) VALUES (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10,
    $11, $12
);

-- statement: ledger.sql entries_after
SELECT number, kind, ledger.amount_pence, cause_id, award_id, contribution_id, happened_on, recorded_at, person_id,
       held_pence, free_pence, bodies.name AS body_name, reference
FROM ledger
LEFT JOIN contributions ON contributions.id = ledger.contribution_id
LEFT JOIN bodies ON bodies.id = contributions.organisation_id
LEFT JOIN applications ON applications.id = award_id
WHERE ledger.fund_id = $1 AND number > $2
ORDER BY number LIMIT $3;

-- statement: ledger.sql entries_before
SELECT number, kind, ledger.amount_pence, cause_id, award_id, contribution_id, happened_on, recorded_at, person_id,
       held_pence, free_pence, bodies.name AS body_name, reference
FROM ledger
LEFT JOIN contributions ON contributions.id = ledger.contribution_id
LEFT JOIN bodies ON bodies.id = contributions.organisation_id
LEFT JOIN applications ON applications.id = award_id
WHERE ledger.fund_id = $1 AND number < $2
ORDER BY number DESC LIMIT $3;

-- statement: ledger.sql entry_by_cause
SELECT fund_id, amount_pence, award_id, contribution_id FROM ledger WHERE cause_id = $1 AND kind = $2;

-- statement: ledger.sql lock_balance
SELECT fund_id, entries, received_pence, refunded_pence, committed_pence, paid_pence, returned_pence
FROM fund_balances WHERE fund_id = $1 FOR UPDATE;

-- statement: ledger.sql open_commitments
SELECT count(*) FROM commitments
WHERE fund_id = $1 AND released_pence + paid_pence < committed_pence;

-- statement: ledger.sql open_ledger
INSERT INTO fund_balances (fund_id) VALUES ($1);

-- statement: ledger.sql promised_pence
SELECT coalesce(sum(amount_pence - received_pence - written_back_pence), 0)::bigint FROM pledges;

-- statement: ledger.sql settle_balance
UPDATE fund_balances SET
    entries = $1, received_pence = $2, refunded_pence = $3,
    committed_pence = $4, paid_pence = $5, returned_pence = $6
WHERE fund_id = $7;

-- statement: ledger.sql settle_commitment
INSERT INTO commitments AS known (
    award_id, fund_id, committed_pence, released_pence, paid_pence, returned_pence
) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (award_id) DO UPDATE SET
    committed_pence = excluded.committed_pence, released_pence = excluded.released_pence,
    paid_pence = excluded.paid_pence, returned_pence = excluded.returned_pence;

-- statement: meeting.sql agenda_of
WITH able AS MATERIALIZED (
    SELECT ARRAY(
        SELECT code FROM unnest(rounds.professions) AS code WHERE may_decide(meetings.id, code, NULL)
    ) AS professions
    FROM meetings JOIN rounds ON rounds.id = round_id WHERE meetings.id = $1
), last AS MATERIALIZED (
    SELECT items.label, low FROM items JOIN cases USING (application_id)
    WHERE meeting_id = $1 AND cases.id = $2::uuid
), item AS NOT MATERIALIZED (
    SELECT application_id, label, low, decided, CASE
        WHEN EXISTS (SELECT FROM removals WHERE removals.application_id = applications.id) OR EXISTS (
            SELECT FROM stand_ins
            WHERE stand_ins.meeting_id = items.meeting_id AND stand_ins.application_id = applications.id
        ) THEN may_decide(meeting_id, profession, applications.id)
        ELSE profession = ANY((SELECT professions FROM able)::text[])
    END AS ready
    FROM items JOIN applications ON applications.id = application_id
    WHERE meeting_id = $1 AND starts_with(label, $3)
), listed AS (
    (
        SELECT 0 AS part, application_id, label, low FROM item
        WHERE $4::integer = 0 AND NOT decided AND ready
            AND (low, label) > (coalesce((SELECT low FROM last), '-infinity'), coalesce((SELECT label FROM last), ''))
        ORDER BY low, label LIMIT $5
    ) UNION ALL (
        SELECT 1, application_id, label, low FROM item
        WHERE $4::integer <= 1 AND NOT decided AND NOT ready AND (low, label) > (
            coalesce((SELECT low FROM last WHERE $4::integer = 1), '-infinity'),
            coalesce((SELECT label FROM last WHERE $4::integer = 1), '')
        )
        ORDER BY low, label LIMIT $5
    ) UNION ALL (
        SELECT 2, application_id, label, low FROM item
        WHERE decided AND (low, label) > (
            coalesce((SELECT low FROM last WHERE $4::integer = 2), '-infinity'),
            coalesce((SELECT label FROM last WHERE $4::integer = 2), '')
        )
        ORDER BY low, label LIMIT $5
    )
    LIMIT $5
)
SELECT part, cases.id AS case_id, listed.label, purpose, applications.amount_pence AS asked_pence, state, kind,
       last_decision.amount_pence
FROM listed
JOIN cases USING (application_id)
JOIN applications ON applications.id = application_id
LEFT JOIN LATERAL (
    SELECT kind, amount_pence FROM decisions WHERE decisions.application_id = listed.application_id
    ORDER BY number DESC LIMIT 1
) AS last_decision ON true
ORDER BY part, low, listed.label;

-- statement: meeting.sql arrive
INSERT INTO attendance (meeting_id, person_id, arrived_at)
SELECT $1, $2, $3 WHERE NOT EXISTS (
    SELECT FROM attendance WHERE meeting_id = $1 AND person_id = $2 AND left_at IS NULL
);

-- statement: meeting.sql attendance_of
SELECT person_id, arrived_at, left_at FROM attendance WHERE meeting_id = $1
ORDER BY arrived_at, person_id;

-- statement: meeting.sql begin_meeting
INSERT INTO meetings (id, round_id, begun_at, begun_by) VALUES ($1, $2, $3, $4);

-- statement: meeting.sql criteria_at
SELECT criteria.id, number, name, weight FROM meetings JOIN criteria USING (round_id)
WHERE meetings.id = $1 ORDER BY number;

-- statement: meeting.sql decided_in
SELECT applications.id, reference, state, purpose, link_number, applications.amount_pence AS asked_pence, label, kind,
       number, last.amount_pence, reasons.words, sealed
FROM applications
JOIN LATERAL (
    SELECT id, kind, number, amount_pence FROM decisions
    WHERE decisions.application_id = applications.id ORDER BY number DESC LIMIT 1
) AS last ON true
JOIN cases ON cases.application_id = applications.id
LEFT JOIN reasons ON decision_id = last.id
LEFT JOIN applicants ON applicants.application_id = applications.id
WHERE round_id = $1 AND state IN ('under_review', 'deferred', 'awarded', 'declined')
    AND ($2::uuid IS NULL OR applications.id = $2)
ORDER BY label;

-- statement: meeting.sql decisions_of
SELECT id, application_id, number, meeting_id, kind, amount_pence, present, stepped_out, acquainted, basis, decided_by,
       decided_at, words, why_changed
FROM decisions LEFT JOIN reasons ON decision_id = id
WHERE application_id = ANY($1::uuid[]) ORDER BY application_id, number;

-- statement: meeting.sql end_meeting
WITH gone AS (UPDATE attendance SET left_at = $1 WHERE meeting_id = $2 AND left_at IS NULL)
UPDATE meetings SET ended_at = $1, version = version + 1 WHERE id = $2;

-- statement: meeting.sql enter_decided
INSERT INTO application_steps (application_id, number, state, happened_at, person_id, words)
SELECT id, coalesce(last.number, 0) + 1, state, $1, $2, words
FROM unnest($3::uuid[], $4::text[], $5::text[]) AS moved (id, state, words)
LEFT JOIN LATERAL (
    SELECT max(number) AS number FROM application_steps WHERE application_id = moved.id
) AS last ON true;

-- statement: meeting.sql enter_decision
WITH entered AS (
    INSERT INTO decisions (
        id, application_id, number, meeting_id, kind, amount_pence, present, stepped_out, acquainted, basis, decided_by,
        decided_at
    ) VALUES (
        $1, $2, $3, $4, $5, $6, $7, $8, $9, $10,
        $11, $12
    ) RETURNING id
)
INSERT INTO reasons (decision_id, words, why_changed) SELECT id, $13, $14 FROM entered;

-- statement: meeting.sql forget_reasons
WITH gone AS (
    DELETE FROM upheld USING decisions WHERE decisions.id = decision_id AND application_id = ANY($1::uuid[])
)
DELETE FROM reasons USING decisions WHERE decisions.id = decision_id AND application_id = ANY($1::uuid[]);

-- statement: meeting.sql hold_meeting
SELECT id, round_id, begun_at, begun_by, ended_at, version FROM meetings WHERE id = $1 FOR SHARE;

-- statement: meeting.sql item_of
SELECT application_id FROM items JOIN cases USING (application_id) WHERE meeting_id = $1 AND cases.id = $2;

-- statement: meeting.sql item_on
SELECT application_id, cases.id AS case_id, cases.label, profession, purpose, amount_pence, exam_on, cases.words,
       papers, state, opened_at
FROM items JOIN cases USING (application_id) JOIN applications ON applications.id = application_id
WHERE meeting_id = $1 AND application_id = coalesce((
    SELECT application_id FROM items JOIN cases USING (application_id)
    WHERE meeting_id = $1 AND cases.id = $2::uuid
), (
    SELECT application_id FROM items WHERE meeting_id = $1 AND opened_at IS NOT NULL
    ORDER BY opened_at DESC, label DESC LIMIT 1
));

-- statement: meeting.sql items_counted
SELECT count(*) FROM items WHERE meeting_id = $1;

-- statement: meeting.sql items_of
SELECT application_id, cases.id AS case_id, cases.label, profession, purpose, amount_pence, exam_on, cases.words,
       papers, state, opened_at
FROM items JOIN cases USING (application_id) JOIN applications ON applications.id = application_id
WHERE meeting_id = $1 AND ($2::uuid IS NULL OR application_id = $2) ORDER BY cases.label;

-- statement: meeting.sql items_on_wall
SELECT application_id, cases.id AS case_id, cases.label, profession, purpose, amount_pence, exam_on, cases.words,
       papers, state, opened_at
FROM items JOIN cases USING (application_id) JOIN applications ON applications.id = application_id
WHERE meeting_id = $1 AND (decided OR application_id = (
    SELECT application_id FROM items WHERE meeting_id = $1 AND opened_at IS NOT NULL
    ORDER BY opened_at DESC, label DESC LIMIT 1
))
ORDER BY cases.label;

-- statement: meeting.sql leave
UPDATE attendance SET left_at = $1
WHERE meeting_id = $2 AND person_id = $3 AND left_at IS NULL;

-- statement: meeting.sql lock_applications
SELECT id FROM applications
WHERE round_id = $1 AND state IN ('under_review', 'deferred', 'awarded', 'declined')
    AND ($2::uuid IS NULL OR id = $2)
ORDER BY id FOR UPDATE;

-- statement: meeting.sql lock_meeting
SELECT id, round_id, begun_at, begun_by, ended_at, version FROM meetings WHERE id = $1 FOR UPDATE;

-- statement: meeting.sql lock_reviews
SELECT person_id FROM reviews WHERE application_id = $1 ORDER BY person_id FOR UPDATE;

-- statement: meeting.sql mark_of
SELECT md5(concat_ws(
    '/', ended_at, meetings.version, rounds.version, entries,
    (SELECT string_agg(concat_ws(':', person_id, arrived_at, left_at), ',' ORDER BY person_id, arrived_at)
     FROM attendance WHERE meeting_id = meetings.id),
    (SELECT string_agg(concat_ws(':', person_id, version), ',' ORDER BY person_id)
     FROM panel_members WHERE panel_members.round_id = meetings.round_id),
    (SELECT string_agg(concat_ws(':', decision_id, person_id, doubted.state), ',' ORDER BY decision_id, person_id)
     FROM doubted JOIN applications ON id = application_id WHERE applications.round_id = meetings.round_id),
    (SELECT string_agg(concat_ws(':', application_id, state, mark), ',' ORDER BY application_id)
     FROM item_marks($1) JOIN applications ON id = application_id)
))
FROM meetings JOIN rounds ON rounds.id = round_id JOIN fund_balances USING (fund_id)
WHERE meetings.id = $1;

-- statement: meeting.sql may_be_opened
SELECT applications.id FROM cases JOIN applications ON applications.id = application_id
WHERE cases.id = $1 AND round_id = $2 AND handed_at IS NOT NULL
    AND state IN ('under_review', 'deferred', 'awarded', 'declined');

-- statement: meeting.sql meeting_by_id
SELECT id, round_id, begun_at, begun_by, ended_at, version FROM meetings WHERE id = $1;

-- statement: meeting.sql meetings_of
SELECT id, begun_at, ended_at,
       (SELECT count(*) FROM items WHERE meeting_id = meetings.id) AS items,
       (SELECT count(*) FROM decisions WHERE meeting_id = meetings.id) AS decisions
FROM meetings WHERE round_id = $1 ORDER BY begun_at DESC, id LIMIT $2;

-- statement: meeting.sql move_decided
UPDATE applications SET state = moved.state, version = version + 1, changed_at = $1
FROM unnest($2::uuid[], $3::text[]) AS moved (id, state)
WHERE applications.id = moved.id RETURNING applications.id, version;

-- statement: meeting.sql not_on_agenda
SELECT cases.id AS case_id, label FROM applications JOIN cases ON application_id = applications.id
WHERE round_id = $1 AND handed_at IS NOT NULL
    AND state IN ('under_review', 'deferred', 'awarded', 'declined')
    AND NOT EXISTS (SELECT FROM items WHERE meeting_id = $2 AND items.application_id = applications.id)
ORDER BY label LIMIT $3;

-- statement: meeting.sql offer_awards
INSERT INTO awards AS known (application_id, fund_id, amount_pence, offered_at, answer_by)
SELECT id, $1, pence, $2, $3 FROM unnest($4::uuid[], $5::bigint[]) AS offered (id, pence)
ON CONFLICT (application_id) DO UPDATE SET amount_pence = excluded.amount_pence, offered_at = excluded.offered_at,
    answer_by = excluded.answer_by, version = known.version + 1;

-- statement: meeting.sql open_item
INSERT INTO items (meeting_id, application_id, opened_at) VALUES ($1, $2, $3)
ON CONFLICT (meeting_id, application_id) DO UPDATE SET opened_at = excluded.opened_at;

-- statement: meeting.sql pot_of
SELECT fund_id, entries, received_pence, refunded_pence, fund_balances.committed_pence, paid_pence, returned_pence, (
    SELECT coalesce(sum(commitments.committed_pence - released_pence), 0)::bigint
    FROM commitments JOIN applications ON applications.id = award_id WHERE applications.round_id = rounds.id
) AS awarded_pence
FROM meetings JOIN rounds ON rounds.id = round_id JOIN fund_balances USING (fund_id) WHERE meetings.id = $1;

-- statement: meeting.sql put_on_agenda
WITH put AS (
    INSERT INTO items (meeting_id, application_id)
    SELECT $1, applications.id FROM applications JOIN cases ON application_id = applications.id
    LEFT JOIN LATERAL (
        SELECT kind FROM decisions WHERE decisions.application_id = applications.id ORDER BY number DESC LIMIT 1
    ) AS last ON true
    WHERE round_id = $2 AND handed_at IS NOT NULL AND state IN ('under_review', 'deferred')
        AND coalesce(kind, 'defer') = 'defer'
    RETURNING application_id
)
SELECT count(*) FROM put;

-- statement: meeting.sql reviews_of
SELECT application_id, person_id, comment FROM reviews
WHERE application_id = ANY($1::uuid[]) AND submitted_at IS NOT NULL;

-- statement: meeting.sql round_at
SELECT rounds.id, fund_id, name, state, opens_on, closes_on, meets_on, most_pence, professions, purposes, eligibility,
       quorum, needs_peer, needs_funder, help_name, help_telephone
FROM meetings JOIN rounds ON rounds.id = round_id WHERE meetings.id = $1;

-- statement: meeting.sql running_meeting
SELECT id FROM meetings WHERE round_id = $1 AND ended_at IS NULL;

-- statement: meeting.sql scores_of
SELECT application_id, person_id, criterion_id, score FROM scores JOIN reviews USING (application_id, person_id)
WHERE application_id = ANY($1::uuid[]) AND submitted_at IS NOT NULL;

-- statement: meeting.sql seats_at
SELECT person_id, seat, professions, for_funder, EXISTS (
    SELECT FROM attendance
    WHERE meeting_id = meetings.id AND attendance.person_id = panel_members.person_id AND attendance.left_at IS NULL
) AS here
FROM meetings JOIN panel_members USING (round_id)
WHERE meetings.id = $1 AND takes_part AND left_at IS NULL ORDER BY person_id;

-- statement: meeting.sql stand_back
DELETE FROM stand_ins
WHERE meeting_id = $1 AND application_id = $2 AND person_id = $3;

-- statement: meeting.sql stand_in
INSERT INTO stand_ins (meeting_id, application_id, person_id) VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING;

-- statement: meeting.sql standing_in
SELECT application_id, person_id FROM stand_ins
WHERE meeting_id = $1 AND application_id = ANY($2::uuid[]);

-- statement: meeting.sql take_back_offers
DELETE FROM awards WHERE application_id = ANY($1::uuid[]);

-- statement: meeting.sql ties_of
SELECT application_id, person_id, true AS removed FROM removals WHERE application_id = ANY($1::uuid[])
UNION
SELECT application_id, person_id, false FROM conflicts
WHERE application_id = ANY($1::uuid[]) AND state = 'confirmed' AND tie = 'acquaintance';

-- statement: meeting.sql undecided_in
SELECT count(*) FILTER (WHERE state IN ('submitted', 'returned', 'eligible')) AS to_hand_over,
       count(*) FILTER (WHERE state IN ('under_review', 'deferred') AND NOT EXISTS (
           SELECT FROM decisions WHERE application_id = applications.id
       )) AS undecided
FROM applications WHERE round_id = $1;

-- statement: money.sql accept_award
UPDATE awards SET accepted_at = $1, version = version + 1 WHERE application_id = $2;

-- statement: money.sql add_award_paper
INSERT INTO award_papers (file_id, application_id, kind, added_at) VALUES ($1, $2, $3, $4);

-- statement: money.sql award_by_id
SELECT awards.application_id, awards.fund_id, awards.amount_pence, offered_at, answer_by, accepted_at, payee, invoice,
       invoice_pence, proof_seen_at, proof_wrong, coalesce(awards.exam_on, applications.exam_on) AS exam_on, paid_on,
       asked, asked_at, receipt_seen_at, waived_at, reference, state, applications.round_id, purpose,
       coalesce(applications.amount_pence, awards.amount_pence) AS wanted_pence,
       coalesce(committed_pence - released_pence - commitments.paid_pence, 0) AS open_pence,
       coalesce(commitments.paid_pence - returned_pence, 0) AS paid_pence, given_at,
       (SELECT coalesce(sum(payments.amount_pence), 0)::bigint FROM payments
        WHERE payments.application_id = awards.application_id AND payments.state = 'prepared') AS waiting_pence,
       (SELECT coalesce(sum(payments.amount_pence - payments.returned_pence), 0)::bigint FROM payments
        WHERE payments.application_id = awards.application_id AND payments.payee = 'exam_body'
            AND payments.invoice = awards.invoice AND payments.state IN ('prepared', 'paid')) AS invoice_used_pence,
       (SELECT coalesce(max(number), 0) FROM payments
        WHERE payments.application_id = awards.application_id) AS payments
FROM awards
JOIN applications ON applications.id = awards.application_id
LEFT JOIN commitments ON award_id = awards.application_id
LEFT JOIN bank_details ON bank_details.application_id = awards.application_id
WHERE awards.application_id = $1;

-- statement: money.sql award_paper_by_id
SELECT file_id, application_id, kind, name, media_type, size, digest FROM award_papers JOIN files ON id = file_id
WHERE file_id = $1;

-- statement: money.sql award_steps_of
SELECT what, happened_at, person_id, amount_pence, day, words FROM award_steps
WHERE application_id = $1 ORDER BY number;

-- statement: money.sql awards_to_ask
WITH due AS (
    SELECT awards.application_id FROM awards JOIN applications ON applications.id = awards.application_id
    WHERE state = 'paid' AND asked < $1 AND (asked_at IS NULL OR asked_at <= $2)
        AND greatest(coalesce(awards.exam_on, applications.exam_on, paid_on + $3::integer), paid_on) < $4
        AND NOT EXISTS (
            SELECT FROM outcomes WHERE outcomes.application_id = awards.application_id AND result = 'not_sat'
        )
    ORDER BY awards.application_id LIMIT $5 FOR UPDATE OF applications, awards SKIP LOCKED
)
UPDATE awards SET asked = asked + 1, asked_at = $6 FROM due WHERE awards.application_id = due.application_id
RETURNING awards.application_id, asked - 1 AS asked_before;

-- statement: money.sql awards_to_prepare
SELECT awards.application_id, awards.amount_pence, accepted_at, payee, invoice, proof_seen_at, given_at, reference,
       applications.purpose, funds.name AS fund,
       committed_pence - released_pence - paid_pence - coalesce(waiting.pence, 0) AS left_pence,
       awards.amount_pence - (paid_pence - returned_pence)
           - (committed_pence - released_pence - paid_pence) AS missing_pence,
       EXISTS (
           SELECT FROM award_papers WHERE award_papers.application_id = awards.application_id AND returned_at IS NULL
               AND kind = CASE payee WHEN 'person' THEN 'booking' WHEN 'exam_body' THEN 'invoice' END
       ) AS proof_came
FROM awards
JOIN applications ON applications.id = awards.application_id
JOIN commitments ON award_id = awards.application_id
JOIN funds ON funds.id = awards.fund_id
LEFT JOIN bank_details ON bank_details.application_id = awards.application_id
LEFT JOIN LATERAL (
    SELECT sum(payments.amount_pence)::bigint AS pence FROM payments
    WHERE payments.application_id = awards.application_id AND payments.state = 'prepared'
) AS waiting ON true
WHERE applications.state = 'accepted'
    AND (committed_pence - released_pence - paid_pence > coalesce(waiting.pence, 0)
        OR awards.amount_pence > committed_pence - released_pence - returned_pence)
    AND ($1::uuid IS NULL OR (accepted_at, awards.application_id) > (
        SELECT accepted_at, application_id FROM awards WHERE application_id = $1::uuid
    ))
ORDER BY accepted_at, awards.application_id LIMIT $2;

-- statement: money.sql awards_to_remind
WITH near AS (
    SELECT awards.application_id FROM awards JOIN applications ON applications.id = awards.application_id
    WHERE state = 'awarded' AND answer_by BETWEEN $1 AND $2 AND awards.reminded_at IS NULL
    ORDER BY awards.application_id LIMIT $3 FOR UPDATE OF applications, awards SKIP LOCKED
)
UPDATE awards SET reminded_at = $4 FROM near WHERE awards.application_id = near.application_id
RETURNING awards.application_id, amount_pence, answer_by;

-- statement: money.sql awards_to_report
SELECT awards.application_id, awards.amount_pence, paid_on, payee, asked, reference, applications.purpose,
       coalesce(awards.exam_on, applications.exam_on) AS exam_on, funds.name AS fund, result, waived_at,
       receipt_seen_at IS NOT NULL OR EXISTS (
           SELECT FROM award_papers WHERE award_papers.application_id = awards.application_id AND kind = 'receipt'
       ) AS receipt
FROM awards
JOIN applications ON applications.id = awards.application_id
JOIN funds ON funds.id = awards.fund_id
LEFT JOIN outcomes ON outcomes.application_id = awards.application_id
WHERE applications.state = 'paid'
    AND ($1::uuid IS NULL OR (coalesce(paid_on, '-infinity'), awards.application_id) > (
        SELECT coalesce(paid_on, '-infinity'), application_id FROM awards WHERE application_id = $1::uuid
    ))
ORDER BY coalesce(paid_on, '-infinity'), awards.application_id LIMIT $2;

-- statement: money.sql awards_unanswered
SELECT awards.application_id FROM awards JOIN applications ON applications.id = awards.application_id
WHERE state = 'awarded' AND answer_by < $1
ORDER BY awards.application_id LIMIT $2 FOR UPDATE OF applications SKIP LOCKED;

-- statement: money.sql awards_until
SELECT awards.application_id FROM awards JOIN applications ON applications.id = awards.application_id
WHERE coalesce((SELECT max(settled_at) FROM payments WHERE payments.application_id = awards.application_id), offered_at)
        < $1
    AND ((scrubbed_at IS NULL AND state IN ('awarded', 'accepted', 'paid', 'reported')) OR EXISTS (
        SELECT FROM payments WHERE payments.application_id = awards.application_id AND payee_sealed IS NOT NULL
    ))
ORDER BY awards.application_id LIMIT $2 FOR UPDATE OF applications SKIP LOCKED;

-- statement: money.sql cancel_waiting
UPDATE payments SET state = 'cancelled', settled_by = $1, settled_at = $2, version = version + 1
WHERE application_id = $3 AND state = 'prepared';

-- statement: money.sql details_of
SELECT sealed FROM bank_details WHERE application_id = $1;

-- statement: money.sql details_until
DELETE FROM bank_details WHERE application_id IN (
    SELECT bank_details.application_id FROM bank_details
    JOIN applications ON applications.id = bank_details.application_id
    WHERE applications.state NOT IN ('awarded', 'accepted') AND given_at < $1 AND NOT EXISTS (
        SELECT FROM payments
        WHERE payments.application_id = applications.id AND (payments.state = 'prepared' OR settled_at >= $1)
    )
    ORDER BY 1 LIMIT $2
) RETURNING application_id;

-- statement: money.sql drop_details
DELETE FROM bank_details WHERE application_id = ANY($1::uuid[]);

-- statement: money.sql drop_outcome
DELETE FROM outcomes WHERE application_id = $1;

-- statement: money.sql enter_award_step
INSERT INTO award_steps (application_id, number, what, happened_at, person_id, amount_pence, day, words)
SELECT $1, coalesce(max(number), 0) + 1, $2, $3, $4, $5, $6, $7
FROM award_steps WHERE application_id = $1;

-- statement: money.sql enter_return
INSERT INTO payment_returns (id, payment_id, amount_pence, why, words, returned_on, recorded_by, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- statement: money.sql file_payments
WITH filed AS (
    UPDATE payments SET filed_in = $1, filed_at = $2, filed_by = $3
    FROM bank_details
    WHERE bank_details.application_id = payments.application_id AND state = 'prepared' AND payee = 'person'
        AND prepared_by <> $3 AND filed_in IS NULL
    RETURNING amount_pence
)
SELECT count(*) AS count, coalesce(sum(amount_pence), 0)::bigint AS pence FROM filed;

-- statement: money.sql have_payments
SELECT DISTINCT application_id FROM payments WHERE application_id = ANY($1::uuid[]) AND paid_on IS NOT NULL;

-- statement: money.sql keep_details
INSERT INTO bank_details (application_id, sealed, given_at) VALUES ($1, $2, $3)
ON CONFLICT (application_id) DO UPDATE SET sealed = excluded.sealed, given_at = excluded.given_at;

-- statement: money.sql make_payment
UPDATE payments SET state = 'paid', settled_by = $1, settled_at = $2, paid_on = $3,
    bank_reference = $4, payee_sealed = $5, version = version + 1
WHERE id = $6;

-- statement: money.sql money_counted
SELECT count(*) FILTER (WHERE state IN ('accepted')) AS accepted, count(*) FILTER (WHERE EXISTS (
    SELECT FROM payments WHERE payments.application_id = awards.application_id AND payments.state = 'prepared'
)) AS waiting
FROM awards JOIN applications ON applications.id = awards.application_id
WHERE awards.application_id = ANY($1::uuid[]);

-- statement: money.sql money_waiting
SELECT
    count(*) FILTER (WHERE proof_came AND proof_seen_at IS NULL AND payee = 'person') AS bookings,
    count(*) FILTER (WHERE proof_came AND proof_seen_at IS NULL AND payee = 'exam_body') AS invoices,
    count(*) FILTER (WHERE left_pence > 0 OR missing_pence > 0) AS to_prepare,
    coalesce(sum(left_pence), 0)::bigint AS to_prepare_pence,
    count(*) FILTER (WHERE left_pence > 0 AND proof_seen_at IS NOT NULL AND (detailed OR payee = 'exam_body')) AS ready,
    count(*) FILTER (WHERE missing_pence > 0) AS undecided,
    (SELECT count(*) FROM applications WHERE applications.state = 'paid') AS to_report,
    (SELECT count(*) FROM outcomes JOIN awards USING (application_id) JOIN applications ON id = application_id
     WHERE result = 'not_sat' AND waived_at IS NULL AND applications.state = 'paid') AS not_sat
FROM (
    SELECT payee, proof_seen_at,
        committed_pence - released_pence - paid_pence - coalesce((
            SELECT sum(payments.amount_pence) FROM payments
            WHERE payments.application_id = awards.application_id AND payments.state = 'prepared'
        ), 0) AS left_pence,
        awards.amount_pence - (paid_pence - returned_pence)
            - (committed_pence - released_pence - paid_pence) AS missing_pence,
        EXISTS (SELECT FROM bank_details WHERE bank_details.application_id = awards.application_id) AS detailed,
        EXISTS (
            SELECT FROM award_papers WHERE award_papers.application_id = awards.application_id AND returned_at IS NULL
                AND kind = CASE payee WHEN 'person' THEN 'booking' WHEN 'exam_body' THEN 'invoice' END
        ) AS proof_came
    FROM awards
    JOIN applications ON applications.id = awards.application_id AND applications.state = 'accepted'
    JOIN commitments ON award_id = awards.application_id
) AS accepted;

-- statement: money.sql move_exam
UPDATE awards SET exam_on = $1, asked = 0, asked_at = NULL, version = version + 1
WHERE application_id = $2;

-- statement: money.sql note_return
UPDATE payments SET returned_pence = returned_pence + $1, version = version + 1,
    state = CASE WHEN returned_pence + $1 = amount_pence THEN 'returned' ELSE state END
WHERE id = $2;

-- statement: money.sql outcome_of
SELECT result, said_at, said_by, in_post, in_post_at FROM outcomes WHERE application_id = $1;

-- statement: money.sql papers_of_award
SELECT file_id, kind, name, media_type, size, added_at, returned_at FROM award_papers JOIN files ON id = file_id
WHERE application_id = $1 ORDER BY added_at, file_id;

-- statement: money.sql payment_by_id
SELECT payments.id, payments.application_id, number, payments.amount_pence, returned_pence, payments.payee,
       payments.invoice, payments.state, prepared_by, prepared_at, settled_by, settled_at, payments.words, payments.paid_on,
       bank_reference, filed_at, filed_by, fund_id, reference, applications.state AS application_state, round_id, purpose
FROM payments
JOIN awards ON awards.application_id = payments.application_id
JOIN applications ON applications.id = payments.application_id
WHERE payments.id = $1;

-- statement: money.sql payments_counted
SELECT state, count(*) AS count, sum(amount_pence)::bigint AS pence, count(*) FILTER (WHERE returned_pence > 0) AS came_back,
       sum(returned_pence)::bigint AS returned_pence
FROM payments GROUP BY state;

-- statement: money.sql payments_filed
SELECT payments.id, payments.application_id, number, payments.amount_pence, reference, sealed FROM payments
JOIN applications ON applications.id = payments.application_id
JOIN bank_details ON bank_details.application_id = payments.application_id
WHERE payments.state = 'prepared' AND payee = 'person' AND prepared_by <> $1
    AND filed_in = coalesce($2::uuid, filed_in)
    AND ($3::uuid IS NULL OR payments.id > $3::uuid)
ORDER BY payments.id LIMIT $4;

-- statement: money.sql payments_listed
SELECT payments.id, payments.application_id, number, payments.amount_pence, returned_pence, payments.payee,
       payments.state, prepared_by, prepared_at, settled_at, payments.paid_on, filed_at, reference, applications.purpose,
       funds.name AS fund
FROM payments
JOIN awards ON awards.application_id = payments.application_id
JOIN applications ON applications.id = payments.application_id
JOIN funds ON funds.id = fund_id
WHERE payments.state = ANY($1) AND (returned_pence > 0 OR NOT $2)
    AND ($3::uuid IS NULL OR payments.id < $3::uuid)
ORDER BY payments.id DESC LIMIT $4;

-- statement: money.sql payments_of
SELECT id, number, amount_pence, returned_pence, payee, invoice, state, prepared_by, prepared_at, settled_by, settled_at,
       words, paid_on, bank_reference
FROM payments WHERE application_id = $1 ORDER BY number;

-- statement: money.sql payments_sent_back
SELECT payments.id, payments.application_id, reference, payments.amount_pence, settled_at FROM payments
JOIN applications ON applications.id = payments.application_id
WHERE payments.state = 'sent_back' AND applications.state = 'accepted' AND NOT EXISTS (
    SELECT FROM payments AS later
    WHERE later.application_id = payments.application_id AND later.number > payments.number
)
ORDER BY settled_at LIMIT $1;

-- statement: money.sql posts_to_ask
WITH due AS (
    SELECT outcomes.application_id FROM outcomes JOIN applications ON applications.id = outcomes.application_id
    WHERE applications.state = 'reported' AND result = 'passed' AND in_post IS NOT TRUE AND post_asked_at IS NULL
        AND greatest(said_at, in_post_at) <= $1
    ORDER BY outcomes.application_id LIMIT $2 FOR UPDATE OF applications, outcomes SKIP LOCKED
)
UPDATE outcomes SET post_asked_at = $3 FROM due WHERE outcomes.application_id = due.application_id
RETURNING outcomes.application_id;

-- statement: money.sql prepare_payment
INSERT INTO payments (id, application_id, number, amount_pence, payee, invoice, prepared_by, prepared_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- statement: money.sql remove_award_paper
DELETE FROM award_papers WHERE file_id = $1 AND application_id = $2 AND kind = $3
RETURNING file_id;

-- statement: money.sql return_papers
UPDATE award_papers SET returned_at = $1
WHERE application_id = $2 AND kind = $3 AND returned_at IS NULL;

-- statement: money.sql returns_of
SELECT payment_returns.id, payment_id, payment_returns.amount_pence, why, payment_returns.words, returned_on, recorded_by,
       recorded_at
FROM payment_returns JOIN payments ON payments.id = payment_id
WHERE application_id = $1 ORDER BY payment_returns.id;

-- statement: money.sql say_outcome
INSERT INTO outcomes (application_id, result, said_at, said_by) VALUES ($1, $2, $3, $4)
ON CONFLICT (application_id) DO UPDATE SET result = excluded.result, said_at = excluded.said_at,
    said_by = excluded.said_by;

-- statement: money.sql say_payee
UPDATE awards SET payee = $1, invoice = $2, version = version + 1,
    proof_seen_at = CASE WHEN payee = $1 AND invoice = $2 THEN proof_seen_at END,
    invoice_pence = CASE WHEN payee = $1 AND invoice = $2 THEN invoice_pence END,
    proof_wrong = CASE WHEN payee = $1 AND invoice = $2 THEN proof_wrong ELSE '' END
WHERE application_id = $3;

-- statement: money.sql say_post
UPDATE outcomes SET in_post = $1, in_post_at = $2 WHERE application_id = $3;

-- statement: money.sql say_proof_wrong
UPDATE awards SET proof_wrong = $1, version = version + 1 WHERE application_id = $2;

-- statement: money.sql scrub_award_steps
UPDATE award_steps SET words = '' WHERE application_id = ANY($1::uuid[]);

-- statement: money.sql scrub_awards
UPDATE awards SET invoice = '', invoice_pence = NULL, proof_wrong = '', exam_on = NULL WHERE application_id = ANY($1::uuid[]);

-- statement: money.sql scrub_payments
UPDATE payments SET payee_sealed = NULL, words = '', invoice = '' WHERE application_id = ANY($1::uuid[]);

-- statement: money.sql scrub_returns
UPDATE payment_returns SET words = '' FROM payments
WHERE payments.id = payment_id AND application_id = ANY($1::uuid[]);

-- statement: money.sql see_proof
UPDATE awards SET proof_seen_at = $1, proof_wrong = '', exam_on = coalesce($2, exam_on),
    invoice = $3, invoice_pence = $4, version = version + 1
WHERE application_id = $5;

-- statement: money.sql see_receipt
UPDATE awards SET receipt_seen_at = $1, version = version + 1 WHERE application_id = $2;

-- statement: money.sql set_paid_on
UPDATE awards SET paid_on = $1, asked = 0, asked_at = NULL, version = version + 1
WHERE application_id = $2;

-- statement: money.sql settle_payment
UPDATE payments SET state = $1, settled_by = $2, settled_at = $3, words = $4, version = version + 1
WHERE id = $5;

-- statement: money.sql take_award_papers
DELETE FROM award_papers WHERE application_id = ANY($1::uuid[]) AND (kind = ANY($2::text[]) OR NOT EXISTS (
    SELECT FROM payments WHERE payments.application_id = award_papers.application_id AND paid_on IS NOT NULL
)) RETURNING file_id;

-- statement: money.sql to_file
SELECT count(*) FILTER (WHERE filed_at IS NULL) AS fresh,
       coalesce(sum(amount_pence) FILTER (WHERE filed_at IS NULL), 0)::bigint AS fresh_pence, count(filed_at) AS filed,
       coalesce(sum(amount_pence) FILTER (WHERE filed_at IS NOT NULL), 0)::bigint AS filed_pence,
       min(filed_at) AS first_at, (array_agg(filed_by ORDER BY filed_at) FILTER (WHERE filed_at IS NOT NULL))[1] AS first_by
FROM payments JOIN bank_details ON bank_details.application_id = payments.application_id
WHERE state = 'prepared' AND payee = 'person' AND prepared_by <> $1;

-- statement: money.sql to_make_counted
SELECT count(*) AS count, coalesce(sum(amount_pence), 0)::bigint AS pence FROM payments
WHERE state = 'prepared' AND prepared_by <> $1;

-- statement: money.sql touch_application
UPDATE applications SET version = version + 1, changed_at = $1 WHERE id = $2;

-- statement: money.sql waive
UPDATE awards SET waived_at = $1, version = version + 1 WHERE application_id = $2;

-- statement: panel.sql answer
UPDATE panel_members SET takes_part = $1, answered_at = $2, version = version + 1
WHERE round_id = $3 AND person_id = $4;

-- statement: panel.sql begin_case
INSERT INTO cases (application_id, id, label, words, papers, changed_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (label) DO NOTHING RETURNING label;

-- statement: panel.sql case_of
SELECT application_id, id, label, words, papers, handed_at, handed_by, version, changed_at
FROM cases WHERE application_id = $1;

-- statement: panel.sql cases_counted
SELECT count(*) FILTER (WHERE applications.state = 'eligible') AS waiting,
       count(*) FILTER (
           WHERE applications.state = 'eligible' AND papers <> '' AND cases.words <> ''
               AND cases.changed_at >= submitted_at
       ) AS prepared,
       count(*) FILTER (WHERE applications.state IN ('under_review', 'deferred')) AS handed
FROM applications LEFT JOIN cases ON application_id = applications.id WHERE round_id = $1;

-- statement: panel.sql cases_listed
SELECT applications.id, reference, applications.state, purpose, amount_pence, applications.profession, sealed,
       label, papers <> '' AND cases.words <> '' AND cases.changed_at >= submitted_at AS prepared, handed_at,
       (SELECT count(*) FROM conflicts JOIN panel_members USING (person_id)
        WHERE conflicts.application_id = applications.id AND conflicts.state = 'suggested'
            AND panel_members.round_id = $1 AND left_at IS NULL AND takes_part IS NOT false) AS suggestions,
       (SELECT count(*) FROM reviews JOIN panel_members USING (person_id)
        WHERE reviews.application_id = applications.id AND submitted_at IS NOT NULL
            AND panel_members.round_id = $1 AND left_at IS NULL AND takes_part AND NOT EXISTS (
                SELECT FROM removals WHERE removals.application_id = applications.id
                    AND removals.person_id = reviews.person_id)) AS done
FROM applications
LEFT JOIN cases ON cases.application_id = applications.id
LEFT JOIN applicants ON applicants.application_id = applications.id
WHERE round_id = $1 AND applications.state IN ('eligible', 'under_review', 'deferred')
    AND ($2::text IS NULL OR (coalesce(label, ''), reference) > (
        SELECT coalesce(label, ''), reference FROM applications LEFT JOIN cases ON application_id = applications.id
        WHERE reference = $2))
ORDER BY coalesce(label, ''), reference LIMIT $3;

-- statement: panel.sql cases_to_prepare
SELECT rounds.id AS round_id, rounds.name, count(*) AS count, meets_on
FROM applications JOIN rounds ON rounds.id = round_id
WHERE applications.state = 'eligible' AND rounds.state = 'closed'
GROUP BY rounds.id ORDER BY meets_on, rounds.id LIMIT $1;

-- statement: panel.sql change_seat
UPDATE panel_members SET seat = $1, professions = $2, for_funder = $3, version = version + 1
WHERE round_id = $4 AND person_id = $5;

-- statement: panel.sql done_by_members
SELECT panel_members.person_id, count(applications.id) AS cases, count(reviews.submitted_at) AS done
FROM panel_members
LEFT JOIN (applications JOIN cases ON cases.application_id = applications.id AND handed_at IS NOT NULL)
    ON applications.round_id = panel_members.round_id AND applications.state IN ('under_review', 'deferred')
    AND NOT EXISTS (
        SELECT FROM removals
        WHERE removals.application_id = applications.id AND removals.person_id = panel_members.person_id)
LEFT JOIN reviews ON reviews.application_id = applications.id AND reviews.person_id = panel_members.person_id
WHERE panel_members.round_id = $1 AND takes_part AND left_at IS NULL
GROUP BY panel_members.person_id;

-- statement: panel.sql hand_over
UPDATE cases SET handed_at = $1, handed_by = $2, version = version + 1, changed_at = $3
WHERE application_id = $4;

-- statement: panel.sql invite_again
UPDATE panel_members SET invited_at = $1, takes_part = NULL, answered_at = NULL, version = version + 1
WHERE round_id = $2 AND person_id = $3 RETURNING version;

-- statement: panel.sql is_begun
SELECT EXISTS (SELECT FROM reviews WHERE application_id = $1)
    OR EXISTS (SELECT FROM items WHERE application_id = $1);

-- statement: panel.sql known_by_applicants
SELECT person_id FROM panel_members WHERE round_id = $1 AND left_at IS NULL AND takes_part IS NOT false;

-- statement: panel.sql leave
UPDATE panel_members SET left_at = $1, version = version + 1
WHERE round_id = $2 AND person_id = $3;

-- statement: panel.sql lock_case
SELECT application_id, id, label, words, papers, handed_at, handed_by, version, changed_at
FROM cases WHERE application_id = $1 FOR UPDATE;

-- statement: panel.sql lock_member
SELECT round_id, person_id, seat, professions, for_funder, invited_at, takes_part, answered_at, left_at, version
FROM panel_members WHERE round_id = $1 AND person_id = $2 FOR UPDATE;

-- statement: panel.sql members_of
SELECT round_id, person_id, seat, professions, for_funder, invited_at, takes_part, answered_at, left_at, version
FROM panel_members WHERE round_id = $1 ORDER BY left_at IS NOT NULL, seat, invited_at, person_id;

-- statement: panel.sql members_of_rounds
SELECT round_id, person_id, seat, professions, for_funder, invited_at, takes_part, answered_at, left_at, version
FROM panel_members WHERE round_id = ANY($1::uuid[]) ORDER BY round_id, person_id;

-- statement: panel.sql prepared_cases
SELECT applications.id FROM applications JOIN cases ON application_id = applications.id
WHERE round_id = $1 AND state = 'eligible' AND papers <> '' AND cases.words <> ''
    AND cases.changed_at >= submitted_at
ORDER BY label LIMIT $2;

-- statement: panel.sql rounds_to_decide
SELECT id, fund_id, name, state, opens_on, closes_on, meets_on, most_pence, professions, purposes, eligibility, quorum,
       needs_peer, needs_funder, help_name, help_telephone
FROM rounds WHERE state IN ('open', 'closed') ORDER BY meets_on, id LIMIT $1;

-- statement: panel.sql scrub_cases
UPDATE cases SET words = '', papers = '', version = version + 1, changed_at = $1
WHERE application_id = ANY($2::uuid[]);

-- statement: panel.sql seat
INSERT INTO panel_members AS known (round_id, person_id, seat, professions, for_funder, invited_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (round_id, person_id) DO UPDATE SET
    seat = excluded.seat, professions = excluded.professions, for_funder = excluded.for_funder,
    invited_at = excluded.invited_at, takes_part = NULL, answered_at = NULL, left_at = NULL,
    version = known.version + 1
WHERE known.left_at IS NOT NULL
RETURNING version;

-- statement: panel.sql write_case
UPDATE cases SET words = $1, papers = $2, version = version + 1, changed_at = $3
WHERE application_id = $4;

-- statement: queries.sql claim_import
SELECT pg_try_advisory_xact_lock(7204201);

-- statement: queries.sql counts
SELECT area, profession, count, counted_on, version FROM registration_counts
WHERE count > 0 ORDER BY area, profession;

-- statement: queries.sql counts_after
SELECT area, profession, count, counted_on, version, (area || '/' || profession) COLLATE "C" AS subject
FROM registration_counts
WHERE (area || '/' || profession) COLLATE "C" > $1
ORDER BY subject LIMIT $2;

-- statement: queries.sql forget_organisations
UPDATE organisations SET epoch = 0, version = 0;

-- statement: queries.sql letter_languages
SELECT languages FROM letter_languages;

-- statement: queries.sql lock_counts
SELECT pg_advisory_xact_lock(7204201);

-- statement: queries.sql recount
INSERT INTO registration_counts AS told (area, profession, count, counted_on, version)
SELECT area, profession, coalesce(present.count, 0), $1, 1
FROM (SELECT area, profession, count(*) AS count FROM registrations GROUP BY area, profession) AS present
FULL JOIN registration_counts AS before USING (area, profession)
WHERE coalesce(present.count, 0) IS DISTINCT FROM before.count
ORDER BY area, profession
ON CONFLICT (area, profession) DO UPDATE SET
    count = excluded.count, counted_on = excluded.counted_on, version = told.version + 1
RETURNING area, profession, count, counted_on, version;

-- statement: queries.sql register
WITH given AS (
    SELECT * FROM unnest(
        $1::uuid[], $2::bytea[], $3::text[], $4::text[], $5::text[],
        $6::text[], $7::text[], $8::date[]
    ) AS given (id, person, profession, area, country, exam_stage, lawful_basis, registered_on)
), written AS (
    INSERT INTO registrations AS known (
        id, person, profession, area, country, exam_stage, lawful_basis, registered_on, recorded_at, changed_at
    )
    SELECT id, person, profession, area, country, exam_stage, lawful_basis, registered_on, $9, $9 FROM given
    ON CONFLICT (person) DO UPDATE SET
        profession = excluded.profession, area = excluded.area, country = excluded.country,
        exam_stage = excluded.exam_stage, lawful_basis = excluded.lawful_basis,
        registered_on = excluded.registered_on, version = known.version + 1, changed_at = excluded.changed_at
    WHERE (known.profession, known.area, known.country, known.exam_stage, known.lawful_basis, known.registered_on)
        IS DISTINCT FROM (excluded.profession, excluded.area, excluded.country, excluded.exam_stage,
            excluded.lawful_basis, excluded.registered_on)
    RETURNING known.version
)
SELECT count(*) FILTER (WHERE version = 1) AS new, count(*) FILTER (WHERE version > 1) AS changed FROM written;

-- statement: queries.sql remember_languages
UPDATE letter_languages SET epoch = $1, version = $2, languages = $3::text[]
WHERE (epoch, version) < ($1, $2);

-- statement: queries.sql remember_organisations
INSERT INTO organisations AS known (id, name, closed_on, merged_into, epoch, version)
SELECT organisation_id, name, closed_on, merged_into, epoch, version
FROM jsonb_to_recordset($1) AS new (
    organisation_id uuid, name text, closed_on date, merged_into uuid, epoch integer, version bigint
)
ON CONFLICT (id) DO UPDATE SET
    name = excluded.name, closed_on = excluded.closed_on, merged_into = excluded.merged_into, epoch = excluded.epoch,
    version = excluded.version
WHERE (known.epoch, known.version) < (excluded.epoch, excluded.version);

-- statement: queries.sql totals
SELECT coalesce(sum(count), 0)::bigint AS registrations, count(DISTINCT area) AS areas
FROM registration_counts WHERE count > 0;

-- statement: registrations.sql amend_registration
UPDATE registrations SET
    person = $1, email = $2, address = $3, notice_version = $4, profession = $5,
    area = $6, country = $7, exam_stage = $8, lawful_basis = $9, version = version + 1,
    changed_at = $10
WHERE id = $11;

-- statement: registrations.sql asked_since
SELECT (SELECT count(*) FROM registration_askings WHERE email = $1 AND asked_at > $2) AS to_one,
    (SELECT count(*) FROM registration_askings WHERE asked_at > $3) AS to_all;

-- statement: registrations.sql asking_by_token
SELECT a.id, a.asked_at, a.registration_id, a.email, a.reference, a.address, a.notice_version,
    coalesce(r.profession, a.profession) AS profession, coalesce(r.area, a.area) AS area,
    coalesce(r.country, a.country) AS country, coalesce(r.exam_stage, a.exam_stage) AS exam_stage,
    r.registered_on, r.changed_at,
    CASE WHEN r.id IS NULL THEN a.purposes ELSE ARRAY (
        SELECT p.purpose FROM registration_purposes AS p
        WHERE p.registration_id = r.id AND p.withdrawn_at IS NULL ORDER BY p.id
    ) END AS purposes
FROM registration_askings AS a LEFT JOIN registrations AS r ON r.id = a.registration_id
WHERE a.token_digest = $1;

-- statement: registrations.sql askings_held
SELECT profession, area, country, exam_stage, purposes, notice_version, asked_at FROM registration_askings
WHERE email = ANY($1::bytea[]) AND registration_id IS NULL ORDER BY asked_at, id;

-- statement: registrations.sql countries
SELECT DISTINCT country FROM registrations ORDER BY country;

-- statement: registrations.sql crossed
SELECT row_code, column_code, count(*) AS count FROM (
    SELECT CASE $1::text WHEN 'area' THEN area WHEN 'profession' THEN profession WHEN 'country' THEN country
            ELSE exam_stage END AS row_code,
        CASE $2::text WHEN 'area' THEN area WHEN 'profession' THEN profession WHEN 'country' THEN country
            ELSE exam_stage END AS column_code
    FROM registrations
    WHERE ($3::text IS NULL OR area = $3::text)
        AND ($4::text IS NULL OR profession = $4::text)
        AND ($5::text IS NULL OR country = $5::text)
        AND ($6::text IS NULL OR exam_stage = $6::text)
) AS people
GROUP BY row_code, column_code;

-- statement: registrations.sql enter_asking
INSERT INTO registration_askings (
    id, token_digest, email, asked_at, reference, profession, area, country, exam_stage, purposes, address,
    notice_version
) VALUES (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
    $12
);

-- statement: registrations.sql enter_registration
INSERT INTO registrations (
    id, person, email, address, notice_version, profession, area, country, exam_stage, lawful_basis, registered_on,
    recorded_at, changed_at
) VALUES (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
    $12, $12
);

-- statement: registrations.sql forget_askings
DELETE FROM registration_askings WHERE email = ANY($1::bytea[]) RETURNING id, registration_id;

-- statement: registrations.sql forget_registration
DELETE FROM registrations WHERE id = $1;

-- statement: registrations.sql forget_registrations
WITH forgotten AS (
    DELETE FROM registrations WHERE person = ANY($1::bytea[]) OR email = ANY($1::bytea[]) RETURNING 1
)
SELECT count(*) FROM forgotten;

-- statement: registrations.sql give_purposes
INSERT INTO registration_purposes (registration_id, purpose, lawful_basis, notice_version, given_at)
SELECT $1, purpose, lawful_basis, $2, $3
FROM unnest($4::text[], $5::text[]) AS given (purpose, lawful_basis)
ON CONFLICT (registration_id, purpose) WHERE withdrawn_at IS NULL DO NOTHING;

-- statement: registrations.sql lock_askings
SELECT pg_advisory_xact_lock(7204202);

-- statement: registrations.sql purge_askings
WITH old AS (
    SELECT id FROM registration_askings WHERE asked_at < $1 AND registration_id IS NULL
    ORDER BY asked_at, id LIMIT $2 FOR UPDATE SKIP LOCKED
), forgotten AS (
    DELETE FROM registration_askings AS a USING old WHERE a.id = old.id RETURNING 1
)
SELECT count(*) FROM forgotten;

-- statement: registrations.sql purge_registrations
WITH old AS (
    SELECT id FROM registrations WHERE changed_at < $1 ORDER BY changed_at, id LIMIT $2
    FOR UPDATE SKIP LOCKED
), forgotten AS (
    DELETE FROM registrations AS r USING old WHERE r.id = old.id RETURNING 1
)
SELECT count(*) FROM forgotten;

-- statement: registrations.sql registration_of_address
SELECT id, person FROM registrations WHERE email = $1 OR person = $1
ORDER BY email IS NULL LIMIT 1 FOR UPDATE;

-- statement: registrations.sql registration_to_claim
SELECT id, person FROM registrations
WHERE person = $1 AND email IS NULL AND profession = $2 AND area = $3 AND country = $4
FOR UPDATE;

-- statement: registrations.sql registrations_held
SELECT r.profession, r.area, r.country, r.exam_stage, r.lawful_basis AS lawful_basis_of_counting, r.notice_version,
    r.email IS NOT NULL AS address_confirmed, r.address IS NOT NULL AS address_kept_sealed, r.registered_on,
    r.recorded_at, r.changed_at, coalesce((
        SELECT jsonb_agg(jsonb_build_object(
            'purpose', p.purpose, 'lawful basis', p.lawful_basis, 'privacy notice', p.notice_version,
            'given at', p.given_at, 'withdrawn at', p.withdrawn_at) ORDER BY p.id)
        FROM registration_purposes AS p WHERE p.registration_id = r.id
    ), '[]'::jsonb) AS purposes
FROM registrations AS r
WHERE r.person = ANY($1::bytea[]) OR r.email = ANY($1::bytea[]) ORDER BY r.registered_on, r.id;

-- statement: registrations.sql settle_asking
UPDATE registration_askings SET
    registration_id = $1, reference = NULL, profession = NULL, area = NULL, country = NULL,
    exam_stage = NULL, purposes = NULL, address = NULL, notice_version = NULL
WHERE id = $2;

-- statement: registrations.sql withdraw_purposes
UPDATE registration_purposes SET withdrawn_at = $1
WHERE registration_id = $2 AND withdrawn_at IS NULL AND purpose <> ALL ($3::text[]);

-- statement: rounds.sql add_criterion
INSERT INTO criteria (id, round_id, number, name, weight, words)
SELECT $1, $2, coalesce(max(number), 0) + 1, $3, $4, $5 FROM criteria WHERE round_id = $2;

-- statement: rounds.sql amend_criterion
UPDATE criteria SET name = $1, weight = $2, words = $3, version = version + 1 WHERE id = $4;

-- statement: rounds.sql amend_round
UPDATE rounds SET fund_id = $1, name = $2, opens_on = $3, closes_on = $4, meets_on = $5,
    most_pence = $6, professions = $7, purposes = $8, eligibility = $9,
    quorum = $10, needs_peer = $11, needs_funder = $12, help_name = $13,
    help_telephone = $14, version = version + 1, changed_at = $15
WHERE id = $16;

-- statement: rounds.sql begin_round
INSERT INTO rounds (
    id, fund_id, name, opens_on, closes_on, meets_on, most_pence, professions, purposes, eligibility, quorum, needs_peer,
    needs_funder, help_name, help_telephone, changed_at
) VALUES (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
    $12, $13, $14, $15, $16
);

-- statement: rounds.sql criteria_of
SELECT id, round_id, number, name, weight, words, version FROM criteria WHERE round_id = $1 ORDER BY number;

-- statement: rounds.sql criterion_by_id
SELECT id, round_id, number, name, weight, words, version FROM criteria WHERE id = $1;

-- statement: rounds.sql lock_round
SELECT id, fund_id, name, state, opens_on, closes_on, meets_on, most_pence, professions, purposes, eligibility, quorum,
       needs_peer, needs_funder, help_name, help_telephone, opened_at, closed_at, version
FROM rounds WHERE id = $1 FOR UPDATE;

-- statement: rounds.sql remove_criterion
DELETE FROM criteria WHERE id = $1;

-- statement: rounds.sql round_by_id
SELECT id, fund_id, name, state, opens_on, closes_on, meets_on, most_pence, professions, purposes, eligibility, quorum,
       needs_peer, needs_funder, help_name, help_telephone, opened_at, closed_at, version
FROM rounds WHERE id = $1;

-- statement: rounds.sql rounds_listed
SELECT rounds.id, rounds.fund_id, funds.name AS fund, rounds.name, state, opens_on, closes_on, meets_on, most_pence
FROM rounds JOIN funds ON funds.id = fund_id ORDER BY closes_on DESC NULLS FIRST, rounds.id DESC LIMIT $1;

-- statement: rounds.sql rounds_of
SELECT rounds.id, fund_id, name, state, opens_on, closes_on, meets_on, most_pence
FROM rounds WHERE fund_id = $1 ORDER BY closes_on DESC NULLS FIRST, id DESC LIMIT $2;

-- statement: rounds.sql rounds_under_way
SELECT count(*) FROM rounds WHERE fund_id = $1 AND state IN ('open', 'closed');

-- statement: rounds.sql rounds_waiting
SELECT rounds.id, rounds.name, state, opens_on, closes_on, meets_on, meetings.id AS meeting_id,
       EXISTS (SELECT FROM meetings WHERE round_id = rounds.id) AND NOT EXISTS (
           SELECT FROM applications WHERE round_id = rounds.id AND (
               state IN ('submitted', 'returned', 'eligible')
               OR state IN ('under_review', 'deferred')
                   AND NOT EXISTS (SELECT FROM decisions WHERE application_id = applications.id)
           )
       ) AS all_decided
FROM rounds LEFT JOIN meetings ON meetings.round_id = rounds.id AND ended_at IS NULL
WHERE state IN ('draft', 'open', 'closed', 'decided') ORDER BY coalesce(closes_on, 'infinity'), rounds.id LIMIT $1;

-- statement: rounds.sql set_state
UPDATE rounds SET state = $1, version = version + 1, changed_at = $2,
    opened_at = CASE $1 WHEN 'open' THEN $2 ELSE opened_at END,
    closed_at = CASE $1 WHEN 'closed' THEN $2 ELSE closed_at END
WHERE id = $3 RETURNING version;

-- statement: rounds.sql touch_round
UPDATE rounds SET version = version + 1, changed_at = $1 WHERE id = $2 RETURNING version;

-- statement: served.sql attendance_held
SELECT rounds.name AS round, begun_at, arrived_at, left_at
FROM attendance JOIN meetings ON meetings.id = meeting_id JOIN rounds ON rounds.id = round_id
WHERE person_id = ANY($1::uuid[]) ORDER BY arrived_at, meetings.id;

-- statement: served.sql decisions_held
SELECT rounds.name AS round, label AS case, decided_at, decided_by = ANY($1::uuid[]) AS recorded,
       rounds.state = 'published' AND present && $1::uuid[] AS counted,
       rounds.state = 'published' AND stepped_out && $1::uuid[] AS stepped_out,
       rounds.state = 'published' AND acquainted && $1::uuid[] AS acquainted
FROM decisions
JOIN meetings ON meetings.id = meeting_id
JOIN rounds ON rounds.id = round_id
JOIN cases ON cases.application_id = decisions.application_id
WHERE decided_by = ANY($1::uuid[]) OR (
    rounds.state = 'published' AND $1::uuid[] && (present || stepped_out || acquainted)
)
ORDER BY decided_at, decisions.id;

-- statement: served.sql drop_unsent_reviews
DELETE FROM reviews WHERE submitted_at IS NULL AND person_id = ANY($1::uuid[]);

-- statement: served.sql end_seats
UPDATE panel_members SET left_at = $1, version = panel_members.version + 1
FROM rounds WHERE rounds.id = round_id AND rounds.state <> 'published' AND left_at IS NULL
    AND person_id = ANY($2::uuid[]);

-- statement: served.sql forget_comments_by
WITH forgotten AS (
    UPDATE reviews SET comment = '', version = version + 1
    WHERE comment <> '' AND person_id = ANY($1::uuid[]) RETURNING 1
)
SELECT count(*) FROM forgotten;

-- statement: served.sql forget_comments_on
UPDATE reviews SET comment = '', version = version + 1
WHERE comment <> '' AND application_id = ANY($1::uuid[]);

-- statement: served.sql have_served
SELECT EXISTS (SELECT FROM panel_members WHERE person_id = ANY($1::uuid[]))
    OR EXISTS (SELECT FROM decisions WHERE decided_by = ANY($1::uuid[]));

-- statement: served.sql reviews_held
SELECT rounds.name AS round, label AS case, comment, reviews.submitted_at, (
    SELECT jsonb_object_agg(criteria.name, score) FROM scores JOIN criteria ON criteria.id = criterion_id
    WHERE scores.application_id = reviews.application_id AND scores.person_id = reviews.person_id
) AS scores
FROM reviews
JOIN applications ON applications.id = reviews.application_id
JOIN rounds ON rounds.id = round_id
JOIN cases ON cases.application_id = applications.id
WHERE person_id = ANY($1::uuid[]) ORDER BY rounds.name, label, person_id;

-- statement: served.sql seats_held
SELECT rounds.name AS round, seat, panel_members.professions, for_funder, invited_at, takes_part, answered_at, left_at
FROM panel_members JOIN rounds ON rounds.id = round_id
WHERE person_id = ANY($1::uuid[]) ORDER BY invited_at, rounds.id;

-- statement: show.sql applications_of_period
SELECT coalesce(profession, '') AS profession, coalesce(purpose, '') AS purpose,
       CASE WHEN awards.application_id IS NOT NULL THEN 'awarded'
            WHEN applications.state IN ('declined', 'ineligible') THEN 'declined'
            ELSE 'open' END AS fate,
       count(*) AS count, coalesce(sum(awards.amount_pence), 0)::bigint AS awarded_pence
FROM applications
JOIN rounds ON rounds.id = applications.round_id
LEFT JOIN awards ON awards.application_id = applications.id
WHERE rounds.fund_id = $1 AND applications.state <> 'draft'
    AND submitted_at >= $2 AND submitted_at < $3
GROUP BY 1, 2, 3;

-- statement: show.sql awarded_of_period
SELECT coalesce(sum(awards.amount_pence), 0)::bigint AS awarded_pence,
       coalesce(sum(commitments.committed_pence - commitments.released_pence - commitments.paid_pence), 0)::bigint
           AS open_pence,
       coalesce(sum(commitments.paid_pence - commitments.returned_pence), 0)::bigint AS spent_pence
FROM awards LEFT JOIN commitments ON commitments.award_id = awards.application_id
WHERE awards.fund_id = $1 AND offered_at >= $2 AND offered_at < $3;

-- statement: show.sql conflicts_of_period
SELECT count(*) FROM conflicts
JOIN applications ON applications.id = conflicts.application_id
JOIN rounds ON rounds.id = applications.round_id
WHERE rounds.fund_id = $1 AND settled_at >= $2 AND settled_at < $3;

-- statement: show.sql figures_heard
SELECT (SELECT count(*) FROM organisations WHERE merged_into IS NULL AND (closed_on IS NULL OR closed_on > $1))
           AS partners,
       letters.asked, letters.answered, letters.letters_at, results.outcomes_met, results.referrals_closed,
       results.results_at
FROM (
    SELECT count(DISTINCT coalesce(bodies.shown_id, organisation_id)) FILTER (WHERE asked) AS asked,
           count(DISTINCT coalesce(bodies.shown_id, organisation_id)) FILTER (WHERE asked AND answered) AS answered,
           max(heard_at) FILTER (WHERE asked) AS letters_at
    FROM letters_heard LEFT JOIN bodies ON bodies.id = organisation_id
) AS letters, (
    SELECT count(*) FILTER (WHERE kind = 'outcome_met' AND counts) AS outcomes_met,
           count(*) FILTER (WHERE kind = 'referral_closed' AND counts) AS referrals_closed,
           max(heard_at) AS results_at
    FROM results_heard
) AS results;

-- statement: show.sql figures_kept
SELECT (SELECT coalesce(sum(amount_pence - written_back_pence), 0)::bigint FROM pledges) AS pledged_pence,
       (SELECT coalesce(sum(received_pence - refunded_pence), 0)::bigint FROM fund_balances) AS received_pence,
       count(*) FILTER (WHERE applications.state NOT IN ('draft', 'withdrawn', 'lapsed') OR awards.application_id IS NOT NULL)
           AS applied,
       count(awards.application_id) AS awarded,
       count(*) FILTER (WHERE awards.amount_pence < applications.amount_pence) AS awarded_in_part,
       coalesce(sum(awards.amount_pence), 0)::bigint AS awarded_pence,
       count(*) FILTER (WHERE awards.application_id IS NOT NULL AND paid_pence > returned_pence) AS paid,
       coalesce(sum(paid_pence - returned_pence) FILTER (WHERE awards.application_id IS NOT NULL), 0)::bigint AS paid_pence,
       count(*) FILTER (WHERE result = 'passed') AS passed, count(*) FILTER (WHERE in_post) AS in_post
FROM applications
JOIN rounds ON rounds.id = applications.round_id AND rounds.state = 'published'
LEFT JOIN awards ON awards.application_id = applications.id
LEFT JOIN commitments ON commitments.award_id = applications.id
LEFT JOIN outcomes ON outcomes.application_id = applications.id;

-- statement: show.sql hear_of_letter
INSERT INTO letters_heard AS known (letter_id, organisation_id, asked, answered, heard_at)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (letter_id) DO UPDATE SET asked = known.asked OR excluded.asked,
    answered = known.answered OR excluded.answered, heard_at = excluded.heard_at;

-- statement: show.sql hear_of_result
INSERT INTO results_heard AS known (kind, id, counts, epoch, version, heard_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (kind, id) DO UPDATE SET counts = excluded.counts, epoch = excluded.epoch, version = excluded.version,
    heard_at = excluded.heard_at
WHERE (known.epoch, known.version) < (excluded.epoch, excluded.version);

-- statement: show.sql money_of_period
SELECT coalesce(sum(amount_pence) FILTER (WHERE kind = 'received' AND happened_on >= $1), 0)::bigint AS received_pence,
       coalesce(sum(amount_pence) FILTER (WHERE kind = 'refunded' AND happened_on >= $1), 0)::bigint AS refunded_pence,
       coalesce(sum(amount_pence) FILTER (WHERE kind = 'paid' AND happened_on >= $1), 0)::bigint AS paid_pence,
       coalesce(sum(amount_pence) FILTER (WHERE kind = 'returned' AND happened_on >= $1), 0)::bigint AS returned_pence,
       coalesce(sum(CASE kind WHEN 'received' THEN amount_pence WHEN 'returned' THEN amount_pence
                              WHEN 'refunded' THEN -amount_pence WHEN 'paid' THEN -amount_pence END), 0)::bigint
           AS left_pence
FROM ledger WHERE fund_id = $2 AND happened_on <= $3;

-- statement: show.sql outcomes_of_period
SELECT count(*) FILTER (WHERE heard AND result = 'passed') AS passed,
       count(*) FILTER (WHERE heard AND result = 'not_passed') AS not_passed,
       count(*) FILTER (WHERE heard AND result = 'not_sat') AS not_sat,
       count(*) FILTER (WHERE in_post AND in_post_at >= $1 AND in_post_at < $2) AS in_post
FROM (
    SELECT result, in_post, in_post_at, said_at >= $1 AND said_at < $2 AS heard
    FROM outcomes JOIN awards USING (application_id) WHERE awards.fund_id = $3
) AS outcomes;

-- statement: show.sql published_grants
WITH given AS (
    SELECT rounds.id AS round_id, rounds.name AS round, funds.name AS fund, awards.published_as, awards.amount_pence,
           awards.offered_at, applications.purpose, count(*) OVER (PARTITION BY rounds.id) AS of_round
    FROM awards
    JOIN applications ON applications.id = awards.application_id
    JOIN rounds ON rounds.id = applications.round_id
    JOIN funds ON funds.id = awards.fund_id
    JOIN commitments ON commitments.award_id = awards.application_id
    WHERE rounds.state = 'published' AND awards.accepted_at IS NOT NULL
        AND applications.state IN ('accepted', 'paid', 'reported')
        AND commitments.committed_pence - commitments.released_pence - commitments.returned_pence > 0
)
SELECT round_id, round, fund, published_as, amount_pence, offered_at, purpose FROM given
WHERE of_round >= $1 ORDER BY published_as;

-- statement: show.sql published_last
SELECT max(greatest(awards.offered_at, awards.accepted_at, entered.recorded_at))
FROM awards
JOIN applications ON applications.id = awards.application_id
JOIN rounds ON rounds.id = applications.round_id
LEFT JOIN LATERAL (
    SELECT max(ledger.recorded_at) AS recorded_at FROM ledger WHERE ledger.award_id = awards.application_id
) AS entered ON true
WHERE rounds.state = 'published';
