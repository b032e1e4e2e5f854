/** The one table of faults: what can be done to whom, how long it lasts, how often it is chosen. */

/** Who suffers: two faults of one victim do not overlap. */
export type Victim = 'process' | 'clickhouse' | 'postgres' | 'clickhouse-network' | 'postgres-network';

/** What is to be chosen for a fault besides its time. */
export type Detail = 'none' | 'table' | 'answer' | 'fail-point' | 'memory' | 'pace';

/** A kind of fault. */
export interface Fault {
  readonly victim: Victim;
  readonly text: string;
  /** Shortest and longest duration, ms. */
  readonly holdMs: readonly [number, number];
  readonly detail: Detail;
  /** How often it is chosen, relative to the others. */
  readonly weight: number;
}

const INSTANT = [0, 0] as const;

/** Every fault, by the name that `--faults` takes. */
export const FAULTS = {
  kill: { victim: 'process', text: 'SIGKILL of our process', holdMs: [0, 300], detail: 'none', weight: 3 },
  stop: { victim: 'process', text: 'SIGTERM: it ends in order', holdMs: [0, 300], detail: 'none', weight: 1 },
  freeze: { victim: 'process', text: 'SIGSTOP, later SIGCONT', holdMs: [200, 2500], detail: 'none', weight: 1 },
zombie: { victim: 'process', text: 'SIGSTOP, another process takes over, then SIGCONT', holdMs: [300, 2500], detail: 'none', weight: 2 },
  'fail-point': { victim: 'process', text: 'it dies at a chosen step', holdMs: INSTANT, detail: 'fail-point', weight: 5 },
  'clock-jump': { victim: 'process', text: 'its clock jumps by hours or days', holdMs: INSTANT, detail: 'none', weight: 1 },
  'clickhouse-kill': { victim: 'clickhouse', text: 'SIGKILL, then a restart', holdMs: [0, 500], detail: 'none', weight: 4 },
  'clickhouse-away': { victim: 'clickhouse', text: 'SIGKILL, and a restart seconds later', holdMs: [2000, 5000], detail: 'none', weight: 1 },
  'clickhouse-full': { victim: 'clickhouse', text: 'its file system is full (where one can be mounted)', holdMs: [150, 900], detail: 'none', weight: 2 },
  'clickhouse-parts': { victim: 'clickhouse', text: 'a table has too many parts', holdMs: [150, 900], detail: 'table', weight: 2 },
  'clickhouse-read-only': { victim: 'clickhouse', text: 'a table is read-only', holdMs: [150, 900], detail: 'table', weight: 2 },
  'clickhouse-kill-query': { victim: 'clickhouse', text: 'KILL QUERY of whatever of ours runs', holdMs: [200, 800], detail: 'none', weight: 2 },
  'clickhouse-disk': { victim: 'clickhouse-network', text: 'statements find too little disk space', holdMs: [150, 900], detail: 'none', weight: 2 },
  'clickhouse-memory': { victim: 'clickhouse-network', text: 'statements meet a memory limit', holdMs: [150, 900], detail: 'memory', weight: 2 },
  'clickhouse-answer': { victim: 'clickhouse-network', text: 'an answer is lost, the request was served', holdMs: [300, 1000], detail: 'answer', weight: 4 },
  'clickhouse-cut': { victim: 'clickhouse-network', text: 'all connections are cut', holdMs: INSTANT, detail: 'none', weight: 2 },
  'clickhouse-refused': { victim: 'clickhouse-network', text: 'cut, and refused for a while', holdMs: [100, 1000], detail: 'none', weight: 1 },
  'clickhouse-silent': { victim: 'clickhouse-network', text: 'half-open: bytes vanish, then a reset', holdMs: [200, 1500], detail: 'none', weight: 2 },
  'clickhouse-stalled': { victim: 'clickhouse-network', text: 'bytes wait, then arrive', holdMs: [200, 1500], detail: 'none', weight: 1 },
  'clickhouse-slow': { victim: 'clickhouse-network', text: 'bytes arrive late and in pieces', holdMs: [200, 1000], detail: 'pace', weight: 1 },
  'postgres-crash': { victim: 'postgres', text: 'immediate stop (SIGQUIT), then a restart', holdMs: [0, 500], detail: 'none', weight: 3 },
  'postgres-terminate': { victim: 'postgres', text: 'pg_terminate_backend of our sessions', holdMs: INSTANT, detail: 'none', weight: 2 },
  'postgres-cut': { victim: 'postgres-network', text: 'all connections are cut', holdMs: INSTANT, detail: 'none', weight: 1 },
  'postgres-refused': { victim: 'postgres-network', text: 'cut, and refused for a while', holdMs: [100, 1000], detail: 'none', weight: 1 },
  'postgres-silent': { victim: 'postgres-network', text: 'half-open: bytes vanish, then a reset', holdMs: [200, 1500], detail: 'none', weight: 1 },
  'postgres-stalled': { victim: 'postgres-network', text: 'bytes wait, then arrive', holdMs: [200, 1500], detail: 'none', weight: 1 },
  'postgres-slow': { victim: 'postgres-network', text: 'bytes arrive late and in pieces', holdMs: [200, 1000], detail: 'pace', weight: 1 },
} as const satisfies Record<string, Fault>; // prettier-ignore

/** A name of {@link FAULTS}. */
export type FaultKind = keyof typeof FAULTS;

/** All names, in the order of the table. */
export const FAULT_KINDS = Object.keys(FAULTS) as FaultKind[];
