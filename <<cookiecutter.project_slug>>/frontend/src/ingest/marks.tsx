const START = "\u0002";
const END = "\u0003";

/** Text with the parts between U+0002 and U+0003 marked. It is only ever text: what looks like HTML in it stays letters. */
export function Marked({ text }: { readonly text: string }) {
  return parts(text).map((part, index) =>
    part.hit ? <mark key={index}>{part.text}</mark> : <span key={index}>{part.text}</span>,
  );
}

function parts(text: string): { text: string; hit: boolean }[] {
  const found: { text: string; hit: boolean }[] = [];
  for (const [index, run] of text.split(START).entries()) {
    const end = index === 0 ? -1 : run.indexOf(END);
    if (end >= 0) found.push({ text: run.slice(0, end), hit: true });
    const rest = run.slice(end + 1).replaceAll(END, "");
    if (rest !== "") found.push({ text: rest, hit: false });
  }
  return found;
}
