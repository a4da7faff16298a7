-- The clean columns of user. '' becomes NULL, save that user_name is never NULL: it is first and last name with a
-- blank between, missing parts left out. What a whole number and a time are is said in ../rules.
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
    coalesce(try_cast(ind AS INT), try_cast({whole_number(ind)} AS INT)) AS ind,
    concat_ws(' ', nullif(first_name, ''), nullif(last_name, '')) AS user_name,
    try_cast({whole_number(age)} AS INT) AS age,
    {moment(date_joined)} AS date_joined,
    _topic,
    _partition,
    _offset,
    _accepted_at,
    age AS sent_age,
    date_joined AS sent_date_joined
  FROM raw
) AS cleaned
