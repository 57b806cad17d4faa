-- Who was erased, without saying who: a digest of the id with a salt of its own.
CREATE TABLE erasures (
    id VARCHAR, erased_at TIMESTAMP, salt VARCHAR, digest VARCHAR, by_whom VARCHAR,
    cells BIGINT, files BIGINT
);
