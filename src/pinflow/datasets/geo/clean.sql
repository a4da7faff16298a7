-- The clean columns of geo. '' becomes NULL. coordinates is always [latitude, longitude]; a part that is no number, or
-- is beyond 32-bit floats, is NULL inside it. A timestamp is `2020-08-28T03:52:47` or with a blank for the T, with an
-- optional fraction and zone (UTC where none is named), of the years 1 to 9999; anything else is NULL.
SELECT
  try_cast(ind AS INT) AS ind,
  nullif(country, '') AS country,
  array(
    CASE
      WHEN latitude RLIKE '^[+-]?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?\\z'
        AND abs(try_cast(latitude AS DOUBLE)) <= 3.4028234e38
        THEN try_cast(latitude AS FLOAT)
    END,
    CASE
      WHEN longitude RLIKE '^[+-]?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?\\z'
        AND abs(try_cast(longitude AS DOUBLE)) <= 3.4028234e38
        THEN try_cast(longitude AS FLOAT)
    END
  ) AS coordinates,
  CASE
    WHEN `timestamp` RLIKE '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})?\\z'
      AND year(try_cast(`timestamp` AS TIMESTAMP)) BETWEEN 1 AND 9999
      THEN try_cast(`timestamp` AS TIMESTAMP)
  END AS `timestamp`,
  _topic,
  _partition,
  _offset,
  _accepted_at
FROM raw
