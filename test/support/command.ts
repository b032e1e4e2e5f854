/** The compiled command line on two temporary databases. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { packageRoot } from '../../src/model/package-root.ts';
import type { TemporaryClickHouse, TemporaryPostgres } from './databases.ts';

/** What a command wrote, and how it ended. */
export interface Ended {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number | null;
}

/** Runs a command of millrace to its end. */
export async function millrace(
  args: readonly string[],
  pg: TemporaryPostgres,
  ch: TemporaryClickHouse,
): Promise<Ended> {
  const child = spawn(process.execPath, [join(packageRoot(), 'dist/src/cli/main.js'), ...args], {
    env: commandEnvironment(pg, ch),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const [stdout, stderr, exitCode] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { stdout, stderr, exitCode };
}

/** The environment of a command that works on the two. */
export function commandEnvironment(pg: TemporaryPostgres, ch: TemporaryClickHouse): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    NO_COLOR: '1',
    MILLRACE_POSTGRES_URL: pg.url,
    MILLRACE_CLICKHOUSE_URL: ch.url,
    MILLRACE_SLOT: pg.database,
    MILLRACE_DATABASE: ch.database,
    MILLRACE_INTERNAL_DATABASE: ch.internal,
  };
}
