/** One clock for several processes of a machine, and what a process has used. */
import { readdirSync, readFileSync } from 'node:fs';

/** ms since 1970, with fractions. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

/** What a process has used up to a moment. */
export interface Usage {
  /** By {@link nowMs}. */
  readonly atMs: number;
  /** CPU time of the process, user and system, ms. */
  readonly cpuMs: number;
  /** The most memory it has ever held, MiB; 0 where the system does not tell (no /proc). */
  readonly peakRssMiB: number;
  /** The most that transactions in progress have taken on disk, MiB. */
  readonly peakSpooledMiB?: number;
}

/** What this process has used so far. */
export function usage(): Usage {
  const { user, system } = process.cpuUsage();
  return { atMs: nowMs(), cpuMs: (user + system) / 1000, peakRssMiB: peakRssMiB() };
}

function peakRssMiB(): number {
  if (process.platform !== 'linux') return 0;
  const match = /VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'));
  return Math.round(Number(match?.[1] ?? 0) / 1024);
}

/** CPU time of an engine, with its processes that run and those that have ended, ms; 0 where the system does not tell. */
export function engineCpuMs(pid: number): number {
  if (process.platform !== 'linux') return 0;
  let ticks = 0;
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const fields = statFields(name);
    const isMember = name === String(pid) || fields[1] === String(pid);
    if (isMember) ticks += fields.slice(11, 15).reduce((sum, value) => sum + Number(value), 0);
  }
  return ticks * MS_PER_TICK;
}

/** The fields of /proc/PID/stat behind the name (state, parent …); none when the process has just ended. */
function statFields(pid: string): string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
}

/** USER_HZ is 100 on every Linux that we know. */
const MS_PER_TICK = 10;
