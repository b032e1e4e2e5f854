/** The machine and the engines that figures belong to. */
import { cpus, loadavg, totalmem } from 'node:os';
import type { Lab } from './lab.ts';
import { pgRows } from '../../src/source/connection.ts';

/** Facts that a figure means nothing without. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly node: string;
  readonly postgres: string;
  readonly clickhouse: string;
  /** Of the last minute, before and after. The one before should be near 0: the one after is our own doing. */
  readonly loadAverage: number[];
}

/** Reads the facts; call it before the first measurement. */
export async function describeMachine(lab: Lab): Promise<Machine> {
  const [postgres] = await pgRows(lab.pg, 'SHOW server_version');
  const [clickhouse] = await lab.ch.rows<{ version: string }>('SELECT version() AS version');
  return {
    cpu: cpus()[0]?.model ?? process.arch,
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    postgres: postgres?.['server_version'] ?? '',
    clickhouse: clickhouse?.version ?? '',
    loadAverage: [loadNow()],
  };
}

/** Load average of the last minute, two digits. */
export function loadNow(): number {
  return Math.round((loadavg()[0] ?? 0) * 100) / 100;
}
