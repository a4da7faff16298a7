-- How the latest rows of a build differ from those of today: posts before and after, added, removed, and for each
-- column ({changes}) the posts that have another value in it.
SELECT
  count(o.ind) AS before,
  count(n.ind) AS after,
  count(CASE WHEN o.ind IS NULL THEN 1 END) AS added,
  count(CASE WHEN n.ind IS NULL THEN 1 END) AS removed,
  {changes}
FROM old_rows AS o FULL OUTER JOIN new_rows AS n ON o.ind = n.ind
