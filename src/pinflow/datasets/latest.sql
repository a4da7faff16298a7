-- One row a post: of several records with the same number the latest, in the documented columns.
SELECT {columns}
FROM {table}
JOIN (
  SELECT _topic AS _standing_topic, _partition AS _standing_partition, _offset AS _standing_offset
  FROM ({ranked}) AS ranked
  WHERE _rank = 1
) AS standing
  ON _topic = _standing_topic AND _partition = _standing_partition AND _offset = _standing_offset
