// Uses the console as a person would, against a node that serves it, and takes a picture of it.
//
// Usage: console.mjs <base url> <picture>
//
// The node has the jobs `shop.web`, whose two processes write lines with `GET /`, `greeter`, which is not started, greets in
// green and writes back what it reads, and whatever else is to be in the picture.

import {openPage, withBrowser} from "./browser.mjs";
import {run} from "./deadline.mjs";

const [base, picture] = process.argv.slice(2);

async function use(page) {
  const see = (id, text) => page.getByTestId(id).filter({hasText: text}).waitFor();
  const output = (text) => page.locator("#output .line:not(.typed)", {hasText: text}).first();
  const job = (name) => page.locator(`#jobs tr[data-job="${name}"]`);

  await see("connection", /^connected$/);
  await see("cpu", /%/);

  // A job that is started. Whoever uses the keyboard stays where they are.
  await job("greeter").getByRole("button", {name: "stopped"}).click();
  await see("job-name", /^greeter$/);
  await see("job-state", /^stopped$/);
  await see("cpu", /^–$/);
  await page.getByTestId("start").press("Enter");
  await see("job-state", /^running$/);
  const focused = await page.evaluate(() => document.activeElement.dataset.testid);
  if (focused !== "start") throw new Error(`the focus went from the start button to ${focused}`);
  await output(/^hello$/).locator(".fg-2").waitFor();
  await page.locator('#events li[data-job="greeter"][data-event="spawn"]').waitFor();

  // What is typed reaches it, and what comes back is text, whatever it looks like.
  const markup = "<b id=bold>bold</b> & \u{1F600}";
  await page.getByTestId("input").fill(markup);
  await page.getByTestId("input").press("Enter");
  await output(markup).waitFor();
  if (await page.locator("#bold").count()) throw new Error("output became markup");

  // More and fewer.
  await page.getByTestId("scale-up").click();
  await see("number", /^2$/);
  await job("greeter").getByText("2/2").waitFor();
  await page.getByTestId("scale-down").click();
  await see("number", /^1$/);

  // A process that is killed is replaced, and the page goes over to the next.
  const pid = await page.locator("#processes tr").first().getAttribute("data-pid");
  await page.locator("#processes tr").first().getByTestId("kill").click();
  await page.getByTestId("confirm").click();
  await page.locator(`#processes tr:not([data-pid="${pid}"]).chosen`).waitFor();
  await see("note", /signal 9/);

  await page.getByTestId("stop").click();
  await see("job-state", /^stopped$/);

  // Jobs come and go.
  const load = {name: "guest", cmd: "sleep 1000"};
  await page.evaluate((body) => fetch("/processes", {method: "POST", body: JSON.stringify(body)}), load);
  await job("guest").getByText("1/1").waitFor();
  await page.evaluate(() => fetch("/processes/guest", {method: "DELETE"}));
  await job("guest").waitFor({state: "detached"});

  await job("shop.web").getByRole("button").click();
  await see("job-name", /^shop\.web$/);
  await output("GET /").waitFor();
  // Until its figures have become curves.
  await page.waitForFunction(() => document.querySelector("#spark-cpu .curve").getAttribute("d").split("L").length > 8);
  await page.mouse.move(0, 0);
  await page.evaluate(() => document.activeElement.blur());
  await page.screenshot({path: picture});

  // A narrow page has all of it below each other, and nothing beside.
  const kill = page.getByTestId("kill").first();
  await page.setViewportSize({width: 360, height: 740});
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  if (wide > 360) throw new Error(`a page of 360 pixels is ${wide} wide`);
  await kill.scrollIntoViewIfNeeded();
  const {x, width} = await kill.boundingBox();
  const frame = await page.locator("#processes-frame").boundingBox();
  if (x < frame.x || x + width > frame.x + frame.width) throw new Error(`the kill button is cut off at ${x} + ${width}`);

  // An address that somebody has typed.
  await page.evaluate(() => (location.hash = "#100%"));
  await page.getByText("There is no job 100%.").waitFor();

  await begin(page, job);
}

/** The node does not tell its jobs at first; and what it tells then is old, as much happens while it is asked. */
async function begin(page, job) {
  const call = (method, path, body) =>
    page.evaluate(([path, options]) => fetch(path, options).then(() => {}), [path, {method, body: body && JSON.stringify(body)}]);
  const answers = [
    (route) => route.fulfill({status: 503, contentType: "application/json", body: '{"reason": "the node is busy"}'}),
    async (route) => {
      const response = await route.fetch();
      await call("POST", "/processes", {name: "guest-2", cmd: "sleep 1000"});
      await page.locator('#events li[data-job="guest-2"][data-event="spawn"]').waitFor();
      return route.fulfill({response});
    },
  ];
  await page.route("**/status", (route) => (answers.shift() ?? ((other) => other.continue()))(route));
  let socket;
  await page.routeWebSocket(/channel/, (opened) => {
    socket = opened;
    socket.connectToServer();
  });
  await page.reload();
  await page.getByText("the node is busy").waitFor();
  await job("guest-2").getByText("1/1").waitFor();

  // After a connection that was lost, too.
  const again = new Promise((resolve) => {
    answers.push(async (route) => {
      const response = await route.fetch();
      await call("DELETE", "/processes/guest-2");
      await job("guest-2").waitFor({state: "detached"});
      answers.push((next) => resolve(next.continue()));
      return route.fulfill({response});
    });
  });
  await socket.close();
  await again;
  if (await job("guest-2").count()) throw new Error("an old answer brought back a job that has gone");
}

await run(() =>
  withBrowser(async (browser) => {
    const options = {viewport: {width: 1280, height: 800}, deviceScaleFactor: 1.5};
    const {page, complaints} = await openPage(browser, `${base}/_plugin/console/`, options);
    page.setDefaultTimeout(15_000);
    try {
      await use(page);
    } catch (error) {
      const text = await page.evaluate(() => document.body.innerText).catch(() => "");
      throw new Error(`${error.message}\nthe page complained: ${complaints.join("\n")}\nit says:\n${text}`);
    }
    // The page may ask for a job that goes at this moment, and the node was made to be busy.
    const grave = complaints.filter((complaint) => !/404.*guest|503.*\/status/.test(complaint));
    if (grave.length) throw new Error(`the page complained:\n${grave.join("\n")}`);
    console.log("ok console");
  }),
);
