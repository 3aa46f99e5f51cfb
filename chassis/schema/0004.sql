-- People's rights: what goes by itself after its time, and sealed parts that are not needed any more.

-- When the sealed parts of a published event went.
ALTER TABLE outbox ADD COLUMN scrubbed_at timestamptz;

-- Nights on which what has had its time was scrubbed, so that of several replicas one does it.
CREATE TABLE nights (
    night date PRIMARY KEY,
    began_at timestamptz NOT NULL
);
