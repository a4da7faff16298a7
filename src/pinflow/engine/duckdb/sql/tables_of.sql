-- What DuckDB's own parser says of a text of SQL: the tables that it reads, how many statements it has, why it is not SQL.
SELECT
  json_extract_string(tree, '$..table_name') AS tables,
  json_array_length(tree, '$.statements') AS statements,
  tree ->> 'error_message' AS error
FROM (SELECT json_serialize_sql(?) AS tree)
