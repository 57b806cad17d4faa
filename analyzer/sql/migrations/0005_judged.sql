-- Up to where windows were judged: one row, written with what the judgement changed.
CREATE TABLE judged ("at" TIMESTAMP);
-- Resources whose silence was told; a row goes when the resource is heard again.
CREATE TABLE silent_sources (resource VARCHAR, since TIMESTAMP);
