// The page: what there is, and how the parts belong together.

import {$, setEnabled, setText} from "./dom.js";
import {EventList} from "./event-list.js";
import {JobList} from "./job-list.js";
import {JobView} from "./job-view.js";
import {askForKey, givenKey} from "./key.js";
import {Node} from "./node.js";
import {complain} from "./notices.js";

// The page is at /_plugin/console/ of the node, whose paths may all have something before them.
const base = new URL("../../", document.baseURI);
const node = new Node(base, givenKey());
node.addEventListener("locked", ({detail}) => {
  const why = givenKey() === undefined ? "This node asks for a key." : `This key is not taken: ${detail.reason}.`;
  askForKey(why);
});

// The job that is looked at stands in the address, so that it can be kept and passed on.
function chosen() {
  const text = location.hash.slice(1);
  try {
    return decodeURIComponent(text) || null;
  } catch {
    // Somebody has typed it.
    return text;
  }
}
const choose = (name) => {
  if (chosen() !== name) location.hash = encodeURIComponent(name);
};

const list = new JobList(node, choose);
const view = new JobView(node);
new EventList(node);

function look() {
  list.mark(chosen());
  view.choose(chosen());
  document.title = chosen() ? `${chosen()} – gaffer` : "gaffer";
}
addEventListener("hashchange", look);
node.addEventListener("jobs", () => {
  const [first] = node.jobs.keys();
  // Not into the history: going back should lead out of the page.
  if (!chosen() && first) history.replaceState(null, "", `#${encodeURIComponent(first)}`);
  look();
});

setText($("node"), base.host);
node.get("version").then(({version}) => setText($("node"), `${base.host} · ${version}`)).catch(() => {});

const WORDS = {connecting: "connecting", open: "connected", waiting: "not connected", closed: "closed"};

function showConnection() {
  const {state, nextAttempt} = node.gaffer;
  document.body.dataset.connection = state;
  setText($("connection-text"), WORDS[state]);
  $("banner").hidden = state === "open" || state === "closed" || (state === "connecting" && !node.known);
  const seconds = Math.max(0, Math.ceil((nextAttempt - Date.now()) / 1000));
  const next = state === "waiting" && seconds ? `The next attempt is in ${seconds} s.` : "Trying to connect.";
  setText($("banner-text"), `The node cannot be reached; what you see may be out of date. ${next}`);
  setEnabled($("reconnect"), state === "waiting");
}
node.addEventListener("connection", showConnection);
node.addEventListener("trouble", ({detail}) => complain(detail.what, detail.error));
setInterval(showConnection, 1000);
$("reconnect").addEventListener("click", () => node.gaffer.reconnect());
addEventListener("online", () => node.gaffer.reconnect());
showConnection();

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
  event.preventDefault();
  $("filter").focus();
});
