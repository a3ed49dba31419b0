"""`ChunkStore`: the base of the stores that keep a log in chunks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...errors import InvalidStore
from ...events import attempt_parts, last_before
from ..memory import check_attempt
from ..remote.faults import StoreFault
from ..remote.mirror import Mirrors
from ..remote.outgoing import Opened
from ..remote.store import RemoteStore
from ..remote.writer import Writer
from .format import Chunk, Fetched, Key, place_after
from .mirror import ChunkMirrors
from .writer import ChunkWriter, Place

FETCH_CHUNKS = 50


class ChunkStore(RemoteStore):
    """The base of stores that keep a log as `format` says: see `DynamoStore` for one.

    A subclass defines `_place`, `_write` and `_fetch`; and `_replace`, `_freeze`, `_keep_checkpoint` and
    `_checkpoint`, if its jobs may have attempts. None of them is called on an event loop.

    Args:
        options: those of `RemoteStore`.
    """

    def _new_writer(self, **options: Any) -> Writer[Any]:
        return ChunkWriter(self._place, self._write, self._fetch, self._keep_checkpoint, **options)

    def _new_mirrors(self, **options: Any) -> Mirrors[Any]:
        # A job that began elsewhere is stored by the next flush there, and the write takes a moment.
        return ChunkMirrors(self._place, self._fetch, grace=2 * self._flush_seconds + 0.3, **options)

    def _write(self, job_id: str, index: int, chunk: Chunk, run: str, known: bool) -> int:
        """Store a chunk; returns its size in bytes, as it is billed.

        Args:
            job_id, index: the chunk's key.
            chunk: what to store.
            run: identifies this run of the job. A chunk of another run must not be overwritten, nor one with a later
                beat.
            known: the chunk was stored before: if it is not there, that is a `StoreFault` of kind ``gone``.

        Raises:
            StoreFault: it is not known to be stored.
        """
        raise NotImplementedError

    def _fetch(self, keys: list[Key]) -> Fetched:
        """Read up to 100 chunks. Raises `StoreFault` if nothing could be read."""
        raise NotImplementedError

    # For attempts

    def _replace(self, job_id: str, index: int, old: Chunk | None, new: Chunk, run: str) -> None:
        """Store a chunk in the place of ``old``, if that is still as it was read; None: if there is no chunk.

        Raises:
            StoreFault: it is not known to be stored; of kind ``conflict`` if there is another chunk.
        """
        raise NotImplementedError

    def _freeze(self, job_id: str, index: int, run: str) -> tuple[Chunk, int]:
        """Let nobody but ``run`` write a chunk any more, in one atomic step, whatever is written meanwhile.

        Returns:
            The chunk as it is stored, and its new epoch: one more than before. Readers do not see that yet.

        Raises:
            StoreFault: it is not known to be done.
        """
        raise NotImplementedError

    def _keep_checkpoint(self, job_id: str, text: str, chunk: Chunk, run: str) -> None:
        """Store the newest checkpoint, with the condition of `_write`: ``chunk`` is the one that is written next."""
        raise NotImplementedError

    def _checkpoint(self, job_id: str) -> str | None:
        """What `_keep_checkpoint` has stored last. It must not be stale."""
        raise NotImplementedError

    def _forget_cancel(self, job_id: str) -> None:
        """Drop a request to cancel the job: it was one of an attempt whose end is opened again."""

    def _begin_attempt(self, job_id: str, run: str, reason: str, reopen: bool, least: int) -> Opened:
        if type(self)._replace is ChunkStore._replace:
            raise InvalidStore(
                f"{type(self).__name__} keeps no attempts, as it has no _replace(): see `ChunkStore`, or leave attempt "
                "out"
            )
        head = self._one(job_id, 0)
        before, after = attempt_parts(reason)
        if head is None:
            event = f"{before}{least}{after}" if least > 1 else ""
            first = Chunk(last_before(least, 0) + 1, 0, event and f"{event}\n", 1, self._lease, epoch=least)
            self._swap(job_id, 0, None, first, run)
            return Opened(run, least, 0, event, None, Place(0, first, None))
        check_attempt(job_id, bool(head.epoch), False, reopen)
        index, tail = self._tail(job_id, head)
        check_attempt(job_id, True, tail.closed, reopen)
        number = max(head.epoch + 1, least)
        while True:
            tail, epoch = self._freeze(job_id, index, run)
            check_attempt(job_id, True, tail.closed, reopen)
            number = max(number, epoch)
            beat = max(head.beat, tail.beat) + 1
            frozen = replace(tail, beat=beat, epoch=number)
            self._swap(job_id, index, replace(tail, epoch=epoch), frozen, run)
            last = place_after(tail.first, tail.offset, tail.text)[0] - 1
            event = f"{before}{number}{after}"
            first = Chunk(last_before(number, last) + 1, 0, f"{event}\n", beat + 1, self._lease, epoch=number)
            try:
                self._replace(job_id, index + 1, None, first, run)
                break
            except StoreFault as fault:
                if fault.kind != "conflict":
                    raise
            index += 1  # the attempt before, or another one, was faster: that is the tail
        # From here on the attempt has begun.
        if tail.closed:
            self._forget_cancel(job_id)
        head = frozen if index == 0 else self._renew_head(job_id, head, number, index + 1, run)
        return Opened(run, number, last, event, self._checkpoint(job_id), Place(index + 1, first, head))

    def _renew_head(self, job_id: str, head: Chunk, number: int, tail: int, run: str) -> Chunk:
        """Let chunk 0 tell of the attempt, by which the one before can no longer renew it."""
        while True:
            new = replace(head, beat=head.beat + 1, epoch=number, tail=tail)
            try:
                self._replace(job_id, 0, head, new, run)
            except StoreFault as fault:
                found = self._one(job_id, 0)
                if fault.kind != "conflict" or found is None or found.epoch >= number:
                    return head  # it is renewed later, or a newer attempt has begun
                head = found
            else:
                return new

    def _swap(self, job_id: str, index: int, old: Chunk | None, new: Chunk, run: str) -> None:
        """`_replace`; where somebody else has written, all is to be read again."""
        try:
            self._replace(job_id, index, old, new, run)
        except StoreFault as fault:
            if fault.kind == "conflict":
                raise StoreFault("busy", f"the log of job {job_id!r} is being written: {fault.reason}") from fault
            raise

    def _one(self, job_id: str, index: int) -> Chunk | None:
        fetched = self._fetch([(job_id, index)])
        if fetched.unknown:
            raise StoreFault("busy", f"chunk {index} of job {job_id!r} could not be read")
        return fetched.found.get((job_id, index))

    def _tail(self, job_id: str, head: Chunk) -> tuple[int, Chunk]:
        """The last chunk, with its number."""
        index, tail = 0, head
        if head.tail:
            found = self._one(job_id, head.tail)
            index, tail = (0, head) if found is None else (head.tail, found)
        while True:
            keys = [(job_id, n) for n in range(index + 1, index + 1 + FETCH_CHUNKS)]
            fetched = self._fetch(keys)
            for key in keys:
                if key in fetched.unknown:
                    raise StoreFault("busy", f"chunk {key[1]} of job {job_id!r} could not be read")
                if key not in fetched.found:
                    return index, tail
                index, tail = key[1], fetched.found[key]
