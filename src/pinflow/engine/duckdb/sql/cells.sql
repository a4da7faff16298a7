-- How many cells of each field became NULL by a rule.
SELECT _partition, field, count(*) AS cells
FROM (
  SELECT _partition, unnest(string_split(_nulled, ',')) AS field
  FROM cleaned
  WHERE _nulled IS NOT NULL
)
GROUP BY ALL
