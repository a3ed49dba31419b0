import { cleanup, render, renderHook } from "@testing-library/react";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ReactElement } from "react";
import { afterAll, afterEach, expect, it, vi } from "vitest";

// The guide from 0.2: the code in the second column of each row runs in a component. After an arrow is its expected value:
// `code` → `value`.
const library = join(import.meta.dirname, "..");
const page = readFileSync(join(library, "docs/from-streamator-react-0.2.md"), "utf8");
const css = readFileSync(join(library, "src/log/log.css"), "utf8");
const rows = page
  .split("\n")
  .filter((line) => /^\| (?!0\.2)/.test(line))
  .map((line) => (line.split(/(?<!\\)\|/)[2] ?? "").trim().replaceAll("\\|", "|"));

mkdirSync(join(library, "node_modules/.cache"), { recursive: true });
const folder = mkdtempSync(join(library, "node_modules/.cache/migration-")); // within the package, so that it finds itself by name
afterAll(() => {
  rmSync(folder, { recursive: true });
});
afterEach(cleanup);

interface Row {
  code: string;
  value: string | undefined;
}

const read = rows.map((row): Row => {
  const parts = /^(`+) ?(.+?) ?\1(?: → (`+) ?(.+?) ?\3)?$/.exec(row);
  if (parts === null) throw new Error(`the second column is ${row}, which this test cannot read`);
  return { code: parts[2] as string, value: parts[4] };
});

async function run(row: Row): Promise<{ got: unknown; value: unknown }> {
  const file = join(folder, `row${read.indexOf(row)}.tsx`); // one file for each row: a transformed file is cached
  writeFileSync(
    file,
    `import { BASE_EVENT_LABELS, LogPanel, makeFormatEvent, useLogStream } from "streamator-react";
     export function useRow({ css, url, logs }) { const [entry] = logs; return ${row.code}; }
     export const value = ${row.value};`,
  );
  vi.stubGlobal("fetch", () => new Promise(() => {})); // a server that does not answer yet
  const { useRow, value } = (await import(file)) as { useRow: (names: object) => unknown; value: unknown };
  const logs = [{ text: "Working...", t: "1.2s", seconds: 1.23, level: "info", id: 1, line: 1, event: "log" }];
  const { result } = renderHook(() => useRow({ css, url: "/log/7/stream", logs }));
  return { got: await result.current, value };
}

it.each(read.filter((row) => row.value !== undefined))("$code is $value", async (row) => {
  const { got, value } = await run(row);
  expect(got).toEqual(value);
});

it.each(read.filter((row) => row.value === undefined))("$code is a log", async (row) => {
  const { got } = await run(row);
  render(got as ReactElement);
  expect(document.querySelector(".streamator-log")).not.toBeNull();
});

it("names all that it had", () => {
  const names = "useLogStream LogPanel makeFormatEvent BASE_EVENT_LABELS mode interval formatEvent logs active text level t waitingText maxHeight className style renderEntry log.css log-compat.css";
  const old = new Set(page.split("\n").flatMap((line) => line.split("|")[1]?.match(/[\w.-]+/g) ?? []).flatMap((word) => [word, ...word.split(".")]));
  expect(names.split(" ").filter((name) => !old.has(name))).toEqual([]);
});
