-- What a format needs besides an address. `url`, `secret`, `routing_key` and `token` are sealed
-- (analyzer/store/seal.py); `options` is the frozen value as JSON.
ALTER TABLE endpoints ADD COLUMN token VARCHAR DEFAULT '';
ALTER TABLE endpoints ADD COLUMN options VARCHAR DEFAULT '';
-- How a receiver calls what it made of a lane (Slack: channel and time of the message).
CREATE TABLE threads (endpoint VARCHAR, lane VARCHAR, reference VARCHAR);
-- Silences other systems hold over our incidents, as read last.
CREATE TABLE outside_silences (
    endpoint VARCHAR, incident VARCHAR, silence VARCHAR, until TIMESTAMP, author VARCHAR,
    comment VARCHAR, url VARCHAR
);
