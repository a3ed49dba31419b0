import type { MouseEvent } from "react";
import { requestFile } from "./api";
import { session } from "./session";

/**
 * For the `onClick` of a link that downloads. A link cannot show who asks: where somebody has signed in, the file is
 * fetched by the page and then saved. Otherwise the link does it by itself.
 */
export function onDownload(onError: (failure: unknown) => void): (event: MouseEvent<HTMLAnchorElement>) => void {
  return (event) => {
    if (!session.getUser()) return;
    event.preventDefault();
    requestFile(event.currentTarget.href).then(save, onError);
  };
}

function save(file: File): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000); // the browser reads it after the click
}
