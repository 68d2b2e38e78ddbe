-- Where a table's rows were stored when it was last looked at: whether ALTER TABLE may have given them other values since.

ALTER TABLE audittrail.tracked_table
    ADD COLUMN IF NOT EXISTS database text,                      -- in which "relation" and "files" are what they say, see this_database()
    ADD COLUMN IF NOT EXISTS files oid[] NOT NULL DEFAULT '{}';  -- pg_class.relfilenode of the table, or of its partitions
