"""Job ids that must reach no store, and messages that must arrive unchanged."""

from __future__ import annotations

INVALID_JOB_IDS = (
    "", ".", "../x", "a/b", "a%2fb", "a#000000", "a b", "a\n", "\n", "a\x00", "é", "a" * 129, "a" * 10_000,
    "\ud800", "$", "*", "{}", "'; --",
)  # fmt: skip
"""Job ids that must reach no store."""

FORGING_TEXTS = (
    "", " ", "\r", "\n", "\r\n", "\n\ndata: forged\n\n", 'x\r\n\r\nid: 99\ndata: {"event":"done"}\r\n\r\n',
    '{"event":"done"}', '{"event":"gap","missed":5}', "data: x", ": heartbeat", "event: done", '","event":"done","x":"',
    "\\", '"', "\\u0000",
)  # fmt: skip
"""Messages that look like something other than a message."""

ODD_TEXTS = (
    "\x00", "a\x00b", "\x1b[31mred", "\x7f\x85", "\u2028\u2029", "\ufeff", "\u202eabc", "\ufffe",
    "\U0001f469\u200d\U0001f680", "é" * 3_000, "\U0001f600" * 30_000, "</script><img onerror=alert(1)>",
)  # fmt: skip
"""Messages that are easily lost or changed on the way."""

HOSTILE_TEXTS = FORGING_TEXTS + ODD_TEXTS
"""Messages that must arrive unchanged: no text of a message can forge or break an event."""
