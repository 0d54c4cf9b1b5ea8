DROP TRIGGER announce ON curation_apikey;
CREATE TRIGGER announce AFTER INSERT OR DELETE OR UPDATE OF revoked_at, digest, project_id ON curation_apikey
    FOR EACH STATEMENT EXECUTE FUNCTION curation_announce_routing();
DROP TRIGGER refuse_change ON curation_feedback;
