-- One row a post: of several records with the same number the latest, the highest offset, in the documented columns.
SELECT {columns}
FROM (
  SELECT *, row_number() OVER (PARTITION BY ind ORDER BY _offset DESC, _partition DESC) AS _newest
  FROM {table}
) AS ranked
WHERE _newest = 1
