-- The columns of nulled.sql without a row, which takes less planning.
CREATE OR REPLACE TEMP TABLE nulled AS
SELECT
  NULL::INTEGER AS ind,
  '' AS field,
  '' AS text,
  '' AS _topic,
  NULL::INTEGER AS _partition,
  NULL::BIGINT AS _offset,
  NULL::TIMESTAMPTZ AS _accepted_at
LIMIT 0
