-- Which records cannot be a row, and why: the post's number, in the column `{number}`, is the key of everything.
-- `_broken` says what is wrong with the JSON itself. NULL means that the record can be a row.
SELECT
  *,
  CASE
    WHEN _broken IS NOT NULL THEN _broken
    WHEN `{number}` IS NULL THEN 'the post number `{number}` is missing'
    WHEN try_cast({whole_number(`{number}`)} AS INT) IS NULL THEN
      CASE
        WHEN {whole_number(`{number}`)} IS NULL THEN 'the post number `{number}` is not a whole number'
        ELSE 'the post number `{number}` does not fit 32 bits'
      END
  END AS _reason
FROM parsed
