// Talks to a node over `/channel` with SockJS's own client, which may use one transport alone.
//
// Usage: transports.mjs <base url> <runtime> <transport>...
//
// The runtime is `node`, `chromium`, where the page is from the node, or `chromium-elsewhere`, where it is from another origin.
// The node has a job `shop.demo`, a job `echo` that writes back what it reads, and a site `/_plugin/sockjs/` with `page.html`
// and the client's code.
//
// Of the client's transports those are left out that no browser of today has: xdr-streaming and xdr-polling need the
// XDomainRequest of Internet Explorer. `htmlfile` is for pages of the node alone, `iframe-…` for all. In Node there are no
// documents, and so neither frames nor scripts: `htmlfile`, `iframe-…` and `jsonp-polling` are for browsers alone.

import {openPage, withBrowser} from "./browser.mjs";
import {run, within} from "./deadline.mjs";
import {require} from "./modules.mjs";
import {scenario} from "./scenario.mjs";

const PATIENCE = 25_000;

async function inNode(base, about, transports) {
  const SockJS = require("sockjs-client");
  for (const transport of transports) {
    await within(PATIENCE, transport, scenario({...about, url: `${base}/channel`, transport}, SockJS));
    console.log(`ok ${transport}`);
  }
}

async function inChromium(base, about, transports, pages) {
  await withBrowser(async (browser) => {
    for (const transport of transports) {
      const {context, page, complaints} = await openPage(browser, `${pages}/_plugin/sockjs/page.html`);
      try {
        await within(PATIENCE, transport, page.evaluate(scenario, {...about, url: `${base}/channel`, transport}));
      } catch (error) {
        throw new Error(`${error.message}\nthe page: ${complaints.join("\n") || "no complaints"}`);
      }
      await context.close();
      console.log(`ok ${transport}`);
    }
  });
}

await run(async () => {
  const [base, runtime, ...transports] = process.argv.slice(2);
  const {pids} = await (await fetch(`${base}/processes/echo/_pids`)).json();
  const about = {job: "shop.demo", pid: pids[0]};
  switch (runtime) {
    case "node":
      return inNode(base, about, transports);
    case "chromium":
      return inChromium(base, about, transports, base);
    case "chromium-elsewhere":
      return inChromium(base, about, transports, base.replace("127.0.0.1", "localhost"));
    default:
      throw new Error(`no runtime is called ${runtime}`);
  }
});
