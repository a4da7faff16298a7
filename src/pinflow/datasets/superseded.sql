-- The rows that a later record of their post has surely superseded, the oldest first.
-- Surely: there is one at a later offset of the same partition, or one in another partition that was accepted more than
-- {slack} microseconds later, by which the clocks of a log may differ. A row whose time those behind it in its partition
-- go by, as theirs ran backwards, stays: without it they would count as accepted earlier.
SELECT _partition, _offset
FROM (
  SELECT
    *,
    max(_offset) OVER (PARTITION BY ind, _partition) AS _last_offset,
    max(_moment) OVER (PARTITION BY ind) AS _last_moment,
    min(_accepted_at) OVER (PARTITION BY _partition ORDER BY _offset DESC) AS _least_behind
  FROM ({ranked}) AS ranked
) AS compared
WHERE (_offset < _last_offset OR _moment < _last_moment - {slack})
  AND _accepted_at = _least_behind
ORDER BY _moment, _partition, _offset
