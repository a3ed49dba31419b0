/**
 * A list that only keeps its newest items. To add one and to drop one takes the same time however long the list is: what
 * was dropped is cut off in bulk, an eighth of the list at a time.
 */
export class Newest<Item> {
  #items: (Item | undefined)[] = [];
  #start = 0;

  get length(): number {
    return this.#items.length - this.#start;
  }

  /** The item at a place from the oldest, 0. */
  at(index: number): Item | undefined {
    return this.#items[this.#start + index];
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  /** Takes the newest off. */
  pop(): void {
    if (this.length > 0) this.#items.pop();
  }

  /** Takes the oldest off, and gives it. */
  shift(): Item {
    const item = this.#items[this.#start] as Item;
    this.#items[this.#start] = undefined; // not kept alive until it is cut off
    this.#start += 1;
    if (this.#start * 8 > this.#items.length) {
      this.#items.splice(0, this.#start);
      this.#start = 0;
    }
    return item;
  }

  /** A copy, oldest first. */
  slice(): Item[] {
    return this.#items.slice(this.#start) as Item[];
  }
}
