"""What a job hands over, and what of it comes out on the wire: always one event of strict JSON."""

from __future__ import annotations

import json
import math
import threading
import uuid
from array import array
from collections import OrderedDict, UserDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

import numpy as np
import pydantic
import pytest
from hostile import HOSTILE_TEXTS, INVALID_JOB_IDS

from streamator import EventLog, InvalidJobId, JobEmitter, JobLogger, MemoryStore
from streamator.events import check_job_id, is_job_id


def strict(text: bytes) -> dict[str, Any]:
    """Parse as the strictest reader would: no NaN, no key twice, valid UTF-8, one object."""

    def constant(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(items)) == len(items), f"a key is there twice: {items}"
        return dict(items)

    value: dict[str, Any] = json.loads(text.decode(), parse_constant=constant, object_pairs_hook=pairs)
    assert type(value) is dict
    return value


def frames(log: EventLog) -> list[bytes]:
    batch = log.read(0, 10**9)
    assert b"\r" not in batch.frames
    parts = batch.frames.split(b"\n\n")
    assert parts.pop() == b""
    for n, part in enumerate(parts, 1):
        assert part.startswith(b"id: %d\ndata: {" % n) and part.count(b"\n") == 1
    return parts


def raw(event: Any) -> bytes:
    """The JSON that an event becomes."""
    log = EventLog()
    assert log.append(event)
    (part,) = frames(log)
    return part.partition(b"\ndata: ")[2]


def sent(event: Any) -> dict[str, Any]:
    """The event as a viewer gets it, without its ``t``."""
    got = strict(raw(event))
    assert list(got)[-1] == "t" and isinstance(got["t"], float)
    del got["t"]
    return got


def said(message: Any) -> Any:
    """What a logged message becomes."""
    store = MemoryStore()
    job = JobLogger(store, job_id="job")
    job.log(message)
    found = store.get("job")
    assert found is not None
    (part,) = frames(found.log)
    return strict(part.partition(b"\ndata: ")[2])["message"]


class Raises:
    """Raises whatever it is asked."""

    def __str__(self) -> str:
        raise OSError("no text")

    __repr__ = __str__


class RaisesAtItsClass(Raises):
    @property
    def __class__(self) -> Any:
        raise OSError("no class")

    @__class__.setter
    def __class__(self, value: Any) -> None: ...


class Color(Enum):
    RED = 1


class Size(IntEnum):
    SMALL = 3


class BrokenMapping(Mapping[str, Any]):
    """A mapping that raises where ``at`` says, else one like any other."""

    def __init__(self, at: str) -> None:
        self.at = at

    def check(self, name: str) -> None:
        if name == self.at:
            raise OSError(f"broken {name}")

    def __getitem__(self, key: str) -> Any:
        self.check("getitem")
        return {"event": "done", "a": 1}[key]

    def __iter__(self) -> Iterator[str]:
        self.check("iter")
        return iter(["event", "a"])

    def __len__(self) -> int:
        self.check("len")
        return 2

    def get(self, key: str, default: Any = None) -> Any:
        self.check("get")
        return super().get(key, default)


# Messages


@pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=range(len(HOSTILE_TEXTS)))
def test_40_a_message_arrives_as_it_is_in_one_frame(text: str) -> None:
    assert said(text) == text


@pytest.mark.parametrize(
    ("text", "arrives"),
    [
        ("\ud800", "\ufffd"), ("\udfff", "\ufffd"), ("\ud800a", "\ufffda"), ("a\udc00\ud800b", "a\ufffd\ufffdb"),
        ("\ud83d\ude00", "\U0001f600"), ("\ud83d\U0001f600", "\ufffd\U0001f600"),
    ],
)  # fmt: skip
def test_42_a_lone_surrogate_becomes_the_replacement_character(text: str, arrives: str) -> None:
    assert said(text) == arrives
    got = sent({"event": text, text: [text, {text: text}]})
    assert got == {"event": arrives, arrives: [arrives, {arrives: arrives}]}


@pytest.mark.parametrize(
    ("message", "arrives"),
    [
        (None, "None"), (5, "5"), ({1}, "{1}"), (b"\xff", "b'\\xff'"), ([1, "a"], "[1, 'a']"), (math.nan, "nan"),
        (date(2020, 1, 2), "2020-01-02"), (ValueError("why"), "why"),
    ],
)  # fmt: skip
def test_44_a_message_that_is_no_text_becomes_its_string(message: Any, arrives: str) -> None:
    assert said(message) == arrives


