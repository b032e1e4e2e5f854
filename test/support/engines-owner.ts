/** A program that owns both engines of the directory it is given, says so in one line, and stays: it is there to be killed. */
import { startEngines } from '../../src/engines/endpoints.ts';

const [dataDir = ''] = process.argv.slice(2);
const { postgres, clickhouse, endpoints } = await startEngines({ dataDir, postgres: { settings: { fsync: 'off' } } });
process.stdout.write(`${JSON.stringify({ postgres: postgres.pid, clickhouse: clickhouse.pid, endpoints })}\n`);
setInterval(() => undefined, 60_000);
