/** The pages of the app. Each is a folder beside this one, and a line below. */

import type { ComponentType } from "react";
import { agentsPage } from "../agents";
import { signInPage } from "../auth";
import { componentsPage } from "../examples";
import { dashboardPage } from "../dashboard";
import { generatePage } from "../generation";
import { ingestPage } from "../ingest";

export interface Page {
  /** Its name in the navigation, which shows once there are two. */
  readonly title: string;
  /** The routes that show it; the first is where the navigation leads. */
  readonly paths: readonly string[];
  readonly Component: ComponentType<PageProps>;
  /** What it puts into the masthead, whatever page is shown. */
  readonly Masthead?: ComponentType;
  /** It is no page to go to: it stands in for all others as long as nobody has signed in. */
  readonly gate?: boolean;
}

export interface PageProps {
  /** The pattern, of the page's `paths`, that matched. */
  readonly route: string;
  readonly params: Readonly<Record<string, string>>;
}

export const pages: readonly Page[] = [
  signInPage,
  ingestPage,
  generatePage,
  agentsPage,
  dashboardPage,
  componentsPage,
];
