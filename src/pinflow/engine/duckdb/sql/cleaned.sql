-- The clean rows, in the very types that the table has.
CREATE OR REPLACE TEMP TABLE cleaned AS
SELECT {columns}
FROM ({clean})
