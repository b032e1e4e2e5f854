/** `millrace run` as a child process, and how far its copy is: for chaos and for the tests that kill it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { CheckpointStore } from '../destination/checkpoint.ts';
import { TableStateStore } from '../destination/table-state.ts';
import { AppError } from '../model/errors.ts';
import type { Lsn } from '../model/lsn.ts';
import { packageRoot } from '../model/package-root.ts';
import type { CopySide } from './compare.ts';

/** How to start it. */
export interface RunOptions {
  /** Its whole environment beside PATH: the settings of the pipeline. */
  readonly env: Readonly<Record<string, string>>;
  readonly logLevel: string;
  /** Modules that are loaded before it (`node --import`), as file URLs. */
  readonly imports?: readonly string[];
  /** Where it looks for a configuration; default: here. */
  readonly folder?: string;
}

/** Starts `millrace run`; its log is the child's stderr. */
export function spawnRun(options: RunOptions): ChildProcess {
  const program = join(packageRoot(), 'dist/src/cli/main.js');
  const imports = (options.imports ?? []).flatMap((url) => ['--import', url]);
  return spawn(process.execPath, [...imports, program, 'run', '--json', '--log-level', options.logLevel], {
    env: { PATH: process.env['PATH'], ...options.env },
    ...(options.folder === undefined ? {} : { cwd: options.folder }),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
}

/** ClickHouse's UNKNOWN_TABLE, UNKNOWN_DATABASE. */
const NOT_MADE = new Set([60, 81]);

/** Phases in which a table is not on its way any more. */
const LIVE = { rollups: ['live'], plain: ['live', 'quarantined', 'paused', 'excluded', 'dropped'] };

/**
 * Whether the copy holds everything before a position: all tables live, nothing in doubt.
 *
 * @param kind `rollups`: they are computed too; `plain`: there are none, and a table may be quarantined.
 */
export async function isCopyAt(
  copy: CopySide,
  pipeline: string,
  lsn: Lsn,
  kind: keyof typeof LIVE = 'rollups',
): Promise<boolean> {
  try {
    const checkpoint = await new CheckpointStore(copy.client, copy, pipeline).read();
    if (checkpoint === null || checkpoint.recovering || checkpoint.appliedLsn < lsn) return false;
    if (kind === 'rollups' && !checkpoint.rollupsLive) return false;
    const states = [...(await new TableStateStore(copy.client, copy, pipeline).readTables()).values()];
    return states.length > 0 && states.every(({ phase }) => LIVE[kind].includes(phase));
  } catch (error) {
    // The pipeline has not made them yet.
    if (error instanceof AppError && NOT_MADE.has(Number(error.details['clickhouseCode']))) return false;
    throw error;
  }
}
