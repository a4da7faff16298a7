-- How many users joined in each year from 2015 to 2020. A user is a name, an age and a joining date; the same three on
-- several posts are one user, and an unknown age is an age like any other.
--
-- post_year            int     year of the user's joining date, UTC; the name of the column is traditional
-- number_users_joined  bigint  number of users who joined in that year
WITH users AS (
  SELECT DISTINCT user.user_name, user.age, user.date_joined
  FROM pin
  JOIN geo ON geo.ind = pin.ind
  JOIN user ON user.ind = pin.ind
)
SELECT year(date_joined) AS post_year, count(*) AS number_users_joined
FROM users
WHERE year(date_joined) BETWEEN 2015 AND 2020
GROUP BY year(date_joined)
ORDER BY post_year
