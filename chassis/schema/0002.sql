-- What this service has heard of people and of the programs that act for them.

-- The newest version of each person. A session token carries the version that it was made at, and an older one
-- is no longer good.
CREATE TABLE standings (
    person_id uuid PRIMARY KEY,
    epoch     integer NOT NULL,
    version   bigint NOT NULL,
    roles     text[] NOT NULL,
    barred    boolean NOT NULL
);

-- By which digest a program is known, and what it may do for as long as its person has the role.
CREATE TABLE tokens (
    token_id   uuid PRIMARY KEY,
    epoch      integer NOT NULL,
    version    bigint NOT NULL,
    person_id  uuid NOT NULL,
    digest     text NOT NULL,
    role       text NOT NULL,
    writes     boolean NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked    boolean NOT NULL
);
