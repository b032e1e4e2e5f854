import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['test/support/engines.ts'],
    // Real servers on a shared machine: a hung test must end, a slow one must not.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // Tests wait for processes and servers as much as they compute: with two, two cores were idle for a fifth of the time.
    maxWorkers: 3,
    passWithNoTests: false,
  },
});
