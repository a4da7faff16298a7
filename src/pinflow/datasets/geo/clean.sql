-- The clean columns of geo. '' becomes NULL. coordinates is always [latitude, longitude]; a part that is not a number,
-- or is beyond 32-bit floats, is NULL inside it. What a whole number and a time are is said in ../rules.
-- `_nulled` names, comma-joined, the fields that had a text, neither '' nor a placeholder, and came to NULL; NULL where
-- there is none. It is counted, and not stored: the inner SELECT holds the rules, the outer one compares, and looks at
-- the text as it was sent only where a cell is NULL, since few are.
SELECT
  ind,
  country,
  array(latitude, longitude) AS coordinates,
  `timestamp`,
  _topic,
  _partition,
  _offset,
  _accepted_at,
  CASE
    WHEN latitude IS NULL OR longitude IS NULL OR `timestamp` IS NULL
      THEN nullif(
        concat_ws(
          ',',
          CASE WHEN latitude IS NULL AND sent_latitude <> '' THEN 'latitude' END,
          CASE WHEN longitude IS NULL AND sent_longitude <> '' THEN 'longitude' END,
          CASE WHEN `timestamp` IS NULL AND sent_timestamp <> '' THEN 'timestamp' END
        ),
        ''
      )
  END AS _nulled
FROM (
  SELECT
    coalesce(try_cast(ind AS INT), try_cast({whole_number(ind)} AS INT)) AS ind,
    nullif(country, '') AS country,
    {coordinate(latitude)} AS latitude,
    {coordinate(longitude)} AS longitude,
    {moment(`timestamp`)} AS `timestamp`,
    _topic,
    _partition,
    _offset,
    _accepted_at,
    latitude AS sent_latitude,
    longitude AS sent_longitude,
    `timestamp` AS sent_timestamp
  FROM raw
) AS cleaned
