"""replay: build tables again by the current rules, and try rejected records again."""
