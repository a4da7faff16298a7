-- The rows that a later record of their post has surely superseded, the oldest first.
-- Surely: there is one at a later offset of the same partition, or one in another partition that was accepted more than
-- {slack} microseconds later, by which the clocks of a log may differ, or, from {exact_from} on, later at all. A row
-- whose time those behind it in its partition go by, as theirs ran backwards, stays: without it they would count as
-- accepted earlier. So does one whose partition and offset a row of another topic has, as a removal names nothing else.
SELECT _partition, _offset
FROM (
  SELECT
    *,
    max(_offset) OVER (PARTITION BY ind, _topic, _partition) AS _last_offset,
    max(_moment) OVER (PARTITION BY ind) AS _last_moment,
    min(_accepted_at) OVER (PARTITION BY _topic, _partition ORDER BY _offset DESC) AS _least_behind,
    count(*) OVER (PARTITION BY _partition, _offset) AS _named
  FROM ({ranked}) AS ranked
) AS compared
WHERE (
    _offset < _last_offset
    OR _moment < _last_moment - {slack}
    OR (_moment < _last_moment AND _last_moment >= {exact_from})
  )
  AND _accepted_at = _least_behind
  AND _named = 1
ORDER BY _moment, _partition, _offset
