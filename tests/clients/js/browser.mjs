// Debian's Chromium, without a screen.

import {require} from "./modules.mjs";

const {chromium} = require("playwright-core");

const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-breakpad",
  "--disable-dev-shm-usage",
];

/** Runs something with a browser, which is gone afterwards, also if that fails. */
export async function withBrowser(use) {
  const browser = await chromium.launch({executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGUMENTS});
  try {
    return await use(browser);
  } finally {
    await browser.close();
  }
}

/** Opens a page, in a context of its own. What it complains of is kept in `complaints`. */
export async function openPage(browser, url, options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(`${message.text()} (${message.location().url})`));
  page.on("pageerror", (error) => complaints.push(error.stack));
  const answer = await page.goto(url);
  if (!answer.ok()) throw new Error(`${url}: ${answer.status()}`);
  return {context, page, complaints};
}
