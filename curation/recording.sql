-- Merges curation_incoming into the log. Every statement sees what other writers have committed before it began.
--
-- What is known is looked up row by row, in scalar subqueries: as a join, the planner, who knows nothing of tables
-- emptied after every batch, would read the whole log for it.

-- One writer for each project at a time, always locked in the same order. So the plain inserts below are enough (an
-- ON CONFLICT on every row costs twice as much), and the unique constraints stay as the guard.
SELECT pg_advisory_xact_lock(hashtextextended('curation.recording', project_id))
FROM (SELECT DISTINCT project_id FROM curation_incoming ORDER BY project_id) AS projects;

-- Storing twice is storing once.
DELETE FROM curation_incoming i WHERE (SELECT true FROM curation_loggedcall c WHERE c.id = i.id);

-- The Exchange of each call. A prompt seen for the first time, maybe more than once in this batch and in different case,
-- gets its number here, and the earliest call speaks for it. A key is folded already, so its bytes tell prompts apart;
-- compared as citext it would be folded anew each time.
WITH asked AS MATERIALIZED (
    SELECT id, started_at,
        first_value(id) OVER (
            PARTITION BY project_id, context_digest, prompt_key::text COLLATE "C" ORDER BY started_at, id
        ) AS speaker,
        (
            SELECT e.id FROM curation_exchange e
            WHERE e.project_id = i.project_id AND e.prompt_hash = hashtextextended(i.prompt_key::text, 0)
                AND e.context_digest = i.context_digest AND e.prompt_key = i.prompt_key
        ) AS exchange_id
    FROM curation_incoming i WHERE prompt_key IS NOT NULL
), made AS MATERIALIZED (
    SELECT speaker, nextval(pg_get_serial_sequence('curation_exchange', 'id')) AS exchange_id
    FROM (SELECT speaker FROM asked WHERE exchange_id IS NULL AND id = speaker ORDER BY started_at, id) AS new
)
INSERT INTO curation_asked (id, exchange_id, speaker)
SELECT id, COALESCE(asked.exchange_id, made.exchange_id), made.speaker FROM asked LEFT JOIN made USING (speaker);

-- The side a new prompt falls on by itself; a family's may be another.
WITH counted AS (
    SELECT exchange_id, speaker, count(*) AS seen, count(DISTINCT answer_digest) AS answers,
        min(started_at) AS first_seen_at, max(started_at) AS last_seen_at
    FROM curation_asked JOIN curation_incoming USING (id) GROUP BY exchange_id, speaker
)
INSERT INTO curation_prompt (exchange_id, speaker, seen, answers, first_seen_at, last_seen_at, project_id, family_keys, split)
SELECT counted.*, project_id, family_keys, curation_split(split_key, context_digest, prompt_key::text, test_share::integer)
FROM counted LEFT JOIN (curation_incoming i JOIN curation_project p ON p.id = project_id) ON i.id = speaker;

-- A new prompt's family. Most are near to nothing that is known and to nothing beside them: those are made at once, the
-- others one after the other.
WITH numbers AS (
    SELECT speaker, count(*) OVER (PARTITION BY project_id, key) AS bearers,
        (SELECT true FROM curation_familykey k WHERE k.project_id = p.project_id AND k.key = n.key) AS is_known
    FROM curation_prompt p, unnest(family_keys) AS n (key)
), lonely AS (
    SELECT speaker FROM numbers GROUP BY speaker HAVING max(bearers) = 1 AND bool_or(is_known) IS NULL
), made AS (
    UPDATE curation_prompt p SET family_id = nextval(pg_get_serial_sequence('curation_family', 'id'))
    FROM lonely WHERE lonely.speaker = p.speaker
    RETURNING family_id, project_id, family_keys, split
), families AS (
    INSERT INTO curation_family (id, project_id, split, member_count) SELECT family_id, project_id, split, 1 FROM made
)
INSERT INTO curation_familykey (project_id, key, family_id)
SELECT project_id, key, family_id FROM made, unnest(family_keys) AS key ORDER BY project_id, key;

WITH near AS MATERIALIZED (
    SELECT * FROM curation_prompt WHERE speaker IS NOT NULL AND family_id IS NULL ORDER BY exchange_id
), joined AS MATERIALIZED (
    SELECT speaker, curation_join_family(project_id, family_keys, split) AS family_id FROM near
)
UPDATE curation_prompt p SET family_id = joined.family_id, split = NULL FROM joined WHERE joined.speaker = p.speaker;

