-- The tables of the ledger: what history was when it was entered, so that a later change of it shows.
--
-- Frozen, like 0001_initial.sql. They stay empty until the first digest is made (see docs/ledger.md).

CREATE TABLE audittrail.ledger (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    begun_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    size        bigint NOT NULL DEFAULT 0,        -- leaves of the tree, one a revision
    committed   bigint NOT NULL DEFAULT 0         -- tick through which revisions are entered
);
CREATE UNIQUE INDEX ledger_is_one ON audittrail.ledger ((true));
COMMENT ON TABLE audittrail.ledger IS 'The ledger of this database, once it is begun: one row.';

-- One row a version that is entered, and one a revision (table_id 0, version is its number).
CREATE TABLE audittrail.ledger_entry (
    version     bigint NOT NULL,
    position    bigint,                           -- of the leaf that says so; NULL until there is one
    erased_by   bigint,                           -- the revision that erased or changed it on purpose
    erased_in   bigint,                           -- position of the leaf that says so
    made_by     bigint,                           -- of kind C: the revision that changed it to what it is
    table_id    integer NOT NULL,
    layout      integer NOT NULL,
    kind        "char" NOT NULL,                  -- R: revision of the leaf, V: version, C: changed since it was first entered
    salt        uuid,                             -- goes when it is erased: then nobody can try what the digest is of
    digest      bytea,
    key         text                              -- of the row, by its layout; goes with the salt
);
CREATE INDEX ledger_entry_version ON audittrail.ledger_entry (version);
CREATE INDEX ledger_entry_position ON audittrail.ledger_entry (position);
CREATE INDEX ledger_entry_erased_in ON audittrail.ledger_entry (erased_in) WHERE erased_in IS NOT NULL;
CREATE INDEX ledger_entry_pending ON audittrail.ledger_entry (table_id)
 WHERE position IS NULL OR erased_by IS NOT NULL AND erased_in IS NULL;
COMMENT ON TABLE audittrail.ledger_entry IS 'Digests of what the versions and revisions held when they were entered.';

-- What a table looked like when versions of it were entered. JSON as text, since its digest is in a leaf.
CREATE TABLE audittrail.ledger_layout (
    table_id    integer NOT NULL,
    number      integer NOT NULL,
    position    bigint NOT NULL,                  -- of the leaf that says so
    form        text NOT NULL,                    -- {columns: [[number, name, type]], key: [number]} of the history table
    facts       text NOT NULL,                    -- of the registry
    fills       text NOT NULL,                    -- what versions that were entered before a column came hold in it
    PRIMARY KEY (table_id, number)
);
CREATE INDEX ledger_layout_position ON audittrail.ledger_layout (position);
COMMENT ON TABLE audittrail.ledger_layout IS 'Columns and registration of the tables when versions of them were entered.';

-- The nodes of the tree: 256 hashes a row; those of level 0 are of leaves, each of level n + 1 is of a full row of level n.
CREATE TABLE audittrail.ledger_tile (
    level       smallint NOT NULL,
    number      bigint NOT NULL,
    hashes      bytea NOT NULL,
    PRIMARY KEY (level, number)
);
COMMENT ON TABLE audittrail.ledger_tile IS 'The hashes of the Merkle tree (RFC 9162) over the revisions.';

-- The digests that were made here, and when they were last verified: for people to see, and no proof of anything.
CREATE TABLE audittrail.digest (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    size         bigint NOT NULL,
    root         bytea NOT NULL,
    through      bigint NOT NULL,                 -- commit tick of the last revision in it
    through_at   timestamptz,
    made_at      timestamptz NOT NULL,
    public_key   text NOT NULL DEFAULT '',
    verified_at  timestamptz,
    UNIQUE (size, root)
);
COMMENT ON TABLE audittrail.digest IS 'Digests of the ledger that were made or verified.';
