import type { ReactNode } from "react";
import "streamator-react/log.css";
import "streamator-react/panels.css";

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>{children}</body>
    </html>
  );
}
