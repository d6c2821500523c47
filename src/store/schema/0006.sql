-- Version 6: the life of a message, and what was asked with its idempotency key.

-- Entries as `queue::life` writes them; empty in older rows, of which the row tells what is known.
ALTER TABLE message ADD COLUMN life BLOB NOT NULL DEFAULT x'';
-- HMAC of what came with the idempotency key; null without a key and in older rows.
ALTER TABLE message ADD COLUMN asked BLOB;
