"""`RedisStore`: logs that other processes see, in Redis streams. Redis 7 or later, or what speaks as it does."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Final, TypeVar

from ..errors import StoreError
from ..events import ATTEMPT_IDS, attempt_parts
from ..options import check_count, check_text
from .memory import check_attempt
from .records.format import Append, Head, Row
from .records.mirror import BLOCK_SECONDS, StreamMirrors
from .records.writer import StreamWriter
from .redis_url import parse_url
from .remote.faults import FaultKind, StoreFault
from .remote.mirror import Mirrors
from .remote.outgoing import Opened
from .remote.store import RemoteStore
from .remote.writer import Writer

try:
    import redis
    import redis.asyncio
    from redis.asyncio.retry import Retry as AsyncRetry
    from redis.backoff import NoBackoff
    from redis.retry import Retry
except ImportError as error:
    _missing: ImportError | None = error
else:
    _missing = None

T = TypeVar("T")

DEFAULT_URL: Final = "redis://127.0.0.1:6379/0"
CONNECT_SECONDS: Final = 2.0
ANSWER_SECONDS: Final = 5.0
LISTED_JOBS: Final = 1_000
# How long a request to cancel a job is kept, in seconds, and how many are.
CANCEL_KEPT_SECONDS: Final = 60
CANCELS_KEPT: Final = 10_000
# A server that closes the connection on an append so often, but answers PING each time, refuses what is in it.
HANGUPS: Final = 3

# Adds events to a job's stream: all of them or none, and only to the end that the writer knows. What an earlier try
# has added is skipped: Redis itself would refuse an id that is not larger than the last one.
# KEYS: stream, job, jobs. ARGV: run, after, producer, lease, ttl in ms, maxlen, status, left, jobs to list, epoch,
# checkpoint, and then id and JSON of each event. Returns the last id; -1: the log of another run. Of two attempts that
# write after Redis has lost what it had, the newer one has the log.
_APPEND = """
local last, left = 0, false
local tail = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if tail then
  local id, part = string.match(tail[1], '^(%d+)-(%d+)$')
  last, left = tonumber(id), part ~= '0'
end
local after = tonumber(ARGV[2])
local owner = redis.call('HGET', KEYS[2], 'run')
if owner and owner ~= ARGV[1] then
  local held = tonumber(redis.call('HGET', KEYS[2], 'epoch') or '')
  if not held or held >= tonumber(ARGV[10]) then
    return -1
  end
  owner = false
elseif not owner and last > 0 and last ~= after then
  return -1
end
if last < after then
  return last
end
if not owner then
  local now = redis.call('TIME')
  local created = now[1] .. string.format('.%03d', math.floor(now[2] / 1000))
  redis.call('HSET', KEYS[2], 'run', ARGV[1], 'producer', ARGV[3], 'lease', ARGV[4], 'created', created)
  redis.call('ZADD', KEYS[3], created, string.match(KEYS[2], '([^:]*)$'))
  redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1 - tonumber(ARGV[9]))
  if ARGV[10] ~= '0' then
    redis.call('HSET', KEYS[2], 'epoch', ARGV[10])
  end
end
if ARGV[11] ~= '' then
  redis.call('HSET', KEYS[2], 'checkpoint', ARGV[11])
end
for n = 12, #ARGV - 1, 2 do
  local id = tonumber(ARGV[n])
  if id > last then
    if ARGV[7] ~= '' and n == #ARGV - 1 then
      redis.call('XADD', KEYS[1], ARGV[n] .. '-0', 'event', ARGV[n + 1], 'closed', '1')
    else
      redis.call('XADD', KEYS[1], ARGV[n] .. '-0', 'event', ARGV[n + 1])
    end
    last = id
  end
end
if ARGV[8] == '1' and not left then
  redis.call('XADD', KEYS[1], string.format('%.0f', last) .. '-1', 'left', '1')
