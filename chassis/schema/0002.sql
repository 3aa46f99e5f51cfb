-- The newest version of each person that this service has heard of. A session token carries the version that
-- it was made at, and an older one is no longer good.

CREATE TABLE standings (
    person_id uuid PRIMARY KEY,
    epoch     integer NOT NULL,
    version   bigint NOT NULL
);
