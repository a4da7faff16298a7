-- Per partition and field: samples of cells that became NULL, and how many records they are of.
SELECT _partition, field, count(*) AS cells, count(DISTINCT _offset) AS offsets
FROM samples
GROUP BY _partition, field
