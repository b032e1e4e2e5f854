/** Random changes of partitions, keys, types and of the publication: kinds of steps of random-ddl.ts. */
import { pgIdent } from '../../src/model/quote.ts';
import {
  alter,
  at,
  type DdlStep,
  fitting,
  isWhole,
  type Make,
  others,
  type Partition,
  pickFrom,
  quoted,
  type Table,
  type World,
} from './random-ddl-tables.ts';

/** Names of partitions, and of tables that were some or may become some. */
const PARTITION_NAMES = Array.from({ length: 14 }, (_, i) => `q${i}`);

function boundOf(strategy: Table['strategy'], i: number): string {
  if (i === 5) return 'DEFAULT';
  if (strategy === 'l') return `FOR VALUES IN (${i === 4 ? '4, 5' : i})`;
  return `FOR VALUES FROM (${i * 100}) TO (${i === 4 ? 'MAXVALUE' : (i + 1) * 100})`;
}

/** A part of the table's rows for which it has no partition, by its number; now and then one for which it has. */
function freePart(root: Table, { b }: DdlStep): number {
  const taken = new Set(root.partitions.map(({ bound }) => bound));
  const free = [0, 1, 2, 3, 4, 5].filter((i) => !taken.has(boundOf(root.strategy, i)));
  return (b % 8 === 0 ? undefined : pickFrom(free, b)) ?? b % 6;
}

/** A statement on one of the partitioned tables; nothing where there is none. */
function onRoot(make: Make): Make {
  return (_, step, world) => {
    const roots = world.tables.filter(({ kind }) => kind === 'p');
    const root = pickFrom(roots, step.a);
    return root === undefined ? '' : make(root, step, world);
  };
}

/** A statement on one of the partitions; nothing where there is none. */
function onPartition(make: (part: Partition, step: DdlStep, world: World, root: Table) => string): Make {
  return onRoot((root, step, world) => {
    const part = pickFrom(root.partitions, step.b);
    return part === undefined ? '' : make(part, step, world, root);
  });
}

function freeName({ b }: DdlStep, { taken }: World): { schema: string; name: string } {
  const free = PARTITION_NAMES.filter((name) => !taken.includes(name));
  return { schema: 'public', name: pickFrom(free, b) ?? 'q0' };
}

/** A table like a partitioned one, with rows of one part of it. */
function makeLoose(root: Table, step: DdlStep, world: World): { table: { schema: string; name: string }; sql: string } {
  const table = freeName(step, world);
  const made = `CREATE TABLE ${at(table)} (LIKE ${at(root)} INCLUDING ALL)`;
  const [columns, rows] = looseRows(root, step, world);
  const filled = `${made}; INSERT INTO ${at(table)} (${columns}) VALUES ${rows} ON CONFLICT DO NOTHING`;
  return { table, sql: step.a % 4 === 0 ? made : filled };
}

