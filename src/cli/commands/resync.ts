/** `millrace resync`: loads tables again, in place, when changes are missing that the slot does not bring any more. */
import { Command, Option } from '@commander-js/extra-typings';
import { formatLsn } from '../../model/lsn.ts';
import { openCopy } from '../../pipeline/prepare.ts';
import { resync, type Resync } from '../../pipeline/resync.ts';
import { confirm } from '../confirm.ts';
import { openContext } from '../context.ts';
import { askAndTell } from './tables.ts';
import { renderJson } from '../print.ts';

/** The command `resync`. */
export function resyncCommand() {
  return new Command('resync')
    .argument('[table...]', 'schema.table in the source; none: all')
    .description(
      'Loads tables again, while readers keep what is there: those named, each built anew beside its rows; or all, in place, with a new slot if the old one is lost.',
    )
    .addOption(new Option('--yes', 'do not ask').default(false))
    .addHelpText(
      'after',
      '\nExamples:\n  millrace resync public.clicks --yes\n  millrace resync\n\nNamed tables: while the pipeline runs, or at its next start. All: the pipeline must not run meanwhile.',
    )
    .action(async (tables, options, command) => {
      const context = await openContext(command);
      const { config, endpoints, log, signal, json } = context;
      const what = tables.length === 0 ? 'all tables' : tables.join(', ');
      if (!options.yes) await confirm(`Load ${what} of the copy ${config.database} again?`);
      if (tables.length > 0) return await askAndTell(context, { action: 'resync', tables, purge: false });
      const urls = { postgresUrl: endpoints.postgres, clickhouseUrl: endpoints.clickhouse };
      const pipeline = { ...config, ...urls, log, signal };
      const copy = openCopy(pipeline);
      await using _ = copy.clickhouse;
      const done = await resync(copy, pipeline, tables);
      process.stdout.write(json ? renderJson({ ...done, lsn: formatLsn(done.lsn) }) : `${describe(done)}\n`);
    });
}

function describe(done: Resync): string {
  const lines = [`${done.tables.length} tables will be loaded again: start \`millrace run\` now`];
  if (done.why !== '') lines.push(`because ${done.why}`);
  if (done.hasNewSlot) {
    lines.push(`the copy goes on at ${formatLsn(done.lsn)}, with a new slot`);
    lines.push(
      'what happened before that and was not copied is seen by its result only: the history shows one change at that position',
    );
  }
  if (done.isEmptied)
    lines.push('the copy held later positions than the source has: its tables were emptied, readers see them fill');
  return lines.join('\n');
}
