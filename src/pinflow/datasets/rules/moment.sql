-- A time, ISO 8601 as RFC 3339 narrows it, as a TIMESTAMP in UTC; NULL where {text} is not one of the years 1 to 9999.
-- `2020-08-28T03:52:47`: `T` in either case or a blank; seconds, and any number of digits behind them, of which those
-- beyond microseconds are cut off; `Z` in either case, `+02`, `+0200`, `+02:00` or ` UTC`, and UTC where nothing is
-- named. An offset is 18 hours at most. A date alone is its midnight. The forms that most times have are tried first.
CASE
  WHEN
    {text} RLIKE '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?Z?\\z'
    AND {text} >= '0001'
    THEN try_cast({text} AS TIMESTAMP)
  WHEN {usual_moment({text})} RLIKE '^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?(Z| UTC|[+-](0[0-9]|1[0-7])(:?[0-5][0-9])?|[+-]18(:?00)?)?)?\\z' THEN
    CASE
      WHEN year(try_cast({usual_moment({text})} AS TIMESTAMP)) BETWEEN 1 AND 9999
        THEN try_cast({usual_moment({text})} AS TIMESTAMP)
    END
END
