/** One event of an event stream. */
export interface SseMessage {
  /** The id that stands in this event's own block; null where it has none, whatever earlier events had. */
  readonly id: string | null;
  /** The `event:` field, `""` for an unnamed event. */
  readonly event: string;
  readonly data: string;
}

const CR = 13;
const LF = 10;

/**
 * A parser of `text/event-stream` (HTML Standard, 9.2.6 "Interpreting an event stream").
 *
 * `push` takes decoded text in chunks of any size and gives the events that the chunk completed, in order.
 * The time is linear in the input: an unfinished line is kept in pieces and never searched a second time.
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
  #pieces: string[] = [];

  #data: string[] = [];
  #event = "";
  #id: string | null = null;

  push(chunk: string): SseMessage[] {
    const messages: SseMessage[] = [];
    let position = 0;
    if (chunk === "") return messages;

    if (!this.#started) {
      this.#started = true;
      if (chunk.charCodeAt(0) === 0xfeff) position = 1;
    }
    if (this.#skipLf && position < chunk.length) {
      this.#skipLf = false;
      if (chunk.charCodeAt(position) === LF) position += 1;
    }

    // Both searches move forward only, and a CR that is nowhere in the chunk is looked for once.
    let lf = chunk.indexOf("\n", position);
    let cr = chunk.indexOf("\r", position);
    while (lf !== -1 || cr !== -1) {
      const end = cr === -1 || (lf !== -1 && lf < cr) ? lf : cr;
      this.#line(this.#finish(chunk.slice(position, end)), messages);
      position = end + 1;
      if (chunk.charCodeAt(end) === CR) {
        if (position === chunk.length) this.#skipLf = true;
        else if (chunk.charCodeAt(position) === LF) position += 1;
      }
      if (lf !== -1 && lf < position) lf = chunk.indexOf("\n", position);
      if (cr !== -1 && cr < position) cr = chunk.indexOf("\r", position);
    }
    if (position < chunk.length) this.#pieces.push(chunk.slice(position));
    return messages;
  }

  #finish(rest: string): string {
    if (this.#pieces.length === 0) return rest;
    this.#pieces.push(rest);
    const line = this.#pieces.join("");
    this.#pieces = [];
    return line;
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

    switch (field) {
      case "data":
        this.#data.push(value);
        break;
      case "event":
        this.#event = value;
        break;
      case "id":
        if (!value.includes("\0")) this.#id = value;
        break;
      case "retry":
        if (/^[0-9]+$/.test(value)) this.retry = Number(value);
        break;
      default: // unknown fields are ignored
    }
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
