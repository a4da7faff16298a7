-- How many zeros follow the last digit of {text} that is not zero, when it is written without an exponent: 0 for
-- `2.5e1`, 2 for `2.5e3`, -1 for `2.5`. NULL where the exponent itself does not fit 32 bits. A DOUBLE, which no
-- subtraction can overflow.
try_cast(try_cast(regexp_extract({text}, '[eE]([+-]?[0-9]+)\\z', 1) AS INT) AS DOUBLE)
  - length(regexp_extract({text}, '[.]([0-9]+)', 1))
  + length(regexp_replace(regexp_extract({text}, '^[+-]?(?:[0-9.]*[1-9])?([0.]*)', 1), '[.]', ''))
