-- What people have done, one row for each act. Each carries the digest of itself and of the one before.

CREATE TABLE audit (
    number     bigint PRIMARY KEY CHECK (number > 0),
    at         timestamptz NOT NULL,
    -- Nothing when it was done at the computer itself, by a command.
    person_id  uuid,
    session_id uuid,
    source     text NOT NULL,
    action     text NOT NULL,
    kind       text NOT NULL,
    object     text NOT NULL,
    before     jsonb,
    after      jsonb,
    cause      text,
    digest     text NOT NULL UNIQUE
);
CREATE INDEX audit_person ON audit (person_id, number);
CREATE INDEX audit_object ON audit (object, number);

CREATE FUNCTION refuse_to_change_the_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is only added to';
END $$;

CREATE TRIGGER audit_is_only_added_to BEFORE UPDATE OR DELETE ON audit
FOR EACH ROW EXECUTE FUNCTION refuse_to_change_the_audit();
CREATE TRIGGER audit_is_never_emptied BEFORE TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_audit();

REVOKE UPDATE, DELETE, TRUNCATE ON audit FROM CURRENT_USER;
