"""Logs as records, for stores that append: Redis and files."""
