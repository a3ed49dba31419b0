import * as React from "react";
import { useEffect, useState } from "react";

export const COPY_WORDS = { copy: "Copy", copied: "Copied", notCopied: "Not copied", download: "Download" };

export interface TextActionsProps {
  /** Returns the text; called on click. */
  readonly text: () => string;
  readonly fileName: string;
  readonly words: typeof COPY_WORDS;
  readonly disabled?: boolean;
}

/** The buttons to copy and to download a text. */
export function TextActions({ text, fileName, words, disabled = false }: TextActionsProps): React.ReactElement {
  const [copied, setCopied] = useState<boolean | null>(null);
  useEffect(() => {
    if (copied === null) return undefined;
    const timer = setTimeout(() => setCopied(null), 2000);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <>
      <button type="button" disabled={disabled} onClick={() => void copy(text()).then(setCopied)}>
        {copied === null ? words.copy : copied ? words.copied : words.notCopied}
      </button>
      <button type="button" disabled={disabled} onClick={() => download(text(), fileName)}>
        {words.download}
      </button>
    </>
  );
}

/** Copies a text. Returns whether that worked. */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text); // no permission, or no clipboard, as in a page without https
  }
}

function copyBySelection(text: string): boolean {
  const area = document.createElement("textarea");
  const focused = document.activeElement;
  area.value = text;
  document.body.append(area);
  area.focus();
  area.select();
  try {
    return document.execCommand("copy");
  } finally {
    area.remove();
    if (focused instanceof HTMLElement) focused.focus();
  }
}

function download(text: string, fileName: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
  link.download = fileName;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000); // the browser reads the URL after the click
}
