"""The errors that streamator raises. Each message says what happened, the value, and the fix."""


class StreamatorError(Exception):
    """Base of every error raised by this library."""


class InvalidJobId(StreamatorError, ValueError):
    """A job id that no store may see: it does not match ``^[A-Za-z0-9_-]{1,128}$``."""


class JobExists(StreamatorError, ValueError):
    """A job id that is already in use: ids are unique for each run, so that an event id needs no epoch."""


class JobCancelled(StreamatorError):
    """Somebody wants the job cancelled, see `JobLogger.raise_if_cancelled`. It ends a ``with`` as ``cancelled``."""


class StoreError(StreamatorError):
    """A store that cannot be used (`InvalidStore`) or cannot be reached."""


class InvalidStore(StoreError, ValueError):
    """A store that there is not, or one that was given an option that it cannot use."""
