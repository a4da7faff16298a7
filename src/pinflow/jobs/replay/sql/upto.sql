-- Per partition: the last offset that a build has covered.
SELECT _partition, max(_offset) AS upto
FROM (SELECT _partition, _offset FROM kept UNION ALL SELECT _partition, _offset FROM rejects) AS row_offsets
GROUP BY _partition
