-- The indexes of the search move from the rows to a copy of their words. Building them takes longer than a page may.
SET LOCAL statement_timeout = 0;

DROP INDEX exchange_words;
DROP INDEX exchange_letters;

-- Taking a text to pieces is what a search that walks through rows spends its time on, and the planner has to know that:
-- as SQL the function was merged into the query, and its cost lost. Nor may it share the walk out among processes: for
-- words that only old rows hold, it then takes seconds for what the indexes find in a tenth of one.
CREATE OR REPLACE FUNCTION curation_words(prompt text, answer text) RETURNS tsvector
    LANGUAGE plpgsql IMMUTABLE PARALLEL UNSAFE COST 2000
    AS $$
BEGIN
    RETURN to_tsvector('simple', left(prompt, 20000) || E'\n' || left(COALESCE(answer, ''), 20000));
END $$;
ALTER FUNCTION curation_letters(text, text) PARALLEL UNSAFE;

INSERT INTO curation_searchtext (exchange_id, project_id, prompt, answer)
SELECT id, project_id, left(user_prompt::text, 20000), left(COALESCE(target, response, ''), 20000) FROM curation_exchange;
SET CONSTRAINTS ALL IMMEDIATE;

CREATE INDEX search_words ON curation_searchtext USING gin (project_id, curation_words(prompt, answer));
CREATE INDEX search_letters ON curation_searchtext USING gin (project_id, curation_letters(prompt, answer) gin_trgm_ops);

-- Whoever makes or changes a row: its words are due. New rows come by the batch, and cost a statement for all of them.
CREATE FUNCTION curation_new_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO curation_searchdue (exchange_id, project_id) SELECT id, project_id FROM made;
    RETURN NULL;
END $$;

-- DO UPDATE, though there is nothing to change: it locks a row that is on the list already. Whoever brings rows into the
-- search passes over it until these words are committed, and does not take it with the words before them.
CREATE FUNCTION curation_other_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO curation_searchdue (exchange_id, project_id) VALUES (NEW.id, NEW.project_id)
    ON CONFLICT (exchange_id) DO UPDATE SET project_id = EXCLUDED.project_id;
    RETURN NULL;
END $$;

CREATE TRIGGER new_words AFTER INSERT ON curation_exchange REFERENCING NEW TABLE AS made
    FOR EACH STATEMENT EXECUTE FUNCTION curation_new_words();
CREATE TRIGGER other_words AFTER UPDATE OF user_prompt, response, target ON curation_exchange FOR EACH ROW
    WHEN (
        NEW.user_prompt::text <> OLD.user_prompt::text
        OR COALESCE(NEW.target, NEW.response) IS DISTINCT FROM COALESCE(OLD.target, OLD.response)
    )
    EXECUTE FUNCTION curation_other_words();
