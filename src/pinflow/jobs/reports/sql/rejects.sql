-- Per partition: rejected records, and how many of them have an offset of their own.
SELECT _partition, count(*) AS rejects, count(DISTINCT _offset) AS offsets
FROM rejects
WHERE _partition IS NOT NULL AND _offset IS NOT NULL
GROUP BY _partition