@pytest.mark.parametrize("make", [Raises, RaisesAtItsClass])
def test_44_an_object_whose_str_raises_is_named_in_its_place(make: type[Raises]) -> None:
    assert said(make()) == f"<{make.__name__} that has no text: OSError>"
    assert sent({"event": "x", "value": make(), "nan": math.nan, "kept": 1}) == {
        "event": "x", "value": f"<{make.__name__} that has no text: OSError>", "nan": "nan", "kept": 1,
    }  # fmt: skip


def test_44_a_number_too_long_for_a_text_is_no_error() -> None:
    assert "ValueError" in said(10**5_000)
    assert "ValueError" in sent({"event": "x", "n": 10**5_000})["n"]
    assert sent({"event": "x", "n": -(10**4_000)})["n"] == -(10**4_000)


# Events


@pytest.mark.parametrize(
    ("value", "arrives"),
    [(math.nan, "nan"), (math.inf, "inf"), (-math.inf, "-inf"), ([math.nan, 1.5], ["nan", 1.5])],
)
def test_43_nan_and_the_infinities_become_their_string(value: Any, arrives: Any) -> None:
    assert sent({"event": "x", "value": value}) == {"event": "x", "value": arrives}


@pytest.mark.parametrize(
    ("value", "arrives"),
    [
        ({1}, "{1}"), (frozenset(), "frozenset()"), (b"a", "b'a'"), (Decimal("1.50"), "1.50"), ((1, 2), [1, 2]),
        (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"), (1 + 2j, "(1+2j)"),
        (OrderedDict(a=OrderedDict()), {"a": {}}), (UserDict({"a": UserDict(b=1)}), {"a": {"b": 1}}),
        (MappingProxyType({"a": {1}}), {"a": "{1}"}), (PurePosixPath("/a/b"), "/a/b"), (2**100, 2**100),
        ({1: "a", None: "b", 2.5: "c"}, {"1": "a", "null": "b", "2.5": "c"}),
    ],
)  # fmt: skip
def test_44_a_value_that_json_cannot_hold_becomes_its_string(value: Any, arrives: Any) -> None:
    assert sent({"event": "x", "value": value}) == {"event": "x", "value": arrives}


@dataclass
class Point:
    x: Any
    when: datetime
    token: str = field(default="secret", repr=False)


class Page(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    url: pydantic.HttpUrl = pydantic.HttpUrl("https://example.com")
    key: pydantic.SecretStr = pydantic.SecretStr("secret")
    color: Color = Color.RED
    scores: Any = None


class RaisingModel(pydantic.BaseModel):
    value: int = 1

    def model_dump(self, **options: Any) -> dict[str, Any]:
        raise OSError("no dump")


NOON = datetime(2026, 1, 2, 12, 30, tzinfo=timezone.utc)
URL = "https://example.com/"


@pytest.mark.parametrize(
    ("value", "arrives"),
    [
        (np.int64(5), 5), (np.uint8(255), 255), (np.float32(0.5), 0.5), (np.float64(2.5), 2.5), (np.bool_(True), True),
        (np.float16("nan"), "nan"), (np.arange(6).reshape(2, 3), [[0, 1, 2], [3, 4, 5]]), (np.array([]), []),
        (np.array([1.5, np.inf]), [1.5, "inf"]), (np.array(["a", None], dtype=object), ["a", None]),
        (np.datetime64("2026-01-02T03:04:05", "ns"), "2026-01-02T03:04:05.000000000"),
        (np.array(["2026-01-02"], dtype="datetime64[D]"), ["2026-01-02"]), (np.longdouble(1.5), "1.5"),
        (array("d", [1.5, 2]), [1.5, 2.0]),
        (Point(np.int32(1), NOON), {"x": 1, "when": "2026-01-02T12:30:00+00:00"}), (Point, str(Point)),
        (Page(), {"url": URL, "key": "**********", "color": 1, "scores": None}),
        (Page(scores=np.arange(2)), {"url": URL, "key": "**********", "color": 1, "scores": [0, 1]}),
        (Color.RED, 1), (Size.SMALL, 3), ({Color.RED: 1, Size.SMALL: 2}, {"1": 1, "3": 2}),
        (NOON, "2026-01-02T12:30:00+00:00"), (NOON.date(), "2026-01-02"), (NOON.time(), "12:30:00"),
        (timedelta(minutes=1.5), 90.0),
    ],
)  # fmt: skip
def test_44_values_with_a_json_form_have_that_form(value: Any, arrives: Any) -> None:
    assert sent({"event": "x", "value": value}) == {"event": "x", "value": arrives}
    beside_nan = {"event": "x", "in": [{"value": value}], "nan": math.nan}
    assert sent(beside_nan) == {"event": "x", "in": [{"value": arrives}], "nan": "nan"}


def test_45_a_huge_array_becomes_its_summary() -> None:
    got = sent({"event": "x", "pixels": np.zeros(10_000_000), "kept": 1})
    assert got["kept"] == 1 and got["pixels"].startswith("[0. 0. 0. ... 0.")


class OwnList:
    def tolist(self) -> Any:
        return [self, self]

    def __len__(self) -> int:
        return 2


class NoShape(OwnList):
    shape = "ab"


class Metaclass(type):
    def __getattribute__(cls, name: str) -> Any:
        if name in ("model_dump", "tolist"):
            raise OSError("asked")
        return super().__getattribute__(name)


class AsksBack(metaclass=Metaclass):
    pass


def test_44_a_value_that_cannot_be_read_is_named_in_its_place() -> None:
    unset = Point.__new__(Point)
    for value in (RaisingModel(), unset, OwnList(), NoShape(), AsksBack()):
        got = sent({"event": "x", "value": value, "kept": 1})
        assert got["kept"] == 1 and type(value).__name__ in json.dumps(got["value"])


def test_44_a_hostile_value_spoils_no_other() -> None:
    proxy = MappingProxyType({"a": [1]})
    event = {"event": "x", "nan": math.nan, "proxy": proxy, "in": [{"deep": UserDict(a=math.inf)}]}
    assert sent(event) == {"event": "x", "nan": "nan", "proxy": {"a": [1]}, "in": [{"deep": {"a": "inf"}}]}
    for at in ("iter", "getitem"):
        got = sent({"event": "x", "bad": BrokenMapping(at), "list": [BrokenMapping(at), 5], "kept": {"a": 1}})
        assert got["kept"] == {"a": 1} and got["list"][1] == 5
        assert "BrokenMapping" in got["bad"] and "BrokenMapping" in got["list"][0]


def test_44_keys_of_any_kind_become_text() -> None:
    got = sent({"event": "x", (1, 2): "tuple", b"k": {(3,): "nested"}, Raises(): "raises"})
    assert got == {
        "event": "x", "(1, 2)": "tuple", "b'k'": {"(3,)": "nested"}, "<Raises that has no text: OSError>": "raises",
    }  # fmt: skip


def test_44_a_cycle_ends_where_it_begins_again() -> None:
    event: dict[str, Any] = {"event": "x", "list": [1]}
    event["list"].append(event["list"])
    event["self"] = event
    got = sent(event)
    assert got["list"] == [1, "<list inside itself>"]
    assert got["event"] == "x" and got["self"]["self"] == "<dict inside itself>"
    twice = {"a": 1}
    assert sent({"event": "x", "one": twice, "two": twice, "nan": math.nan})["two"] == {"a": 1}


def test_44_deep_nesting_is_no_error() -> None:
    for depth in (50, 200, 100_000):
        deep: Any = "bottom"
        for n in range(depth):
            deep = [deep] if n % 2 else {"a": deep}
        got = sent({"event": "x", "deep": deep, "kept": 1})
        assert got["kept"] == 1
        level, inner = 0, got["deep"]
        while isinstance(inner, (list, dict)):
            level, inner = level + 1, inner[0] if isinstance(inner, list) else inner["a"]
        expected = (depth, "bottom") if depth < 1_000 else (100, "<list that has no text: RecursionError>")
        assert (level, inner) == expected


@pytest.mark.parametrize("at", ["iter", "getitem", "len", "get", "nowhere"])
def test_44_a_mapping_that_raises_is_an_event_that_says_so(at: str) -> None:
    emitter = JobEmitter(MemoryStore(), job_id="job")
    with pytest.warns(UserWarning, match="reserved") if at not in ("iter", "getitem") else no_warning():
        emitter.emit(BrokenMapping(at))
    if at in ("iter", "getitem"):
        assert sent(BrokenMapping(at)) == {
            "event": "log", "level": "warning", "message": "an event could not be read: OSError",
        }  # fmt: skip
    else:
        assert sent(BrokenMapping(at)) == {"event": "done", "a": 1}


def no_warning() -> Any:
    import contextlib

    return contextlib.nullcontext()


@pytest.mark.parametrize("make", [object, int, str, list, Raises, RaisesAtItsClass])
def test_a_non_mapping_is_sent_as_a_log_entry(make: type[Any]) -> None:
    event = make()
    store = MemoryStore()
    emitter = JobEmitter(store, job_id="job")
    with pytest.warns(UserWarning, match=f"takes a mapping, not {type(event).__name__}"):
        emitter.emit(event)
    got = sent(event)
    assert got["event"] == "log" and got["level"] == "info" and isinstance(got["message"], str)


def test_46_an_event_is_kept_as_it_was_when_it_was_emitted() -> None:
    log = EventLog()
    event: dict[str, Any] = {"event": "x", "list": [1], "dict": {"a": 1}}
    log.append(event)
    event["list"].append(2)
    event["dict"].clear()
    event["event"] = "y"
    (part,) = frames(log)
    got = strict(part.partition(b"\ndata: ")[2])
    assert (got["event"], got["list"], got["dict"]) == ("x", [1], {"a": 1})


def test_46_an_event_that_other_threads_change_is_no_error() -> None:
    event: dict[str, Any] = {"event": "x", "inner": {}}
    stop = threading.Event()

    def change() -> None:
        n = 0
        while not stop.is_set():
            n += 1
            event[f"k{n % 97}"] = event["inner"][f"k{n % 89}"] = n
            event.pop(f"k{(n * 7) % 97}", None)
            event["inner"].pop(f"k{(n * 5) % 89}", None)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        log = EventLog()
        for _ in range(3_000):
            assert log.append(event)
    finally:
        stop.set()
        thread.join()
    for part in frames(log):
        assert strict(part.partition(b"\ndata: ")[2])["event"] in ("x", "log")


def test_the_name_comes_first_and_the_time_last() -> None:
    assert raw({"a": 1, "event": "x", "b": 2}).startswith(b'{"event":"x","a":1,"b":2,"t":0.')
    assert raw({"a": math.nan, "event": "x"}).startswith(b'{"event":"x","a":"nan","t":0.')
    assert list(strict(raw({"no": "name"}))) == ["no", "t"]
    assert list(strict(raw({}))) == ["t"]


@pytest.mark.parametrize("more", [{}, {"nan": math.nan}, {"long": "x" * 100_000}, {(1,): 2}])
def test_the_time_on_the_wire_is_the_logs_and_is_there_once(more: dict[Any, Any]) -> None:
    for event in ({"event": "x", "t": 99, **more}, {"t": 99, "event": "x", **more}, {"t": 99, **more}):
        text = raw(event)
        assert strict(text)["t"] < 10
        assert text.count(b'"t":') == 1
        assert event["t"] == 99  # the job's own dict stays as it is
    assert strict(raw({"event": "x", "in": {"t": 5}}))["in"] == {"t": 5}


def test_45_a_long_string_inside_an_event_is_cut_with_a_marker() -> None:
    got = sent({"event": "x", "long": "é" * 100_000, "short": "kept"})
    assert got["short"] == "kept"
    assert got["long"] == "é" * 65_536 + "... [truncated: 65,536 of 100,000 characters kept]"


def test_45_an_event_that_is_too_large_becomes_its_name_and_a_note() -> None:
    for event in (
        {"event": "huge", "list": list(range(200_000))},
        {"event": "huge", **{f"k{n}": "x" * 60_000 for n in range(10)}},
        {"event": "huge", **{"k" * 60_000 + str(n): n for n in range(10)}},
        {"event": "huge", "x" * 10_000_000: 1, (1,): "y" * 10_000_000, (2,): ["y" * 60_000] * 10},
    ):
        got = sent(event)
        assert list(got) == ["event", "truncated"] and got["event"] == "huge"
        assert "the limit is 262,144" in got["truncated"]


def test_45_the_name_of_a_huge_event_is_cut_too() -> None:
    got = sent({"event": "n" * 300_000, "list": ["x" * 60_000] * 10})
    assert got["event"].startswith("n" * 200 + "... [truncated")


# Job ids


@pytest.mark.parametrize("job_id", ["a", "A-z_9", "0" * 128, str(uuid.UUID(int=5)), "-", "_"])
def test_a_job_id_has_letters_digits_underscores_and_hyphens(job_id: str) -> None:
    assert is_job_id(job_id) and check_job_id(job_id) == job_id


@pytest.mark.parametrize("job_id", [*INVALID_JOB_IDS, None, 5, b"a", ["a"], Raises()], ids=lambda _: "id")
def test_57_any_other_job_id_is_refused_with_the_rule(job_id: Any) -> None:
    assert not is_job_id(job_id)
    with pytest.raises(InvalidJobId, match="use 1 to 128 letters, digits") as caught:
        check_job_id(job_id)
    assert len(str(caught.value)) < 1_000
    if job_id is not None:
        with pytest.raises(InvalidJobId):
            JobLogger(MemoryStore(), job_id=job_id)


def test_41_each_character_alone_in_a_log_of_plain_texts_arrives_as_it_is() -> None:
    for character in map(chr, [*range(0x180), 0x2028, 0x2029, 0xFFFD, 0xFFFF, 0x1F600]):
        log = EventLog()
        texts = [*["plain"] * 20, f"a{character}b", "plain again"]
        for text in texts:
            log.append_log(text, "info")
        assert [strict(frame.partition(b"data: ")[2])["message"] for frame in frames(log)] == texts
