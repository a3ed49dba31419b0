"""The errors that streamator raises. Each message says what happened, the value, and the fix."""

from typing import Final

OWN_ID: Final = (
    "give each run an id of its own, or leave job_id out "
    "(for a retry f'{task_id}-{retry}', for the next turn of a chat f'{chat_id}-{turn}')"
)


class StreamatorError(Exception):
    """Base of every error raised by this library."""


class InvalidJobId(StreamatorError, ValueError):
    """A job id that no store may see: it does not match ``^[A-Za-z0-9_-]{1,128}$``."""


class JobExists(StreamatorError, ValueError):
    """A job id that is already in use: ids are unique for each run, unless its attempts share one log."""


class JobCancelled(StreamatorError):
    """Somebody asked to cancel the job, see `JobLogger.raise_if_cancelled`. It ends a ``with`` as ``cancelled``."""


class Fenced(JobCancelled, UserWarning):
    """A newer attempt of the job has begun, and the store refuses what this one writes. `JobLogger.log` gives it once,
    as a warning; `JobLogger.raise_if_cancelled` raises it."""


class StoreError(StreamatorError):
    """A store that cannot be used (`InvalidStore`) or cannot be reached."""


class InvalidStore(StoreError, ValueError):
    """A store that does not exist, or an option that the store cannot use."""
