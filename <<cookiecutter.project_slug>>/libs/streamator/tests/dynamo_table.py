"""A table of a DynamoDB, as tests open it and break it."""

from __future__ import annotations

import time
import uuid
from typing import Any

import boto3

from streamator import DynamoStore

THROTTLED = ("ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded")


class Table:
    """What a `store_outages.StoreServer` has of it: stores on it, and what happens to what is stored. The
    environment leads to the server.

    Arguments:
        url: where the server is reached when the way that the environment names is broken.
    """

    def __init__(self, url: str | None = None) -> None:
        self.options = {"table": f"logs-{uuid.uuid4().hex[:8]}", "flush_seconds": 0.05}
        self.client = boto3.client("dynamodb", endpoint_url=url)

    def open(self, **options: Any) -> DynamoStore:
        return DynamoStore(**{**self.options, **options})

    def program(self, **options: Any) -> str:
        return f"from streamator import DynamoStore\nstore = DynamoStore(**{dict(self.options, **options)!r})"

    def lose(self) -> None:
        self.client.delete_table(TableName=self.options["table"])

    def expire(self) -> None:
        table, now = self.options["table"], time.time()
        pages = self.client.get_paginator("scan").paginate(TableName=table)
        for item in [item for page in pages for item in page["Items"] if float(item["ttl"]["N"]) <= now]:
            self.client.delete_item(TableName=table, Key={"cache_id": item["cache_id"]})
