-- What became of the records of each partition: clean rows, rejects, and the first and last offset of both.
SELECT
  _partition,
  CAST(sum(clean) AS BIGINT) AS rows,
  CAST(sum(1 - clean) AS BIGINT) AS rejected,
  min(_offset) AS first,
  max(_offset) AS last
FROM (
  SELECT _partition, _offset, 1 AS clean FROM cleaned
  UNION ALL
  SELECT _partition, _offset, 0 AS clean FROM rejected
)
GROUP BY _partition
ORDER BY _partition
