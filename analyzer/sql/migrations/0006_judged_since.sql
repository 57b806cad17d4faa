-- When judging began: nobody knows whether the time before was calm.
ALTER TABLE judged ADD COLUMN since TIMESTAMP;
