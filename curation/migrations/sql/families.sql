-- The family of a new prompt, by the numbers of its sketch: the one it shares a number with, or a new one that begins on
-- `side`. Near to several it makes them one: the held-out one goes on, since nothing that was held out may ever be
-- trained on. A family that has grown large is no question asked in other words but a template; from then on only texts
-- that are the same word for word join it. The caller is the project's only writer.
CREATE FUNCTION curation_join_family(project bigint, keys bigint[], side text) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    near bigint[];
    home bigint;
BEGIN
    SELECT array_agg(root.id ORDER BY root.split = 'test' DESC, root.id) INTO near
    FROM (
        SELECT COALESCE(f.merged_into_id, f.id) AS id, count(*) AS shared
        FROM curation_familykey k JOIN curation_family f ON f.id = k.family_id
        WHERE k.project_id = project AND k.key = ANY (keys)
        GROUP BY 1
    ) AS found JOIN curation_family root ON root.id = found.id
    WHERE root.member_count < 20 OR found.shared = cardinality(keys);

    IF near IS NULL THEN
        INSERT INTO curation_family (project_id, split, member_count) VALUES (project, side, 1) RETURNING id INTO home;
    ELSE
        home := near[1];
        UPDATE curation_family SET member_count = 1 + (
            SELECT sum(member_count) FROM curation_family WHERE id = ANY (near)
        ) WHERE id = home;
        UPDATE curation_family SET merged_into_id = home
        WHERE cardinality(near) > 1 AND (id = ANY (near[2:]) OR merged_into_id = ANY (near[2:]));
    END IF;
    INSERT INTO curation_familykey (project_id, key, family_id)
    SELECT project, key, home FROM unnest(keys) AS key ORDER BY key
    ON CONFLICT DO NOTHING;
    RETURN home;
END $$;

CREATE INDEX family_merged ON curation_family (merged_into_id) WHERE merged_into_id IS NOT NULL;

CREATE FUNCTION curation_guard_family() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the side of family % is never changed', OLD.id USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER guard BEFORE UPDATE ON curation_family
    FOR EACH ROW WHEN (NEW.split <> OLD.split OR NEW.project_id <> OLD.project_id)
    EXECUTE FUNCTION curation_guard_family();

CREATE TRIGGER guard_family BEFORE UPDATE OF family_id ON curation_exchange
    FOR EACH ROW WHEN (OLD.family_id IS NOT NULL AND NEW.family_id IS DISTINCT FROM OLD.family_id)
    EXECUTE FUNCTION curation_guard_family();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON curation_versionfinding
    FOR EACH ROW EXECUTE FUNCTION curation_refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON curation_waiver
    FOR EACH ROW EXECUTE FUNCTION curation_refuse_change();
