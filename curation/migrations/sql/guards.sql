-- History cannot be rewritten, by any code path. The one way round is the named erasure, which sets curation.erase for
-- its own transaction only.
CREATE FUNCTION curation_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('curation.erase', true) = 'on' THEN
        RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    RAISE EXCEPTION '% rows are never changed or deleted', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;

-- What was captured stays: the prompt, its place and its side of the split for life, and the answer once there is one.
CREATE FUNCTION curation_guard_exchange() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('curation.erase', true) = 'on' THEN
        RETURN NEW;
    END IF;
    IF NEW.project_id <> OLD.project_id OR NEW.context_digest <> OLD.context_digest OR NEW.split <> OLD.split
        OR NEW.user_prompt::text <> OLD.user_prompt::text OR NEW.messages IS DISTINCT FROM OLD.messages
        OR (OLD.response IS NOT NULL AND NEW.response IS DISTINCT FROM OLD.response)
    THEN
        RAISE EXCEPTION 'what was captured in exchange % is never changed', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER guard BEFORE UPDATE OF project_id, context_digest, split, user_prompt, messages, response
    ON curation_exchange FOR EACH ROW EXECUTE FUNCTION curation_guard_exchange();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON curation_loggedcall
    FOR EACH ROW EXECUTE FUNCTION curation_refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON curation_review
    FOR EACH ROW EXECUTE FUNCTION curation_refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON curation_datasetversion
    FOR EACH ROW EXECUTE FUNCTION curation_refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON curation_example
    FOR EACH ROW EXECUTE FUNCTION curation_refuse_change();

-- The gateway keeps keys and routes in memory; it hears of each change when the change is committed.
CREATE FUNCTION curation_announce_routing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('curation_routing', TG_TABLE_NAME);
    RETURN NULL;
END $$;

CREATE TRIGGER announce AFTER INSERT OR DELETE OR UPDATE OF revoked_at, digest, project_id ON curation_apikey
    FOR EACH STATEMENT EXECUTE FUNCTION curation_announce_routing();
CREATE TRIGGER announce AFTER INSERT OR UPDATE OR DELETE ON curation_provider
    FOR EACH STATEMENT EXECUTE FUNCTION curation_announce_routing();
CREATE TRIGGER announce AFTER INSERT OR UPDATE OR DELETE ON curation_modelalias
    FOR EACH STATEMENT EXECUTE FUNCTION curation_announce_routing();
CREATE TRIGGER announce AFTER INSERT OR UPDATE OR DELETE ON curation_project
    FOR EACH STATEMENT EXECUTE FUNCTION curation_announce_routing();
