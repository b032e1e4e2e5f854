/** How a reader computes each key figure of docs/kpi-examples.md again. */
import type { KpiName } from '../../src/kpi/definitions.ts';

/** A few words for each. */
export const BY_HAND: Record<KpiName, string> = {
  ctr: 'Shoes has 2 clicks on 4 impressions: 50 %. z² = 3.8415, so the interval is (0.5 + 3.8415/8 ± 1.96 · √(0.25/4 + 3.8415/64)) / (1 + 3.8415/4) = 0.5 ± 0.35. Hats has 3 clicks on 2 impressions: shown, flagged, and without an interval.',
  ranking: 'Nobody has enough impressions to be ranked, and Hats has more clicks than impressions.',
  delivery: '2 March has the impressions 1, 2 and 5 and the clicks 1 and 3.',
  daily: 'On 3 March Shoes has the impressions 3 and 4 and click 2; impression 7 belongs to no campaign.',
  hourly: 'The hour of 2 March 09:00 has the impressions 1 and 2 and click 1.',
  spend:
    'Shoes: click 1 at the bid of 2 March, 1.00, and click 2 at that of 3 March, 2.00: 3.00, though the bid is 2.00 now. eCPC = 3.00 / 2 clicks; eCPM = 1000 · 3.00 / 4 impressions; used 3.00 / 10.00.',
  budget:
    'Hats: 3 clicks · 0.50 = 1.50 of a budget of 1.00: 150 % used, −0.50 remain. Shoes: 10.00 − 3.00 = 7.00, enough for 3 clicks at 2.00.',
  pacing:
    'Shoes runs 10 days; 1, 2 and 3 March are over, so 10.00 · 3/10 = 3.00 should be spent and 3.00 are: 1.00. Seven days are left, today included: (10.00 − 3.00) / 7 = 1.00 a day are required; at the mean of 3.00 / 3 = 1.00 a day it ends at 3.00 + 7 · 1.00.',
  cap_out:
    'Hats: 0.50 on 2 March, and with click 4 on 4 March 08:01 the sum reaches the budget of 1.00. Click 5 comes after that.',
  health:
    'Hats has more clicks than impressions, which goes before its budget being spent; Idle is in flight and never had an impression; the last impression of Shoes is of 3 March 15:00, more than six whole hours ago.',
  zero_delivery:
    'Whole hours from the end of the hour of the last impression to the hour of now: Shoes from 16:00 on 3 March to 12:00 on 4 March.',
  advertisers: 'Acme has Shoes and Hats: budgets 10.00 + 1.00, spend 3.00 + 1.50. Impression 7 is that of “(none)”.',
  campaigns: 'As they stand in the source.',
  share: 'Shoes: 4 of the 6 impressions of Acme, 4 of all 7; 2 of 5 clicks.',
  heatmap: '2 March 2026 is a Monday (1): at 9 o’clock it has the impressions 1 and 2 and click 1.',
  campaign_days: 'Shoes began on 1 March, so 2 March is its day 2; sums run from the beginning of the range.',
  comparison:
    'Today until 12:00, against yesterday until 12:00: impression 6 against impression 3 (4 and 7 came at 12:00 or later).',
  anomalies: 'The same weekday and hours of the weeks before have no events: nothing to compare with.',
  changes:
    'The bid changed on 3 March at 00:00; 35 whole hours follow the hour of the change until now, and 35 before it are compared: impressions 3 and 4 after, 1 and 2 before.',
  quality: 'Hats has more clicks than impressions; impression 7 has no campaign.',
  time_to_click:
    'Click 1 came at 09:41, a minute after impression 2; click 2 a minute after impression 3: a median of 60 s.',
  freshness: 'The last commit applied is of now; no pipeline runs, so nothing is known of the log.',
};
