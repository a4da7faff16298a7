-- Which geo records cannot be a row, and why: the post's number is the key of everything.
-- `_broken` says what is wrong with the JSON itself. NULL means that the record can be a row.
SELECT
  *,
  CASE
    WHEN _broken IS NOT NULL THEN _broken
    WHEN `ind` IS NULL THEN 'the post number `ind` is missing'
    WHEN try_cast({whole_number(`ind`)} AS INT) IS NULL THEN
      CASE
        WHEN {whole_number(`ind`)} IS NULL THEN 'the post number `ind` is not a whole number'
        ELSE 'the post number `ind` does not fit 32 bits'
      END
  END AS _reason
FROM parsed
