-- name: newest_words
-- What a kind of message says at last in each of these languages.
SELECT DISTINCT ON (language) kind, language, version, whose, subject, body FROM notice_words
WHERE kind = :kind AND language = ANY(:languages::text[]) ORDER BY language, version DESC;

-- name: enter_words!
-- A next version; nothing when somebody else has entered that one.
INSERT INTO notice_words (kind, language, version, whose, subject, body, written_by, written_at)
VALUES (:kind, :language, :version, :whose, :subject, :body, :by, :now) ON CONFLICT DO NOTHING;

-- name: all_newest_words
-- What every kind of message says at last in every language, with who wrote it and when.
SELECT DISTINCT ON (kind, language) kind, language, version, whose, subject, body, written_by, written_at
FROM notice_words ORDER BY kind, language, version DESC;

-- name: last_used
-- When a message of each of these kinds was last written to somebody, as far as it is still known.
SELECT k.kind, (SELECT max(n.made_at) FROM notices n WHERE n.kind = k.kind) AS used_at
FROM unnest(:kinds::text[]) AS k (kind);

-- name: versions_of_words
-- The versions of what a kind of message says in one language, newest first, and how many were written with each.
SELECT w.version, w.whose, w.subject, w.body, w.written_by, w.written_at, coalesce(u.used, 0) AS used, u.used_at
FROM notice_words w LEFT JOIN (
    SELECT words, count(*) AS used, max(made_at) AS used_at FROM notices
    WHERE kind = :kind AND language = :language GROUP BY words
) AS u ON u.words = w.version
WHERE w.kind = :kind AND w.language = :language ORDER BY w.version DESC LIMIT :most;

-- name: lock_languages^
-- Let nobody else change words until this transaction ends.
SELECT version, languages FROM notice_languages FOR UPDATE;

-- name: languages_written
-- The languages in which staff have something said.
SELECT DISTINCT newest.language FROM (
    SELECT DISTINCT ON (kind, language) language, whose FROM notice_words ORDER BY kind, language, version DESC
) AS newest WHERE newest.whose = 'theirs' ORDER BY 1;

-- name: set_languages$
-- Note which these are. Their version; nothing when they are the same.
UPDATE notice_languages SET version = version + 1, languages = :languages::text[]
WHERE languages <> :languages::text[] RETURNING version;
