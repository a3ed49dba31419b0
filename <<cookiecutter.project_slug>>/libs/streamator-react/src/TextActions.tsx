import * as React from "react";
import { useEffect, useState } from "react";

export interface TextActionsProps {
  /** The text, made when it is asked for. */
  readonly text: () => string;
  readonly fileName: string;
  readonly words: { readonly copy: string; readonly copied: string; readonly notCopied: string; readonly download: string };
  readonly disabled?: boolean;
}

/** Two buttons that take a text along. */
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

/** Whether the text is in the clipboard now. */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text); // no permission, or a page without https, which has no clipboard
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
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000); // the browser reads it after the click
}
