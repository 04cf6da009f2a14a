"""One module per revision of the schema, oldest first; a released one is never edited."""

HEAD = "0001"  # the newest revision, so that opening a current store need not load Alembic (a test compares them)
