-- The clean columns of geo. '' becomes NULL. coordinates is always [latitude, longitude]; a part that is no number, or
-- is beyond 32-bit floats, is NULL inside it. A timestamp is `2020-08-28T03:52:47` or with a blank for the T, with an
-- optional fraction and zone (UTC where none is named), of the years 1 to 9999; anything else is NULL.
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
    try_cast(ind AS INT) AS ind,
    nullif(country, '') AS country,
    CASE
      WHEN latitude RLIKE '^[+-]?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?\\z'
        AND abs(try_cast(latitude AS DOUBLE)) <= 3.4028234e38
        THEN try_cast(latitude AS FLOAT)
    END AS latitude,
    CASE
      WHEN longitude RLIKE '^[+-]?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?\\z'
        AND abs(try_cast(longitude AS DOUBLE)) <= 3.4028234e38
        THEN try_cast(longitude AS FLOAT)
    END AS longitude,
    CASE
      WHEN `timestamp` RLIKE '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})?\\z'
        AND year(try_cast(`timestamp` AS TIMESTAMP)) BETWEEN 1 AND 9999
        THEN try_cast(`timestamp` AS TIMESTAMP)
    END AS `timestamp`,
    _topic,
    _partition,
    _offset,
    _accepted_at,
    latitude AS sent_latitude,
    longitude AS sent_longitude,
    `timestamp` AS sent_timestamp
  FROM raw
) AS cleaned
