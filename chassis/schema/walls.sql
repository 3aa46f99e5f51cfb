-- What the role that a service runs as may do here: read and write rows, and no more. Run by the owner of the
-- tables after each migration, as often as one likes.
--
-- What is only added to stays so: a table whose changes a trigger refuses (refuse_to_change_...) is closed to
-- them as well, so that no mistake in a statement, and nobody with the role's password, gets as far as the
-- trigger.
DO $$
DECLARE
    runtime text := current_setting('conduit.runtime');
    name text;
    refused int;
BEGIN
    IF runtime = current_user OR NOT EXISTS (SELECT FROM pg_roles WHERE rolname = runtime) THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(7204012);  -- processes that start side by side do this one after the other
    REVOKE ALL ON SCHEMA public FROM PUBLIC;
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', runtime);
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA public FROM %I', runtime);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO %I', runtime);
    EXECUTE format('GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO %I', runtime);
    EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM %I', runtime);
    FOR name, refused IN
        SELECT tgrelid::regclass::text, bit_or(tgtype)::int FROM pg_trigger
        WHERE tgfoid::regproc::text LIKE 'refuse_to_change_%' GROUP BY tgrelid
    LOOP
        IF refused & 16 > 0 THEN
            EXECUTE format('REVOKE UPDATE ON %s FROM %I', name, runtime);
        END IF;
        IF refused & 8 > 0 THEN
            EXECUTE format('REVOKE DELETE ON %s FROM %I', name, runtime);
        END IF;
    END LOOP;
END $$;
