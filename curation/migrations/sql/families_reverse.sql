DROP TRIGGER refuse_change ON curation_waiver;
DROP TRIGGER refuse_change ON curation_versionfinding;
DROP TRIGGER guard_family ON curation_exchange;
DROP TRIGGER guard ON curation_family;
DROP FUNCTION curation_guard_family();
DROP INDEX family_merged;
DROP FUNCTION curation_join_family(bigint, bigint[], text);
