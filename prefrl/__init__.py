"""prefrl."""
