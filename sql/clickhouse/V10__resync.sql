-- Which branch of the source's history the copy follows, and the version of rows that a resync loads.

ALTER TABLE ${internal}.checkpoint ADD COLUMN IF NOT EXISTS
    source_timeline  UInt32  COMMENT 'timeline of the source when this was written; 0: not known' AFTER source_id;

ALTER TABLE ${internal}.tables ADD COLUMN IF NOT EXISTS
    base_version     UInt64  COMMENT 'version of loaded rows: 0 at first, the start of the slot at a resync' AFTER generation,
ADD COLUMN IF NOT EXISTS
    base_time        DateTime64(6, 'UTC')  COMMENT 'commit time of those rows in the history' AFTER base_version;
