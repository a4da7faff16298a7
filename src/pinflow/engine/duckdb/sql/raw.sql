-- The records that can be a row.
CREATE OR REPLACE TEMP VIEW raw AS
SELECT * EXCLUDE (_row, _broken, _not_object)
FROM parsed ANTI JOIN (FROM judged WHERE reason IS NOT NULL) USING (_row)
