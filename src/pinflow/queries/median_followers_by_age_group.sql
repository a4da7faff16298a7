-- The median number of followers in each age group, over posts. Unknown counts are left out; a group that has no other
-- has the median NULL. A user of unknown age, or under 18, belongs to no group.
--
-- age_group              string  18-24, 25-35, 36-50 or +50, in this order
-- median_follower_count  double  exact: the mean of the two middle values where there are two
WITH posts AS (
  SELECT
    CASE
      WHEN user.age BETWEEN 18 AND 24 THEN '18-24'
      WHEN user.age BETWEEN 25 AND 35 THEN '25-35'
      WHEN user.age BETWEEN 36 AND 50 THEN '36-50'
      WHEN user.age > 50 THEN '+50'
    END AS age_group,
    pin.follower_count
  FROM pin
  JOIN geo ON geo.ind = pin.ind
  JOIN user ON user.ind = pin.ind
)
SELECT age_group, median(follower_count) AS median_follower_count
FROM posts
WHERE age_group IS NOT NULL
GROUP BY age_group
ORDER BY age_group = '+50', age_group
