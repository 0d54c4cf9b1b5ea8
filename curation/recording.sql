-- Merges curation_incoming into the log. Every statement sees what other writers have committed before it began.

-- One writer for each project at a time, always locked in the same order. So the plain inserts below are enough (an
-- ON CONFLICT on every row costs twice as much), and the unique constraints stay as the guard.
SELECT pg_advisory_xact_lock(hashtextextended('curation.recording', project_id))
FROM (SELECT DISTINCT project_id FROM curation_incoming ORDER BY project_id) AS projects;

-- Storing twice is storing once.
DELETE FROM curation_incoming i USING curation_loggedcall c WHERE c.id = i.id;

UPDATE curation_incoming i SET exchange_id = e.id, is_repeat = true
FROM curation_exchange e
WHERE e.project_id = i.project_id AND e.context_digest = i.context_digest AND e.prompt_key = i.prompt_key;

-- A new prompt's family. Most are near to nothing that is known and to nothing beside them: those are made at once, the
-- others one after the other.
WITH earliest AS (
    SELECT DISTINCT ON (project_id, context_digest, prompt_key) id, project_id, family_keys
    FROM curation_incoming
    WHERE prompt_key IS NOT NULL AND exchange_id IS NULL
    ORDER BY project_id, context_digest, prompt_key, started_at, id
), numbers AS (
    SELECT id, project_id, key, count(*) OVER (PARTITION BY project_id, key) AS bearers
    FROM earliest, unnest(family_keys) AS key
), lonely AS (
    SELECT n.id FROM numbers n LEFT JOIN curation_familykey k ON k.project_id = n.project_id AND k.key = n.key
    GROUP BY n.id HAVING max(n.bearers) = 1 AND count(k.key) = 0
), made AS (
    UPDATE curation_incoming i SET family_id = nextval(pg_get_serial_sequence('curation_family', 'id'))
    FROM lonely, curation_project p
    WHERE i.id = lonely.id AND p.id = i.project_id
    RETURNING i.family_id, i.project_id, i.family_keys,
        curation_split(p.split_key, i.context_digest, i.prompt_key::text, p.test_share::integer) AS split
), families AS (
    INSERT INTO curation_family (id, project_id, split, member_count) SELECT family_id, project_id, split, 1 FROM made
)
INSERT INTO curation_familykey (project_id, key, family_id)
SELECT project_id, key, family_id FROM made, unnest(family_keys) AS key ORDER BY project_id, key;

WITH earliest AS MATERIALIZED (
    SELECT * FROM (
        SELECT DISTINCT ON (i.project_id, context_digest, prompt_key) i.id, i.project_id, family_keys, family_id, started_at,
            curation_split(p.split_key, context_digest, prompt_key::text, p.test_share::integer) AS split
        FROM curation_incoming i JOIN curation_project p ON p.id = i.project_id
        WHERE prompt_key IS NOT NULL AND exchange_id IS NULL
        ORDER BY i.project_id, context_digest, prompt_key, started_at, i.id
    ) AS each WHERE family_id IS NULL ORDER BY started_at, id
), joined AS MATERIALIZED (
    SELECT id, curation_join_family(project_id, family_keys, split) AS family_id FROM earliest
)
UPDATE curation_incoming i SET family_id = joined.family_id FROM joined WHERE joined.id = i.id;

