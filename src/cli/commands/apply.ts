/** `millrace apply`: creates what the pipeline needs in both servers, without starting it. */
import { Command } from '@commander-js/extra-typings';
import { openCopy, prepare } from '../../pipeline/prepare.ts';
import { formatLsn } from '../../model/lsn.ts';
import { tableLabel } from '../../model/table.ts';
import { openContext } from '../context.ts';
import { renderJson } from '../print.ts';

/** The command `apply`. */
export function applyCommand() {
  return new Command('apply')
    .description('Creates or brings up to date: databases, tables and views of the copy, publication and slot.')
    .addHelpText('after', '\nFrom then on the source keeps its WAL for us: start `millrace run` soon.')
    .action(async (_options, command) => {
      const { config, endpoints, log, signal, json } = await openContext(command);
      const options = { ...config, postgresUrl: endpoints.postgres, clickhouseUrl: endpoints.clickhouse, log, signal };
      const copy = openCopy(options);
      await using _ = copy.clickhouse;
      await using prepared = await prepare(copy, options, new Map());
      const { layouts, checkpoint, adSchema } = prepared;
      const tables = layouts.map(({ table }) => tableLabel(table));
      const done = {
        tables,
        adSchema,
        slot: config.slot,
        publication: config.publication,
        position: formatLsn(checkpoint.appliedLsn),
      };
      const text = `ready: ${tables.length} tables, slot ${done.slot} at ${done.position}\n`;
      process.stdout.write(json ? renderJson(done) : text);
    });
}
