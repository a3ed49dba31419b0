import type { Page } from "../app/pages";
import { AgentsPage } from "./AgentsPage";

export const agentsPage: Page = {
  title: "Agents",
  paths: ["/agents", "/agents/:id"],
  Component: AgentsPage,
};
