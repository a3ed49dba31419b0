/** One event of an event stream. */
export interface SseMessage {
  /** The id in this event's own block; null without one, whatever earlier events had. */
  readonly id: string | null;
  /** The `event:` field, `""` for an unnamed event. */
  readonly event: string;
  readonly data: string;
}

/**
 * A parser of `text/event-stream` (HTML Standard, 9.2.6 "Interpreting an event stream").
 *
 * `push` takes decoded text in chunks of any size and returns the events that the chunk completes, in order.
 * The time is linear in the input: no line is searched twice.
 */
export class SseParser {
  /** The server's `retry:` in milliseconds, null until it sends one. */
  retry: number | null = null;

  /**
   * The id in the last finished block that had one; null before the first. A block without data is no event: with it a
   * server moves the cursor past events that this viewer does not get.
   */
  lastId: string | null = null;

  #started = false;
  // The last chunk ended in CR: an LF at the start of the next one belongs to the same line end.
  #skipLf = false;
  #rest = "";

  #data: string[] = [];
  #event = "";
  #id: string | null = null;

  push(chunk: string): SseMessage[] {
    const messages: SseMessage[] = [];
    if (chunk === "") return messages;
    let text = chunk;
    if (this.#skipLf ? text[0] === "\n" : !this.#started && text[0] === "\ufeff") text = text.slice(1);
    this.#started = true;
    this.#skipLf = text.endsWith("\r");

    // Without a CR, a string splits 64 KB in 0.03 ms, the regular expression in 0.08.
    const lines = text.split(text.includes("\r") ? /\r\n?|\n/ : "\n");
    const rest = lines.pop() as string;
    for (const line of lines) {
      this.#line(this.#rest + line, messages);
      this.#rest = "";
    }
    this.#rest += rest; // engines join the pieces once, when the line is complete
    return messages;
  }

  #line(line: string, messages: SseMessage[]): void {
    if (line === "") {
      if (this.#data.length > 0) messages.push({ id: this.#id, event: this.#event, data: this.#data.join("\n") });
      if (this.#id !== null) this.lastId = this.#id;
      this.#data = [];
      this.#event = "";
      this.#id = null;
      return;
    }
    const colon = line.indexOf(":");
    const field = colon === -1 ? line : line.slice(0, colon); // a comment, such as the heartbeat, has the field ""
    const value = colon === -1 ? "" : line.slice(colon + (line[colon + 1] === " " ? 2 : 1)); // one space only

    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#event = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    else if (field === "retry" && /^[0-9]+$/.test(value)) this.retry = Number(value);
  }
}
