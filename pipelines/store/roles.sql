-- Three roles, and what each may do in the schema of this connection. Run by `heatmap db roles` as the owner of the tables
-- (who may also make roles); may be run again at any time, and must be after a restore into another step.
--
-- et_owner  owns the tables: makes and changes them, prunes, restores. Whoever runs this becomes a member of it.
-- et_app    what a server runs as: reads and writes rows; makes no tables, truncates none. What was fetched (poll) and what
--           people changed (audit) it can only add to.
-- et_read   reads, for other tools; 5 s a question.
--
-- No role has a password: ALTER ROLE et_app PASSWORD '...' (psql: \password et_app).
DO $$
DECLARE
    name text;
    place text := current_schema();
    only_added_to text[] := ARRAY['audit', 'poll'];
BEGIN
    FOREACH name IN ARRAY ARRAY['et_owner', 'et_app', 'et_read'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', name);
        END IF;
    END LOOP;
    EXECUTE format('GRANT et_owner TO %I', current_user);
    ALTER ROLE et_read SET default_transaction_read_only = on;
    ALTER ROLE et_read SET statement_timeout = '5s';

    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO et_owner, et_app', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO et_read', current_database());
    EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO et_owner', place);
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO et_app, et_read', place);
    EXECUTE format('GRANT CREATE ON DATABASE %I TO et_owner', current_database());
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = place LOOP
        EXECUTE format('ALTER TABLE %I.%I OWNER TO et_owner', place, name);
    END LOOP;
    EXECUTE format('ALTER SCHEMA %I OWNER TO et_owner', place);

    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM et_app, et_read, PUBLIC', place);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %I TO et_app', place);
    EXECUTE format('GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA %I TO et_app', place);
    EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO et_read', place);
    FOREACH name IN ARRAY only_added_to LOOP
        EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON %I.%I FROM et_app', place, name);
    END LOOP;
    EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON %I.alembic_version FROM et_app', place);
    -- tables that a later step makes
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE et_owner IN SCHEMA %I GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO et_app', place);
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE et_owner IN SCHEMA %I GRANT USAGE, SELECT ON SEQUENCES TO et_app', place);
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE et_owner IN SCHEMA %I GRANT SELECT ON TABLES TO et_read', place);
END
$$;
