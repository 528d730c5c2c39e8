// The packages of the tests, which are installed elsewhere: MODULES names the folder with `node_modules` in it.

import {createRequire} from "node:module";
import {join} from "node:path";

export const require = createRequire(join(process.env.MODULES ?? process.cwd(), "here.js"));
