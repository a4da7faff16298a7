"""Who may post what: API keys, and the guard before every route."""
