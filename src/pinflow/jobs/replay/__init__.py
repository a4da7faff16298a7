"""replay: tables anew by the rules of today, and rejected records tried again."""
