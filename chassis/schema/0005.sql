-- How far the audit went when that was told to others: once a week, so that an end that is cut off later shows.

CREATE TABLE audit_heads (
    -- Its Monday, where the users are.
    week    date PRIMARY KEY,
    number  bigint NOT NULL,
    digest  text NOT NULL,
    told_at timestamptz NOT NULL
);
