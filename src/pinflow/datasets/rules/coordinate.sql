-- A number as a 32-bit float; NULL where {text} is not a number, or is beyond 32-bit floats.
CASE
  WHEN {text} RLIKE '^[+-]?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?\\z' THEN
    CASE WHEN abs(try_cast({text} AS DOUBLE)) <= 3.4028234e38 THEN try_cast({text} AS FLOAT) END
END
