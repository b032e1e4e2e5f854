/**
 * Which column a value of the stream belongs to. A tuple has no attnums: its Relation message tells names and types as
 * of its place in the WAL, and the mirror has the columns of another moment.
 *
 *   last look before it ──► [relation of the stream] ◄── first look behind it      ──►  mirror
 *
 * What is certain: attnums rise and never return, so the columns of the tuple lie between those of the two looks, in
 * the order of attnum; a column whose catalogue row is the same in both looks had that name and type in between; and
 * while the table keeps its file no column changes to a type that is stored otherwise. Names alone prove nothing: a
 * column may have had another one for a moment. What these leave open is not guessed: see {@link Reading.lost}.
 */
import { hasOtherFiles, type ShapeColumn, type TableShape } from '../model/shape.ts';
import type { RelationMessage } from '../source/changes.ts';

/** How the tuples of one relation are read into the columns of the mirror. */
export interface Reading {
  /** Per column of the tuple the column of the table as it is copied, or −1: dropped by now, or not copied. */
  readonly targets: readonly number[];
  /** Columns that the tuple does not have: they were added later. */
  readonly missing: readonly number[];
  /** Columns of which it cannot be told where in the tuple they are: such rows are read again by key. */
  readonly lost: readonly number[];
}

/** What alignment is made from. */
export interface AlignFacts {
  /** The last look before the relation; null when there was none. */
  readonly before: TableShape | null;
  /** The first look behind it. */
  readonly after: TableShape;
  /** Attnums and types of the copied columns, in order, as of now. */
  readonly copied: readonly { readonly attnum: number; readonly typeOid: number }[];
  /** Attnums whose publication is not certain: columns that the configuration leaves out. */
  readonly unpublished: ReadonlySet<number>;
}

/** What may stand at a place of the tuple. */
interface Candidate {
  readonly attnum: number;
  /** It is in every tuple between the two looks. */
  readonly isSure: boolean;
  /** Added behind the first look and there at the second: if it is not in the tuple, no later one is. */
  readonly closes: boolean;
  readonly fits: (column: RelationMessage['columns'][number]) => boolean;
}

/** Types that PostgreSQL may turn into each other without writing the rows anew; those of other groups it may not. */
const STORED_ALIKE: readonly (readonly number[])[] = [
  [18],
  [16],
  [17],
  [20],
  [21],
  [23, 26, 24, 2202, 2203, 2204, 2205, 2206, 3734, 3769, 4089, 4096, 4191],
  [25, 1042, 1043],
  [114],
  [3802],
  [700],
  [701],
  [1082],
  [1114, 1184],
  [1700],
  [2950],
];
const GROUP_OF = new Map(STORED_ALIKE.flatMap((oids, group) => oids.map((oid) => [oid, group] as const)));
/** Types whose text and binary forms are the same. */
const READ_ALIKE = new Set([25, 1043]);

/**
 * Aligns a relation with the copied columns.
 *
 * @returns null when no column of the tuple can be told, or it cannot be read as the type that its column has by now.
 */
export function align(relation: RelationMessage, facts: AlignFacts): Reading | null {
  const candidates = candidatesOf(facts);
  const possible = possibleTargets(relation.columns, candidates);
  if (possible === null) return null;
  const copiedAt = new Map(facts.copied.map(({ attnum }, i) => [attnum, i]));
  const targets: number[] = [];
  const lost = new Set<number>();
  for (const [i, attnums] of possible.entries()) {
    const columns = new Set([...attnums].map((attnum) => copiedAt.get(attnum) ?? -1));
    const [only = -1] = columns;
    if (columns.size > 1) for (const column of columns) if (column >= 0) lost.add(column);
    targets.push(columns.size === 1 ? only : -1);
    if (columns.size !== 1 || only < 0) continue;
    const wanted = facts.copied[only]?.typeOid;
    if (wanted === undefined || !isReadableAs(relation.columns[i]?.typeOid ?? 0, wanted)) return null;
  }
  const found = new Set(targets);
  const missing: number[] = [];
  for (const [i, { attnum }] of facts.copied.entries()) {
    if (found.has(i) || lost.has(i)) continue;
    // A column that was generated then had values that the stream did not carry; one that still is as well.
    const looks = [facts.before, facts.after].map((look) => look?.columns[attnum - 1]?.kind ?? '');
    if (looks.some((kind) => kind === 'generated' || kind === 'publishable')) lost.add(i);
    else missing.push(i);
  }
  return { targets, missing, lost: [...lost].toSorted((a, b) => a - b) };
}

