import type { Page } from "../app/pages";
import { GeneratePage } from "./GeneratePage";

export const generatePage: Page = {
  title: "Generate",
  paths: ["/generate"],
  Component: GeneratePage,
};
