-- How many posts each category has in each year from 2018 to 2022, by the year of the post.
-- A post without a category counts for none.
--
-- post_year       int     year of the post's timestamp, UTC
-- category        string  name of the category
-- category_count  bigint  number of its posts in that year
SELECT year(geo.timestamp) AS post_year, pin.category, count(*) AS category_count
FROM pin
JOIN geo ON geo.ind = pin.ind
JOIN user ON user.ind = pin.ind
WHERE year(geo.timestamp) BETWEEN 2018 AND 2022 AND pin.category IS NOT NULL
GROUP BY year(geo.timestamp), pin.category
ORDER BY post_year, category
