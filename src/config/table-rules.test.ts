import { execFile } from 'node:child_process';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { AppError } from '../model/errors.ts';
import { NO_COLUMN_RULE, NO_RULE } from '../model/table-rule.ts';
import { packageRoot } from '../model/package-root.ts';
import { loadConfig } from './load.ts';
import { copiedTables, tableRules } from './table-rules.ts';

const SALT = 'pepper and salt, long enough';

async function load(files: Record<string, string>, env: Record<string, string> = {}): ReturnType<typeof loadConfig> {
  const cwd = await mkdtemp(join(tmpdir(), 'millrace-rules-'));
  for (const [name, text] of Object.entries(files)) await writeFile(join(cwd, name), text);
  return await loadConfig({ flags: {}, env, cwd });
}

async function mistakes(files: Record<string, string>, env: Record<string, string> = {}): Promise<unknown> {
  const error = await load(files, env).catch((thrown: unknown) => thrown as AppError);
  expect(error).toMatchObject({ code: 'CONFIG_INVALID', exitCode: 2 });
  return (error as AppError).details['mistakes'];
}

const users = { schema: 'public', name: 'users' };

describe('rules of the file', () => {
  test('GIVEN none THEN nothing is said of a table', async () => {
    const rule = tableRules(await load({})).ruleFor(users);
    expect({ ...rule, columnRule: null }).toEqual({ ...NO_RULE, columnRule: null });
    expect(rule.columnRule('email')).toEqual(NO_COLUMN_RULE);
  });

  test('GIVEN several that fit THEN later ones win, key by key, also of columns', async () => {
    const yaml = `
tables:
  - match: public.*
    onDelete: soft
    orderBy: tenant
    columns: { "*mail": { mask: hash, codec: ZSTD(3) }, note: { exclude: true } }
  - match: [public.users, public.people]
    onDelete: keep
    where: id > 5
    columns: { email: { mask: truncate(3) }, note: { exclude: false } }
  - { match: public.users, target: folk, include: true, columns: { age: { mask: null, unfit: null } } }
  - { match: other.*, exclude: true }
`;
    const rules = copiedTables(await load({ 'millrace.yaml': yaml }, { MILLRACE_MASK_SALT: SALT }));
    const rule = rules.ruleFor(users);
    expect(rule).toMatchObject({
      isCopied: true,
      target: 'folk',
      where: 'id > 5',
      onDelete: 'keep',
      orderBy: ['tenant'],
    });
    expect(rule.namedColumns).toEqual(['email', 'note', 'age']);
    expect(rule.columnRule('email')).toMatchObject({ mask: { kind: 'truncate', characters: 3 }, codec: 'ZSTD(3)' });
    expect(rule.columnRule('old_mail').mask).toEqual({ kind: 'hash', salt: SALT });
    expect(rule.columnRule('note').exclude).toBe(false);
    expect(rule.columnRule('age')).toMatchObject({ mask: { kind: 'null' }, unfit: 'null' });
    expect(rules.ruleFor({ schema: 'public', name: 'usersx' })).toMatchObject({ target: null, onDelete: 'soft' });
    expect(rules.ruleFor({ schema: 'other', name: 'users' })).toMatchObject({ isCopied: false, onDelete: 'mirror' });
    expect(rules.named).toEqual(['public.users', 'public.people', 'public.users']);
  });

  test('GIVEN mistakes THEN each is told with its line and what was meant, without the value', async () => {
    const yaml = `slot: a
tables:
  - match: public.users
    colums: {}
    columns:
      email: { mask: hush, maks: hash }
      phone:
        mask: hash
  - match: users
    target: x
  - match: public.*
    target: everything
    include: true
    exclude: true
    onDelete: softly
`;
    expect(await mistakes({ 'millrace.yaml': yaml })).toEqual([
      'millrace.yaml:6:16: tables[0].columns.email.mask: expected hash, null, truncate(n) or none',
      'millrace.yaml:6:28: tables[0].columns.email.maks: no such key (did you mean mask?)',
      'millrace.yaml:4:5: tables[0].colums: no such key (did you mean columns?)',
      'millrace.yaml:9:5: tables[1].match: expected a pattern such as public.users or public.*',
      'millrace.yaml:15:5: tables[2].onDelete: expected one of mirror, soft, keep',
    ]);
    const second = `tables:
  - { match: public.*, target: everything, include: true, exclude: true }
  - match: public.users
    columns:
      phone:
        mask: hash
      total: { computed: a + b, mask: none }
`;
    expect(await mistakes({ 'millrace.yaml': second })).toEqual([
      'millrace.yaml:2:59: tables[0].exclude: the same rule includes and excludes',
      'millrace.yaml:2:24: tables[0].target: a name is for one table: expected match with one name',
      'millrace.yaml:7:33: tables[1].columns.total.mask: mask is for columns that are stored, and this one is computed',
      'millrace.yaml:6:9: tables[1].columns.phone.mask: hash needs a secret: give maskSalt',
    ]);
    expect(await mistakes({ 'millrace.yaml': 'table:\n  - 1\n' })).toEqual([
      'millrace.yaml:1:1: no such option: table (did you mean tables?)',
    ]);
    expect(await mistakes({ 'millrace.yaml': 'tables: 7\nmaskSalt: short\n' })).toEqual([
      'millrace.yaml:2:1: maskSalt: expected a text of at least 16 characters',
      'millrace.yaml:1:1: tables: expected a list of rules, each with match: and what it says',
    ]);
  });
});

