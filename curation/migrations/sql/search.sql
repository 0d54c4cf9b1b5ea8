-- Building the indexes of a large table takes longer than a page may.
SET LOCAL statement_timeout = 0;

-- What is searched: the words of the prompt and of the answer that would be taught. Bounded, so that no row can be too
-- long for an index. `simple` knows no language, and so fits them all.
CREATE FUNCTION curation_words(prompt text, answer text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT to_tsvector('simple', left(prompt, 20000) || E'\n' || left(COALESCE(answer, ''), 20000)) $$;

-- For parts of words, and words that are misspelt.
CREATE FUNCTION curation_letters(prompt text, answer text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT left(prompt, 1000) || E'\n' || left(COALESCE(answer, ''), 1000) $$;

CREATE INDEX exchange_words ON curation_exchange
    USING gin (project_id, curation_words(user_prompt::text, COALESCE(target, response)));
CREATE INDEX exchange_letters ON curation_exchange
    USING gin (project_id, curation_letters(user_prompt::text, COALESCE(target, response)) gin_trgm_ops);
