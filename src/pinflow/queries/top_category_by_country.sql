-- The most popular category in each country: the one with most posts. All that tie for first place stay.
-- A post without a country or without a category counts for none.
--
-- country         string  name of the country
-- category        string  one of the most popular categories there
-- category_count  bigint  number of its posts there
WITH counted AS (
  SELECT geo.country, pin.category, count(*) AS category_count
  FROM pin
  JOIN geo ON geo.ind = pin.ind
  JOIN user ON user.ind = pin.ind
  WHERE geo.country IS NOT NULL AND pin.category IS NOT NULL
  GROUP BY geo.country, pin.category
), ranked AS (
  SELECT *, rank() OVER (PARTITION BY country ORDER BY category_count DESC) AS place
  FROM counted
)
SELECT country, category, category_count
FROM ranked
WHERE place = 1
ORDER BY country, category
