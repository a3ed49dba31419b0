import type { Page } from "../app/pages";
import { IngestPage } from "./IngestPage";

export const ingestPage: Page = {
  title: "Ingest",
  paths: ["/", "/library", "/jobs/:id", "/documents/:id"],
  Component: IngestPage,
};
