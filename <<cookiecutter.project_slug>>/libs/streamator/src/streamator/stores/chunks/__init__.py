"""Logs in chunks, for stores that rewrite the end of a log: DynamoDB."""