INSERT INTO curation_exchange (
    id, project_id, user_prompt, context_digest, messages, response, target_origin, state, version, family_id, split,
    tools, answer_schema, seen_count, answer_count, first_seen_at, last_seen_at
)
SELECT exchange_id, i.project_id, user_prompt, context_digest, messages::jsonb, answer, 'captured', 'pending', 1, family_id,
    COALESCE(split, (SELECT f.split FROM curation_family f WHERE f.id = family_id)),
    tools::jsonb, answer_schema::jsonb, seen, answers, first_seen_at, last_seen_at
FROM curation_prompt JOIN curation_incoming i ON i.id = speaker ORDER BY exchange_id;

INSERT INTO curation_reviewslot (project_id, exchange_id, position, priority)
SELECT project_id, exchange_id, 1, 0 FROM curation_prompt WHERE speaker IS NOT NULL ORDER BY exchange_id;

INSERT INTO curation_answer AS a (exchange_id, digest, text, model, seen_count, first_seen_at, last_seen_at)
SELECT exchange_id, digest, min(text), (array_agg(served_model ORDER BY started_at, id))[1], count(*),
    min(started_at), max(started_at)
FROM (
    SELECT id, exchange_id, answer_digest AS digest, answer AS text, served_model, started_at
    FROM curation_asked JOIN curation_incoming USING (id)
    UNION ALL
    SELECT id, exchange_id, other.digest, other.text, served_model, started_at
    FROM curation_asked JOIN curation_incoming USING (id), unnest(other_digests, other_answers) AS other (digest, text)
    WHERE other_digests IS NOT NULL
) AS said
GROUP BY exchange_id, digest
ORDER BY exchange_id, digest
ON CONFLICT (exchange_id, digest) DO UPDATE SET
    seen_count = a.seen_count + EXCLUDED.seen_count,
    first_seen_at = LEAST(a.first_seen_at, EXCLUDED.first_seen_at),
    last_seen_at = GREATEST(a.last_seen_at, EXCLUDED.last_seen_at);

-- Locked in the order of their ids, so that this and a reviewers' bulk change cannot wait for each other in a circle.
WITH held AS MATERIALIZED (
    SELECT id FROM curation_exchange
    WHERE id = ANY (ARRAY(SELECT exchange_id FROM curation_prompt WHERE speaker IS NULL)) ORDER BY id FOR NO KEY UPDATE
)
UPDATE curation_exchange e SET
    seen_count = e.seen_count + again.seen,
    answer_count = (SELECT count(*) FROM curation_answer a WHERE a.exchange_id = e.id),
    first_seen_at = LEAST(e.first_seen_at, again.first_seen_at),
    last_seen_at = GREATEST(e.last_seen_at, again.last_seen_at)
FROM curation_prompt again JOIN held ON held.id = again.exchange_id
WHERE e.id = held.id;

-- New prompts were given the count of their calls' first choices above.
UPDATE curation_exchange e SET answer_count = (SELECT count(*) FROM curation_answer a WHERE a.exchange_id = e.id)
FROM curation_prompt new
WHERE e.id = new.exchange_id AND new.speaker IS NOT NULL AND new.exchange_id IN (
    SELECT exchange_id FROM curation_asked JOIN curation_incoming USING (id) WHERE other_digests IS NOT NULL
);

INSERT INTO curation_loggedcall (
    id, project_id, exchange_id, api_key_id, provider_id, source, outcome, endpoint, requested_model, served_model,
    is_stream, status_code, error_code, request_body, response_body, is_cleaned, masked_count, answer, finish_reason,
    prompt_tokens, completion_tokens, started_at, first_byte_ms, duration_ms, client_request_id, user_agent, own_id, tags
)
SELECT id, project_id, exchange_id, api_key_id, provider_id, source, outcome, endpoint, requested_model, served_model,
    is_stream, status_code, error_code, request_body, response_body, is_cleaned, masked_count, answer, finish_reason,
    prompt_tokens, completion_tokens, started_at, first_byte_ms, duration_ms, client_request_id, user_agent, own_id, tags
FROM curation_incoming LEFT JOIN curation_asked USING (id)
ORDER BY started_at, id;

-- To the minute is enough, and spares a busy key a write with each batch.
UPDATE curation_apikey k SET last_used_at = used.at
FROM (SELECT api_key_id, max(started_at) AS at FROM curation_incoming GROUP BY api_key_id) AS used
WHERE k.id = used.api_key_id AND (k.last_used_at IS NULL OR k.last_used_at < used.at - interval '1 minute');
