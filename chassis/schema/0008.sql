-- How this service said last that it is, so that of several replicas one says it.

CREATE TABLE reports (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    number  bigint NOT NULL,
    told_at timestamptz NOT NULL,
    -- What is worth saying at once when it changes, as it was then.
    worth   text NOT NULL
);
INSERT INTO reports (number, told_at, worth) VALUES (0, '-infinity', '');

-- What became of requests about parked messages: said with the next report.
CREATE TABLE parked_settled (
    ask_id  uuid PRIMARY KEY,
    number  integer NOT NULL,
    done_at timestamptz NOT NULL
);
CREATE INDEX parked_settled_done_at ON parked_settled (done_at);
