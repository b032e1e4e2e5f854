/** docs/tour.md: its commands run as they stand there, and print what stands there. Update with `vitest run test/tour -u`. */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { packageRoot } from '../src/model/package-root.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { commandEnvironment } from './support/command.ts';
import { temporaryClickHouse } from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';

const PAGE = join(packageRoot(), 'docs/tour.md');
const BLOCK = /^```(console|sql)\n(.*?)^```$/gms;
/** Ends what a command prints; nothing else does. */
const MARK = '\u0004';

test(
  'GIVEN the tour WHEN each of its commands is run THEN each prints what the page says',
  { timeout: 180_000 },
  async () => {
    await using pg = await temporaryAdSource();
    await using ch = await temporaryClickHouse();
    await using pipeline = startPipeline(pg, ch, { eventHistory: 'on' });
    await pipeline.caughtUp();
    await using shell = openShell(commandEnvironment(pg, ch));
    const page = await readFile(PAGE, 'utf8');
    let [walked, at] = ['', 0];
    for (const block of page.matchAll(BLOCK)) {
      const [whole, kind, content = ''] = block;
      await pipeline.caughtUp();
      if (kind === 'sql') await pg.client.query(content);
      const shown = kind === 'sql' ? whole : `\`\`\`console\n${await rerun(shell, content)}\`\`\``;
      walked += page.slice(at, block.index) + shown;
      at = block.index + whole.length;
    }
    await expect(walked + page.slice(at)).toMatchFileSnapshot(PAGE);
  },
);

/** The commands of a block, each with what it prints now. */
async function rerun(shell: Shell, content: string): Promise<string> {
  const commands = content.split('\n').filter((line) => line.startsWith('$ '));
  let shown = '';
  for (const command of commands) shown += `${command}\n${steady(await shell.run(command.slice(2)))}`;
  return shown;
}

/** Without what differs each time: the position and time of “as of”, what a verification took (“6.1 MiB” where WAL is read again). */
function steady(output: string): string {
  return output
    .replaceAll(/^(.*as of )\d{4}-\d\d-\d\d [\d:.]+ UTC \([0-9A-F]+\/[0-9A-F]+\)$/gm, '$1… UTC (…)')
    .replaceAll(/^took \d.*$/gm, (line) => line.replaceAll(/\d+(\.\d+)? (ms|s|B|KiB|MiB)(?![a-z])/g, '…'));
}

interface Shell extends AsyncDisposable {
  /** Runs a line; what it wrote. @throws when it failed. */
  run(line: string): Promise<string>;
}

/** A shell in which variables last from line to line, as in that of a reader. */
function openShell(env: Record<string, string>): Shell {
  const child = spawn('bash', ['--noprofile', '--norc'], { env, stdio: ['pipe', 'pipe', 'pipe'] });
  const main = join(packageRoot(), 'dist/src/cli/main.js');
  child.stdin.write(`set -o pipefail; millrace() { '${process.execPath}' '${main}' "$@"; }\n`);
  const errors = text(child.stderr);
  child.stdout.setEncoding('utf8');
  return {
    run: async (line) => {
      child.stdin.write(`${line}\nprintf '%s${MARK}' $?\n`);
      let output = '';
      while (!output.endsWith(MARK)) {
        const chunk = child.stdout.read() as string | null;
        if (chunk !== null) output += chunk;
        else await new Promise((resolve) => child.stdout.once('readable', resolve));
      }
      const [, written = '', status] = /^(.*?)(\d+).$/s.exec(output) ?? [];
      if (status === '0') return written;
      child.stdin.end();
      throw new Error(`“${line}” ended with ${status}: ${await errors}`);
    },
    [Symbol.asyncDispose]: async () => {
      child.stdin.end();
      await errors;
    },
  };
}
