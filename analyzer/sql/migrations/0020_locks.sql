-- Seconds waited for locks: suffered (blocked) and caused (blocking). Null: nobody samples locks.
-- The order is the same in all four, because spans of them are laid under one another.
ALTER TABLE usage_10s ADD COLUMN blocked_us BIGINT;
ALTER TABLE usage_10s ADD COLUMN blocking_us BIGINT;
ALTER TABLE usage_1m ADD COLUMN blocked_us BIGINT;
ALTER TABLE usage_1m ADD COLUMN blocking_us BIGINT;
ALTER TABLE usage_1h ADD COLUMN blocked_us BIGINT;
ALTER TABLE usage_1h ADD COLUMN blocking_us BIGINT;
ALTER TABLE usage_1d ADD COLUMN blocked_us BIGINT;
ALTER TABLE usage_1d ADD COLUMN blocking_us BIGINT;