/** What happens to partitions, much of it beside the stream. */
export const PARTITION_DDL: Readonly<Record<string, Make>> = {
  makePartition: onRoot((root, step, world) => {
    const name = freeName(step, world);
    const made = `CREATE TABLE ${at(name)} PARTITION OF ${at(root)} ${boundOf(root.strategy, freePart(root, step))}`;
    const column = root.columns.find(({ divides }) => divides);
    if (step.a % 5 > 0 || column === undefined) return made;
    const below = { schema: 'public', name: `${name.name}_1` };
    return `${made} PARTITION BY HASH (${pgIdent(column.name)}); CREATE TABLE ${at(below)} PARTITION OF ${at(name)} FOR VALUES WITH (MODULUS 1, REMAINDER 0)`;
  }),
  makeLoose: onRoot((root, step, world) => makeLoose(root, step, world).sql),
  /** One that was made for it, or that was a partition before. */
  attach: onRoot((root, step, world) => {
    // Of the old rows of a partition with a key of its own the stream tells no more than that: such a root is quarantined.
    const loose = world.tables.filter(
      ({ kind, name, keyName }) => kind === 'r' && /^q\d/.test(name) && (keyName === null) === (root.keyName === null),
    );
    const table = step.a % 2 === 0 ? undefined : pickFrom(loose, step.b);
    const bound = boundOf(root.strategy, freePart(root, step));
    if (table !== undefined) return alter(root, `ATTACH PARTITION ${at(table)} ${bound}`);
    const made = makeLoose(root, step, world);
    return `${made.sql}; ${alter(root, `ATTACH PARTITION ${at(made.table)} ${bound}`)}`;
  }),
  detach: onPartition((part, _step, _world, root) =>
    alter(root, `DETACH PARTITION ${at(part)}${part.isPending ? ' FINALIZE' : ''}`),
  ),
  detachSoon: onPartition((part, _step, _world, root) =>
    alter(root, `DETACH PARTITION ${at(part)} ${part.isPending ? 'FINALIZE' : 'CONCURRENTLY'}`),
  ),
  dropPartition: onPartition((part) => `DROP TABLE ${at(part)}`),
  truncatePartition: onPartition((part) => `TRUNCATE ${at(part)}`),
  rewritePartition: onPartition((part) => (part.kind === 'r' ? `VACUUM FULL ${at(part)}` : '')),
  identityOfPartition: onPartition((part, { a }) =>
    part.kind === 'r' ? alter(part, `REPLICA IDENTITY ${['FULL', 'DEFAULT'][a % 2] as string}`) : '',
  ),
  renamePartition: onPartition((part, step, world) => alter(part, `RENAME TO ${pgIdent(freeName(step, world).name)}`)),
};

/** Columns and rows for a table that is to be attached, all of one partition. */
function looseRows(root: Table, step: DdlStep, world: World): [string, string] {
  const { a, b } = step;
  const part = freePart(root, step);
  const rows = Array.from({ length: 1 + (a % 7) }, (_, i) =>
    root.columns.map((column) => {
      if (column.divides) return String(root.strategy === 'l' ? part : part * 100 + i);
      return column.isKey && isWhole(column) ? String(400 + i * 3) : fitting(root, column, b + i, world);
    }),
  );
  const columns = root.columns.map(({ name }) => pgIdent(name)).join(', ');
  return [columns, rows.map((row) => `(${row.join(', ')})`).join(', ')];
}

/** Keys that come and go, with what follows from them. */
export const KEY_DDL: Readonly<Record<string, Make>> = {
  loseKey: (table, { b }) => {
    if (table.keyName === null) return '';
    const drop = alter(table, `DROP CONSTRAINT ${pgIdent(table.keyName)}${b % 3 === 1 ? ' CASCADE' : ''}`);
    // Of a partitioned table each partition says for itself what is told of its old rows.
    const full = [table, ...table.partitions].map((one) => alter(one, 'REPLICA IDENTITY FULL'));
    return b % 3 === 0 ? drop : [...full, drop].join('; ');
  },
  gainKey: (table, { b }) => {
    const column = pickFrom(table.columns.filter(isWhole), b);
    if (table.keyName !== null) return '';
    const divides = table.columns.filter((one) => one.divides && one !== column).map(({ name }) => pgIdent(name));
    if (b % 3 > 0 || column === undefined)
      return table.columns.some(({ name }) => name === 'id') || table.kind === 'p'
        ? ''
        : alter(table, 'ADD COLUMN id integer GENERATED BY DEFAULT AS IDENTITY (START 5000) PRIMARY KEY');
    return alter(table, `ADD PRIMARY KEY (${[...divides, pgIdent(column.name)].join(', ')})`);
  },
  refer: (table, { a, b }, { tables }) => {
    const parents = tables.filter(({ kind, columns, name, schema }) => {
      const key = columns.filter(({ isKey }) => isKey);
      const isSame = name === table.name && schema === table.schema;
      return kind === 'r' && !isSame && key.length === 1 && key.every((column) => isWhole(column));
    });
    const parent = pickFrom(parents, b);
    const column = pickFrom(others(table).filter(isWhole), a);
    if (parent === undefined || column === undefined || column.refers !== null) return '';
    const key = pgIdent(parent.columns.find(({ isKey }) => isKey)?.name ?? '');
    const name = pgIdent(column.name);
    const fill = `UPDATE ${at(table)} SET ${name} = (SELECT ${key} FROM ${at(parent)} ORDER BY 1 LIMIT 1 OFFSET ${a % 20})`;
    const onDelete = ['CASCADE', 'SET NULL', 'CASCADE', 'NO ACTION'][b % 4] as string;
    const refers = `FOREIGN KEY (${name}) REFERENCES ${at(parent)} ON DELETE ${onDelete} ON UPDATE CASCADE`;
    return `${fill}; ${alter(table, `ADD ${refers}`)}`;
  },
};

