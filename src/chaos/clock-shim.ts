/**
 * Loaded before the pipeline (`node --import`): lets the clock of that process jump, as when an operator or NTP sets
 * it. Each SIGUSR2 takes the next jump. Timers go on as they do in reality: they follow the monotonic clock.
 */
const HOUR_MS = 3_600_000;
const JUMPS_MS = [HOUR_MS, -HOUR_MS, -30 * 24 * HOUR_MS, 400 * 24 * HOUR_MS, 0];

const realNow = Date.now;
let taken = 0;
let offsetMs = 0;

/** The time of this process. */
const shiftedNow = (): number => realNow() + offsetMs;

globalThis.Date = new Proxy(Date, {
  construct: (target, args) => Reflect.construct(target, args.length === 0 ? [shiftedNow()] : args) as Date,
  apply: () => new Date().toString(),
  get: (target, name) => (name === 'now' ? shiftedNow : (Reflect.get(target, name) as unknown)),
});

process.on('SIGUSR2', () => {
  offsetMs = JUMPS_MS[taken++ % JUMPS_MS.length] ?? 0;
});
