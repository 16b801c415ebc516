// Waits for a verdict and prints it as JSON: node read.mjs ID [SECONDS]

import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";

const connectionString = process.env.DAMAGE_DATABASE_URL;
const [id, seconds = 120] = process.argv.slice(2);
if (!connectionString || !id) {
  console.error("Set DAMAGE_DATABASE_URL and run: node read.mjs ID [SECONDS]");
  process.exit(2);
}

const query = `SELECT verdict, damage_count::int, worst_severity, reason_code, overlay_url
               FROM verdicts WHERE id = $1`;
const database = new pg.Client({
  connectionString,
  connectionTimeoutMillis: 5_000,
  query_timeout: 20_000,
});
const end = Date.now() + seconds * 1000;
try {
  await database.connect();
  let { rows } = await database.query(query, [id]);
  while (rows.length === 0 && Date.now() < end) {
    await sleep(1_000);
    ({ rows } = await database.query(query, [id]));
  }
  if (rows.length === 0) throw new Error(`no verdict for ${id} within ${seconds} seconds`);
  console.log(JSON.stringify(rows[0]));
} catch (error) {
  console.error(`Reading failed: ${error.message || error.code}`);
  process.exitCode = 1;
} finally {
  await database.end();
}
