-- Which pin records cannot be a row, and why: the post's number is the key of everything.
-- `_broken` says what is wrong with the JSON itself. NULL means that the record can be a row.
SELECT
  *,
  CASE
    WHEN _broken IS NOT NULL THEN _broken
    WHEN `index` IS NULL THEN 'the post number `index` is missing'
    WHEN NOT `index` RLIKE '^[+-]?[0-9]+\\z' THEN 'the post number `index` is no integer'
    WHEN try_cast(`index` AS INT) IS NULL THEN 'the post number `index` does not fit 32 bits'
  END AS _reason
FROM parsed
