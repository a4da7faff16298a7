-- {text} with the `T` and the `Z` of a time as capitals, and without the digits beyond microseconds.
regexp_replace(
  regexp_replace(regexp_replace({text}, '([0-9])t([0-9])', '$1T$2'), '([0-9])z\\z', '$1Z'),
  '([.][0-9]{6})[0-9]+',
  '$1'
)
