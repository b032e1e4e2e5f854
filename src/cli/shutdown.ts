/** One way to stop: signals and a reader that went away abort one signal; a second signal ends the process. */
import { constants } from 'node:os';

const controller = new AbortController();
let installed = false;

/**
 * The signal that ends the running command. The first SIGINT or SIGTERM aborts it, so that the command can
 * finish what it holds; a second one ends the process at once with 128 + the signal's number.
 */
export function stopSignal(): AbortSignal {
  if (!installed) {
    installed = true;
    process.on('SIGINT', stopOrDie);
    process.on('SIGTERM', stopOrDie);
  }
  return controller.signal;
}

/** Takes the end of a pipe (`millrace kpi list | head`) as a request to stop, not as a failure. */
export function stopOnBrokenPipe(stream: NodeJS.WriteStream): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    controller.abort();
  });
}

function stopOrDie(name: 'SIGINT' | 'SIGTERM'): void {
  if (controller.signal.aborted) process.exit(128 + constants.signals[name]);
  controller.abort();
}
