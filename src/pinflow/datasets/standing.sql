-- What the rows of each partition are: all, by distinct offsets, and those that stand.
SELECT
  _partition,
  count(*) AS rows,
  count(DISTINCT _offset) AS offsets,
  count(CASE WHEN _rank = 1 THEN 1 END) AS standing
FROM ({ranked}) AS ranked
GROUP BY _partition
