/** The configuration as it may be shown: to people, in logs, in bug reports. */
import { redactUrl } from '../model/redact.ts';
import { type Config, type Option, OPTION_NAMES, OPTIONS } from './options.ts';

/** A copy of the configuration with the passwords of all URLs replaced. */
export function printableConfig(config: Config): Record<string, unknown> {
  const shown = OPTION_NAMES.map((name) => {
    const { kind }: Option = OPTIONS[name];
    const value: unknown = config[name];
    if (kind.type === 'secret' && value !== null) return [name, '***'] as const;
    return [name, kind.type === 'url' && typeof value === 'string' ? redactUrl(value) : value] as const;
  });
  return { ...Object.fromEntries(shown), tables: config.tables };
}
