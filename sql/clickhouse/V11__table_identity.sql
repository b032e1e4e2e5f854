-- What a table is beyond its name, and where its rows go while it is built anew beside the one that is read.

ALTER TABLE ${internal}.tables ADD COLUMN IF NOT EXISTS
    oid        UInt32  COMMENT 'pg_class.oid: the identity of the table across renames; 0: not known yet' AFTER target,
ADD COLUMN IF NOT EXISTS
    shape      String  COMMENT 'JSON: file and columns of the source table when its mirror was last brought into line' AFTER oid,
ADD COLUMN IF NOT EXISTS
    building   Bool    COMMENT 'rows go to a mirror beside the one that is read, until it is live and takes its place' AFTER generation,
ADD COLUMN IF NOT EXISTS
    from_lsn   UInt64  COMMENT 'changes of the table committed before this WAL position are not followed: its load sees them' AFTER building;
