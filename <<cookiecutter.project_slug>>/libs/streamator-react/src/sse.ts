/** One event of an event stream. */
export interface SseMessage {
  /** The id that stands in this event's own block; null where it has none, whatever earlier events had. */
  readonly id: string | null;
  /** The `event:` field, `""` for an unnamed event. */
  readonly event: string;
  readonly data: string;
}

/**
 * A parser of `text/event-stream` (HTML Standard, 9.2.6 "Interpreting an event stream").
 *
 * `push` takes decoded text in chunks of any size and gives the events that the chunk completed, in order.
 * The time is linear in the input: an unfinished line is never searched a second time.
 */
export class SseParser {
  /** The server's `retry:` in milliseconds, null until it sends one. */
  retry: number | null = null;

  /**
   * The id that stood last in a finished block, null before the first. Also in a block without data, which is no
   * event: with it a server moves the cursor past events that are not shown.
   */
  lastId: string | null = null;

  #started = false;
  // The last chunk ended in CR: an LF at the start of the next is the other half of that line end.
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

    const lines = text.split(text.includes("\r") ? /\r\n?|\n/ : "\n");
    const rest = lines.pop() as string;
    for (const line of lines) {
      this.#line(this.#rest + line, messages);
      this.#rest = "";
    }
    this.#rest += rest; // a rope: joined when its line is complete, and not before
    return messages;
  }

  #line(line: string, messages: SseMessage[]): void {
    if (line === "") {
      this.#dispatch(messages);
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment: the heartbeat
    const field = colon === -1 ? line : line.slice(0, colon);
    let value = colon === -1 ? "" : line.slice(colon + 1);
    if (value.charCodeAt(0) === 32) value = value.slice(1); // one space only

    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#event = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    else if (field === "retry" && /^[0-9]+$/.test(value)) this.retry = Number(value);
  }

  #dispatch(messages: SseMessage[]): void {
    if (this.#data.length > 0) {
      messages.push({ id: this.#id, event: this.#event, data: this.#data.join("\n") });
      this.#data = [];
    }
    if (this.#id !== null) this.lastId = this.#id;
    this.#event = "";
    this.#id = null;
  }
}
