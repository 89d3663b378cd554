// Drives graphile-worker: `prepare`, `enqueue` or `work`, and options in JSON. The database comes by PGHOST, PGUSER
// and PGDATABASE. What is to be said is one JSON document a line. It runs from the folder that npm installed into.
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";

const BULK = 500;
const [mode, words] = process.argv.slice(2);
const options = JSON.parse(words);
const say = (facts) => process.stdout.write(JSON.stringify(facts) + "\n");

const here = createRequire(process.cwd() + "/");
const load = (name) => import(pathToFileURL(here.resolve(name)));
const { Logger, makeWorkerUtils, run } = await load("graphile-worker");
const { default: pg } = await load("pg");

const logger = new Logger(() => (level, message) => {
  if (level === "error") process.stderr.write(`${message}\n`);
});
const pgPool = new pg.Pool({ max: options.pool });
pgPool.on("error", () => {});
pgPool.on("connect", (client) => client.on("error", () => {}));

async function enqueue(utils) {
  let next = 0;
  const began = performance.now();
  const add = async () => {
    while (next < options.singles) await utils.addJob("noop", { number: next++ });
  };
  await Promise.all(Array.from({ length: options.at_once }, add));
  const middle = performance.now();
  for (let first = 0; first < options.bulk; first += BULK) {
    const length = Math.min(BULK, options.bulk - first);
    await utils.addJobs(
      Array.from({ length }, (_, index) => ({ identifier: "noop", payload: { number: first + index } })),
    );
  }
  const seconds = (performance.now() - middle) / 1000;
  say({ singles: options.singles / ((middle - began) / 1000), bulk: options.bulk ? options.bulk / seconds : 0 });
}

async function work() {
  let begun = 0;
  const noop = async () => {
    if (++begun === options.mark) say({ begun });
    if (options.hold) await sleep(options.hold * 1000);
  };
  say({ ready: true });
  const runner = await run({ pgPool, logger, taskList: { noop }, preset: { worker: options.worker } });
  await runner.promise;
}

if (mode === "work") {
  await work();
} else {
  const utils = await makeWorkerUtils({ pgPool, logger });
  await utils.migrate();
  if (mode === "enqueue") await enqueue(utils);
  await utils.release();
  await pgPool.end();
}
