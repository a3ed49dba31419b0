"""What the servers of models answer when there is no draft: what it means, and what to do about it.

Where a model is asked is the operator's affair: the server's log says it, and no error does.

The same mishap has another status, code and sentence at each vendor, so it is told by all three. The codes are those of
the vendors' references; the sentences are those that their servers were seen to send.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from app.generation.characters import whole_characters
from app.generation.provider import Action, ModelError
from app.wording import clip, duration

__all__ = ["Server", "field"]

logger = logging.getLogger(__name__)

_LATER = "Try again later, or choose another provider."
_OTHER_TEXT = "Change the text, or choose another provider."

# How answers end: https://platform.openai.com/docs/api-reference/chat-streaming and
# https://docs.anthropic.com/en/api/handling-stop-reasons; the others are those of servers that speak like them.
_ENDS = frozenset({"stop", "end_turn", "stop_sequence", "eos", "eos_token", "end", "completed", "complete"})
_CUTS = frozenset({"length", "max_tokens", "max_output_tokens", "max_completion_tokens", "token_limit"})
_FULL = frozenset({"model_context_window_exceeded", "model_length", "context_length", "context_window_exceeded"})
_WITHHELD = frozenset(
    {
        "content_filter", "content-filter", "contentfilter", "refusal", "safety", "recitation", "sensitive",
        "blocklist", "prohibited_content", "spii", "guardrail_intervened", "content_filtered", "moderation",
    }
)  # fmt: skip
_TOOLS = frozenset({"tool_calls", "tool_call", "tool_use", "function_call", "pause_turn"})
_BROKEN = frozenset({"error", "abort", "aborted", "cancelled", "timeout", "network_error", "overloaded",
                     "insufficient_system_resource"})  # fmt: skip

_NO_CREDIT_CODE = re.compile(
    r"insufficient_quota|insufficient_(balance|credits?|funds)|billing_\w+|credit_balance\w*|\w*spend_limit\w*|"
    r"\w*usage_limit_reached|payment_required|quota_exhausted|out_of_credits|access_terminated\w*"
)
_NO_CREDIT = re.compile(
    r"insufficient[ _](quota|balance|credits?|funds)|credit balance|(out of|not enough|no more) credits?|"
    r"exceeded your current quota|(spend(ing)?|usage|billing hard) limits?|payment required|"
    r"account .{0,40}(arrears|overdue)"
)
_TOO_LONG_CODE = re.compile(
    r"context_length_exceeded|exceed_context_size_error|context_window_exceeded|request_too_large|prompt_too_long|"
    r"input_too_long|string_above_max_length|tokens_limit_reached|max_input_tokens\w*"
)
_TOO_LONG = re.compile(
    r"context[ _-]?(length|window|size|limit)|larger context|"
    r"\b(prompt|inputs?|messages?|sequence)\b.{0,60}(too (long|large|big)|exceed|longer than|larger than)|"
    r"(request|payload)( entity| body)? (is )?too large|request (size )?exceeds the (max|available)|"
    r"too many (input |prompt )?tokens|input tokens?.{0,40}exceed|token count.{0,40}exceed|"
    r"maximum (prompt|input|model|sequence) length|maximum number of (input )?tokens|"
    r"reduce (the|your) (length|size|prompt|input|messages)"
)
_WITHHELD_CODE = re.compile(
    r"content_?filter\w*|content_policy_violation|responsible_?ai\w*|invalid_prompt|moderation\w*"
)
_BAD_KEY = re.compile(
    r"(invalid|incorrect|missing|no|wrong|expired) (x-)?api[ -]?key|"
    r"api[ -]?key.{0,20}(not valid|invalid|expired|missing)|authentication_error|invalid_api_key|unauthorized"
)
_NO_MODEL_CODE = re.compile(r"model_(not_found|not_available|decommissioned|not_supported)|unknown_model|invalid_model")
_NO_MODEL = re.compile(
    r"not[ _]found|(does|do) not exist|not (a )?(valid|supported|available|loaded)|invalid model|unknown model|"
    r"no such model|decommissioned|deprecated|no access|not have access"
)
_BUSY_CODE = re.compile(
    r"rate_limit\w*|overloaded\w*|server_error|internal_\w*error|api_error|timeout\w*|unavailable\w*|service_unavailable\w*|"
    r"engine_overloaded\w*|too_many_requests|resource_exhausted"
)
_BUSY_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
_URL = re.compile(r"https?://\S+")
_TAG = re.compile(r"<[^>]*>")
_PAGE = re.compile(r"^\s*<(!doctype html|html|head|body)\b", re.IGNORECASE)
_PAGE_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.-])\d{1,3}(?:[,_]\d{3})+(?![\w-])|(?<![\w.-])\d{3,9}(?![\w-])")
_ONE_SPAN = (
    r"(\d{1,9}(?:\.\d{1,9})?)\s*"
    r"(ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)(?![a-z])"
)
_SPAN = re.compile(_ONE_SPAN)
_SPANS = rf"(?:{_ONE_SPAN}(?:,|\s|and\b)*)+"
_WAIT = re.compile(rf"\b(?:again|retry(?:ing)?|wait|resets?|available)\b[^.\d]{{0,30}}(?P<spans>{_SPANS})")
# By what its name begins with, the longer ones first.
_SECONDS = {"ms": 0.001, "milli": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PLAIN = re.compile(r"\d{1,16}(?:\.\d{1,9})?")
# A number as large as these is a date, in seconds or in milliseconds since 1970.
_DATE_SECONDS, _DATE_MILLISECONDS = 1e9, 1e12
_RESET = re.compile(r"(?:[a-z]+-)?rate-?limit-(?:[a-z-]+-)?reset(?:-[a-z-]+)?")


@dataclass(frozen=True)
class Server:
    """A model's server, as sentences name it.

    Arguments:
        title: its name for people.
        model: the model.
        settings: what the names of its settings begin with, such as "OPENAI".
        address: where it is asked; None for its vendor's own.
        key: what must not be repeated; None where there is none.
        silence: the seconds that it may send nothing.
        clock: seconds since 1970; a date in Retry-After is held against it.
    """

    title: str
    model: str
    settings: str
    address: str | None
    key: str | None
    silence: float
    clock: Callable[[], float] = time.time

    @property
    def name(self) -> str:
        """Who was asked, and what it was to write with."""
        return f"{self.title} ({self.model})"

    def ended(self, reason: object) -> ModelError | None:
        """What a finish reason means: None where the draft is whole."""
        word = reason.lower() if isinstance(reason, str) else ""
        given = f"(finish reason {clip(self._hide(str(reason)), 60)})"
        if word in _ENDS:
            return None
        if word in ("", "null", "none"):
            return ModelError(f"{self.name} broke off: its answer has no finish reason.", _LATER, "repeat")
        if word in _CUTS:
            bound = f", or raise {self.settings}_MAX_TOKENS" if self.settings == "ANTHROPIC" else ""
            fix = f"Choose a shorter length or another model{bound}."
            return ModelError(f"{self.name} stopped at its limit in the middle of the draft {given}.", fix, "rewrite")
        if word in _FULL:
            return self._too_long(f"{self.name} had no room left to write in {given}.", None)
        if word in _WITHHELD:
            return ModelError(f"{self.name} withheld the draft {given}.", _OTHER_TEXT)
        if word in _TOOLS:
            return self.wants_tool(f" {given}")
        if word in _BROKEN:
            return ModelError(f"{self.name} broke off {given}.", _LATER, "repeat")
        return ModelError(f"{self.name} ended in a way that is not known {given}.", "Choose another model or provider.")

    def wants_tool(self, given: str = "") -> ModelError:
        """It asks for a tool."""
        return ModelError(f"{self.name} asked for a tool in place of writing{given}.", "Choose another model.")

    def declined(self, words: str) -> ModelError:
        """It says itself that it will not write."""
        what = f"{self.name} refused: {clip(self._hide(words).rstrip('.'), 300)}."
        return ModelError(what, _OTHER_TEXT)

    def refused(self, status: int | None, body: object, headers: Mapping[str, str], said: str = "") -> ModelError:
        """What an answer with an error means.

        Arguments:
            status: its status; None for an error in the midst of an answer.
            body: what came with it: JSON, or text.
            headers: its headers.
            said: the error in other words, for one without a message of its own.
        """
        code, message, is_page = _read(body)
        message = self._hide(message or said)
        low = _URL.sub("", message).lower()
        now = _date(headers.get("date", "")) or self.clock()  # by the server's clock, which its dates are told by
        wait = _wait(headers, body, low, now)
        began = status in (None, 200)  # an error in the midst of an answer
        words = clip(message.rstrip(".") or "without a word", 300)
        if status is not None and 300 <= status < 400:
            words = "it leads on to another address"
            logger.warning("%s at %s leads on to %s", self.title, self._place, self._target(headers))
        what = f"{self.title} {'broke off' if began else f'answered {status}'}: {words}."

        # Some call a rate a quota, but say how long it lasts.
        unpaid = _NO_CREDIT.search(low) and (status != 429 or wait is None)
        if status == 402 or _NO_CREDIT_CODE.fullmatch(code) or unpaid:
            return ModelError(what, f"The account of {self.settings}_API_KEY has no credit or quota left: add some.")
        # Of a server that is busy it is the rate that is exceeded, unless the request by itself is more than that.
        too_long = _TOO_LONG.search(low) and (status not in _BUSY_STATUS or status == 500 or "too large" in low)
        if status == 413 or _TOO_LONG_CODE.fullmatch(code) or too_long:
            return self._too_long(what, _fits(body, message))
        if status == 401 or _BAD_KEY.search(low) or _BAD_KEY.search(code):
            return ModelError(what, f"{'Check' if self.key else 'Set'} {self.settings}_API_KEY.")
        if _WITHHELD_CODE.fullmatch(code):
            return ModelError(what, _OTHER_TEXT)
        if _NO_MODEL_CODE.fullmatch(code) or (self.model.lower() in low and _NO_MODEL.search(f"{low} {code}")):
            return ModelError(what, f"Check {self.settings}_MODEL, which is {clip(self.model)}.")
        if status == 403:
            return ModelError(what, f"Check what {self.settings}_API_KEY is allowed to use.")
        if status in (301, 302, 303, 307, 308, 404, 405, 410):
            which = "" if is_page or status != 404 else f"{self.settings}_MODEL and "
            return ModelError(what, f"Check {which}{self.settings}_BASE_URL.")
        if status in _BUSY_STATUS or _BUSY_CODE.fullmatch(code) or (status is not None and status >= 500):
            if headers.get("x-should-retry") == "false":
                return ModelError(what, _LATER)
            # Before it has begun to answer there is nothing to pay for.
            action: Action = "repeat" if began else "retry"
            return ModelError(
                what, _LATER, action, wait=_reset(headers, now) if wait is None and status == 429 else wait
            )
        if began:
            return ModelError(what, _LATER, "repeat")
        if "max_tokens" in low and self.settings == "ANTHROPIC":
            return ModelError(what, "Lower ANTHROPIC_MAX_TOKENS, or choose another model.")
        return ModelError(what, "It would be refused again: choose another model or provider.")

    def no_stream(self, kind: str, text: str = "") -> ModelError:
        """It answered 200, and with something that is no model's answer, of this content type and beginning."""
        words = f": {clip(self._hide(_read(text)[1]), 300)}" if text.strip() else ""
        what = f"{self.title} answered with {kind or 'nothing'}, and not with a model's stream{words}."
        return ModelError(what, f"Check {self.settings}_BASE_URL.")

    def silent(self) -> ModelError:
        """It has sent nothing for too long."""
        what = f"{self.name} sent nothing for {duration(self.silence)}."
        return ModelError(what, "Try again later, or raise GENERATION_SILENCE_SECONDS.", "repeat")

    def unreachable(self, error: BaseException) -> ModelError:
        """There is no connection to it."""
        logger.warning("%s at %s cannot be reached: %s", self.title, self._place or "its vendor's", self._error(error))
        fix = f"Is it running? Check {self.settings}_BASE_URL."
        return ModelError(f"{self.title} cannot be reached.", fix, "retry")

    def broken(self, error: BaseException) -> ModelError:
        """Its answer stopped, or is not to be read."""
        return ModelError(f"{self.name} broke off: {self._error(error)}.", _LATER, "repeat")

    def _too_long(self, what: str, fits: float | None) -> ModelError:
        return ModelError(what, "Give a shorter text, or choose a model that takes a longer one.", "shorten", fits=fits)

    def _target(self, headers: Mapping[str, str]) -> str:
        """Where a redirect leads, without what a query may tell."""
        location = headers.get("location", "")
        try:
            target = urlsplit(urljoin(self.address or "", location))
            return clip(f"{target.scheme}://{target.netloc.rpartition('@')[2]}{target.path}", 200)
        except ValueError:
            return clip(location, 200)

    def _error(self, error: BaseException) -> str:
        cause = error.__cause__ or error
        return clip(self._hide(f"{type(cause).__name__}: {cause}"), 300)

    def _hide(self, text: str) -> str:
        """A text of the server's, as it may be told: without the key, and without where the server is."""
        text = whole_characters(text)
        for secret in (self.key, self._place):
            text = text.replace(secret, "***") if secret else text
        return text

    @property
    def _place(self) -> str:
        """Where it is asked, as the log may have it: without a user's name and password."""
        return urlsplit(self.address or "").netloc.rpartition("@")[2]


