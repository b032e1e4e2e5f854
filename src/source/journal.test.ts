import { appendFile, mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { eachRecord, type Journal, openJournal } from './journal.ts';

const OWNER = { sourceId: '1/ads', slot: 'millrace' };

interface Taken {
  text: string;
  hi: number;
  lo: number;
}

async function temporaryDirectory(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'millrace-journal-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

function add(journal: Journal, text: string, lo = 0): void {
  const bytes = Buffer.from(`__${text}__`);
  journal.append(bytes, 2, bytes.length - 2, { hi: 7, lo });
}

async function contentOf(journal: Journal): Promise<Taken[]> {
  const found: Taken[] = [];
  for await (const payload of journal.read()) {
    eachRecord(payload, (start, end, { hi, lo }) => found.push({ text: payload.toString('utf8', start, end), hi, lo }));
  }
  return found;
}

async function flush(journal: Journal, endLsn: bigint): Promise<void> {
  journal.mark(endLsn);
  await journal.flush();
}

const textsOf = async (journal: Journal): Promise<string[]> => (await contentOf(journal)).map(({ text }) => text);

test('what was flushed at a commit is there after a crash, what came later is not', async () => {
  await using directory = await temporaryDirectory();
  const journal = await openJournal(directory.path, OWNER);
  await journal.begin(OWNER, 100n);
  add(journal, 'a', 5);
  await flush(journal, 110n);
  add(journal, 'b', 6);
  await journal.flush();
  expect([journal.from, journal.to]).toEqual([100n, 110n]);

  const found = await openJournal(directory.path, OWNER);
  expect([found.from, found.to]).toEqual([100n, 110n]);
  expect(await contentOf(found)).toEqual([{ text: 'a', hi: 7, lo: 5 }]);
  // The source sends the cut transaction again.
  add(found, 'b again');
  await flush(found, 130n);
  expect(await textsOf(await openJournal(directory.path, OWNER))).toEqual(['a', 'b again']);
});

test('any cut of the file leaves whole transactions, from the first on', async () => {
  const lengths = fc.array(fc.record({ bytes: fc.nat(40), commits: fc.boolean() }), { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(lengths, fc.nat(99), async (blocks, cut) => {
      await using directory = await temporaryDirectory();
      const journal = await openJournal(directory.path, OWNER);
      await journal.begin(OWNER, 1n);
      const committed: number[] = [0];
      for (const [i, { bytes, commits }] of blocks.entries()) {
        add(journal, 'x'.repeat(bytes * (i % 3 === 0 ? 40_000 : 1)), i);
        if (commits) journal.mark(BigInt(i + 2));
        await journal.flush();
        if (commits) committed.push(i + 1);
      }
      const [name] = (await readdir(directory.path)).filter((file) => file.endsWith('.journal'));
      if (name !== undefined) await truncate(join(directory.path, name), Math.floor((journal.byteLength * cut) / 100));

      const found = await openJournal(directory.path, OWNER);
      const records = (await contentOf(found)).map(({ lo }) => lo);
      expect(records).toEqual(records.map((_, i) => i));
      expect(committed).toContain(records.length);
      expect(found.to).toBe(records.length === 0 ? 1n : BigInt(records.length + 1));
    }),
    { numRuns: 60 },
  );
});

test('bytes behind the end that are no block are cut off', async () => {
  await using directory = await temporaryDirectory();
  const journal = await openJournal(directory.path, OWNER);
  await journal.begin(OWNER, 1n);
  add(journal, 'a');
  await flush(journal, 2n);
  const [name] = (await readdir(directory.path)).filter((file) => file.endsWith('.journal'));
  await appendFile(join(directory.path, name!), Buffer.alloc(100, 1));
  const found = await openJournal(directory.path, OWNER);
  add(found, 'b');
  await flush(found, 3n);
  expect(await textsOf(await openJournal(directory.path, OWNER))).toEqual(['a', 'b']);
});

test('a position without messages is kept too', async () => {
  await using directory = await temporaryDirectory();
  const journal = await openJournal(directory.path, OWNER);
  await journal.begin(OWNER, 1n);
  await flush(journal, 50n);
  const found = await openJournal(directory.path, OWNER);
  expect([found.to, await textsOf(found)]).toEqual([50n, []]);
});

test('a cleared journal is empty, also when the clearing was cut short', async () => {
  await using directory = await temporaryDirectory();
  const journal = await openJournal(directory.path, OWNER);
  await journal.begin(OWNER, 1n);
  add(journal, 'a');
  await flush(journal, 2n);
  await journal.clear();
  expect(await readdir(directory.path)).toEqual([]);
  await writeFile(join(directory.path, '0000000001.journal'), 'left over');
  const found = await openJournal(directory.path, OWNER);
  expect([found.from, found.byteLength, await readdir(directory.path)]).toEqual([null, 0, []]);
});

test('the journal of another source or slot is refused', async () => {
  await using directory = await temporaryDirectory();
  await (await openJournal(directory.path, OWNER)).begin(OWNER, 1n);
  await expect(openJournal(directory.path, { ...OWNER, slot: 'other' })).rejects.toMatchObject({
    code: 'JOURNAL_FAILED',
  });
  await expect(openJournal(directory.path, { ...OWNER, sourceId: '2/ads' })).rejects.toThrow(/of source 1\/ads/);
});
