-- When each service that others go by has said last that it lives: by the computers' own clocks, which nobody moves.
-- Replicas compete for what is sent, so that one of them hears for all.

CREATE TABLE signs_of_life (
    service text PRIMARY KEY,
    sent_at timestamptz NOT NULL
);