def field(value: object, *names: str) -> Any:
    """What stands under names within names, in objects or mappings; None where one of them is not there."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
    return value


def _read(body: object) -> tuple[str, str, bool]:
    """The code and the message of an error, and whether it is a web page."""
    while isinstance(body, list) and body:
        body = body[0]
    error = field(body, "error") or field(body, "detail") or body
    while isinstance(error, list) and error:
        error = error[0]
    if isinstance(error, Mapping):
        # Of all the names that a code goes by, the one that says most.
        codes = [field(error, "details", "error_code"), field(error, "innererror", "code"), error.get("code"),
                 error.get("type"), error.get("status")]  # fmt: skip
        words = [each.lower() for each in codes if isinstance(each, str)]
        known = (_NO_CREDIT_CODE, _TOO_LONG_CODE, _WITHHELD_CODE, _NO_MODEL_CODE, _BUSY_CODE)
        code = next((word for pattern in known for word in words if pattern.fullmatch(word)), " ".join(words))
        message = next((error[name] for name in ("message", "msg", "error") if isinstance(error.get(name), str)), "")
        return code, message, False
    text = error if isinstance(error, str) else ""
    if _PAGE.match(text):
        title = _PAGE_TITLE.search(text)
        return "", f"a web page, {title[1].strip() if title else _TAG.sub(' ', text)[:300].strip()}", True
    return "", text, False


def _fits(body: object, message: str) -> float | None:
    """How much of the request would have fitted, by the two counts of tokens that most refusals name."""
    told = [field(field(body, "error") or body, name) for name in ("n_prompt_tokens", "n_ctx")]
    asked, most = (each if isinstance(each, int) else 0 for each in told)
    if not 0 < most < asked:
        numbers = sorted({int(re.sub(r"\D", "", each)) for each in _NUMBER.findall(message)})
        if len(numbers) < 2:
            return None
        most, asked = numbers[-2:]
    return most / asked


def _wait(headers: Mapping[str, str], body: object, message: str, now: float) -> float | None:
    """The seconds that the server asks to wait: by its headers, or else by a field or the words of its error."""
    error = field(body, "error") or body
    details = field(error, "details")
    told = [
        (headers.get("retry-after-ms"), 0.001),
        (headers.get("retry-after"), 1.0),
        (field(error, "retry_after_ms"), 0.001),
        (field(error, "retry_after"), 1.0),
        *((field(each, "retryDelay"), 1.0) for each in (details if isinstance(details, list) else ())),
    ]
    waits = (_until(str(value), now, unit) for value, unit in told if value is not None)
    wait = next((each for each in waits if each is not None), None)
    if wait is None and (found := _WAIT.search(message)):
        wait = _span(found["spans"])
    return wait


def _reset(headers: Mapping[str, str], now: float) -> float | None:
    """The seconds until a limit is lifted that is used up; where none is said to be, until the first one is."""
    used: list[float] = []
    others: list[float] = []
    for name, value in headers.items():
        if _RESET.fullmatch(name.lower()) and (wait := _until(value, now)):
            remaining = headers.get(name.lower().replace("reset", "remaining"))
            (used if remaining == "0" else others).append(wait)
    return max(used, default=None) or min(others, default=None)


def _until(value: str, now: float, unit: float = 1.0) -> float | None:
    """The seconds from `now` that a value tells: a number of `unit` seconds, a span such as `6m0s`, or a date."""
    value = value.strip()
    if _PLAIN.fullmatch(value):
        number = float(value)
        if number >= _DATE_MILLISECONDS:
            return max(0.0, number / 1000 - now)
        return max(0.0, number - now) if number >= _DATE_SECONDS else number * unit
    if re.fullmatch(_SPANS, value.lower()):
        return _span(value.lower())
    date = _date(value)
    return None if date is None else max(0.0, date - now)


def _span(words: str) -> float:
    """`6m0s` -> 360.0"""

    def seconds(unit: str) -> float:
        return next(each for name, each in _SECONDS.items() if unit.startswith(name))

    return sum(float(number) * seconds(unit) for number, unit in _SPAN.findall(words))


def _date(value: str) -> float | None:
    """The seconds since 1970 of a date as HTTP or as ISO 8601 has it; None for what is no date."""
    for read in (parsedate_to_datetime, lambda text: datetime.fromisoformat(text.replace("Z", "+00:00"))):
        try:
            date = read(value)
            return (date if date.tzinfo else date.replace(tzinfo=timezone.utc)).timestamp()
        except (ValueError, TypeError, IndexError, OverflowError):
            continue  # it is not of this form
    return None
