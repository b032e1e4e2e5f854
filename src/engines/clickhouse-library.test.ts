import { expect, test } from 'vitest';
import { findClickHouseChild, findClickHouseLibrary } from './clickhouse-library.ts';

const missing = (message: string) =>
  expect.objectContaining({ code: 'ENGINE_MISSING', message: expect.stringContaining(message) });

test('GIVEN a platform whose package is not installed WHEN looked for THEN the error names what to install', () => {
  const other =
    process.platform === 'darwin'
      ? ['linux-arm64', '@chdb/lib-linux-arm64-gnu']
      : ['darwin-arm64', '@chdb/lib-darwin-arm64'];
  expect(() => findClickHouseLibrary(other[0])).toThrow(missing(`npm install ${other[1]}@26.7.3-stable.1`));
});

test('GIVEN a platform without a package WHEN looked for THEN the error says so', () => {
  expect(() => findClickHouseLibrary('win32-x64')).toThrow(missing('no embedded ClickHouse for win32-x64'));
});

test('GIVEN a package that was not built WHEN the child program is looked for THEN the error says how to build', () => {
  expect(() => findClickHouseChild('/nowhere')).toThrow(missing('npm run build'));
});
