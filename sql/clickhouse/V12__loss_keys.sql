-- Which row a sample of the loss ledger is of.

ALTER TABLE ${internal}.losses ADD COLUMN IF NOT EXISTS
    key  Array(String)  COMMENT 'key of the row of the sample, its parts as PostgreSQL writes them; empty where it is not known' AFTER sample;
