/** Every version of campaigns and advertisers, and what events cost by them: equal to a source that kept an audit itself. */
import { expect, test } from 'vitest';
import { adDifferences } from '../src/chaos/compare.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import {
  auditedSpend,
  auditedVersions,
  copiedSpend,
  datedVersions,
  instant,
  keptVersions,
  startAudit,
} from '../src/chaos/audit.ts';
import { temporaryClickHouse, type TemporaryClickHouse, type TemporaryPostgres } from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';
import { openProxy, STORED_STATE } from '../src/chaos/proxy.ts';

const ROWS = `INSERT INTO advertiser (name) VALUES ('A'), ('B');
  INSERT INTO campaign (name, bid, budget, advertiser_id) VALUES ('one', 1, 10, 1), ('two', 2, 20, 1), ('three', 3.33, 30, 2), ('four', 0.07, 40, NULL)`;

/** Changes of dimensions, one transaction after the other. */
const STEPS = [
  `UPDATE campaign SET bid = 1.5 WHERE id = 1; UPDATE campaign SET name = 'deux' WHERE id = 2`,
  `BEGIN; UPDATE campaign SET bid = 5 WHERE id = 1; UPDATE campaign SET bid = 9.99, budget = 0.01 WHERE id = 1; COMMIT`,
  `UPDATE advertiser SET name = 'A2' WHERE id = 1; UPDATE campaign SET advertiser_id = 2 WHERE id = 1`,
  `DELETE FROM campaign WHERE id = 4`,
  `INSERT INTO campaign (id, name, bid, budget) VALUES (4, 'four again', 8, 1)`,
  `UPDATE campaign SET id = 50 WHERE id = 3`,
  `BEGIN; DELETE FROM campaign WHERE id = 2; INSERT INTO campaign (id, name, bid, budget) VALUES (2, 'two anew', 0, 0); COMMIT`,
  `BEGIN; INSERT INTO campaign (name, bid, budget) VALUES ('never', 1, 1); ROLLBACK; UPDATE campaign SET updated_at = now() WHERE id = 1`,
  `BEGIN; INSERT INTO campaign (id, name, bid, budget) VALUES (90, 'short', 1, 1); TRUNCATE campaign;
   INSERT INTO campaign (id, name, bid, budget) VALUES (1, 'after', 3, 3); COMMIT`,
  `DELETE FROM advertiser WHERE id = 2`,
];

async function expectHistory(pg: TemporaryPostgres, ch: TemporaryClickHouse): Promise<void> {
  for (const table of ['advertiser', 'campaign'] as const) {
    const audited = (await auditedVersions(pg, table)).map(({ id, values }) => ({ id, values }));
    const kept = (await keptVersions(ch, table)).map(({ id, values }) => ({ id, values }));
    expect(kept, table).toEqual(audited);
  }
}

test('GIVEN changes of every kind WHEN they are streamed, also twice THEN the history has each version, in force from commit to commit', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await using proxy = await openProxy(ch.url);
  await pg.client.query(ROWS);
  await startAudit(pg);
  const first = startPipeline(pg, ch, { clickhouseUrl: proxy.url });
  await first.caughtUp();
  const bounds: string[] = [await instant(pg)];
  for (const sql of STEPS.slice(0, -1)) {
    await pg.client.query(sql);
    bounds.push(await instant(pg));
  }
  await first.caughtUp();
  await expectHistory(pg, ch);
  const stored = proxy.hold(STORED_STATE);
  await pg.client.query(String(STEPS.at(-1)));
  bounds.push(await instant(pg));
  await stored.reached();
  await first[Symbol.asyncDispose]();
  stored.release();
  await using second = startPipeline(pg, ch);
  await second.caughtUp();
  await expectHistory(pg, ch);
  await expectIntervals(pg, ch, bounds);
});

/** Each version begins in the step that made it and ends in the step that made the next one of its id. */
async function expectIntervals(
  pg: TemporaryPostgres,
  ch: TemporaryClickHouse,
  bounds: readonly string[],
): Promise<void> {
  const stepOf = (at: string | null): number | null => (at === null ? null : bounds.findIndex((bound) => bound > at));
  for (const table of ['advertiser', 'campaign'] as const) {
    const audited = await auditedVersions(pg, table);
    const expected = audited.flatMap(({ id, values, at }, i) => {
      const next = audited[i + 1]?.id === id ? audited[i + 1] : undefined;
      return values === 'gone' ? [] : [{ id, values, from: stepOf(at), to: stepOf(next?.at ?? null) }];
    });
    const dated = await datedVersions(ch, table);
    const found = dated.map(({ id, values, valid_from: from, valid_to: to }) => ({
      id,
      values,
      from: stepOf(from),
      to: stepOf(to),
    }));
    expect(found, table).toEqual(expected);
  }
}

test('GIVEN bids that change mid-stream WHEN clicks come late, early, move and go THEN spend is the bid in force at each event', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(
    `${ROWS}; INSERT INTO clicks (campaign_id, created_at) SELECT 1 + i % 4, '2026-01-01'::timestamp + make_interval(mins => i) FROM generate_series(1, 40) i`,
  );
  await startAudit(pg);
  await using pipeline = startPipeline(pg, ch);
  await pipeline.caughtUp();
  const times: string[] = [await instant(pg)];
  /** Events of five campaigns, one unknown, at every instant so far, long ago and an hour ahead. */
  const events = (): string =>
    ['clicks', 'impressions']
      .map(
        (
          table,
        ) => `INSERT INTO ${table} (campaign_id, created_at) SELECT c, t FROM unnest(ARRAY[1, 2, 3, 4, 50, 77, NULL]) c,
      unnest(ARRAY['2020-02-02', NULL, now() at time zone 'utc' + interval '1 h', ${times.map((t) => `'${t}'`).join(', ')}]::timestamp[]) t`,
      )
      .join(';');
  const moves = [
    `UPDATE clicks SET campaign_id = 2 WHERE campaign_id = 1 AND id % 3 = 0; DELETE FROM clicks WHERE id % 7 = 0`,
    `UPDATE clicks SET created_at = '${times[0]}' WHERE id % 4 = 0; UPDATE impressions SET campaign_id = 1 WHERE id % 5 = 0`,
  ];
  for (const [i, sql] of STEPS.entries()) {
    await pg.client.query(sql);
    times.push(await instant(pg));
    await pg.client.query(events());
    await pg.client.query(String(moves[i % 2]));
    if (i % 2 === 0)
      await pg.client.query(
        `INSERT INTO campaign (id, name, bid, budget) VALUES (77, 'late', 0.01, 1) ON CONFLICT (id) DO UPDATE SET bid = campaign.bid + 0.01`,
      );
    times.push(await instant(pg));
    await pipeline.caughtUp();
    expect(await copiedSpend(ch), sql).toEqual(await auditedSpend(pg));
  }
  expect(await adDifferences(pg, ch)).toEqual([]);
});
