import type { Page } from "../app/pages";
import { ComponentsPage } from "./ComponentsPage";

export const componentsPage: Page = {
  title: "Components",
  paths: ["/components"],
  Component: ComponentsPage,
};
