/** Checks the value of one option, whether it came as text (environment, flag) or typed (file). */
import { z } from 'zod';
import { type Kind, type Option, type OptionName, OPTIONS } from './options.ts';
import { isTimeZone } from '../model/time-zones.ts';
import { TABLE_PATTERN } from '../model/patterns.ts';

const NO_ZONE = 'expected a time zone of the IANA data base, such as Europe/Berlin';

/** The value in its final form, or what is wrong with it; never the value itself, which may be a secret. */
export type Checked = { readonly value: unknown } | { readonly problem: string };

/** Checks a value against its option. `null` is allowed where the option has no default. */
export function checkValue(name: OptionName, value: unknown): Checked {
  const option: Option = OPTIONS[name];
  if (value === null && option.default === null) return { value };
  const result = schemaOf(option.kind).safeParse(value);
  if (result.success) return { value: result.data };
  return { problem: result.error.issues[0]?.message ?? 'not valid' };
}

function schemaOf(kind: Kind): z.ZodType {
  switch (kind.type) {
    case 'url':
      return url(kind.protocols);
    case 'path':
      return z.string('expected a path').min(1, 'expected a path');
    case 'name':
      return z
        .string('expected a name')
        .regex(/^[a-z_][a-z0-9_]{0,62}$/, 'expected at most 63 of a–z, 0–9 and _, not beginning with a digit');
    case 'timezone':
      return z.string(NO_ZONE).refine(isTimeZone, NO_ZONE);
    case 'integer':
      return integer(kind.min, kind.max);
    case 'bytes':
      return bytes(kind.min, kind.max);
    case 'patterns':
      return patterns();
    case 'list':
      return list(new RegExp(kind.pattern), kind.example);
    case 'choice':
      return z.enum(kind.choices, `expected one of ${kind.choices.join(', ')}`);
    case 'secret':
      return z
        .string(`expected a text of at least ${kind.minLength} characters`)
        .min(kind.minLength, `expected a text of at least ${kind.minLength} characters`);
  }
}

function url(protocols: readonly string[]): z.ZodType {
  const wanted = protocols.map((protocol) => `${protocol}//`).join(' or ');
  return z
    .string(`expected a URL that begins with ${wanted}`)
    .refine(
      (text) => URL.canParse(text) && protocols.includes(new URL(text).protocol),
      `expected a URL that begins with ${wanted}`,
    );
}

function integer(min: number, max: number): z.ZodType<number> {
  const problem = `expected a whole number from ${min} to ${max}`;
  const text = z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number);
  return z.union([z.number(), text], problem).pipe(z.number().int(problem).min(min, problem).max(max, problem));
}

const UNITS = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tb: 1e12,
  tib: 1024 ** 4,
} as const;

function bytes(min: number, max: number): z.ZodType<number> {
  const problem = `expected a size from ${min} to ${max} bytes, for example 16 MiB`;
  const text = z
    .string()
    .regex(/^\d+(\.\d+)?\s*([kmgt]i?)?b?$/i)
    .transform((size) => {
      const [, number = '', unit = ''] = /^([\d.]+)\s*(\w*)$/.exec(size) ?? [];
      const key = unit.toLowerCase().replace(/^([kmgt]i?)$/, '$1b') || 'b';
      return Math.round(Number(number) * UNITS[key as keyof typeof UNITS]);
    });
  return z.union([z.number(), text], problem).pipe(z.number().int(problem).min(min, problem).max(max, problem));
}

function patterns(): z.ZodType<string[]> {
  return list(TABLE_PATTERN, 'public.*', 'patterns');
}

function list(pattern: RegExp, example: string, what = 'texts'): z.ZodType<string[]> {
  const problem = `expected ${what} such as ${example} (a list, or separated by commas)`;
  const text = z.string().transform((list) =>
    list
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== ''),
  );
  return z.union([z.array(z.string()), text], problem).pipe(z.array(z.string().regex(pattern, problem)));
}
