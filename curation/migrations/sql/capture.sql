CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON curation_feedback
    FOR EACH ROW EXECUTE FUNCTION curation_refuse_change();

-- What a key is good for concerns the gateway too; `last_used_at` still does not.
DROP TRIGGER announce ON curation_apikey;
CREATE TRIGGER announce
    AFTER INSERT OR DELETE OR UPDATE OF revoked_at, digest, project_id, scopes, requests_per_minute ON curation_apikey
    FOR EACH STATEMENT EXECUTE FUNCTION curation_announce_routing();
