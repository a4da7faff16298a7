-- A whole number as text, without fraction and exponent: `17`, `-0`, `007`; NULL where {text} is not a whole number.
-- `25.0`, `2.5e1` and `2500e-2` are 25: the value decides, and it is read from the digits as they were sent, never by
-- way of a float. One that is far beyond 32 bits comes out as another that is so, too. The plain form is tried first.
CASE
  WHEN {text} RLIKE '^[+-]?[0-9]+\\z' THEN {text}
  WHEN {text} RLIKE '^[+-]?[0-9]+[.]0+\\z' THEN regexp_extract({text}, '^([+-]?[0-9]+)', 1)
  WHEN {text} RLIKE '^[+-]?[0-9]+([.][0-9]+)?[eE][+-]?[0-9]+\\z' THEN
    CASE
      WHEN {text} RLIKE '^[+-]?[0.]+[eE]' THEN '0'
      WHEN {power({text})} BETWEEN 0 AND 10 THEN
        concat(
          regexp_extract({text}, '^([+-]?)', 1),
          regexp_extract(
            regexp_replace(regexp_extract({text}, '^[+-]?([0-9.]+)', 1), '[.]', ''),
            '^0*([1-9](?:[0-9]*[1-9])?)0*\\z',
            1
          ),
          substring('0000000000', 1, try_cast({power({text})} AS INT))
        )
      WHEN {power({text})} > 10 THEN '99999999999'
    END
END
