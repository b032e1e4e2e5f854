/** Writes docs/config.md and docs/errors.md from their tables; a test compares them with the files. */
import { ERRORS, type ErrorMeaning } from '../model/errors.ts';
import { defaultText, environmentName, flagName, type Kind, type Option, OPTION_NAMES, OPTIONS } from './options.ts';
import { COLUMN_KEYS, TABLE_KEYS } from './table-keys.ts';

const HEAD = `# Configuration

<!-- Written by \`npm run docs\` from src/config/options.ts and src/config/table-keys.ts. -->

Every option can be given in four ways, the later ones winning: its default, the file \`millrace.yaml\`
(or the one named by \`--config\` or \`MILLRACE_CONFIG\`), the environment, a flag. A key or variable that does not
exist is an error, and all mistakes are reported at once with their place. An empty variable counts as not given.
Rules for single tables stand under \`tables\` in the file: see [below](#tables).

A file for two servers of your own:

\`\`\`yaml
postgresUrl: postgres://millrace:secret@db.example.com:5432/shop
clickhouseUrl: https://millrace:secret@olap.example.com:8443
includeTables: [public.*, billing.invoice]
batchMaxBytes: 32 MiB
\`\`\`

Passwords are better given in the environment than in the file or in a flag, which other users can see in the
list of processes. They are never logged or printed.
`;

/** The text of docs/config.md. */
export function configDocument(): string {
  const groups = [...new Set(OPTION_NAMES.map((name) => OPTIONS[name].group))];
  return [HEAD, ...groups.map((group) => section(group)), tablesSection()].join('\n');
}

const TABLES_HEAD = `## Tables

What is copied of single tables, and how. \`tables\` is a list of rules, each for the tables that its \`match\` names or
fits (\`*\`: any text, \`?\`: any character). All rules that fit a table count together, key by key; of the same key the
later one wins.

\`\`\`yaml
# yaml-language-server: $schema=./node_modules/millrace/docs/millrace.schema.json
tables:
  - match: public.*
    columns:
      "*_ip": { mask: truncate(7) }
  - match: public.users
    target: people
    where: country <> 'XX'
    columns:
      email: { mask: hash }
      password_digest: { exclude: true }
    orderBy: [tenant_id, id]
    onDelete: soft
  - match: audit.*
    exclude: true
\`\`\`
`;

const TRANSFORMS = `
### Transforms

A column may be stored as what a function makes of it, in a configuration of TypeScript or JavaScript:

\`\`\`ts
import { defineConfig, type Transform } from 'millrace/config';

const domain: Transform = (email) => email?.slice(email.indexOf('@') + 1).toLowerCase() ?? null;

export default defineConfig({
  tables: [
    {
      match: 'public.users',
      columns: {
        email: { transform: domain },
        tags: { transform: (tags) => tags?.replaceAll(/[{}"]/g, '') ?? null, as: 'text' },
      },
    },
  ],
});
\`\`\`

The function is given the value as PostgreSQL writes it (\`{a,b}\`, \`2026-04-07 11:00:00+00\`; NULL is \`null\`) and returns
text in the form of the column's type in the copy, or \`null\`. The copy has the type that the column would have otherwise, made nullable; under
\`as: 'text'\` the text is taken as it is. It is called in the load, for changes, in repairs and after a crash alike, so:

- **It must be pure**: the same for the same value, whenever it is asked, and nothing else. A clock, a counter or a request makes a copy that depends on what was repeated.
- Columns of the key cannot be transformed (\`mask: hash\` can make them unreadable): the table is quarantined, and the reason says so. Nor can those that the key figures are made of: such a table is quarantined with the reason where the copy has key figures, and is a table like any other, without them, in a new copy.
- A function that throws, that gives something else than text or \`null\`, or text that is no value of the type: \`unfit\` of the column (else \`unfitPolicy\`) says what becomes of the
  value. Under \`null\` it is NULL, counted in \`millrace losses\` with the key of its row; else the table is quarantined. Neither the value nor the message of the error is told: it may be what is to be hidden. Its kind is (\`RangeError\`).
- Another function is noticed by its text, and the table is built anew beside the one that is read, as with other rules. What the function uses from
  outside of itself (constants, imports) is not seen: after a change of that, \`millrace resync TABLE\`.
- \`millrace verify\` cannot compute it on either side: it compares the other columns, names the column as not compared, and its verdict is \`partial\` at best.
- The function runs for every value, on the one thread that decodes: a slow one slows the load and the stream.

### Transforms of rows

A value may also be made of several columns of its row, by one function of the table:

\`\`\`ts
import { defineConfig, transformRows } from 'millrace/config';

export default defineConfig({
  tables: [
    {
      match: 'public.users',
      transform: transformRows({
        reads: { email: 'text', country: 'text', age: 'number', attrs: 'json' },
        sets: ['email', 'age'],
        row: ({ email, country, age }) => ({
          email: country === 'DE' ? null : email,
          age: age === null ? null : Math.floor(age / 10) * 10,
        }),
      }),
    },
  ],
});
\`\`\`

\`reads\` names the columns that the function is given, and as what: \`text\` (any type, as PostgreSQL writes it), \`number\` (smallint, integer, real, double precision), \`bigint\` (integers),
\`boolean\`, \`json\` (json and jsonb, parsed). NULL is \`null\`. TypeScript knows the row by that, and the catalogue is asked before anything is copied. \`sets\` names the columns whose values it gives: for every row each of them, a string, number, bigint, boolean or \`null\`, and no other.
What is said above of transforms holds for the columns that it sets: pure, no column of the key, \`unfit\`, noticed by its text, not compared by \`verify\`. Besides:

- It is given what the source has, also of columns that are masked or set. A column that is set cannot have a mask or transform of its own; one that is not copied cannot be read.
- All columns that it names must be there, or the table is quarantined before anything of it is read: also when one is renamed or dropped later. When a column that it reads or sets is another one of the same name, the table is built anew.
- An update may leave out a long value that it did not change. If the function reads that column, the row is read again by its key, or told in full under REPLICA IDENTITY FULL, which is faster where such updates are many. Tables that key figures are made of need it, if a column
  that is read can be so long: the table is quarantined otherwise, with the statement that helps.
- Columns that are read as something of which there is no binary form here (\`numeric\`, times, \`jsonb\`, floats as text …) make the stream of all tables one of text, which is slower.
- A row costs more: with a function over three of four columns 0.6 instead of 3.2 million rows were decoded per second of a core (a function of one column: 2.5).
- It leaves no rows out: \`where\` does. It makes no new columns: a view in ClickHouse does, or \`computed\` for a generated one.
`;

