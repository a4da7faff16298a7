-- The most popular category of each year from 2018 to 2022, by the year of the post. All that tie for first place stay.
-- A post without a category counts for none.
--
-- post_year       int     year of the post's timestamp, UTC
-- category        string  one of the most popular categories of that year
-- category_count  bigint  number of its posts in that year
WITH posts AS (
  SELECT year(geo.timestamp) AS post_year, pin.category
  FROM pin
  JOIN geo ON geo.ind = pin.ind
  JOIN user ON user.ind = pin.ind
), counted AS (
  SELECT post_year, category, count(*) AS category_count
  FROM posts
  WHERE post_year BETWEEN 2018 AND 2022 AND category IS NOT NULL
  GROUP BY post_year, category
), ranked AS (
  SELECT *, rank() OVER (PARTITION BY post_year ORDER BY category_count DESC) AS place
  FROM counted
)
SELECT post_year, category, category_count
FROM ranked
WHERE place = 1
ORDER BY post_year, category
