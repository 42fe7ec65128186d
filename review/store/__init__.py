"""Where reviews are kept: SQLite, or PostgreSQL by its URL."""
