-- One trouble on several resources is told once: the others are part of the incident told.
ALTER TABLE incidents ADD COLUMN part_of VARCHAR;
