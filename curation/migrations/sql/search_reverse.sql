DROP INDEX exchange_letters;
DROP INDEX exchange_words;
DROP FUNCTION curation_letters(text, text);
DROP FUNCTION curation_words(text, text);
