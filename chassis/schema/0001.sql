-- What the chassis keeps in every service's database. Never edited: a change is 0002.sql.

CREATE TABLE outbox (
    id           uuid PRIMARY KEY,
    type         text NOT NULL,
    subject      text NOT NULL,
    body         bytea NOT NULL,
    -- Someone must hear of it: unroutable is then a failure, not an end.
    expected     boolean NOT NULL,
    recorded_at  timestamptz NOT NULL,
    next_try     timestamptz NOT NULL,
    attempts     integer NOT NULL DEFAULT 0,
    last_failure text,
    published_at timestamptz
);
CREATE INDEX outbox_due ON outbox (next_try, recorded_at) WHERE published_at IS NULL;
CREATE INDEX outbox_published ON outbox (published_at) WHERE published_at IS NOT NULL;

CREATE TABLE inbox (
    id         uuid PRIMARY KEY,
    digest     bytea NOT NULL,
    type       text NOT NULL,
    outcome    text NOT NULL CHECK (outcome IN ('handled', 'ignored', 'parked', 'discarded')),
    handled_at timestamptz NOT NULL
);
CREATE INDEX inbox_handled_at ON inbox (handled_at);

CREATE TABLE parked (
    id           uuid PRIMARY KEY,
    type         text NOT NULL,
    subject      text NOT NULL,
    body         bytea NOT NULL,
    content_type text NOT NULL,
    reason       text NOT NULL,
    failure      text NOT NULL,
    attempts     integer NOT NULL,
    parked_at    timestamptz NOT NULL,
    -- NULL: waits for a person.
    next_try     timestamptz
);
CREATE INDEX parked_due ON parked (next_try) WHERE next_try IS NOT NULL;

-- Goes up when this database was restored from a backup, so that what is said afterwards beats what
-- copies have heard from the lost time.
CREATE TABLE epoch (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    value    integer NOT NULL
);
INSERT INTO epoch (value) VALUES (1);

-- Answers already given to a POST, by the key in its form or its Idempotency-Key header.
CREATE TABLE idempotency (
    key        text PRIMARY KEY,
    digest     bytea NOT NULL,
    status     integer NOT NULL,
    location   text,
    body       bytea NOT NULL,
    media_type text,
    given_at   timestamptz NOT NULL
);
CREATE INDEX idempotency_given_at ON idempotency (given_at);