end
redis.call('XTRIM', KEYS[1], 'MAXLEN', ARGV[6])
if ARGV[7] ~= '' then
  redis.call('HSET', KEYS[2], 'status', ARGV[7])
end
for n = 1, 3 do
  redis.call('PEXPIRE', KEYS[n], ARGV[5])
end
return last
"""


# Begins an attempt. KEYS: stream, job, jobs, cancels. ARGV: run, producer, lease, ttl in ms, jobs to list, whether a
# closed log may be opened again, ids of an attempt, and what stands before and after the number in the event that tells
# of it. Returns the attempt, the last id before it, the event, and the checkpoint; or -1: a job without attempts, -2: a
# closed log.
_BEGIN = """
local job = redis.call('HMGET', KEYS[2], 'run', 'epoch', 'status', 'checkpoint', 'event', 'before')
local epoch = tonumber(job[2] or 0)
if job[1] == ARGV[1] then
  return {epoch, tonumber(job[6]), job[5], job[4]}
end
local tail = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local last = tail and tonumber(string.match(tail[1], '^(%d+)-')) or 0
if epoch == 0 and (job[1] or tail) then
  return {-1}
elseif job[3] and ARGV[6] ~= '1' then
  return {-2}
end
local now = redis.call('TIME')
local name, created = string.match(KEYS[2], '([^:]*)$'), now[1] .. string.format('.%03d', math.floor(now[2] / 1000))
local is_new, event = epoch == 0, ''
epoch = math.max(epoch + 1, tonumber(ARGV[10]))
if epoch > 1 then
  event = ARGV[8] .. string.format('%.0f', epoch) .. ARGV[9]
  local id = (epoch - 1) * tonumber(ARGV[7]) + last % tonumber(ARGV[7]) + 1
  redis.call('XADD', KEYS[1], string.format('%.0f-0', id), 'event', event)
end
if is_new then
  redis.call('HSET', KEYS[2], 'created', created)
  redis.call('ZADD', KEYS[3], created, name)
  redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1 - tonumber(ARGV[5]))
end
if job[3] then
  redis.call('HDEL', KEYS[2], 'status')
  redis.call('ZREM', KEYS[4], name)
end
redis.call('HSET', KEYS[2], 'run', ARGV[1], 'producer', ARGV[2], 'lease', ARGV[3], 'epoch', epoch, 'event', event,
  'before', string.format('%.0f', last))
for n = 1, 3 do
  redis.call('PEXPIRE', KEYS[n], ARGV[4])
