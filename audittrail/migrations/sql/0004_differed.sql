-- What pages say of a digest by which history was found changed.

ALTER TABLE audittrail.digest ADD COLUMN IF NOT EXISTS differed_at timestamptz;  -- when it was last verified that history is not what it was
