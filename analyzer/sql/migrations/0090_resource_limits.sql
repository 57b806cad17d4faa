-- What a resource can take besides busy time: `dimension` is in flight, operations or volume,
-- `most` its limit (at once, or a second).
CREATE TABLE resource_limits (resource VARCHAR, dimension VARCHAR, most DOUBLE);
