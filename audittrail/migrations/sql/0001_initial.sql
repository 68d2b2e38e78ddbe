-- The tables of audittrail: schema, clock, revisions, and the registry of tracked tables.
--
-- Frozen: a change of these tables is a later migration. The functions that work on them are not here but in
-- capture/sql, where they may change with every release.
-- revision.committed_by gets the key type of the user model right after this file has run.

CREATE SCHEMA audittrail;
COMMENT ON SCHEMA audittrail IS 'The complete history of this database, kept by audittrail.';
REVOKE ALL ON SCHEMA audittrail FROM PUBLIC;

-- The logical clock. One tick for each revision, captured statement and commit.
CREATE SEQUENCE audittrail.clock;

CREATE TABLE audittrail.revision (
    id               bigint PRIMARY KEY,          -- first tick of the transaction
    committed        bigint,                      -- tick at its commit; NULL while it is open
    committed_at     timestamptz,
    xid              xid8 NOT NULL DEFAULT pg_current_xact_id(),
    committed_by     bigint,                      -- no foreign key: a revision outlives its user
    client_addr      inet DEFAULT inet_client_addr(),
    db_user          text NOT NULL DEFAULT session_user,
    application_name text NOT NULL DEFAULT current_setting('application_name'),
    reason           text NOT NULL DEFAULT '',
    context          jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE audittrail.revision IS 'One row a transaction that changed a tracked table, numbered in commit order by "committed".';

-- Reads by time and the newest first; partial, so that a revision is entered once, when it is stamped.
CREATE INDEX revision_committed_at ON audittrail.revision (committed_at) WHERE committed_at IS NOT NULL;

-- The few revisions that took more than 64 ticks: which of them were open at a given tick. Not an index of revision, because
-- looking whether an entry belongs into it would cost every transaction.
CREATE TABLE audittrail.long_revision (
    id               bigint NOT NULL,
    committed        bigint NOT NULL
);
CREATE INDEX long_revision_open ON audittrail.long_revision USING gist (int8range(id, committed));
COMMENT ON TABLE audittrail.long_revision IS 'Numbers and commits of the revisions that took more than 64 ticks.';

CREATE TABLE audittrail.tracked_table (
    id                integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    relation          oid NOT NULL,               -- pg_class.oid, as of the last look
    schema_name       text NOT NULL,
    table_name        text NOT NULL,
    history_name      text NOT NULL UNIQUE,       -- table in this schema
    -- [{attnum, name, type, history, ignored}], in the order of the table; history is NULL for an excluded column
    columns           jsonb NOT NULL,
    key               text[] NOT NULL,            -- names of the primary key's columns
    -- Names of columns that are not stored, and whose change alone makes no version; they need not be there yet.
    excluded          text[] NOT NULL DEFAULT '{}',
    ignored           text[] NOT NULL DEFAULT '{}',
    fingerprint       text NOT NULL,              -- of the columns and the key, see fingerprint()
    functions         text NOT NULL DEFAULT '',   -- digest of the capture functions as they were made, see functions_digest()
    since_revision    bigint,                     -- revision that holds the baseline; NULL if there were no rows
    since_version     bigint NOT NULL,            -- tick at which tracking began
    since_at          timestamptz NOT NULL,
    baseline_complete boolean NOT NULL,
    baseline_position text[],                     -- last key that backfill has copied
    -- How far the maintenance has filled in "superseded": every revision with committed <= closed_through is taken into
    -- account, and every version < tail_from belongs to one of them. Of the mark, see move_mark().
    closed_through    bigint NOT NULL DEFAULT 0,
    tail_from         bigint NOT NULL DEFAULT 0,
    mark_tick         bigint NOT NULL DEFAULT 0,
    mark_xid          xid8,
    -- What was pruned: moments before the tick "kept_from", which was committed at "kept_since", can't be read any more.
    kept_from         bigint NOT NULL DEFAULT 0,
    kept_since        timestamptz,
    pruned_at         timestamptz,                -- when that was done
    until_version     bigint,                     -- tick at which tracking ended; NULL while it goes on
    until_at          timestamptz
);
COMMENT ON TABLE audittrail.tracked_table IS 'One row a table whose changes are or were recorded.';
CREATE INDEX tracked_table_relation ON audittrail.tracked_table (relation) WHERE until_version IS NULL;
