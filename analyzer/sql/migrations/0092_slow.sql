-- The newest day that was judged for growth over days.
CREATE TABLE slow_until (day TIMESTAMP);
