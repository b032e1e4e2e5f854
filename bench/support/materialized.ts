/** The peer: ClickHouse's own replication, the database engine MaterializedPostgreSQL, with its default settings. */
import { setTimeout as sleep } from 'node:timers/promises';
import { pgRows } from '../../src/source/connection.ts';
import { type Lab, postgresArguments } from './lab.ts';

/** Where it keeps the copy. */
export const MATERIALIZED = 'materialized.impressions';

/** Starts it and waits until it has copied what is there, and follows: told by one more row. */
export async function startMaterialized(lab: Lab): Promise<void> {
  const { address, database, account } = postgresArguments(lab);
  await lab.ch.command(
    `CREATE DATABASE materialized ENGINE = MaterializedPostgreSQL(${address}, ${database}, ${account})
     SETTINGS materialized_postgresql_tables_list = 'impressions'`,
    { settings: { allow_experimental_database_materialized_postgresql: 1 } },
  );
  await until(
    async () => (await lab.ch.rows("SELECT 1 FROM system.tables WHERE database = 'materialized'")).length > 0,
  );
  await pgRows(lab.pg, 'INSERT INTO impressions DEFAULT VALUES');
  await until(async () => (await sourceRows(lab)) === (await copiedRows(lab)));
}

async function sourceRows(lab: Lab): Promise<number> {
  const [row] = await pgRows(lab.pg, 'SELECT count(*) AS n FROM impressions');
  return Number(row?.['n']);
}

/** Rows that queries see. */
async function copiedRows(lab: Lab): Promise<number> {
  const [row] = await lab.ch.rows<{ n: string }>(`SELECT count() AS n FROM ${MATERIALIZED}`);
  return Number(row?.n);
}

/** Polls each 20 ms; an error counts as “not yet”, as the table comes and goes until its snapshot is done. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const isTrue = await condition().catch((error: unknown) => {
      if (performance.now() > deadline) throw error;
      return false;
    });
    if (isTrue) return;
    if (performance.now() > deadline) throw new Error('MaterializedPostgreSQL does not follow');
    await sleep(20);
  }
}

/**
 * Waits until parts of the table hold `rows` rows. Told by the parts and not by `count()`, which folds all of the
 * table at each poll and would slow down what it measures; rows that were only inserted are the same.
 */
export async function untilPartsHold(lab: Lab, database: string, rows: number): Promise<void> {
  const sql = `SELECT sum(rows) AS n FROM system.parts WHERE active AND database = '${database}'`;
  for (;;) {
    const [row] = await lab.ch.rows<{ n: string }>(sql);
    if (Number(row?.n) >= rows) return;
    await sleep(5);
  }
}
