import type { Page } from "../app/pages";
import { DashboardPage } from "./DashboardPage";

export const dashboardPage: Page = {
  title: "Dashboard",
  paths: ["/dashboard"],
  Component: DashboardPage,
};
