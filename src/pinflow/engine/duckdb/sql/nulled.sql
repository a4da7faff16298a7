-- Of each field the first cells that became NULL by a rule, with their texts.
CREATE OR REPLACE TEMP TABLE nulled AS
SELECT
  sampled.ind,
  field,
  substring(CASE field {texts} END, 1, {longest}) AS text,
  sampled._topic,
  sampled._partition,
  sampled._offset,
  sampled._accepted_at
FROM (
  SELECT *, row_number() OVER (PARTITION BY field ORDER BY _partition, _offset) AS _number
  FROM (
    SELECT * EXCLUDE (_nulled), unnest(string_split(_nulled, ',')) AS field
    FROM cleaned
    WHERE _nulled IS NOT NULL
  )
) AS sampled
JOIN raw ON raw._partition = sampled._partition AND raw._offset = sampled._offset
WHERE _number <= {most}
