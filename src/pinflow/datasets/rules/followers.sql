-- A follower count as the text of a number, for whole_number to read; NULL where {text} is not a count. It is a number
-- without a sign, or digits, perhaps with a fraction, and one of k, M and B, in either case, for thousands, millions and
-- billions. A suffix is read as the exponent that it stands for, so it does not go with another. What nearly every count
-- is, digits and perhaps a `k` or an `M`, is put together here.
CASE
  WHEN {text} RLIKE '^[0-9]+[kK]\\z' THEN regexp_replace({text}, '[kK]\\z', '000')
  WHEN {text} RLIKE '^[0-9][0-9.eE+-]*\\z' THEN {text}
  WHEN {text} RLIKE '^[0-9]+[mM]\\z' THEN regexp_replace({text}, '[mM]\\z', '000000')
  WHEN {text} RLIKE '^[0-9][0-9.]*[kK]\\z' THEN regexp_replace({text}, '[kK]\\z', 'e3')
  WHEN {text} RLIKE '^[0-9][0-9.]*[mM]\\z' THEN regexp_replace({text}, '[mM]\\z', 'e6')
  WHEN {text} RLIKE '^[0-9][0-9.]*[bB]\\z' THEN regexp_replace({text}, '[bB]\\z', 'e9')
END
