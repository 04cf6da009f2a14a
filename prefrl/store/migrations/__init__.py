"""Alembic's home inside the package: env.py runs revisions on an open connection, versions/ holds them."""
