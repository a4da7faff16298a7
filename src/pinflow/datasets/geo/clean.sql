-- The clean columns of geo. '' becomes NULL. coordinates is always [latitude, longitude]; a part that is not a number,
-- or is beyond 32-bit floats, is NULL inside it. What a whole number and a time are is said in ../rules.
SELECT
  coalesce(try_cast(ind AS INT), try_cast({whole_number(ind)} AS INT)) AS ind,
  nullif(country, '') AS country,
  array({coordinate(latitude)}, {coordinate(longitude)}) AS coordinates,
  {moment(`timestamp`)} AS `timestamp`,
  _topic,
  _partition,
  _offset,
  _accepted_at
FROM raw