const COMPUTED = `
### Computed columns

Generated columns that PostgreSQL does not publish (those before PostgreSQL 18, and virtual ones) can be computed in ClickHouse, by a rule with the column's expression:

\`\`\`yaml
tables:
  - match: public.orders
    columns:
      total: { computed: "price * qty" } # in PostgreSQL: total numeric(12,2) GENERATED ALWAYS AS (price * qty)
\`\`\`

- The column is in \`orders_current\`, in its place and in the type that a copied one would have: the expression's value is cast to it. Nothing of it is stored: the mirror \`orders\` has not got it, and another expression takes a new view and no load.
- The expression is SQL of ClickHouse over the columns of the copy, as they are there: masked ones masked, excluded ones missing. Neither a subquery nor an aggregate is taken. \`as\` may name another type; nothing else can be said of such a column.
- **\`millrace verify\` compares its values with those of the source**, so an expression that says something else is found, with the rows and both values; only another expression repairs that. ClickHouse is not PostgreSQL: its \`/\` of integers
  gives a fraction, its cast to a decimal of fewer digits cuts off instead of rounding, an empty text is no NULL.
- An expression that fails for a row (a number that the type does not hold, NULL in a column that is NOT NULL) fails the query that asks for the column.
- What ClickHouse refuses, what is no generated column, and what the publication brings already is told by \`check\` and \`plan\` with the reason; such a table is quarantined before anything of it is touched, the others go on.
  So is one whose expression uses a column that the source has renamed or dropped: correct the rule, then \`millrace resync TABLE\`. \`SET EXPRESSION\` in the source changes no rule: verify shows it.
`;

function tablesSection(): string {
  const head = '| key | meaning | values |\n|---|---|---|';
  const lines = (keys: Readonly<Record<string, { text: string; values: string }>>): string =>
    Object.entries(keys)
      .map(([name, { text, values }]) => `| \`${name}\` | ${text} | ${values} |`)
      .join('\n');
  return `${TABLES_HEAD}
${head}
${lines(TABLE_KEYS)}

Of each column, under \`columns\`:

${head}
${lines(COLUMN_KEYS)}
${COMPUTED}${TRANSFORMS}`;
}

function section(group: Option['group']): string {
  const lines = OPTION_NAMES.filter((name) => OPTIONS[name].group === group).map((name) => {
    const option: Option = OPTIONS[name];
    const fallback = option.default === null ? defaultText(name) : `\`${defaultText(name)}\``;
    const cells = [`\`${name}\``, option.text, kindText(option.kind), fallback];
    return `| ${[...cells, `\`${environmentName(name)}\`<br>\`${flagName(name)}\``].join(' | ')} |`;
  });
  const head = '| key | meaning | values | default | environment, flag |\n|---|---|---|---|---|';
  return `## ${group}\n\n${head}\n${lines.join('\n')}\n`;
}

function kindText(kind: Kind): string {
  switch (kind.type) {
    case 'url':
      return `URL: ${kind.protocols.map((protocol) => `\`${protocol}//\``).join(' or ')}`;
    case 'path':
      return 'path';
    case 'name':
      return 'name';
    case 'timezone':
      return 'time zone';
    case 'integer':
      return `${kind.min}–${kind.max}`;
    case 'bytes':
      return 'size';
    case 'patterns':
      return 'patterns';
    case 'list':
      return `list, for example \`${kind.example}\``;
    case 'choice':
      return kind.choices.map((choice) => `\`${choice}\``).join(', ');
    case 'secret':
      return 'text';
  }
}

const REMEDIES: Record<ErrorMeaning['remedy'], string> = {
  retry: 'passes by itself',
  operator: 'somebody must act',
  bug: 'a bug of Millrace, or a difference found',
};

/** The text of docs/errors.md. */
export function errorsDocument(): string {
  const lines = Object.entries(ERRORS).map(
    ([code, meaning]) =>
      `| \`${code}\` | ${REMEDIES[meaning.remedy]} | ${meaning.remedy === 'bug' ? 1 : 2} | ${meaning.hint} |`,
  );
  return `# Errors

<!-- Written by \`npm run docs\` from src/model/errors.ts. -->

Every error is printed as \`error CODE: what happened\` with a hint below it; under \`--json\` it is one JSON object
\`{"error":{"code","message","hint"}}\` on stderr. Codes are never reused for something else.

| code | what kind | exit code | what to do |
|---|---|--:|---|
${lines.join('\n')}
`;
}
