-- name: enter_backup!
-- A backup was made of everything; after a restore it may be known already.
INSERT INTO backups (name, made_at, size, seconds) VALUES (:name, :made_at, :size, :seconds)
ON CONFLICT (name) DO NOTHING;

-- name: newest_backup^
-- What is known of the newest backup.
SELECT name, made_at, size, seconds FROM backups ORDER BY made_at DESC LIMIT 1;

-- name: last_backup$
-- When the newest backup was made.
SELECT max(made_at) FROM backups;
