-- Partitioned tables: their rows lie in the files of their partitions.

ALTER TABLE ${internal}.chunks ADD COLUMN IF NOT EXISTS
    relation   UInt32  COMMENT 'pg_class.oid of the table or partition that the blocks belong to; 0: the table itself' AFTER chunk,
ADD COLUMN IF NOT EXISTS
    filenode   UInt64  COMMENT 'its file when the chunks were planned; 0: that of the state' AFTER relation;

ALTER TABLE ${internal}.tables ADD COLUMN IF NOT EXISTS
    leaves     String  COMMENT 'JSON: partitions, their files, and those that are gone; empty: not partitioned, or not loaded yet' AFTER shape;
