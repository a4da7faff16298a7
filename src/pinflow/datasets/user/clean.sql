-- The clean columns of user. '' becomes NULL, save that user_name is never NULL: it is first and last name with a
-- blank between, missing parts left out. Timestamps as in geo.
SELECT
  try_cast(ind AS INT) AS ind,
  concat_ws(' ', nullif(first_name, ''), nullif(last_name, '')) AS user_name,
  CASE WHEN age RLIKE '^[+-]?[0-9]+\\z' THEN try_cast(age AS INT) END AS age,
  CASE
    WHEN date_joined RLIKE '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})?\\z'
      AND year(try_cast(date_joined AS TIMESTAMP)) BETWEEN 1 AND 9999
      THEN try_cast(date_joined AS TIMESTAMP)
  END AS date_joined,
  _topic,
  _partition,
  _offset,
  _accepted_at
FROM raw
