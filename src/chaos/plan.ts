/**
 * What happens in a round: drawn from the seed and the number of the round alone, so that any round can be
 * planned again. What the faults meet depends on how the processes interleave, which no seed decides.
 */
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { WeightedChoice } from '../generator/distributions.ts';
import { chance, pick, type Random, wholeBetween } from '../generator/random.ts';
import { FAIL_POINT_TABLE, FAIL_POINTS, type FailOccasion, type FailPoint } from '../pipeline/fail-points.ts';
import { type FaultKind, FAULTS } from './fault-kinds.ts';

/** One fault of a round. */
export interface PlannedFault {
  readonly kind: FaultKind;
  /** When it begins: ms after the traffic began, or after the end of the fault before it when it `follows`. */
  readonly atMs: number;
  /** It begins when the one before has ended: during the recovery from that. Else they may overlap. */
  readonly follows: boolean;
  /** How long it lasts, ms; 0 for what happens in an instant. */
  readonly holdMs: number;
  /** What exactly, by kind: the table, the limit, the fail point. Empty when there is nothing to choose. */
  readonly detail: string;
}

/** One round. */
export interface RoundPlan {
  readonly seed: number;
  readonly round: number;
  /** The copy is thrown away and loaded anew, with the faults in the load. */
  readonly isFresh: boolean;
  /** With a journal on disk for when ClickHouse is away; changes with each load. */
  readonly hasJournal: boolean;
  /** Traffic lasts at least so long, and until the last fault is over, ms. */
  readonly trafficMs: number;
  /** Row changes per second of the steady traffic, about. */
  readonly trafficRate: number;
  /** One of the random sessions leaves its transaction open until the next round. */
  readonly leavesOpen: boolean;
  readonly faults: readonly PlannedFault[];
}

/** Every so many rounds the copy is loaded anew. */
const FRESH_EVERY = 20;
/** Rounds with a second fault; half of those begin when the first has ended. */
const SECOND_FAULT = 0.35;

/** Tables that refuse something: targets of one insert, so that it lands in part, and the checkpoint. */
const REFUSING_TABLES = [
  'impressions',
  'clicks',
  'campaign',
  'campaign_history',
  'campaign_hourly',
  'campaign_hourly',
  'document',
  'checkpoint',
];

/** Text of requests whose answers are lost: inserts by table, the checkpoint, prices, reconciles. */
const LOSABLE_ANSWERS = [
  'impressions_in',
  'clicks_in',
  'campaign_in',
  'document_in',
  'checkpoint',
  'RELOAD',
  'millrace+reconcile',
];

/** What happens in a round that loads the copy anew, and in one that does not. */
const OCCASIONS: Record<'fresh' | 'following', ReadonlySet<FailOccasion>> = {
  fresh: new Set(['start', 'load', 'changes', 'recovery', 'stop']),
  following: new Set(['changes', 'truncate', 'recovery', 'stop']),
};
/** Steps of every start, not only of the first. */
const EVERY_START = new Set<FailPoint>(['fence-raised', 'taken-over']);
/** Steps of every batch; the others are met now and then. */
const OFTEN_MET = new Set<FailPoint>([
  'resolved',
  'sent',
  'table-landed',
  'partly-landed',
  'landed',
  'stored',
  'confirmed',
]);

/**
 * Plans a round.
 *
 * @param round From 1.
 * @param kinds The faults to choose from.
 */
export function planRound(seed: number, round: number, kinds: readonly FaultKind[]): RoundPlan {
  const random = xoroshiro128plus(mixed(seed, round));
  const isFresh = round % FRESH_EVERY === 1;
  const faults = [drawFault(random, kinds, { isFirst: true, isFresh })];
  if (chance(random, SECOND_FAULT)) faults.push(drawFault(random, kinds, { isFirst: false, isFresh }));
  return {
    seed,
    round,
    isFresh,
    hasJournal: Math.floor((round - 1) / FRESH_EVERY) % 2 === 1,
    trafficMs: wholeBetween(random, 300, 900),
    trafficRate: wholeBetween(random, 30, 300),
    leavesOpen: !isFresh && chance(random, 0.1),
    faults,
  };
}

function drawFault(
  random: Random,
  kinds: readonly FaultKind[],
  place: { isFirst: boolean; isFresh: boolean },
): PlannedFault {
  const kind = kinds[new WeightedChoice(kinds.map((name) => FAULTS[name].weight)).draw(random)] as FaultKind;
  const [shortest, longest] = FAULTS[kind].holdMs;
  return {
    kind,
    atMs: wholeBetween(random, 0, place.isFirst ? 500 : 300),
    follows: !place.isFirst && chance(random, 0.5),
    holdMs: wholeBetween(random, shortest, longest),
    detail: drawDetail(random, kind, place.isFresh),
  };
}

function drawDetail(random: Random, kind: FaultKind, isFresh: boolean): string {
  switch (FAULTS[kind].detail) {
    case 'table':
      return String(pick(random, REFUSING_TABLES));
    case 'answer':
      return String(pick(random, LOSABLE_ANSWERS));
    case 'fail-point':
      return drawFailPoint(random, isFresh);
    case 'memory':
      return String(pick(random, [50_000, 500_000, 1_500_000, 2_500_000, 4_000_000]));
    case 'pace':
      return `${wholeBetween(random, 5, 60)}/${pick(random, [200, 1400, 16_000])}`;
    case 'none':
      return '';
  }
}

/** One that can be met, the first time or some later time it is. */
function drawFailPoint(random: Random, isFresh: boolean): string {
  const occasions = OCCASIONS[isFresh ? 'fresh' : 'following'];
  const points = FAIL_POINTS.filter((name) => occasions.has(FAIL_POINT_TABLE[name].on) || EVERY_START.has(name));
  const point = pick(random, points) as FailPoint;
  return `${point}:${OFTEN_MET.has(point) ? wholeBetween(random, 1, 5) : 1}`;
}

/** The plan in one line. */
export function planText(plan: RoundPlan): string {
  const faults = plan.faults.map(({ kind, atMs, follows, holdMs, detail }) => {
    const what = detail === '' ? kind : `${kind}(${detail})`;
    return `${what} ${follows ? `${atMs} ms after it` : `at ${atMs} ms`}${holdMs > 0 ? ` for ${holdMs} ms` : ''}`;
  });
  return `${plan.isFresh ? `load anew${plan.hasJournal ? ', with a journal' : ''}; ` : ''}${faults.join(', then ')}`;
}

/** 32 bits that differ for near seeds and rounds (the finalizer of MurmurHash3). */
function mixed(seed: number, round: number): number {
  let bits = (seed ^ Math.imul(round, 0x9e3779b1)) | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return bits ^ (bits >>> 16);
}
