// Runs more or fewer processes of a job: how many more, or how many with `=`.
//
//     node scale.mjs shop.web +2
//     node scale.mjs shop.web =1 http://127.0.0.1:5000

import SockJS from "sockjs-client";

import {Gaffer} from "../plugins/console/_site/gaffer.js";

const [job, number, url = "http://127.0.0.1:5000"] = process.argv.slice(2);
const gaffer = new Gaffer({url, SockJS});
try {
  const {numprocesses} = await gaffer.command("scale", job, number);
  console.log(`${job}: ${numprocesses}`);
} catch (error) {
  console.error(error.reason ?? error);
  process.exitCode = 1;
}
gaffer.close();
