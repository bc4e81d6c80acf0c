// javascript.mjs LIBRARY FOLDER DATABASE BINDING: better-sqlite3, node:sqlite (Node.js and
// Deno) or bun:sqlite, with worker threads.
import { Worker, isMainThread, workerData, parentPort } from "node:worker_threads";
import { createRequire } from "node:module";
import process from "node:process";

const [library, folder, database, binding] = isMainThread ? process.argv.slice(2) : workerData;

const connect = {
  "better-sqlite3": () => {
    const require = createRequire(process.cwd() + "/");
    const db = new (require("better-sqlite3"))(database);
    db.loadExtension(library);
    return { get: (sql, ...a) => db.prepare(sql).get(...a), run: (sql) => db.exec(sql), close: () => db.close() };
  },
  "node:sqlite": async () => {
    const { DatabaseSync } = await import("node:sqlite");
    const db = new DatabaseSync(database, { allowExtension: true });
    db.loadExtension(library);
    return { get: (sql, ...a) => db.prepare(sql).get(...a), run: (sql) => db.exec(sql), close: () => db.close() };
  },
  "bun:sqlite": async () => {
    const { Database } = await import("bun:sqlite");
    const db = new Database(database);
    db.loadExtension(library);
    return { get: (sql, ...a) => db.query(sql).get(...a), run: (sql) => db.run(sql), close: () => db.close() };
  },
}[binding];

const embed = (db) => db.get("SELECT hex(embed('hello world')) AS v").v;

const db = await connect();
if (!isMainThread) {
  let seen = embed(db);
  for (let i = 0; i < 50; i++) if (embed(db) !== seen) seen = "differs";
  db.close();
  parentPort.postMessage(seen);
} else {
  db.get("SELECT attn_import('m', ?) AS name", folder);
  db.run("CREATE VIRTUAL TABLE notes USING attn(body)");
  db.run("INSERT INTO notes(rowid, body) VALUES (1, 'the cat sat on the mat')," +
         " (2, 'stocks fell on monday'), (3, 'bread and butter')");
  const row = db.get("SELECT rowid, body FROM notes WHERE notes MATCH 'the cat sat' AND k = 1");
  console.log(row.rowid, row.body);
  const vector = embed(db);
  console.log(vector);
  const work = () => new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: [library, folder, database, binding] });
    worker.on("message", resolve);
    worker.on("error", reject);
  });
  const seen = await Promise.all([work(), work(), work(), work()]);
  console.log(seen.every((v) => v === vector) ? vector : "a worker differs");
  db.close();
  process.exit(0);
}