end
return {epoch, last, event, job[4]}
"""


class RedisStore(RemoteStore):
    """Logs in Redis, seen by every process that uses the same server.

    Args:
        url: the server and the database: ``redis://[[user]:password@]host:port/db``, ``rediss://`` for TLS, or
            ``unix:///path?db=0`` (default ``redis://127.0.0.1:6379/0``). It takes redis-py's options for the
            connection, ``?ssl_ca_certs=ca.pem`` for instance; ``protocol``, ``decode_responses`` and other options for
            a client's own interface are ignored.
        ttl_days: how long a log is kept after its last line, in days (default 7).
        key_prefix: what all of the keys begin with, before a colon (default ``"streamator"``). It may have colons.
        flush_seconds: the least time between two writes (default 0.005). The first line of a quiet time is written
            at once.
        cancel_seconds: how often a process with tasks checks for requests to cancel one (default 0.1).
        maxlen: how many events of one job are kept, here and in Redis (default 1,000,000).
        options: those of `RemoteStore` and `MemoryStore`.

    Raises:
        StoreError: the ``redis`` extra is not installed.
        ValueError: an option is invalid.

    Making one never waits and never touches the network. Guarantees: those of `RemoteStore`. A line is with the
    viewers of another process some milliseconds after it was logged. Events that Redis has lost, by a restart or a
    failover, are written again while their job runs. One process holds a connection to write and up to three to read,
    however many viewers and jobs it has.

    A user of the server needs ``+@read +@write +@scripting +@connection +time`` on ``~{key_prefix}:*``. Not for Redis
    Cluster: one call reads many keys.
    """

    def __init__(
        self, url: str = DEFAULT_URL, ttl_days: float = 7, *, key_prefix: str = "streamator",
        flush_seconds: float = 0.005, cancel_seconds: float = 0.1, **options: Any,
    ) -> None:  # fmt: skip
        if _missing is not None:
            raise StoreError(
                f'the redis store needs redis-py, which is not installed ({_missing}): pip install "streamator[redis]"'
            ) from _missing
        form = r"[^\s\x00-\x1f\x7f]{1,200}"
        check_text("key_prefix", key_prefix, form, "give 1 to 200 characters without blanks, such as 'prod:myapp'")
        bare, given = parse_url(url)
        self._server = _Server(bare, given)
        where = self._server.pool(redis.ConnectionPool).connection_kwargs
        at = where.get("path") or f"{where.get('host', 'localhost')}:{where.get('port', 6379)}"
        self._place = f"Redis at {at}, database {where.get('db', 0)}"
        self._prefix = key_prefix.rstrip(":") or key_prefix
        super().__init__(ttl_days=ttl_days, flush_seconds=flush_seconds, cancel_seconds=cancel_seconds, **options)

    def _reset(self) -> None:
        self._calls = _Calls(self._server, self._prefix, self._lease, self._ttl_days, self._stored_len)
        super()._reset()

    def _new_writer(self, **options: Any) -> Writer[Any]:
        return StreamWriter(self._place, self._calls, **options)

    def _new_mirrors(self, **options: Any) -> Mirrors[Any]:
        return StreamMirrors(self._place, lambda: _Reader(self._server, self._prefix), **options)

    def _begin_attempt(self, job_id: str, run: str, reason: str, reopen: bool, least: int) -> Opened:
        number, *found = self._calls.begin(job_id, run, reason, reopen, least)
        check_attempt(job_id, number != -1, number == -2, False)
        last, event, checkpoint = found
        return Opened(run, number, last, _text(event), None if checkpoint is None else _text(checkpoint))

    def _write_cancel(self, job_id: str) -> None:
        self._calls.write_cancel(job_id)

    def _read_cancels(self) -> set[str]:
        return self._calls.read_cancels()

    async def jobs(self, limit: int = 50) -> list[dict[str, Any]]:
        """The newest jobs of every process, the newest first.

        Args:
            limit: how many at the most (default 50). Redis keeps the ids of 1,000.

        Returns:
            For each ``job_id``, ``created_at`` (seconds since 1970, by the clock of Redis) and ``status``:
            ``"running"``, ``"lost"`` if its producer gives no sign of life, or how it ended.

        Raises:
            StoreError: Redis could not be read.
        """
        try:
            return await asyncio.to_thread(self._calls.jobs, check_count("limit", limit, 0, LISTED_JOBS))
        except StoreFault as fault:
            raise StoreError(f"{self._place} could not be read: {fault.reason}") from fault

    def close(self) -> None:
        """Write what is pending, see ``close_seconds``, and close the connections. See `RemoteStore.close`."""
        super().close()
        self._calls.close()


class _Server:
    """Makes the clients of one server. They do not retry: writer and mirrors do."""

    def __init__(self, url: str, options: dict[str, Any]) -> None:
        self._url = url
        self._options = {
            "socket_connect_timeout": CONNECT_SECONDS, "socket_timeout": ANSWER_SECONDS, **options, "protocol": 2,
        }  # fmt: skip

    def pool(self, kind: type[T]) -> T:
        made: T = kind.from_url(self._url, **self._options)  # type: ignore[attr-defined]  # each pool has it
        return made

    def client(self) -> Any:
        return redis.Redis.from_url(self._url, retry=Retry(NoBackoff(), 0), **self._options)

    def reader(self) -> Any:
        # A read that waits for events must not time out.
        options = {**self._options, "socket_timeout": max(self._options["socket_timeout"], BLOCK_SECONDS + 1)}
        return redis.asyncio.Redis.from_url(self._url, retry=AsyncRetry(NoBackoff(), 0), **options)


class _Keys:
    def __init__(self, prefix: str) -> None:
        self.jobs = f"{prefix}:jobs"
        self.cancels = f"{prefix}:cancels"
        self._prefix = prefix

    def log(self, job_id: str) -> str:
        return f"{self._prefix}:log:{job_id}"

    def job(self, job_id: str) -> str:
        return f"{self._prefix}:job:{job_id}"

    def producer(self, producer: str) -> str:
        return f"{self._prefix}:producer:{producer}"


class _Calls:
    """The calls of the writer's thread: see `records.format.Appender`."""

    def __init__(self, server: _Server, prefix: str, lease: float, ttl_days: float, maxlen: int) -> None:
        self._keys = _Keys(prefix)
        self._lease = lease
        self._ttl = max(int(ttl_days * 86_400_000), 1)
        self._maxlen = maxlen
        self._producer = uuid.uuid4().hex
        self._client = server.client()

    def _call(self, fill: Any) -> list[Any]:
        """Send what ``fill`` puts into a pipeline; returns the replies, including errors."""
        for last_try in (False, True):
            pipe = self._client.pipeline(transaction=False)
            fill(pipe)
            try:
                replies: list[Any] = pipe.execute(raise_on_error=False)
                break
            except redis.RedisError as error:
                # The server may have closed an idle connection: try once more.
                again = isinstance(error, redis.ConnectionError) and not last_try
                self._hang_up()
                if not again:
                    raise _fault_of(error) from error
            except ValueError as error:  # I/O on a closed file: the store is closed, from another thread
                raise StoreFault("down", f"the connection was closed here ({error})") from error
        if any(isinstance(reply, redis.exceptions.ReadOnlyError) for reply in replies):
            # A failover: the host's name leads to another server now, or soon.
            self._hang_up()
        return replies

    def _hang_up(self) -> None:
        """Close the connections, except those that another thread waits on: it would fail with errors that are not
        redis-py's."""
        self._client.connection_pool.disconnect(inuse_connections=False)

    def append(self, appends: Sequence[Append]) -> list[int | StoreFault]:
        try:
            return self._append(appends)
        except StoreFault as fault:
            if not self._hung_up(fault):
                raise
        return [self._append_alone(append) for append in appends]

    def begin(self, job_id: str, run: str, reason: str, reopen: bool, least: int) -> list[Any]:
        """Begin an attempt: see `_BEGIN`."""
        keys = self._keys.log(job_id), self._keys.job(job_id), self._keys.jobs, self._keys.cancels
        given = run, self._producer, self._lease, self._ttl, LISTED_JOBS, int(reopen), ATTEMPT_IDS
        (found,) = self._checked(lambda pipe: pipe.eval(_BEGIN, 4, *keys, *given, *attempt_parts(reason), least))
        begun: list[Any] = found
        return begun

    def _append_alone(self, append: Append) -> int | StoreFault:
        for _ in range(HANGUPS):
            try:
                return self._append([append])[0]
            except StoreFault as fault:
                if not self._hung_up(fault):
                    raise
                reason = fault.reason
        return StoreFault("refused", f"the server closes the connection when it is sent ({reason})")

    def _hung_up(self, fault: StoreFault) -> bool:
        """Whether the server works, though it has closed the connection, as it does for requests that it refuses."""
        if fault.kind != "down" or not isinstance(fault.__cause__, redis.ConnectionError):
            return False
        try:
            self._call(lambda pipe: pipe.ping())
        except StoreFault:
            return False
        return True

    def _append(self, appends: Sequence[Append]) -> list[int | StoreFault]:
        def fill(pipe: Any) -> None:
            for append in appends:
                keys = self._keys.log(append.job_id), self._keys.job(append.job_id), self._keys.jobs
                pairs = [part for event in append.events for part in event]
                pipe.eval(
                    _APPEND, 3, *keys, append.run, append.after, self._producer, self._lease, self._ttl, self._maxlen,
                    append.status or "", int(append.left), LISTED_JOBS, append.epoch, append.checkpoint or "", *pairs,
                )  # fmt: skip

        answers: list[int | StoreFault] = []
        for append, reply in zip(appends, self._call(fill), strict=True):
            if isinstance(reply, Exception):
                answers.append(_fault_of(reply, other="refused"))
            elif reply < 0:
                answers.append(StoreFault("conflict", f"the log of job {append.job_id!r} belongs to another run"))
            else:
                answers.append(reply)
        return answers

    def beat(self, beat: int) -> bool:
        key, lives = self._keys.producer(self._producer), int(2_000 * self._lease)
        (before,) = self._call(lambda pipe: pipe.set(key, beat, px=lives, get=True))
        if isinstance(before, Exception):
            raise _fault_of(before) from before
        return before is not None and int(before) == beat - 1

    def write_cancel(self, job_id: str) -> None:
        key, now = self._keys.cancels, time.time()

        def fill(pipe: Any) -> None:
            pipe.zadd(key, {job_id: now})
            pipe.zremrangebyscore(key, "-inf", now - CANCEL_KEPT_SECONDS)
            pipe.zremrangebyrank(key, 0, -1 - CANCELS_KEPT)
            pipe.expire(key, CANCEL_KEPT_SECONDS)

        self._checked(fill)

    def read_cancels(self) -> set[str]:
        (found,) = self._checked(lambda pipe: pipe.zrange(self._keys.cancels, 0, -1))
        return {job_id.decode() for job_id in found}

    def jobs(self, limit: int) -> list[dict[str, Any]]:
        def heads(pipe: Any) -> None:
            for job_id in job_ids:
                pipe.hmget(self._keys.job(job_id), "created", "status", "producer")

        def producers(pipe: Any) -> None:
            pipe.mget([self._keys.producer(_text(head[2])) for head in found] or ["-"])

        (job_ids,) = self._checked(lambda pipe: pipe.zrevrange(self._keys.jobs, 0, max(limit, 0) - 1))
        job_ids = [job_id.decode() for job_id in job_ids] if limit > 0 else []
        found = self._checked(heads) if job_ids else []
        (beats,) = self._checked(producers)
        return [
            {
                "job_id": job_id,
                "created_at": float(created),
                "status": _text(status) if status else "running" if beat else "lost",
            }
            for job_id, (created, status, _), beat in zip(job_ids, found, beats, strict=False)
            if created is not None
        ]

    def _checked(self, fill: Any) -> list[Any]:
        replies = self._call(fill)
        for reply in replies:
            if isinstance(reply, Exception):
                raise _fault_of(reply) from reply
        return replies

    def close(self) -> None:
        self._client.close()
        self._client.connection_pool.disconnect()


