/**
 * A server as our child, which never outlives us.
 *
 * The child's stdin is a pipe that we never write to. A tiny guard (a shell that waits for the end
 * of that pipe) is started before the server takes over the shell's process: when we close the pipe,
 * or die of whatever cause, the guard asks the server to end, waits, and then makes it end.
 * The child has a session of its own, so that Ctrl-C in a terminal reaches only us, who stop it in order.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';

/**
 * `$1` signal that asks the server to end (0: the end of the pipe is the request), `$2` signal that
 * makes it end, `$3` seconds between the two; the rest is the command. The guard is a grandchild
 * (two parentheses), so that the server never waits for it.
 */
const GUARDED = `
ask=$1 force=$2 grace=$3; shift 3
exec 3<&0
( ( exec 4<&3 3<&-; trap '' INT HUP TERM QUIT
    cat <&4 >/dev/null
    kill -s "$ask" "$$" 2>/dev/null
    while [ "$grace" -gt 0 ] && kill -s 0 "$$" 2>/dev/null; do sleep 1; grace=$((grace-1)); done
    kill -s "$force" "$$" 2>/dev/null ) & )
exec "$@" 3<&-
`;

/** How to run a server. */
export interface ServerCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** Standard output and error are appended here; mode 0600. */
  readonly logFile: string;
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  /** Asks the server to end; `0` when the end of its stdin does. */
  readonly askSignal: 'INT' | '0';
  readonly forceSignal: 'QUIT' | 'KILL';
  /** Seconds between the two signals. */
  readonly graceSeconds: number;
}

/** A running server. */
export interface SupervisedProcess {
  readonly pid: number;
  /** Settles when the server has ended, with how: `code 1`, `signal SIGKILL`. */
  readonly exited: Promise<string>;
  /** How it ended, once it has. */
  readonly ending: string | undefined;
  /** Asks it to end, waits, and after the grace makes it end. */
  stop(): Promise<void>;
  /** Sends a signal and waits for the end: for fault tests. */
  kill(signal: NodeJS.Signals): Promise<void>;
}

/** Starts a server under guard. */
export async function supervise(server: ServerCommand): Promise<SupervisedProcess> {
  const child = spawnGuarded(server);
  const state: { ending: string | undefined } = { ending: undefined };
  const exited = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => {
      state.ending = signal === null ? `code ${code}` : `signal ${signal}`;
      resolve(state.ending);
    });
  });
  await once(child, 'spawn');
  const pid = child.pid as number;
  const signal = (name: NodeJS.Signals): void => {
    if (state.ending === undefined) process.kill(pid, name);
  };
  return {
    pid,
    exited,
    get ending() {
      return state.ending;
    },
    stop: async () => {
      child.stdin?.destroy();
      // Only when somebody killed the guard is there anything left to do here.
      const lastResort = setTimeout(() => signal('SIGKILL'), (server.graceSeconds + 10) * 1000);
      await exited;
      clearTimeout(lastResort);
    },
    kill: async (name) => {
      signal(name);
      await exited;
    },
  };
}

function spawnGuarded(server: ServerCommand): ChildProcess {
  const log = openSync(server.logFile, 'a', 0o600);
  try {
    const guard = ['-c', GUARDED, 'sh', server.askSignal, server.forceSignal, String(server.graceSeconds)];
    const child = spawn('/bin/sh', [...guard, server.command, ...server.args], {
      cwd: server.cwd,
      env: server.env,
      stdio: ['pipe', log, log],
      detached: true,
      ...server.user,
    });
    // The pipe carries nothing; its break is seen as the child's exit.
    child.stdin?.on('error', () => undefined);
    return child;
  } finally {
    closeSync(log);
  }
}
