"""`DynamoStore`: logs that other processes see, in a DynamoDB table.

dynamorator gives the client, the table and the item format, but swallows every error. So its calls go through a client
of our own, whose hooks record the outcome of each.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

from ..errors import StoreError
from ..options import check_text
from .chunks.format import Chunk, Fetched, Key
from .chunks.store import ChunkStore
from .remote.faults import FaultKind, StoreFault, logger

try:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        NoCredentialsError,
        NoRegionError,
        PartialCredentialsError,
        ProfileNotFound,
    )
    from dynamorator import DynamoDBStore
except ImportError as error:
    _missing: ImportError | None = error
    DynamoDBStore = object
else:
    _missing = None

T = TypeVar("T")

# Errors after which a later try may pass.
_BUSY = frozenset({
    "ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded",
    "LimitExceededException", "InternalServerError", "InternalFailure", "ServiceUnavailable",
    "ServiceUnavailableException",
    "TransactionConflictException", "RequestTimeout", "RequestTimeoutException", "SlowDown",
    "ReplicatedWriteConflictException",
})  # fmt: skip
_REFUSED = frozenset({"ValidationException", "SerializationException"})
_GONE = "ResourceNotFoundException"
_NOT_MET = "ConditionalCheckFailedException"

# The conditions of a put: what the item is that it replaces.
NONE: Final = "attribute_not_exists(#run)"
MINE: Final = "#run = :run AND beat < :beat"
NONE_OR_MINE: Final = f"{NONE} OR ( {MINE} )"
NONE_OR_MINE_OR_OLD: Final = f"{NONE_OR_MINE} OR epoch < :epoch"
AS_IT_WAS: Final = "beat = :beat_was AND epoch = :epoch_was"


class DynamoStore(ChunkStore):
    """Logs in a DynamoDB table, seen by every process that uses it.

    Args:
        table: the table's name (default ``"streamator-logs"``). It is created, billed on demand, if it is missing.
        ttl_days: how long DynamoDB keeps a log, in days (default 7).
        region_name: the AWS region (default: what boto3 finds in the environment, or ``us-east-1`` where an
            endpoint is given).
        endpoint_url: another endpoint than AWS's (default: what boto3 finds, ``AWS_ENDPOINT_URL_DYNAMODB``
            for one).
        options: those of `RemoteStore` and `MemoryStore`.

    Raises:
        StoreError: the ``dynamo`` extra is not installed.
        ValueError: an option is invalid.

    Making one never waits and never touches the network. Guarantees: those of `RemoteStore`.

    Cost, at the most: 1,000 lines that a job logs in 10 seconds cost 100 write units, 20 read units to replay (50 and 1
    if they compress well), and 5 read units a second for each process that follows, however many viewers it has. An
    idle job costs 0.3 write units a second, and 0.5 read units to follow. A process with jobs that can be cancelled
    reads 1 unit a ``cancel_seconds``, however many they are.
    """

    def __init__(
        self, table: str = "streamator-logs", ttl_days: float = 7, *, region_name: str | None = None,
        endpoint_url: str | None = None, **options: Any,
    ) -> None:  # fmt: skip
        if _missing is not None:
            raise StoreError(
                f"the dynamo store needs dynamorator, which is not installed ({_missing}): "
                'pip install "streamator[dynamo]"'
            ) from _missing
        check_text("table", table, r"[A-Za-z0-9_.-]{3,255}", "give 3 to 255 of A-Z, a-z, 0-9, _, . and -")
        if region_name is not None:
            check_text("region_name", region_name, r"[a-z0-9-]{1,63}", "give a region such as 'eu-west-1', or None")
        if endpoint_url is not None:
            form = r"https?://[^\s/?#@]+(/[^\s?#]*)?"
            check_text("endpoint_url", endpoint_url, form, "give an address such as 'http://127.0.0.1:8000', or None")
        self._place = f"DynamoDB table {table!r}"
        self._new_table = partial(_Table, table, ttl_days, region_name, endpoint_url)
        super().__init__(ttl_days=ttl_days, **options)

    def _reset(self) -> None:
        super()._reset()
        self._table: _Table | None = None
        self._table_lock = threading.Lock()

    def _ask(self, call: Callable[[_Table], T]) -> T:
        """Make a call. A client keeps the credentials it was made with, so one that is denied is replaced."""
        with self._table_lock:
            if self._table is None:
                try:
                    self._table = self._new_table()
                except Exception as error:
                    raise _fault_of(error) from error
            table = self._table
        try:
            return call(table)
        except StoreFault as fault:
            if fault.kind == "denied":
                self._table = None
            raise

    def _write(self, job_id: str, index: int, chunk: Chunk, run: str, known: bool) -> int:
        condition = MINE if known else NONE_OR_MINE if not chunk.epoch else NONE_OR_MINE_OR_OLD
        return self._save(job_id, index, chunk, _Call(run, chunk.beat, known, chunk.epoch, condition))

    def _save(self, job_id: str, index: int, chunk: Chunk, call: _Call) -> int:
        record = {"first": chunk.first, "text": chunk.text, "beat": chunk.beat, "lease": chunk.lease}
        record |= {name: value for name in ("offset", "closed", "epoch", "tail") if (value := getattr(chunk, name))}
        return self._ask(lambda table: table.save(_key(job_id, index), record, call))

    def _replace(self, job_id: str, index: int, old: Chunk | None, new: Chunk, run: str) -> None:
        condition = NONE if old is None else AS_IT_WAS
        was = (0, 0) if old is None else (old.beat, old.epoch)
        self._save(job_id, index, new, _Call(run, new.beat, False, new.epoch, condition, was))

    def _keep_checkpoint(self, job_id: str, text: str, chunk: Chunk, run: str) -> None:
        call = _Call(run, chunk.beat, False, chunk.epoch, NONE_OR_MINE_OR_OLD)
        self._ask(lambda table: table.save_text(_checkpoint_key(job_id), text, call))

    def _checkpoint(self, job_id: str) -> str | None:
        return self._ask(lambda table: table.load_text(_checkpoint_key(job_id)))

    def _fetch(self, keys: list[Key]) -> Fetched:
        names = {_key(*key): key for key in keys}
        found, unknown = self._ask(lambda table: table.load(list(names)))
        chunks = {names[name]: Chunk(**{"offset": 0, **record}) for name, record in found.items()}
        return Fetched(chunks, {names[name] for name in unknown})

    def _write_cancel(self, job_id: str) -> None:
        self._ask(lambda table: table.write_cancel(job_id))

    def _read_cancels(self) -> set[str]:
        return self._ask(_Table.read_cancels)


def _key(job_id: str, index: int) -> str:
    return f"{job_id}#{index:06d}"


def _checkpoint_key(job_id: str) -> str:
    return f"{job_id}#checkpoint"


class _Call:
    """The outcome of one call, as the client's hooks saw it."""

    def __init__(
        self, run: str = "", beat: int = 0, known: bool = False, epoch: int = 0, condition: str = "",
        was: tuple[int, int] = (0, 0),
    ) -> None:  # fmt: skip
        self.run = run
        self.beat = beat
        self.known = known
        self.epoch = epoch
        self.condition = condition
        self.was = was
        """The beat and the epoch of the item that it replaces."""
        self.size = 0
        self.answered = False
        self.status = 0
        self.parsed: dict[str, Any] = {}
        self.error: BaseException | None = None

    def check(self) -> None:
        """Raise `StoreFault` if the call failed."""
        if self.error is not None:
            raise _fault_of(self.error) from self.error
        if not self.answered:
            raise StoreFault("refused", "no request could be built from the arguments")
        if self.status != 200:
            raise _fault_of(ClientError(self.parsed, "call"), self.status)


