// Prints what happens on a node, or to one of its jobs.
//
//     node watch.mjs                                   all events
//     node watch.mjs JOB:shop.web                      those of a job
//     node watch.mjs STREAM:1 http://127.0.0.1:5000    what a process writes, on this node

import SockJS from "sockjs-client";

import {Gaffer} from "../plugins/console/_site/gaffer.js";

const [topic = "EVENTS", url = "http://127.0.0.1:5000"] = process.argv.slice(2);
const gaffer = new Gaffer({url, SockJS});
gaffer.addEventListener("state", ({detail}) => console.error(`(${detail})`));

try {
  for await (const {event, topic: _, ...data} of gaffer.subscribe(topic, {history: 10})) {
    if (event === "gaffer:lost") console.error("(something was lost)");
    else if (topic.startsWith("STREAM:")) process.stdout.write(data.data);
    else console.log(event, JSON.stringify(data));
  }
} catch (error) {
  console.error(error.reason ?? error);
  process.exitCode = 1;
}
gaffer.close();
