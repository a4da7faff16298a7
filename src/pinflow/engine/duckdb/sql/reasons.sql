-- Why each record cannot be a row, NULL where it can; with its bytes where it is not a JSON object. A table, as in a view
-- the rules would not be evaluated for records that a condition leaves out.
CREATE OR REPLACE TEMP TABLE judged AS
SELECT _row, _reason AS reason, _not_object AS raw_bytes
FROM ({reject})
