-- The median number of followers by the year in which users joined, 2015 to 2020, over posts. Unknown counts are left
-- out; a year that has no other has the median NULL.
--
-- post_year              int     year of the user's joining date, UTC; the name of the column is traditional
-- median_follower_count  double  exact: the mean of the two middle values where there are two
SELECT year(user.date_joined) AS post_year, median(pin.follower_count) AS median_follower_count
FROM pin
JOIN geo ON geo.ind = pin.ind
JOIN user ON user.ind = pin.ind
WHERE year(user.date_joined) BETWEEN 2015 AND 2020
GROUP BY year(user.date_joined)
ORDER BY post_year
