-- What a dataset's SQL reads: the fields of every record as texts, `_broken`, and its lineage. `_row` is its place in the step.
CREATE OR REPLACE TEMP VIEW parsed AS
SELECT * EXCLUDE (_accepted_us), '{topic}' AS _topic, make_timestamptz(_accepted_us) AS _accepted_at
FROM records
