-- The most popular category in each age group. All that tie for first place stay. A user of unknown age, or under 18,
-- belongs to no group; a post without a category counts for none.
--
-- age_group       string  18-24, 25-35, 36-50 or +50, in this order
-- category        string  one of the most popular categories of the group
-- category_count  bigint  number of its posts by users of that age
WITH posts AS (
  SELECT
    CASE
      WHEN user.age BETWEEN 18 AND 24 THEN '18-24'
      WHEN user.age BETWEEN 25 AND 35 THEN '25-35'
      WHEN user.age BETWEEN 36 AND 50 THEN '36-50'
      WHEN user.age > 50 THEN '+50'
    END AS age_group,
    pin.category
  FROM pin
  JOIN geo ON geo.ind = pin.ind
  JOIN user ON user.ind = pin.ind
), counted AS (
  SELECT age_group, category, count(*) AS category_count
  FROM posts
  WHERE age_group IS NOT NULL AND category IS NOT NULL
  GROUP BY age_group, category
), ranked AS (
  SELECT *, rank() OVER (PARTITION BY age_group ORDER BY category_count DESC) AS place
  FROM counted
)
SELECT age_group, category, category_count
FROM ranked
WHERE place = 1
ORDER BY age_group = '+50', age_group, category
