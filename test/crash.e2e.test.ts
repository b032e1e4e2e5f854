/**
 * A crash at every step of streaming, each in a known situation: after each of them source and copy are equal. A
 * point that is never met fails its test. Those of a start, a load and a stop: crash-load.e2e.test.ts.
 */
import { describe, expect, test } from 'vitest';
import { parseLsn } from '../src/model/lsn.ts';
import type { FailPoint } from '../src/pipeline/fail-points.ts';
import { pgRows } from '../src/source/connection.ts';
import { currentLsn } from '../src/source/slot.ts';
import { CHANGES, changeUntilDead, failPointsOn, INSERTS, TRUNCATE } from './support/crash.ts';
import type { TemporaryPostgres } from './support/databases.ts';
import { casesWith } from './support/long.ts';
import { presentWriter } from './support/plant.ts';
import { expectEqual, type Scene, sharedScene } from './support/scene.ts';
import { checkpointOf } from './support/tables.ts';
import { waitFor } from './support/wait.ts';

async function die({ pg, pipeline }: Scene, at: string, sql: string): Promise<void> {
  pipeline.start(at);
  await changeUntilDead(pg, pipeline, sql);
  expect(pipeline.ending, `${at} was met; ${pipeline.output.slice(-500)}`).toBe('SIGKILL');
}

/** How far the walsender has sent. */
async function sentLsn(pg: TemporaryPostgres): Promise<bigint> {
  const rows = await pgRows(
    pg.client,
    'SELECT sent_lsn FROM pg_stat_replication JOIN pg_replication_slots ON active_pid = pid WHERE slot_name = $1',
    [pg.database],
  );
  return parseLsn(rows[0]?.['sent_lsn'] ?? '0/0');
}

/** The position that a start finds is confirmed first, that of a batch afterwards. */
const TIMES: Partial<Record<FailPoint, number>> = { confirmed: 2 };

describe('one copy, killed again and again', () => {
  const scene = sharedScene();

  test.each(failPointsOn('changes'))('at %s by changes of every kind', async (point) => {
    await die(scene(), `${point}:${TIMES[point] ?? 1}`, CHANGES);
    await expectEqual(scene());
  });

  test.each(casesWith(['landed'], ['partly-landed', 'stored']))('at %s by inserts', async (point) => {
    await die(scene(), point, INSERTS);
    await expectEqual(scene());
  });

  test.each(
    failPointsOn('recovery').flatMap((point) =>
      casesWith([CHANGES], [INSERTS]).map((sql): [FailPoint, string] => [point, sql]),
    ),
  )('at %s, while it recovers from a crash', async (point, sql) => {
    await die(scene(), 'landed', sql);
    await die(scene(), point, sql);
    await expectEqual(scene());
  });

  test.each([
    ['landed', 'landed'],
    ['table-landed', 'table-landed:3'],
    ['reconciled', 'reconcile-sent'],
    ['table-landed', 'taken-over'],
  ])('at %s, then at %s before all was well again', async (first, second) => {
    await die(scene(), first, CHANGES);
    await die(scene(), second, CHANGES);
    await expectEqual(scene());
  });

  test.each(failPointsOn('truncate'))('at %s, when tables are emptied', async (point) => {
    await die(scene(), point, TRUNCATE);
    await expectEqual(scene());
  });

  test('when a recovery has stored its last position and not reconciled yet', async () => {
    await die(scene(), 'landed', INSERTS);
    scene().pipeline.start('stored');
    await scene().pipeline.died();
    await expectEqual(scene());
  });

  /**
   * ClickHouse writes its deduplication log before it renames a part: killed between the two it has lost the part,
   * and takes the retry for a repetition. Here the rollup's part of a landed batch is lost, the mirror's is not.
   */
  test('and the rollup has lost a part that the mirror has', async () => {
    const { ch, pg } = scene();
    const rollup = `${ch.database}.campaign_hourly`;
    await ch.client.command(
      `CREATE TABLE ${ch.internal}.before ENGINE = MergeTree ORDER BY tuple() AS SELECT * FROM ${rollup}`,
    );
    await die(
      scene(),
      'landed',
      "UPDATE impressions SET campaign_id = 1 + id % 3, created_at = created_at - interval '1 day' WHERE id % 5 = 0",
    );
    await ch.client.command(`TRUNCATE TABLE ${rollup}`);
    await ch.client.command(`INSERT INTO ${rollup} SELECT * FROM ${ch.internal}.before`, {
      settings: { deduplicate_insert: 'disable', ...(await presentWriter(ch, pg.database)) },
    });
    await expectEqual(scene());
  });
});

describe('a transaction larger than a batch, that a recovery applies', () => {
  const scene = sharedScene({ MILLRACE_BATCH_MAX_BYTES: '65536' });

  test.each([2, 5])('killed before its piece %i', async (piece) => {
    await die(scene(), 'landed', INSERTS);
    await scene().pg.client.query('INSERT INTO impressions (campaign_id) SELECT 2 FROM generate_series(1, 20000)');
    scene().pipeline.start(`resolved:${piece}`);
    await scene().pipeline.died();
    await expectEqual(scene());
  });

  test('killed in the midst of one that a recovery has ended in', async () => {
    const { pg, pipeline, toClickHouse } = scene();
    await die(scene(), 'landed', INSERTS);
    const hold = toClickHouse.hold('INTO+%60' + scene().ch.internal + '%60.%60impressions_in%60');
    pipeline.start('recovery-stored');
    await hold.reached();
    // Both lie behind the doubt. The first ends in the piece that the second begins in: the recovery is over then.
    await pg.client.query('INSERT INTO clicks (campaign_id) VALUES (1)');
    await pg.client.query('INSERT INTO impressions (campaign_id) SELECT 2 FROM generate_series(1, 8000)');
    const lsn = await currentLsn(pg.client);
    await waitFor(async () => (await sentLsn(pg)) >= lsn, { what: 'them to be read' });
    hold.release();
    await pipeline.died();
    expect(pipeline.ending).toBe('SIGKILL');
    const { appliedLsn, recovering } = await checkpointOf(pg, scene().ch);
    expect({ isInTheMidst: appliedLsn < lsn, recovering }).toEqual({ isInTheMidst: true, recovering: false });
    await expectEqual(scene());
  });
});
