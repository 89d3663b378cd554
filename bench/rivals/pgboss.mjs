// Drives pg-boss: `prepare`, `enqueue` or `work`, and options in JSON. The database comes by PGHOST, PGUSER and
// PGDATABASE. What is to be said is one JSON document a line. It runs from the folder that npm installed into.
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";

const QUEUE = "bench";
const BULK = 500;
const [mode, words] = process.argv.slice(2);
const options = JSON.parse(words);
const say = (facts) => process.stdout.write(JSON.stringify(facts) + "\n");

const here = createRequire(process.cwd() + "/");
const { PgBoss } = await import(pathToFileURL(here.resolve("pg-boss")));

async function enqueue(boss) {
  let next = 0;
  const began = performance.now();
  const send = async () => {
    while (next < options.singles) await boss.send(QUEUE, { number: next++ });
  };
  await Promise.all(Array.from({ length: options.at_once }, send));
  const middle = performance.now();
  for (let first = 0; first < options.bulk; first += BULK) {
    const length = Math.min(BULK, options.bulk - first);
    await boss.insert(QUEUE, Array.from({ length }, (_, index) => ({ data: { number: first + index } })));
  }
  const seconds = (performance.now() - middle) / 1000;
  say({ singles: options.singles / ((middle - began) / 1000), bulk: options.bulk ? options.bulk / seconds : 0 });
}

async function work(boss) {
  let begun = 0;
  say({ ready: true });
  const noop = async () => {
    if (++begun === options.mark) say({ begun });
    if (options.hold) await sleep(options.hold * 1000);
  };
  await boss.work(QUEUE, options.worker, async (jobs) => {
    if (options.together) await Promise.all(jobs.map(noop));
    else for (const job of jobs) await noop(job);
  });
  await new Promise(() => {});
}

const modes = { prepare: (boss) => boss.createQueue(QUEUE, options.queue), enqueue, work };
const boss = new PgBoss({ max: options.pool, ...options.instance, supervise: mode === "work" });
boss.on("error", (error) => process.stderr.write(`${error.message}\n`));
await boss.start();
await modes[mode](boss);
await boss.stop();
