-- The clean columns of user. '' becomes NULL, save that user_name is never NULL: it is first and last name with a
-- blank between, missing parts left out. What a whole number and a time are is said in ../rules.
SELECT
  coalesce(try_cast(ind AS INT), try_cast({whole_number(ind)} AS INT)) AS ind,
  concat_ws(' ', nullif(first_name, ''), nullif(last_name, '')) AS user_name,
  try_cast({whole_number(age)} AS INT) AS age,
  {moment(date_joined)} AS date_joined,
  _topic,
  _partition,
  _offset,
  _accepted_at
FROM raw
