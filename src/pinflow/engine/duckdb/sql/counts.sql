-- How many clean rows and rejects each partition came to.
SELECT _partition, sum(rows)::BIGINT AS rows, sum(rejects)::BIGINT AS rejects
FROM (
  SELECT _partition, count(*) AS rows, 0 AS rejects FROM cleaned GROUP BY _partition
  UNION ALL
  SELECT _partition, 0 AS rows, count(*) AS rejects FROM rejected GROUP BY _partition
)
GROUP BY _partition
ORDER BY _partition
