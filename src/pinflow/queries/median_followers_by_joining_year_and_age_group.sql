-- The median number of followers by age group and by the year in which users joined, 2015 to 2020, over posts. Unknown
-- counts are left out; a group that has no other has the median NULL. A user of unknown age, or under 18, belongs to no
-- group.
--
-- age_group              string  18-24, 25-35, 36-50 or +50, in this order
-- post_year              int     year of the user's joining date, UTC; the name of the column is traditional
-- median_follower_count  double  exact: the mean of the two middle values where there are two
WITH posts AS (
  SELECT
    CASE
      WHEN user.age BETWEEN 18 AND 24 THEN '18-24'
      WHEN user.age BETWEEN 25 AND 35 THEN '25-35'
      WHEN user.age BETWEEN 36 AND 50 THEN '36-50'
      WHEN user.age > 50 THEN '+50'
    END AS age_group,
    year(user.date_joined) AS post_year,
    pin.follower_count
  FROM pin
  JOIN geo ON geo.ind = pin.ind
  JOIN user ON user.ind = pin.ind
)
SELECT age_group, post_year, median(follower_count) AS median_follower_count
FROM posts
WHERE age_group IS NOT NULL AND post_year BETWEEN 2015 AND 2020
GROUP BY age_group, post_year
ORDER BY age_group = '+50', age_group, post_year
