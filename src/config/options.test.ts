import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { configDocument, errorsDocument } from './document.ts';
import { configSchema } from './json-schema.ts';
import { loadConfig } from './load.ts';
import { environmentName, flagName, OPTION_NAMES, OPTIONS } from './options.ts';
import { printableConfig } from './printable.ts';
import { checkValue } from './values.ts';

describe('the table of options', () => {
  test.each([
    { name: 'postgresUrl', environment: 'MILLRACE_POSTGRES_URL', flag: '--postgres-url' },
    { name: 'minFlushIntervalMs', environment: 'MILLRACE_MIN_FLUSH_INTERVAL_MS', flag: '--min-flush-interval-ms' },
    { name: 'slot', environment: 'MILLRACE_SLOT', flag: '--slot' },
  ] as const)('$name is $environment and $flag', ({ name, environment, flag }) => {
    expect([environmentName(name), flagName(name)]).toEqual([environment, flag]);
  });

  test.each(OPTION_NAMES.filter((name) => OPTIONS[name].default !== null))(
    'the default of %s is a valid value',
    (name) => {
      expect(checkValue(name, OPTIONS[name].default)).toEqual({ value: OPTIONS[name].default });
    },
  );
});

describe('sizes', () => {
  test.each([
    { text: '65536', bytes: 65_536 },
    { text: '66k', bytes: 66_000 },
    { text: '64KiB', bytes: 65_536 },
    { text: '1.5 MiB', bytes: 1_572_864 },
    { text: '1g', bytes: 1_000_000_000 },
  ])('$text is $bytes bytes', ({ text, bytes }) => {
    expect(checkValue('batchMaxBytes', text)).toEqual({ value: bytes });
  });

  test.each(['1', '1 TiB', '-5 MiB', 'MiB', '1 MiB x', '', '9999 GiB'])('%j is refused', (text) => {
    expect(checkValue('batchMaxBytes', text)).toEqual({
      problem: expect.stringContaining('expected a size') as string,
    });
  });
});

describe('secrets', () => {
  test('GIVEN URLs with passwords THEN the printable configuration has none', async () => {
    const flags = { postgresUrl: 'postgres://me:hunter2@host/db', clickhouseUrl: 'http://me:hunter2@host:8123' };
    const shown = printableConfig(await loadConfig({ flags, env: {}, cwd: import.meta.dirname }));
    expect(shown).toMatchObject({ postgresUrl: 'postgres://me:***@host/db', slot: 'millrace' });
    expect(JSON.stringify(shown)).not.toContain('hunter2');
  });
});

describe('documents', () => {
  test.each([
    { file: 'config.md', text: configDocument() },
    { file: 'errors.md', text: errorsDocument() },
  ])('docs/$file says what the table says (else: npm run docs)', async ({ file, text }) => {
    expect(await readFile(new URL(`../../docs/${file}`, import.meta.url), 'utf8')).toBe(text);
  });

  test('docs/millrace.schema.json says it too (else: npm run docs)', async () => {
    const text = await readFile(new URL('../../docs/millrace.schema.json', import.meta.url), 'utf8');
    expect(JSON.parse(text)).toEqual(configSchema());
  });
});
