-- Hex SHA-256 of a text's UTF-8 bytes. convert_to() is only STABLE because a database's encoding could change; ours is
-- checked to be UTF8, so the result never changes and the function may stand in a generated column.
CREATE FUNCTION curation_digest(value text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT encode(sha256(convert_to(value, 'UTF8')), 'hex') $$;

-- What a prompt's uniqueness stands on: the folded prompt while it is short enough for a B-tree, else its digest with a
-- mark. Length and mark are judged on the folded text: folding may change the length, and a prompt that is typed with
-- the mark must not take another prompt's key.
CREATE FUNCTION curation_prompt_key(prompt citext) RETURNS citext
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
        SELECT CASE
            WHEN octet_length(lower(prompt::text)) <= 2000 AND NOT starts_with(lower(prompt::text), 'sha256:')
            THEN lower(prompt::text)
            ELSE 'sha256:' || curation_digest(lower(prompt::text))
        END::citext
    $$;

-- train or test, from a keyed hash: the same prompt of a project always falls on the same side, and nobody who does not
-- know the key can choose the side. `share` is the percentage held out.
CREATE FUNCTION curation_split(key text, context text, prompt_key text, share integer) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
        SELECT CASE
            WHEN ('x' || substr(curation_digest(key || ':' || context || ':' || prompt_key), 1, 8))::bit(32)::bigint % 10000
                 < share * 100
            THEN 'test' ELSE 'train'
        END
    $$;
