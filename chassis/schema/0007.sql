-- Files that people gave us, in parts: neither taking one in nor giving it out needs memory for the whole.

CREATE TABLE files (
    id          uuid PRIMARY KEY,
    name        text NOT NULL,
    media_type  text NOT NULL,
    size        bigint NOT NULL,
    -- SHA-256 of the whole.
    digest      bytea NOT NULL,
    received_at timestamptz NOT NULL
);

CREATE TABLE file_parts (
    file_id uuid NOT NULL REFERENCES files ON DELETE CASCADE,
    number  integer NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (file_id, number)
);