/** Changes of types that columns consist of. */
export const TYPE_DDL: Readonly<Record<string, Make>> = {
  addLabel: (_, { a, b }, { labels }) => {
    const label = quoted(pickFrom(labels, b) ?? '');
    const place = ['', ` BEFORE ${label}`, ` AFTER ${label}`][a % 3] as string;
    return `ALTER TYPE public.mood ADD VALUE 'm${b % 100}'${place}`;
  },
  renameLabel: (_, { a, b }, { labels }) =>
    `ALTER TYPE public.mood RENAME VALUE ${quoted(pickFrom(labels, b) ?? '')} TO 'r${a % 100}'`,
  alterPair: (_, { a, b }, { attributes }) =>
    attributes.length > 2 && a % 2 === 0
      ? `ALTER TYPE public.pair DROP ATTRIBUTE ${pgIdent(pickFrom(attributes, b) ?? '')}`
      : `ALTER TYPE public.pair ADD ATTRIBUTE ${pgIdent(`z${b % 20}`)} integer`,
};

const PUBLICATION = 'ALTER PUBLICATION millrace';

/** Somebody alters the pipeline's publication. */
export const PUBLICATION_DDL: Readonly<Record<string, Make>> = {
  unpublish: (_, { b }, { published }) => {
    const table = pickFrom(published, b);
    return table === undefined ? '' : `${PUBLICATION} DROP TABLE ${at(table)}`;
  },
  publish: (_, { b }, { published, tables }) => {
    const names = new Set(published.map(at));
    const table = pickFrom(
      tables.filter((one) => !names.has(at(one))),
      b,
    );
    return table === undefined ? '' : `${PUBLICATION} ADD TABLE ${at(table)}`;
  },
  publishAgain: (_, { b }, { published }) => {
    const table = pickFrom(published, b);
    return table === undefined ? '' : `${PUBLICATION} DROP TABLE ${at(table)}; ${PUBLICATION} ADD TABLE ${at(table)}`;
  },
  publishPartition: onPartition((part) => `${PUBLICATION} ADD TABLE ${at(part)}`),
  publishFew: (table, { b }, { tables }) => {
    const few = [...new Set([table, pickFrom(tables, b) ?? table])];
    return `${PUBLICATION} SET TABLE ${few.map(at).join(', ')}`;
  },
  publishSome: (_, { b }) => {
    const settings = [
      "publish = 'insert, delete'",
      'publish_via_partition_root = false',
      "publish = 'truncate, update'",
    ];
    return `${PUBLICATION} SET (${pickFrom(settings, b) as string})`;
  },
  dropPublication: () => 'DROP PUBLICATION millrace',
  publishAnew: (_, { b }, { tables }) => {
    const kept = tables.filter((_table, i) => (i + b) % 3 > 0);
    const list = kept.length === 0 ? '' : ` FOR TABLE ${kept.map(at).join(', ')}`;
    return `DROP PUBLICATION IF EXISTS millrace; CREATE PUBLICATION millrace${list}`;
  },
};
