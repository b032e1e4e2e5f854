import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['test/support/engines.ts'],
    // Real servers on a shared machine: a hung test must end, a slow one must not.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // PostgreSQL and ClickHouse work beside the tests; more processes than this only wait for each other.
    maxWorkers: 2,
    passWithNoTests: false,
  },
});