-- A prompt seen for the first time, maybe more than once in this batch and in different case: the earliest speaks.
WITH counted AS (
    SELECT project_id, context_digest, prompt_key, count(*) AS seen, count(DISTINCT answer_digest) AS answers,
        min(started_at) AS first_seen_at, max(started_at) AS last_seen_at
    FROM curation_incoming
    WHERE prompt_key IS NOT NULL AND exchange_id IS NULL
    GROUP BY project_id, context_digest, prompt_key
), earliest AS (
    SELECT DISTINCT ON (project_id, context_digest, prompt_key)
        project_id, context_digest, prompt_key, user_prompt, messages, answer, id, family_id, tools, answer_schema
    FROM curation_incoming
    WHERE prompt_key IS NOT NULL AND exchange_id IS NULL
    ORDER BY project_id, context_digest, prompt_key, started_at, id
), made AS (
    INSERT INTO curation_exchange (
        project_id, user_prompt, context_digest, messages, response, target_origin, state, version, family_id, split,
        tools, answer_schema, seen_count, answer_count, first_seen_at, last_seen_at
    )
    SELECT project_id, user_prompt, context_digest, messages::jsonb, answer, 'captured', 'pending', 1, family_id, split,
        tools::jsonb, answer_schema::jsonb, seen, answers, first_seen_at, last_seen_at
    FROM earliest
    JOIN counted USING (project_id, context_digest, prompt_key)
    JOIN (SELECT id AS family_id, split FROM curation_family) AS f USING (family_id)
    ORDER BY first_seen_at, earliest.id
    RETURNING id, project_id
)
INSERT INTO curation_reviewslot (project_id, exchange_id, position, priority)
SELECT project_id, id, 1, 0 FROM made ORDER BY id;

UPDATE curation_incoming i SET exchange_id = e.id
FROM curation_exchange e
WHERE i.exchange_id IS NULL
    AND e.project_id = i.project_id AND e.context_digest = i.context_digest AND e.prompt_key = i.prompt_key;

INSERT INTO curation_answer AS a (exchange_id, digest, text, model, seen_count, first_seen_at, last_seen_at)
SELECT exchange_id, answer_digest, min(answer), (array_agg(served_model ORDER BY started_at, id))[1], count(*),
    min(started_at), max(started_at)
FROM curation_incoming
WHERE exchange_id IS NOT NULL
GROUP BY exchange_id, answer_digest
ORDER BY exchange_id, answer_digest
ON CONFLICT (exchange_id, digest) DO UPDATE SET
    seen_count = a.seen_count + EXCLUDED.seen_count,
    first_seen_at = LEAST(a.first_seen_at, EXCLUDED.first_seen_at),
    last_seen_at = GREATEST(a.last_seen_at, EXCLUDED.last_seen_at);

-- Locked in the order of their ids, so that this and a reviewers' bulk change cannot wait for each other in a circle.
WITH again AS (
    SELECT exchange_id, count(*) AS seen, min(started_at) AS first_seen_at, max(started_at) AS last_seen_at
    FROM curation_incoming WHERE is_repeat GROUP BY exchange_id
), held AS MATERIALIZED (
    SELECT id FROM curation_exchange WHERE id IN (SELECT exchange_id FROM again) ORDER BY id FOR NO KEY UPDATE
)
UPDATE curation_exchange e SET
    seen_count = e.seen_count + again.seen,
    answer_count = (SELECT count(*) FROM curation_answer a WHERE a.exchange_id = e.id),
    first_seen_at = LEAST(e.first_seen_at, again.first_seen_at),
    last_seen_at = GREATEST(e.last_seen_at, again.last_seen_at)
FROM again JOIN held ON held.id = again.exchange_id
WHERE e.id = held.id;

INSERT INTO curation_loggedcall (
    id, project_id, exchange_id, api_key_id, provider_id, source, outcome, endpoint, requested_model, served_model,
    is_stream, status_code, error_code, request_body, response_body, is_cleaned, masked_count, answer, finish_reason,
    prompt_tokens, completion_tokens, started_at, first_byte_ms, duration_ms, client_request_id, user_agent, own_id, tags
)
SELECT id, project_id, exchange_id, api_key_id, provider_id, source, outcome, endpoint, requested_model, served_model,
    is_stream, status_code, error_code, request_body, response_body, is_cleaned, masked_count, answer, finish_reason,
    prompt_tokens, completion_tokens, started_at, first_byte_ms, duration_ms, client_request_id, user_agent, own_id, tags
FROM curation_incoming
ORDER BY started_at, id;

-- To the minute is enough, and spares a busy key a write with each batch.
UPDATE curation_apikey k SET last_used_at = used.at
FROM (SELECT api_key_id, max(started_at) AS at FROM curation_incoming GROUP BY api_key_id) AS used
WHERE k.id = used.api_key_id AND (k.last_used_at IS NULL OR k.last_used_at < used.at - interval '1 minute');
