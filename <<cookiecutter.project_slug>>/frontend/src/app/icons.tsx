/** The few icons of the app, drawn on a 24 px grid. They are decoration: the text beside them or the label says it. */

const shapes = {
  upload: "M12 15.5V4.5m0 0L7.5 9M12 4.5 16.5 9M4.5 15v2.5a2 2 0 0 0 2 2h11a2 2 0 0 0 2-2V15",
  download: "M12 4.5v11m0 0L7.5 11m4.5 4.5L16.5 11M4.5 15.5v2a2 2 0 0 0 2 2h11a2 2 0 0 0 2-2v-2",
  chevron: "m9 6 6 6-6 6",
  back: "M19 12H5.5m0 0L11 6.5M5.5 12l5.5 5.5",
  close: "m6.5 6.5 11 11m0-11-11 11",
  search: "M10.75 17.5a6.75 6.75 0 1 0 0-13.5 6.75 6.75 0 0 0 0 13.5ZM20 20l-4.4-4.4",
  trash: "M5 7h14M10 7V4.8h4V7m3.2 0-.7 12.2h-9L6.8 7M10.3 10.5v5.2m3.4-5.2v5.2",
  link: "M13.5 5H19v5.5M19 5l-8 8M9.5 6H7a2 2 0 0 0-2 2v9a2 2 0 0 0 2 2h9a2 2 0 0 0 2-2v-2.5",
  stop: "M6.5 6.5h11v11h-11z",
  again: "M19 12a7 7 0 1 1-2-4.9L19 9m0-4.5V9h-4.5",
  leave: "M14 7V5.5a1.5 1.5 0 0 0-1.5-1.5h-6A1.5 1.5 0 0 0 5 5.5v13A1.5 1.5 0 0 0 6.5 20h6a1.5 1.5 0 0 0 1.5-1.5V17m-4-5h9.5m0 0-3-3m3 3-3 3",
  document: "M7 4h7l4 4v12H7zM14 4v4h4M10 12.5h5m-5 3.5h5",
  pen: "m5 19 1-4L15.5 5.5l3 3L9 18l-4 1ZM13.5 7.5l3 3",
  lines: "M5 7h14M5 12h14M5 17h9",
  check: "m5.5 12.5 4.5 4.5 8.5-9.5",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8Zm0-12.5V5m0 14v1.5M3.5 12H5m14 0h1.5M6 6l1 1m10 10 1 1M18 6l-1 1M7 17l-1 1",
  moon: "M19.5 14.2A8 8 0 0 1 9.8 4.5a8 8 0 1 0 9.7 9.7Z",
  system: "M4 5.5h16v10.5H4zM9 19.5h6m-3-3.5v3.5",
} as const;

export type IconName = keyof typeof shapes;

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg
      className="icon"
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.75"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path d={shapes[name]} />
    </svg>
  );
}
