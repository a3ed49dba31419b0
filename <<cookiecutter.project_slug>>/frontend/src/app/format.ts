/** Numbers and times as people read them. */

/** 1234567 is "1.2 MB": steps of 1000, as in MAX_UPLOAD_MB and in the lines of the log. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return formatCount(bytes, "byte");
  const units = ["kB", "MB", "GB"];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const rounded = value < 100 ? Math.round(value * 10) / 10 : Math.round(value);
  return `${rounded} ${units[unit]}`;
}

/** Seconds as "8 s", "1 min 05 s", "2 h 03 min"; with `exact`, a few of them as "0.9 s". */
export function formatDuration(seconds: number, exact = false): string {
  if (exact && seconds >= 0 && seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.max(0, exact ? Math.round(seconds) : Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${pad(Math.floor((whole % 3600) / 60))} min`;
}

/** The time of day if it was today, else the date with the time. */
export function formatWhen(iso: string, now: Date = new Date()): string {
  const when = new Date(iso);
  if (Number.isNaN(when.getTime())) return "";
  const today = when.toDateString() === now.toDateString();
  return when.toLocaleString(undefined, today ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" });
}

/** "1 word", "1,204 words". */
export function formatCount(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString()} ${count === 1 ? one : many}`;
}

function pad(value: number): string {
  return String(value).padStart(2, "0");
}
