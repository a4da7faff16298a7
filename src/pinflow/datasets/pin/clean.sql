-- The clean columns of pin. '' and the placeholders that the site writes for "no value" become NULL. A follower count that
-- does not fit 32 bits is NULL. What a whole number and a follower count are is said in ../rules.
-- `_nulled` names, comma-joined, the fields that had a text, neither '' nor a placeholder, and came to NULL; NULL where
-- there is none. It is counted, and not stored: the inner SELECT holds the rules, the outer one compares, and looks at
-- the text as it was sent only where a cell is NULL, since few are.
SELECT
  ind,
  unique_id,
  title,
  description,
  follower_count,
  poster_name,
  tag_list,
  is_image_or_video,
  image_src,
  save_location,
  category,
  _topic,
  _partition,
  _offset,
  _accepted_at,
  CASE
    WHEN follower_count IS NULL OR save_location IS NULL
      THEN nullif(
        concat_ws(
          ',',
          CASE WHEN follower_count IS NULL AND sent_follower_count NOT IN ('', 'User Info Error') THEN 'follower_count' END,
          CASE WHEN save_location IS NULL AND sent_save_location <> '' THEN 'save_location' END
        ),
        ''
      )
  END AS _nulled
FROM (
  SELECT
    coalesce(try_cast(`index` AS INT), try_cast({whole_number(`index`)} AS INT)) AS ind,
    nullif(unique_id, '') AS unique_id,
    CASE WHEN title NOT IN ('', 'No Title Data Available') THEN title END AS title,
    CASE
      WHEN description NOT IN ('', 'No description available', 'No description available Story format')
        THEN description
    END AS description,
    coalesce(try_cast(followers AS INT), try_cast({whole_number(followers)} AS INT)) AS follower_count,
    CASE WHEN poster_name NOT IN ('', 'User Info Error') THEN poster_name END AS poster_name,
    CASE WHEN tag_list NOT IN ('', 'N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e') THEN tag_list END AS tag_list,
    nullif(is_image_or_video, '') AS is_image_or_video,
    CASE WHEN image_src NOT IN ('', 'Image src error.') THEN image_src END AS image_src,
    nullif(trim(regexp_replace(save_location, '^Local save in ', '')), '') AS save_location,
    nullif(category, '') AS category,
    _topic,
    _partition,
    _offset,
    _accepted_at,
    follower_count AS sent_follower_count,
    save_location AS sent_save_location
  FROM (SELECT *, {followers(follower_count)} AS followers FROM raw) AS counted
) AS cleaned
