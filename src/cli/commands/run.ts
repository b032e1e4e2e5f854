/** `millrace run`: the pipeline alone, until stopped. */
import { Command } from '@commander-js/extra-typings';
import { runPipeline } from '../../pipeline/pipeline.ts';
import { withAlerts } from '../alerting.ts';
import { openContext } from '../context.ts';
import { PipelineDisplay } from '../pipeline-display.ts';

/** The command `run`. */
export function runCommand() {
  return new Command('run')
    .description('Replicates until stopped: loads what is not loaded yet, then follows every change.')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace run --postgres-url postgres://user@host/db --clickhouse-url http://user@host:8123\n  millrace run --config millrace.yaml',
    )
    .action(async (_options, command) => {
      const context = await openContext(command);
      const { config, endpoints, log, signal, quiet, json } = context;
      using display = new PipelineDisplay({ silent: quiet || json });
      await withAlerts(context, endpoints.clickhouse, signal, async () => {
        await runPipeline({
          ...config,
          postgresUrl: endpoints.postgres,
          clickhouseUrl: endpoints.clickhouse,
          log,
          signal,
          onProgress: (progress) => display.update(progress),
        });
      });
    });
}
