/** A short run of `millrace chaos`, as it is run for hours elsewhere; and that it would notice. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runChaos } from '../src/chaos/chaos.ts';
import { FAULT_KINDS } from '../src/chaos/fault-kinds.ts';

/** Faults that find something to break whatever the process is at: others depend on the moment. */
const CERTAIN = new Set(['kill', 'stop', 'freeze', 'clickhouse-kill', 'postgres-crash', 'postgres-terminate']);

test(
  'GIVEN live traffic WHEN something breaks in each round THEN source and copy are equal after it',
  { timeout: 180_000 },
  async () => {
    const home = await mkdtemp(join(tmpdir(), 'millrace-chaos-'));
    const { summary, failure } = await runChaos({
      rounds: 4,
      seed: 16,
      first: 1,
      minutes: null,
      kinds: FAULT_KINDS.filter((kind) => CERTAIN.has(kind)),
      directory: join(home, 'run'),
      signal: new AbortController().signal,
    });
    expect(failure).toBeNull();
    await rm(home, { recursive: true });
    expect(summary).toMatchObject({ rounds: 4, loads: 1, differences: 0 });
    expect(
      Object.values(summary.faults).reduce((sum, count) => sum + count, 0),
      'faults that took place',
    ).toBeGreaterThan(3);
    // How much traffic fits into a round depends on the machine: the bars only say that there was some.
    expect(summary.changes).toBeGreaterThan(50);
    expect(summary.rowsCompared).toBeGreaterThan(500);
  },
);