/** True when a relation is exactly what a look saw: the same columns, names and types, in order. */
export function isAsSeen(relation: RelationMessage, shape: TableShape, published: ReadonlySet<number>): boolean {
  const seen = shape.columns.filter(({ attnum, kind }) => kind !== 'dropped' && published.has(attnum));
  return (
    seen.length === relation.columns.length &&
    relation.columns.every((column, i) => isSameColumn(column, seen[i] as ShapeColumn))
  );
}

function isSameColumn(column: RelationMessage['columns'][number], seen: ShapeColumn): boolean {
  return column.name === seen.name && column.typeOid === seen.typeOid && column.typeMod === seen.typeMod;
}

function isReadableAs(from: number, to: number): boolean {
  return from === to || (READ_ALIKE.has(from) && READ_ALIKE.has(to));
}

function candidatesOf({ before, after, unpublished }: AlignFacts): Candidate[] {
  const keepsFiles = before !== null && !hasOtherFiles(before, after);
  const candidates: Candidate[] = [];
  for (const now of after.columns) {
    const was = before?.columns[now.attnum - 1] ?? null;
    const isThere = (column: ShapeColumn | null): boolean => column?.kind === 'there';
    const isNew = before === null || now.attnum > before.columns.length;
    // Dropped for ever; and a column that is generated by now always was. One that was may have ceased to be, and be gone.
    if (was?.kind === 'dropped' || now.kind === 'generated') continue;
    const isOpen = unpublished.has(now.attnum) || now.kind !== was?.kind;
    candidates.push({
      attnum: now.attnum,
      // Whether a generated column was in the stream, only the publication of that time could say.
      isSure: !isNew && isThere(now) && isThere(was) && !isOpen,
      closes: isNew && now.kind === 'there' && !unpublished.has(now.attnum),
      fits: fitting(was, now, keepsFiles),
    });
  }
  return candidates;
}

/** What can be said of a column between two looks. */
function fitting(was: ShapeColumn | null, now: ShapeColumn, keepsFiles: boolean): Candidate['fits'] {
  if (was !== null && was.xmin === now.xmin) return (column) => isSameColumn(column, now);
  if (!keepsFiles) return () => true;
  const known = [was?.typeOid ?? 0, now.typeOid].filter((oid) => oid !== 0);
  return (column) => known.every((oid) => mayBecome(column.typeOid, oid));
}

/** Whether one type may turn into the other without the rows being written anew; unknown ones may. */
function mayBecome(a: number, b: number): boolean {
  const [groupA, groupB] = [GROUP_OF.get(a), GROUP_OF.get(b)];
  return a === b || groupA === undefined || groupB === undefined || groupA === groupB;
}

/**
 * Which columns may stand at each place of the tuple, over all ways to lay the candidates under it in order; null when
 * there is no way. Two passes over (place, candidate): from the front, what can be reached; from the back, what can end.
 */
function possibleTargets(
  columns: RelationMessage['columns'],
  candidates: readonly Candidate[],
): readonly ReadonlySet<number>[] | null {
  const [places, width] = [columns.length, candidates.length + 1];
  const at = (place: number, candidate: number, closed: number): number => (place * width + candidate) * 2 + closed;
  const fits = (place: number, candidate: number): boolean => {
    const column = columns[place];
    return column !== undefined && candidates[candidate]?.fits(column) === true;
  };
  const ends = new Uint8Array((places + 1) * width * 2);
  for (let place = places; place >= 0; place--) {
    for (let c = candidates.length; c >= 0; c--) {
      for (const closed of [0, 1]) ends[at(place, c, closed)] = Number(canEnd(place, c, closed));
    }
  }
  if (ends[at(0, 0, 0)] !== 1) return null;
  const possible = columns.map(() => new Set<number>());
  const reached = new Uint8Array(ends.length);
  reached[at(0, 0, 0)] = 1;
  for (let place = 0; place <= places; place++) {
    for (let c = 0; c < candidates.length; c++) {
      for (const closed of [0, 1]) if (reached[at(place, c, closed)] === 1) step(place, c, closed);
    }
  }
  return possible;

  function canEnd(place: number, c: number, closed: number): boolean {
    const candidate = candidates[c];
    if (candidate === undefined) return place === places;
    const taken = closed === 0 && place < places && fits(place, c) && ends[at(place + 1, c + 1, 0)] === 1;
    return taken || (!candidate.isSure && ends[at(place, c + 1, closed | Number(candidate.closes))] === 1);
  }

  function step(place: number, c: number, closed: number): void {
    const candidate = candidates[c] as Candidate;
    const next = at(place + 1, c + 1, 0);
    if (closed === 0 && place < places && fits(place, c) && ends[next] === 1) {
      reached[next] = 1;
      possible[place]?.add(candidate.attnum);
    }
    const left = at(place, c + 1, closed | Number(candidate.closes));
    if (!candidate.isSure && ends[left] === 1) reached[left] = 1;
  }
}
