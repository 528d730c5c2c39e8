// The console of a node that asks for a key.
//
// Usage: console_key.mjs <base url> <key>
//
// The node has the job `web`, which the key may manage.

import {openPage, withBrowser} from "./browser.mjs";
import {run} from "./deadline.mjs";

const [base, key] = process.argv.slice(2);

async function use(page) {
  const dialog = page.locator("#key");
  const give = async (text) => {
    await page.getByTestId("key").fill(text);
    await page.getByTestId("key").press("Enter");
  };
  await dialog.getByText("This node asks for a key.").waitFor();
  await give("nonsense");
  await dialog.getByText("This key is not taken: the key is unknown here.").waitFor();
  await give(key);
  const see = (id, text) => page.getByTestId(id).filter({hasText: text}).waitFor();
  await see("connection", /^connected$/);
  await see("job-name", /^web$/);
  await see("job-state", /^running$/);
  await see("cpu", /%/);
  await page.getByTestId("stop").click();
  await see("job-state", /^stopped$/);
  if (await dialog.isVisible()) throw new Error("it asks still");
  // It is kept over a reload, and nowhere where other pages could see it.
  await page.reload();
  await see("connection", /^connected$/);
  const kept = await page.evaluate(() => document.cookie + JSON.stringify(localStorage) + location.href);
  if (kept.includes(key)) throw new Error("the key is kept too long");
}

await run(() =>
  withBrowser(async (browser) => {
    const {page} = await openPage(browser, `${base}/_plugin/console/`, {});
    page.setDefaultTimeout(15_000);
    await use(page);
    console.log("ok console_key");
  }),
);
