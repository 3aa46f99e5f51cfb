-- name: remember_reports!
-- How services are. What is older than what is known changes nothing.
INSERT INTO service_reports AS known (service, epoch, version, reported_at, report)
SELECT service, epoch, version, reported_at, report
FROM jsonb_to_recordset(:states) AS new (
    service text, epoch integer, version bigint, reported_at timestamptz, report jsonb
)
ON CONFLICT (service) DO UPDATE
SET epoch = excluded.epoch, version = excluded.version, reported_at = excluded.reported_at, report = excluded.report
WHERE (known.epoch, known.version) < (excluded.epoch, excluded.version);

-- name: reports
-- How each service has said that it is.
SELECT service, version, reported_at, report FROM service_reports ORDER BY service;

-- name: report_of^
-- How one service has said that it is.
SELECT service, version, reported_at, report FROM service_reports WHERE service = :service;

-- name: settle_asks!
-- What came of requests, each once.
UPDATE parked_asks SET number = said.number, done_at = said.done_at
FROM jsonb_to_recordset(:settled) AS said (ask_id uuid, number integer, done_at timestamptz)
WHERE parked_asks.id = said.ask_id AND parked_asks.service = :service AND parked_asks.done_at IS NULL;

-- name: enter_ask$
-- Ask for something; nothing comes back when the same was asked and is not done yet.
INSERT INTO parked_asks (id, service, act, message_id, reason, asked_at)
VALUES (:id, :service, :act, :message_id, :reason, :now)
ON CONFLICT (service, act, coalesce(message_id::text, reason)) WHERE done_at IS NULL DO NOTHING RETURNING id;

-- name: asks_lately
-- What was asked, the newest first.
SELECT id, service, act, message_id, reason, asked_at, number, done_at FROM parked_asks
WHERE asked_at >= :since ORDER BY asked_at DESC, id LIMIT :most;

-- name: purge_asks!
-- Asked so long ago that the record of what people have done is enough.
DELETE FROM parked_asks WHERE asked_at < :before;
