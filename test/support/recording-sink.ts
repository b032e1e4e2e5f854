/** A sink that writes down what the stream says, in words that a test can compare. */
import type { ChangeSink } from '../../src/source/changes.ts';
import { TUPLE_BINARY, TUPLE_NULL, TUPLE_UNCHANGED, TupleReader } from '../../src/source/tuple.ts';

/** What was heard so far. */
export interface RecordingSink extends ChangeSink {
  /** One line per call: `insert item [1,a]`, `update item K[1,NULL] → [2,a]`, `begin`, `commit` … */
  readonly events: string[];
  readonly commits: { commitLsn: bigint; endLsn: bigint }[];
  /** Positions of the rows, in the order they came. */
  readonly positions: bigint[];
}

/** The values of a tuple as text; binary ones in hexadecimal. */
export function tupleText(bytes: Buffer, start: number): string {
  const reader = new TupleReader();
  reader.open(bytes, start);
  const values: string[] = [];
  for (let column = 0; column < reader.count; column += 1) {
    const kind = reader.next();
    if (kind === TUPLE_NULL) values.push('NULL');
    else if (kind === TUPLE_UNCHANGED) values.push('(unchanged)');
    else if (kind === TUPLE_BINARY) values.push(`0x${bytes.toString('hex', reader.start, reader.end)}`);
    else values.push(bytes.toString('utf8', reader.start, reader.end));
  }
  return `[${values.join(',')}]`;
}

/** Makes an empty one. */
export function recordingSink(): RecordingSink {
  const names = new Map<number, string>();
  const events: string[] = [];
  const commits: RecordingSink['commits'] = [];
  const positions: bigint[] = [];
  const note = (event: string, position: { hi: number; lo: number }): void => {
    events.push(event);
    positions.push((BigInt(position.hi) << 32n) | BigInt(position.lo));
  };
  return {
    events,
    commits,
    positions,
    begin: () => void events.push('begin'),
    commit(commitLsn, endLsn) {
      events.push('commit');
      commits.push({ commitLsn, endLsn });
    },
    relation(relation) {
      names.set(relation.oid, relation.name);
      events.push(`relation ${relation.name}`);
    },
    insert: (oid, position, bytes, tuple) => note(`insert ${names.get(oid)} ${tupleText(bytes, tuple)}`, position),
    update(oid, position, bytes, { oldKind, oldTuple, newTuple }) {
      const old = oldKind === null ? '' : `${oldKind}${tupleText(bytes, oldTuple)} `;
      note(`update ${names.get(oid)} ${old}→ ${tupleText(bytes, newTuple)}`, position);
    },
    delete: (oid, position, bytes, { oldKind, oldTuple }) =>
      note(`delete ${names.get(oid)} ${oldKind}${tupleText(bytes, oldTuple)}`, position),
    truncate: (oids, position) => note(`truncate ${oids.map((oid) => names.get(oid)).join()}`, position),
    message: ({ prefix, transactional, content }) =>
      void events.push(`message ${prefix} ${transactional} ${content.toString()}`),
  };
}
