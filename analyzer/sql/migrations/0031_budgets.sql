-- Which budget was said to be exceeded in which period, and at which part of it: told once each.
CREATE TABLE budgets_told (budget VARCHAR, period VARCHAR, part DOUBLE, ts TIMESTAMP);
