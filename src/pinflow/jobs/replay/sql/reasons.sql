-- Per reason of quarantine: how many records had it before, and how many have it in the build.
SELECT reason, sum(had) AS before, sum(has) AS after
FROM (
  SELECT reason, 1 AS had, 0 AS has FROM old_rejects UNION ALL SELECT reason, 0 AS had, 1 AS has FROM new_rejects
) AS both
GROUP BY reason
ORDER BY reason
