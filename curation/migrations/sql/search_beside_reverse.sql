SET LOCAL statement_timeout = 0;
DROP TRIGGER other_words ON curation_exchange;
DROP TRIGGER new_words ON curation_exchange;
DROP FUNCTION curation_other_words();
DROP FUNCTION curation_new_words();
DROP INDEX search_letters;
DROP INDEX search_words;
CREATE OR REPLACE FUNCTION curation_words(prompt text, answer text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT to_tsvector('simple', left(prompt, 20000) || E'\n' || left(COALESCE(answer, ''), 20000)) $$;
ALTER FUNCTION curation_letters(text, text) PARALLEL SAFE;
CREATE INDEX exchange_words ON curation_exchange
    USING gin (project_id, curation_words(user_prompt::text, COALESCE(target, response)));
CREATE INDEX exchange_letters ON curation_exchange
    USING gin (project_id, curation_letters(user_prompt::text, COALESCE(target, response)) gin_trgm_ops);
