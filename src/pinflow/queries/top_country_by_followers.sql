-- The one country of the poster with most followers: exactly one row. A tie goes to the country first in the alphabet.
-- A post without a country, a poster or a known follower count counts for none.
--
-- country         string  name of the country
-- follower_count  int     followers of the poster with most
SELECT geo.country, max(pin.follower_count) AS follower_count
FROM pin
JOIN geo ON geo.ind = pin.ind
JOIN user ON user.ind = pin.ind
WHERE geo.country IS NOT NULL AND pin.poster_name IS NOT NULL AND pin.follower_count IS NOT NULL
GROUP BY geo.country
ORDER BY follower_count DESC, country
LIMIT 1
