-- What a bid pays for and what a budget is for, where that is not the same for all: rules for single campaigns and
-- for all campaigns of an advertiser. A campaign's rule goes before its advertiser's, each column by itself; what no
-- rule says is the parameter of the key figure. Written from the configuration, or by whoever operates the copy:
--   INSERT INTO pricing_rules (scope, id, pricing_model) VALUES ('advertiser', 7, 'cpm')
-- The newest row of a scope and id counts; '' says nothing, so a row of '' takes a rule back.
CREATE TABLE IF NOT EXISTS ${database}.pricing_rules
(
    scope          LowCardinality(String)            COMMENT 'campaign or advertiser',
    id             Int32,
    pricing_model  String                DEFAULT ''  COMMENT 'cpc, cpm, or nothing',
    budget_kind    String                DEFAULT ''  COMMENT 'lifetime, daily, or nothing',
    origin         LowCardinality(String) DEFAULT 'operator' COMMENT 'configuration: replaced at every start of the pipeline',
    written_at     DateTime64(6, 'UTC')  DEFAULT now64(6, 'UTC'),
    CONSTRAINT scope CHECK scope IN ('campaign', 'advertiser'),
    CONSTRAINT pricing_model CHECK pricing_model IN ('', 'cpc', 'cpm'),
    CONSTRAINT budget_kind CHECK budget_kind IN ('', 'lifetime', 'daily')
)
ENGINE = ReplacingMergeTree(written_at)
ORDER BY (scope, id);
