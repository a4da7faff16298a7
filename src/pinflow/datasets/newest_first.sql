-- How the records of each post follow each other: `_rank` 1 is the latest, the one that stands.
-- Within a partition of a topic offsets say which record came later. Across partitions it is the time of acceptance,
-- which within a partition never runs backwards: `_moment`, in microseconds, is the greatest so far. Records of one
-- moment in several partitions are in the order of those. Rows that another program has added have no partition and
-- offset, and stand for nothing.
SELECT
  ind,
  _topic,
  _partition,
  _offset,
  _accepted_at,
  _moment,
  row_number() OVER (PARTITION BY ind ORDER BY _moment DESC, _topic DESC, _partition DESC, _offset DESC) AS _rank
FROM (
  SELECT
    ind,
    _topic,
    _partition,
    _offset,
    _accepted_at,
    unix_micros(max(_accepted_at) OVER (PARTITION BY _topic, _partition ORDER BY _offset)) AS _moment
  FROM {table}
  WHERE _topic IS NOT NULL AND _partition IS NOT NULL AND _offset IS NOT NULL
) AS placed
