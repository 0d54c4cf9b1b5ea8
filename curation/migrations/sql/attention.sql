-- What came since the last look, found without a B-tree that every recorded call would have to pay for: rows are only
-- appended, so a range of pages is a range of times.
CREATE INDEX call_recorded ON curation_loggedcall USING brin (recorded_at) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX feedback_stored ON curation_feedback USING brin (created_at) WITH (pages_per_range = 32, autosummarize = on);

-- The nearest included prompts of a prompt, by `<->`. Only what is included is in it.
CREATE INDEX exchange_included_near ON curation_exchange
    USING gist (project_id, (left(user_prompt::text, 500)) gist_trgm_ops (siglen = 64)) WHERE included IS NOT NULL;