class _Reader:
    """The calls of the mirrors' thread: see `records.format.Reader`."""

    def __init__(self, server: _Server, prefix: str) -> None:
        self._keys = _Keys(prefix)
        self._client = server.reader()

    async def _done(self, call: Awaitable[T]) -> T:
        try:
            return await call
        except (redis.RedisError, OSError) as error:
            raise _fault_of(error) from error

    async def look(self, job_ids: Sequence[str]) -> dict[str, Head | StoreFault]:
        pipe = self._client.pipeline(transaction=False)
        for job_id in job_ids:
            pipe.hmget(self._keys.job(job_id), "producer", "lease", "epoch")
            pipe.xlen(self._keys.log(job_id))
        replies = await self._done(pipe.execute(raise_on_error=False))
        heads: dict[str, Head | StoreFault] = {}
        for job_id, head, length in zip(job_ids, replies[::2], replies[1::2], strict=True):
            error = next((reply for reply in (head, length) if isinstance(reply, Exception)), None)
            if error is not None:
                fault = _fault_of(error)
                if not isinstance(error, redis.ResponseError) or fault.kind == "down":
                    raise fault from error
                heads[job_id] = fault
            elif head[0] is not None or length:  # without a head: its producer counts as gone
                heads[job_id] = Head(_text(head[0] or b""), float(head[1] or 10), int(head[2] or 0))
        return heads

    async def read(
        self, cursors: Mapping[str, tuple[int, bool]], limit: int, seconds: float | None = None
    ) -> dict[str, list[Row]]:
        names = {self._keys.log(job_id).encode(): job_id for job_id in cursors}
        wait = [] if seconds is None else ["BLOCK", max(int(seconds * 1_000), 1)]
        ids = [f"{last}-{int(left)}" for last, left in cursors.values()]
        command: Any = self._client.execute_command  # redis-py gives it no types
        found = await self._done(command("XREAD", "COUNT", limit, *wait, "STREAMS", *names, *ids))
        return {names[name]: [_row(entry_id, fields) for entry_id, fields in entries] for name, entries in found or ()}

    async def beats(self, producers: Sequence[str]) -> list[str | None]:
        found = await self._done(self._client.mget([self._keys.producer(producer) for producer in producers]))
        return [None if beat is None else _text(beat) for beat in found]

    async def close(self) -> None:
        await self._done(self._client.aclose())


