-- What goes to quarantine.
CREATE OR REPLACE TEMP TABLE rejected AS
SELECT raw, raw_bytes, reason, '{topic}' AS _topic, _partition, _offset, make_timestamptz(_accepted_us) AS _accepted_at
FROM rejects
