-- The clean columns of user. '' becomes NULL, save that user_name is never NULL: it is first and last name with a
-- blank between, missing parts left out. Timestamps as in geo.
-- `_nulled` names, comma-joined, the fields that had a text, neither '' nor a placeholder, and came to NULL; NULL where
-- there is none. It is counted, and not stored: the inner SELECT holds the rules, the outer one compares, and looks at
-- the text as it was sent only where a cell is NULL, since few are.
SELECT
  ind,
  user_name,
  age,
  date_joined,
  _topic,
  _partition,
  _offset,
  _accepted_at,
  CASE
    WHEN age IS NULL OR date_joined IS NULL
      THEN nullif(
        concat_ws(
          ',',
          CASE WHEN age IS NULL AND sent_age <> '' THEN 'age' END,
          CASE WHEN date_joined IS NULL AND sent_date_joined <> '' THEN 'date_joined' END
        ),
        ''
      )
  END AS _nulled
FROM (
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
    _accepted_at,
    age AS sent_age,
    date_joined AS sent_date_joined
  FROM raw
) AS cleaned
