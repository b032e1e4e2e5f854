/** `millrace init`: proposes a configuration from what the source holds. */
import { access, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { Command, Option } from '@commander-js/extra-typings';
import { packageRoot } from '../../model/package-root.ts';
import { redactUrl } from '../../model/redact.ts';
import { connectPostgres, endConnection } from '../../source/connection.ts';
import { surveySource } from '../../source/survey.ts';
import { confirm } from '../confirm.ts';
import { openContext } from '../context.ts';
import { renderJson } from '../print.ts';
import { proposal } from '../proposal.ts';

/** The command `init`. */
export function initCommand() {
  return new Command('init')
    .argument('[file]', 'where to write it', 'millrace.yaml')
    .description('Proposes a commented configuration from what the source holds: tables, sizes, columns to look at.')
    .addOption(new Option('--print', 'print it instead of writing a file').default(false))
    .addOption(new Option('--yes', 'replace the file without asking').default(false))
    .addHelpText('after', '\nExamples:\n  millrace init --print\n  millrace init config/millrace.yaml')
    .action(async (file, options, command) => {
      const { endpoints, json, signal } = await openContext(command);
      const path = resolve(file);
      const client = await connectPostgres(endpoints.postgres, { applicationName: 'millrace init', signal });
      try {
        const tables = await surveySource(client);
        const schemaPath = relative(dirname(path), join(packageRoot(), 'docs/millrace.schema.json'));
        const text = proposal(tables, { source: redactUrl(endpoints.postgres), schemaPath });
        if (options.print) return void process.stdout.write(json ? renderJson({ text, tables }) : text);
        if ((await exists(path)) && !options.yes) await confirm(`Replace ${file}?`);
        await writeFile(path, text);
        const done = { file: path, tables: tables.length };
        process.stdout.write(
          json ? renderJson(done) : `${file} is written: ${tables.length} tables. Next: millrace check\n`,
        );
      } finally {
        await endConnection(client);
      }
    });
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