def _row(entry_id: bytes, fields: dict[bytes, bytes]) -> Row:
    event = fields.get(b"event")
    return Row(int(entry_id.partition(b"-")[0]), None if event is None else event.decode(), b"closed" in fields)


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode()


# Replies while Redis cannot serve anybody, for now.
_DOWN: Final = ("LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "MISCONF", "NOREPLICAS", "BUSY", "UNKILLABLE")
_DENIED: Final = (
    "NOAUTH", "NOPERM", "WRONGPASS", "THE USER EXECUTING THE SCRIPT", "AUTHENTICATION", "INVALID USERNAME",
    "PROTOCOL ERROR: UNAUTHENTICATED",  # the reply to an unauthenticated request of more than ten words
)  # fmt: skip


def _fault_of(error: BaseException, other: FaultKind = "denied") -> StoreFault:
    """An error of redis-py as a fault; ``other``: the kind of an error that is not listed here (default: ``denied``,
    which is retried slowly)."""
    text = str(error) or type(error).__name__
    kind: FaultKind
    if isinstance(error, (redis.AuthenticationError, redis.exceptions.NoPermissionError)) or text.upper().startswith(
        _DENIED
    ):
        return StoreFault("denied", f"{text}; give a url with the user and the password of one who may read and write")
    clustered = redis.exceptions.AskError, redis.exceptions.MovedError, redis.exceptions.ClusterCrossSlotError
    if isinstance(error, clustered) or "not allowed in cluster mode" in text:
        fix = "this is a Redis Cluster, which this store does not work with: give the url of a single server"
        return StoreFault("denied", f"{fix} ({text})")
    if "CERTIFICATE_VERIFY_FAILED" in text:
        fix = "give its authority's certificate in the url, rediss://...?ssl_ca_certs=ca.pem"
        return StoreFault("denied", f"the server's certificate is not known here ({text}); {fix}")
    if isinstance(error, redis.exceptions.OutOfMemoryError) or text.startswith("OOM"):
        return StoreFault("down", f"out of memory ({text}); raise maxmemory, or keep less: ttl_days, maxlen")
    if isinstance(error, redis.exceptions.ReadOnlyError):
        return StoreFault("down", f"the server is a replica ({text})")
    if isinstance(error, redis.TimeoutError):
        return StoreFault("down", f"no answer in time ({text})")
    if isinstance(error, (redis.ConnectionError, OSError)) or text.startswith(_DOWN):
        kind = "down"
    elif text.startswith("WRONGTYPE"):
        return StoreFault("denied", f"a key is used by something else ({text}); give a key_prefix of its own")
    else:
        kind = other
    return StoreFault(kind, f"{type(error).__name__}: {text}")
