DROP INDEX exchange_included_near;
DROP INDEX feedback_stored;
DROP INDEX call_recorded;
