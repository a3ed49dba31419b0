/** Those who sign in, where the stack was started with AUTH=jwt. */

import type { APIRequestContext, BrowserContext, Page } from "@playwright/test";
import { baseURL } from "./browser";

export const signsIn = process.env.AUTH === "jwt";

/** `make e2e` has made the two, with this password. */
export type Name = "ada" | "grace";
export const password = process.env.E2E_PASSWORD || "correct horse battery staple";

/** Signs a browser in as a user, by the cookie that its pages begin with, and its requests of the API by a header. */
export async function enter(context: BrowserContext, name: Name = "ada"): Promise<void> {
  const response = await context.request.post(`${baseURL}/api/auth/sign-in`, { data: { name, password } });
  authorise(context.request, name, await tokenIn(name, response));
}

/** Signs in on the page itself, as a user does. */
export async function signIn(page: Page, name: Name, given = password): Promise<void> {
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(given);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** Lets the requests of a test be those of a user, for as long as it takes: tokens are short-lived. */
export function authorise(request: APIRequestContext, name: Name, token: string): void {
  const fetchAsNobody = request.fetch.bind(request);
  request.fetch = async (url, options) => {
    const send = () => fetchAsNobody(url, { ...options, headers: { authorization: `Bearer ${token}`, ...options?.headers } });
    const response = await send();
    if (response.status() !== 401) return response;
    token = await tokenOf(name);
    return send();
  };
}

/** An access token for a program. */
export async function tokenOf(name: Name): Promise<string> {
  const response = await fetch(`${baseURL}/api/auth/sign-in`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name, password }),
  });
  return tokenIn(name, { status: () => response.status, json: () => response.json() });
}

async function tokenIn(name: Name, response: { status(): number; json(): Promise<unknown> }): Promise<string> {
  const body = (await response.json()) as { token?: string };
  if (body.token === undefined) throw new Error(`${name} cannot sign in: ${response.status()} ${JSON.stringify(body)}`);
  return body.token;
}
