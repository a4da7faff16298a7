-- In each country the poster with most followers. A poster's followers are the maximum over the posts made there; an
-- unknown count never wins. All that tie for first place stay. A post without a country or a poster counts for none.
--
-- country         string  name of the country
-- poster_name     string  one of the posters with most followers there
-- follower_count  int     that poster's followers
WITH posters AS (
  SELECT geo.country, pin.poster_name, max(pin.follower_count) AS follower_count
  FROM pin
  JOIN geo ON geo.ind = pin.ind
  JOIN user ON user.ind = pin.ind
  WHERE geo.country IS NOT NULL AND pin.poster_name IS NOT NULL AND pin.follower_count IS NOT NULL
  GROUP BY geo.country, pin.poster_name
), ranked AS (
  SELECT *, rank() OVER (PARTITION BY country ORDER BY follower_count DESC) AS place
  FROM posters
)
SELECT country, poster_name, follower_count
FROM ranked
WHERE place = 1
ORDER BY country, poster_name
