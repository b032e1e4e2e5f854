import { defineConfig } from 'vitest/config';

/** See test/support/wait.ts. */
const patience = Number(process.env['TEST_PATIENCE'] ?? 1);

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['test/support/engines.ts'],
    // Real servers on a shared machine: a hung test must end, a slow one must not.
    testTimeout: 60_000 * patience,
    hookTimeout: 60_000 * patience,
    pool: 'forks',
    // Tests wait for processes and servers as much as they compute: with two, two cores were idle for a fifth of the time.
    maxWorkers: 3,
    // What is polled asks ClickHouse, mostly: at the usual 50 ms the asking takes a large part of a core.
    expect: { poll: { interval: 200 } },
    passWithNoTests: false,
  },
});
