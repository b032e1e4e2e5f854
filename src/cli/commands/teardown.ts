/** `millrace teardown`: removes what Millrace left in the source, so that it keeps no WAL for a copy nobody wants. */
import { Command, Option } from '@commander-js/extra-typings';
import type { Client } from 'pg';
import type { Config } from '../../config/options.ts';
import { ClickHouse } from '../../destination/client.ts';
import { cloneDatabase } from '../../destination/control.ts';
import { AppError } from '../../model/errors.ts';
import { chIdent } from '../../model/quote.ts';
import { connectPostgres } from '../../source/connection.ts';
import { dropPublication } from '../../source/publication.ts';
import { dropSlot } from '../../source/slot.ts';
import { confirm } from '../confirm.ts';
import { openContext } from '../context.ts';
import { renderJson } from '../print.ts';

/** The command `teardown`. */
export function teardownCommand() {
  return new Command('teardown')
    .description('Removes slot and publication from the source; with --copy also both databases of the copy.')
    .addOption(new Option('--copy', 'also drop the databases of the copy in ClickHouse').default(false))
    .addOption(new Option('--yes', 'do not ask').default(false))
    .addHelpText('after', '\nExamples:\n  millrace teardown\n  millrace teardown --copy --yes')
    .action(async (options, command) => {
      const { config, endpoints, json } = await openContext(command);
      const copy = options.copy ? ` and the databases ${config.database}, ${config.internalDatabase} of the copy` : '';
      if (!options.yes) await confirm(`Remove slot ${config.slot}, publication ${config.publication}${copy}?`);
      const client = await connectPostgres(endpoints.postgres);
      try {
        const slot = await dropSlot(client, config.slot);
        const publication = await dropOwnPublication(client, config.publication);
        if (options.copy) await dropCopy(endpoints.clickhouse, config);
        const done = { slotDropped: slot, publication, copyDropped: options.copy };
        process.stdout.write(json ? renderJson(done) : `${describe(done)}\n`);
      } finally {
        await client.end();
      }
    });
}

/** The state goes last: constraints of the tables look at the fence in it. */
async function dropCopy(url: string, config: Pick<Config, 'database' | 'internalDatabase'>): Promise<void> {
  const { database: copy, internalDatabase: internal } = config;
  await using clickhouse = new ClickHouse(url);
  for (const database of [cloneDatabase({ database: copy, internal }), copy, internal])
    await clickhouse.command(`DROP DATABASE IF EXISTS ${chIdent(database)} SYNC`);
}

type Publication = 'dropped' | 'absent' | 'kept: it belongs to another role';

/** A publication of another role is left to its owner: it keeps no WAL. */
async function dropOwnPublication(client: Client, name: string): Promise<Publication> {
  try {
    return (await dropPublication(client, name)) ? 'dropped' : 'absent';
  } catch (error) {
    if (error instanceof AppError && error.code === 'POSTGRES_AUTH') return 'kept: it belongs to another role';
    throw error;
  }
}

function describe(done: { slotDropped: boolean; publication: Publication; copyDropped: boolean }): string {
  const slot = done.slotDropped ? 'slot dropped' : 'there was no slot';
  return [slot, `publication ${done.publication}`, ...(done.copyDropped ? ['copy dropped'] : [])].join(', ');
}