describe('a module', () => {
  const text = `export default { slot: 'from_module', tables: [{ match: 'public.users', where: 'n' + ' > ' + 5 }] };`;

  test('GIVEN millrace.config.mjs THEN its default export has the same keys, computed', async () => {
    const config = await load({ 'millrace.config.mjs': text });
    expect(config.slot).toBe('from_module');
    expect(tableRules(config).ruleFor(users).where).toBe('n > 5');
  });

  test('GIVEN mistakes in it THEN they are told by their paths', async () => {
    const wrong = `export default { slott: 'x', tables: [{ match: 'public.users', where: 7 }] };`;
    expect(await mistakes({ 'millrace.config.mjs': wrong })).toEqual([
      'millrace.config.mjs: no such option: slott (did you mean slot?)',
      'millrace.config.mjs: tables[0].where: expected a condition',
    ]);
    expect(await mistakes({ 'millrace.config.mjs': 'export const x = 1;' })).toEqual([
      'millrace.config.mjs: expected export default defineConfig({ … })',
    ]);
  });

  test('GIVEN TypeScript THEN it is read where Node reads it, else the error says which Node does', async () => {
    const cwd = await mkdtemp(join(tmpdir(), 'millrace-rules-'));
    await writeFile(join(cwd, 'millrace.config.ts'), `const slot: string = 'typed';\nexport default { slot };`);
    // A Node of its own: under vitest every Node reads TypeScript.
    const module = join(packageRoot(), 'dist/src/config/load.js');
    const script = `import { loadConfig } from '${module}';
      const show = (config) => config.slot ?? config.details.mistakes[0];
      console.log(show(await loadConfig({ flags: {}, env: {}, cwd: process.cwd() }).catch((error) => error)));`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { cwd });
    const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
    const reads = major > 22 || (major === 22 && minor >= 18);
    const refusal =
      /^millrace\.config\.ts: cannot be read: Node .* use Node 22\.18 or newer, or write millrace\.config\.mjs/;
    expect(stdout.trim()).toMatch(reads ? /^typed$/ : refusal);
  });

  test('GIVEN two files with usual names THEN neither is taken', async () => {
    expect(await mistakes({ 'millrace.yaml': 'slot: a', 'millrace.config.mjs': text })).toEqual([
      'millrace.yaml and millrace.config.mjs are both there: keep one, or name one by --config',
    ]);
  });
});

describe('transforms', () => {
  test('GIVEN a function in a module THEN it is the rule of its column, known by its text', async () => {
    const config = await load({
      'millrace.config.mjs': `export default { tables: [{ match: 'public.users', columns: { email: { transform: (v) => v } } }] };`,
    });
    const { mask } = tableRules(config).ruleFor(users).columnRule('email');
    expect(mask).toMatchObject({ kind: 'transform', source: '(v) => v' });
  });

  test('GIVEN text instead of a function THEN its place is told', async () => {
    const yaml = "tables:\n  - match: public.users\n    columns:\n      email: { transform: 'v => v' }\n";
    expect(await mistakes({ 'millrace.yaml': yaml })).toEqual([
      'millrace.yaml:4:16: tables[0].columns.email.transform: expected a function, in a configuration of TypeScript or JavaScript',
    ]);
  });

  test('GIVEN a mask and a transform for one column THEN they are refused together, and mask: none makes room', () => {
    const columns = (mask: 'null' | 'none'): Parameters<typeof tableRules>[0] => ({
      maskSalt: null,
      tables: [
        { match: 'public.*', columns: { '*': { mask } } },
        { match: 'public.users', columns: { email: { transform: (value) => value } } },
      ],
    });
    const rule = (mask: 'null' | 'none'): unknown => tableRules(columns(mask)).ruleFor(users).columnRule('email').mask;
    expect(() => rule('null')).toThrow('both mask and transform');
    expect(rule('none')).toMatchObject({ kind: 'transform' });
  });
});

describe('transforms of rows', () => {
  const RULE = `reads: { email: 'text' }, sets: ['email'], row: ({ email }) => ({ email })`;
  const module = (rule: string): Record<string, string> => ({
    'millrace.config.mjs': `export default { tables: [{ match: 'public.users', ${rule} }] };`,
  });

  test('GIVEN a function in a module THEN it is the rule of its table and of the columns that it sets, known by its text and by what it reads', async () => {
    const rule = tableRules(await load(module(`transform: { ${RULE} }`))).ruleFor(users);
    expect(rule.transform).toMatchObject({ reads: { email: 'text' }, sets: ['email'] });
    const source = '{"email":"text"} => ["email"]: ({ email }) => ({ email })';
    expect(rule.columnRule('email').mask).toEqual({ kind: 'row', source });
    expect(rule.columnRule('id').mask).toBeNull();
  });

  test('GIVEN what is no such rule THEN each place is told', async () => {
    const wrong = `transform: { reads: { email: 'date' }, sets: ['a', 'a'], row: 'x' }`;
    expect(await mistakes(module(wrong))).toEqual([
      'millrace.config.mjs: tables[0].transform.reads.email: expected one of text, number, bigint, boolean, json',
      'millrace.config.mjs: tables[0].transform.row: expected a function, in a configuration of TypeScript or JavaScript',
    ]);
    expect(await mistakes(module(`transform: { ${RULE.replace("['email']", "['email', 'email']")} }`))).toEqual([
      'millrace.config.mjs: tables[0].transform.sets[1]: the column is named already',
    ]);
    expect(await mistakes(module(`transform: { ${RULE.replace("['email']", '[]')} }`))).toEqual([
      'millrace.config.mjs: tables[0].transform.sets: expected at least one column',
    ]);
  });

  test('GIVEN a mask of a column that the function sets THEN they are refused together', async () => {
    const rules = tableRules(await load(module(`columns: { email: { mask: 'null' } }, transform: { ${RULE} }`)));
    expect(() => rules.ruleFor(users).columnRule('email')).toThrow(
      "the column “email” is set by the table's transform and has a mask: one of them",
    );
  });
});
