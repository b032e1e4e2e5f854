/** Figures by platform, advertiser or campaign: who is there, under the parameter `by`. */
import { column, type KpiColumn } from './definition.ts';

/** Ids of the level, from columns of facts `e` and campaign `c`. */
export const LEVEL_IDS = `if({by:String} = 'platform', NULL, c.advertiser_id) AS advertiser_id, if({by:String} = 'campaign', e.campaign_id, NULL) AS campaign_id`;

/** Everybody who exists at the level; advertisers also without campaigns. */
export const LEVEL_ALL = `SELECT CAST(NULL, 'Nullable(Int32)') AS advertiser_id, CAST(NULL, 'Nullable(Int32)') AS campaign_id WHERE {by:String} = 'platform'
            UNION ALL SELECT advertiser_id, NULL FROM \${advertisers} WHERE {by:String} = 'advertiser' AND NOT deleted
            UNION ALL SELECT advertiser_id, campaign_id FROM \${live_campaigns} WHERE {by:String} = 'campaign'`;

/** Names for ids of `f`. */
export const LEVEL_SELECT = `f.advertiser_id AS advertiser_id,
    if({by:String} = 'platform', '(all)', coalesce(a.advertiser, if(isNull(f.advertiser_id), '(none)', '(unknown)'))) AS advertiser,
    f.campaign_id AS campaign_id,
    if({by:String} != 'campaign', '(all)', coalesce(c.campaign, if(isNull(f.campaign_id), '(none)', '(unknown)'))) AS campaign`;

/** Joins the names to facts `f`. */
export const LEVEL_JOIN = `LEFT JOIN \${named_campaigns} AS c ON f.campaign_id = c.campaign_id
LEFT JOIN \${advertisers} AS a ON f.advertiser_id = a.advertiser_id`;

/** Their columns. */
export const LEVEL: readonly KpiColumn[] = [
  column('advertiser_id', 'Advertiser id', 'id'),
  column('advertiser', 'Advertiser', 'text', '“(all)” by platform'),
  column('campaign_id', 'Campaign id', 'id'),
  column('campaign', 'Campaign', 'text', '“(all)” by platform and by advertiser'),
];