class _Table(DynamoDBStore):  # type: ignore[misc]  # dynamorator has no types
    """dynamorator's store, but its calls raise errors."""

    # One try each: writer and mirrors retry, and a key that was not processed must not read as missing.
    BATCH_GET_MAX_RETRIES = 1
    BATCH_GET_INITIAL_DELAY = 0

    def __init__(self, table: str, ttl_days: float, region_name: str | None, endpoint_url: str | None) -> None:
        # Without a table name, dynamorator's constructor neither takes its shared client nor looks for the
        # table. An item below the threshold is not compressed: it fits one write unit anyway.
        super().__init__(None, silent=True, compress=True, compress_threshold=512)
        self.table_name = table
        self.ttl_days = ttl_days
        self._local = threading.local()
        session = boto3.session.Session()
        if region_name is None and session.region_name is None:
            names = ("AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL")
            if endpoint_url or any(os.environ.get(name) for name in names):
                region_name = "us-east-1"  # signed, but meaningless to a local server
        self._client = session.client(
            "dynamodb",
            region_name=region_name,
            endpoint_url=endpoint_url,
            config=Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1, "mode": "standard"}),
        )
        events = self._client.meta.events
        events.register("provide-client-params.dynamodb.PutItem", self._before_put)
        events.register("after-call.dynamodb", self._after_call)
        events.register("after-call-error.dynamodb", self._after_error)

    # Hooks: boto3 calls them in the thread that makes the request.

    def _before_put(self, params: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Put the item on its condition, and measure it."""
        call: _Call = self._local.call
        item = {**params["Item"], "run": {"S": call.run}, "beat": {"N": str(call.beat)}}
        if call.epoch:
            item["epoch"] = {"N": str(call.epoch)}
        call.size = item_size(item)
        beat_was, epoch_was = call.was
        numbers = {":beat": call.beat, ":epoch": call.epoch, ":beat_was": beat_was, ":epoch_was": epoch_was}
        values = {":run": item["run"], **{name: {"N": str(number)} for name, number in numbers.items()}}
        used = {name: value for name, value in values.items() if name in call.condition.split()}
        return {
            **params,
            "Item": item,
            "ConditionExpression": call.condition,
            **({"ExpressionAttributeNames": {"#run": "run"}} if "#run" in call.condition else {}),
            **({"ExpressionAttributeValues": used} if used else {}),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def _after_call(self, http_response: Any, parsed: dict[str, Any], **_: Any) -> None:
        call: _Call = self._local.call
        call.answered, call.status, call.parsed, call.error = True, http_response.status_code, parsed, None

    def _after_error(self, exception: BaseException, **_: Any) -> None:
        self._local.call.error = exception

    # Calls

    def save(self, key: str, record: dict[str, Any], call: _Call) -> int:
        """Store a record; returns the item's size. Raises `StoreFault` if it is not known to be stored."""
        self._local.call = call
        self.put(key, record, self.ttl_days)
        return self._saved(key, call)

    def save_text(self, key: str, text: str, call: _Call) -> None:
        """Store a text as bytes, of which an item can hold more than of a record. Raises as `save`."""
        self._local.call = call
        ttl = str(int(time.time() + self.ttl_days * self.SECONDS_PER_DAY))
        item = {self.PARTITION_KEY: {"S": key}, self.DATA_ATTR: {"B": text.encode()}, self.TTL_ATTR: {"N": ttl}}
        with contextlib.suppress(ClientError, BotoCoreError):  # the hooks have seen it
            self._client.put_item(TableName=self.table_name, Item=item)
        self._saved(key, call)

    def load_text(self, key: str) -> str | None:
        """What `save_text` has stored. Raises `StoreFault`."""
        self._local.call = _Call()
        name = {self.PARTITION_KEY: {"S": key}}
        item = self._ask(self._client.get_item, TableName=self.table_name, Key=name, ConsistentRead=True).get("Item")
        return None if item is None else item[self.DATA_ATTR]["B"].decode()

    def _saved(self, key: str, call: _Call) -> int:
        if call.status == 400 and call.parsed.get("Error", {}).get("Code") == _NOT_MET:
            if call.known and not call.parsed.get("Item"):
                raise StoreFault("gone", f"item {key!r} is not there any more")
            raise StoreFault("conflict", f"item {key!r} belongs to another run of the job")
        try:
            call.check()
        except StoreFault as fault:
            if fault.kind == "gone":
                self.ensure()
            raise
        return call.size

    def load(self, keys: list[str]) -> tuple[dict[str, dict[str, Any]], set[str]]:
        """The records that were found, and the keys of which nothing is known. Raises `StoreFault`."""
        self._local.call = call = _Call()
        found = self.batch_get(keys)
        try:
            call.check()
        except StoreFault as fault:
            if fault.kind == "gone":
                return {}, set()  # no table: nothing was ever stored
            raise
        answered = call.parsed.get("Responses", {}).get(self.table_name, [])
        if len(found) != len(answered):
            names = ", ".join(item[self.PARTITION_KEY]["S"] for item in answered)
            raise StoreFault("busy", f"not all items are readable: {names[:200]}")
        skipped = call.parsed.get("UnprocessedKeys", {}).get(self.table_name, {}).get("Keys", [])
        return found, {item[self.PARTITION_KEY]["S"] for item in skipped}

    def write_cancel(self, job_id: str) -> None:
        """Store a request to cancel a job. Raises `StoreFault`."""
        self._local.call = _Call()
        now = int(time.time())
        self._ask(
            self._client.update_item, TableName=self.table_name, Key=self._cancels_of(now),
            UpdateExpression="ADD ids :ids SET #ttl = :ttl", ExpressionAttributeNames={"#ttl": self.TTL_ATTR},
            ExpressionAttributeValues={":ids": {"SS": [job_id]}, ":ttl": {"N": str(now + 3_600)}},
        )  # fmt: skip

    def read_cancels(self) -> set[str]:
        """The ids in this minute's requests to cancel jobs, and in the last one's. Raises `StoreFault`."""
        self._local.call = _Call()
        now = int(time.time())
        keys = [self._cancels_of(now), self._cancels_of(now - 60)]
        try:
            answer = self._ask(self._client.batch_get_item, RequestItems={self.table_name: {"Keys": keys}})
        except StoreFault as fault:
            if fault.kind == "gone":
                return set()  # no table: nothing was ever asked
            raise
        items = answer["Responses"].get(self.table_name, [])
        return {job_id for item in items for job_id in item["ids"]["SS"]}

    def _cancels_of(self, now: int) -> dict[str, Any]:
        """The key of one minute's requests: one item for all jobs, so that reading costs the same for any number. No
        job id has a ``~``."""
        return {self.PARTITION_KEY: {"S": f"~cancel#{now // 60}"}}

    def _ask(self, call: Callable[..., dict[str, Any]], **request: Any) -> dict[str, Any]:
        try:
            return call(**request)
        except (ClientError, BotoCoreError) as error:
            raise _fault_of(error) from error

    def ensure(self) -> None:
        """Create the table if it is not there. Raises `StoreFault` while it cannot be used yet."""
        self._local.call = _Call()
        try:
            state = self._state() or self._create()
        except (ClientError, BotoCoreError) as error:
            raise _fault_of(error) from error
        if state not in ("ACTIVE", "UPDATING"):
            raise StoreFault("gone", f"the table is {state}; its data will be written when it is ACTIVE")
        self._enable_ttl()

    def _state(self) -> str | None:
        """The table's state; None if there is no table."""
        try:
            state: str = self._client.describe_table(TableName=self.table_name)["Table"]["TableStatus"]
        except ClientError as error:
            if _code(error) != _GONE:
                raise
            return None
        return state

    def _create(self) -> str:
        """Create the table; returns its state."""
        try:
            made = self._client.create_table(
                TableName=self.table_name,
                KeySchema=[{"AttributeName": self.PARTITION_KEY, "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": self.PARTITION_KEY, "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        except ClientError as error:
            if _code(error) != "ResourceInUseException":
                raise
            return "CREATING"  # by another process
        state: str = made["TableDescription"]["TableStatus"]
        return state

    def _enable_ttl(self) -> None:
        try:
            setting = {"Enabled": True, "AttributeName": self.TTL_ATTR}
            self._client.update_time_to_live(TableName=self.table_name, TimeToLiveSpecification=setting)
        except (ClientError, BotoCoreError) as error:
            if "already enabled" not in str(error):
                text = "DynamoDB table %r: its time to live could not be enabled, so that old logs stay: %s"
                logger.warning(text, self.table_name, error)


def item_size(item: dict[str, dict[str, Any]]) -> int:
    """The size in bytes by which DynamoDB limits and bills an item: its names and its values. A number counts as the
    largest of its length: zeros at its end make it smaller."""
    size = 0
    for name, value in item.items():
        size += len(name)
        for kind, content in value.items():
            if kind == "N":
                size += len(content) // 2 + 2
            else:
                size += len(content.encode()) if kind == "S" else len(content) if kind == "B" else 1
    return size


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _fault_of(error: BaseException, status: int = 0) -> StoreFault:
    """An error of boto3 as a fault."""
    kind: FaultKind
    if isinstance(error, ClientError):
        code = _code(error)
        detail = str(error.response.get("Error", {}).get("Message", ""))
        status = status or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code == _GONE:
            kind = "gone"
        elif code in _BUSY or status >= 500 or status == 429:
            kind = "busy"
        elif code in _REFUSED or status == 413:
            kind = "refused"
        else:  # rights, tokens, clocks: this process cannot fix them
            kind = "denied"
        return StoreFault(kind, f"{code}: {detail}" if detail else code or f"HTTP {status}")
    if isinstance(error, NoRegionError):
        return StoreFault("denied", "no AWS region: set AWS_DEFAULT_REGION or give region_name")
    if isinstance(error, (NoCredentialsError, PartialCredentialsError, ProfileNotFound)):
        fix = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        return StoreFault("denied", f"no AWS credentials ({error}): {fix}")
    return StoreFault("down", f"{type(error).__name__}: {error}")
