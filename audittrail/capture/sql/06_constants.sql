-- Numbers on which several functions agree. PostgreSQL puts them in place of the calls when it makes a plan.

-- What no tick is below. The first own one is 1; those of what was imported are negative.
CREATE OR REPLACE FUNCTION audittrail.lowest_tick() RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$SELECT '-9223372036854775808'::bigint$$;

-- How many ticks a revision may take, from its first to that of its commit, without being listed in long_revision. Whoever looks for
-- the revisions that were open at a tick finds them among so many before it, and in that list.
CREATE OR REPLACE FUNCTION audittrail.short_revision() RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT 64::bigint';

-- The first oid that PostgreSQL gives to what users define: types, collations and operator classes with smaller ones are its own.
CREATE OR REPLACE FUNCTION audittrail.first_user_oid() RETURNS oid
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT 16384::pg_catalog.oid';

-- The longest name of a history table, in bytes. It leaves room for the suffixes of functions and indexes within PostgreSQL's 63.
CREATE OR REPLACE FUNCTION audittrail.history_name_bytes() RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT 54';

-- How much older than the lock of its commit the time of a revision may be: a transaction that was stamped earlier is stamped again.
CREATE OR REPLACE FUNCTION audittrail.stamp_age() RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$SELECT interval '10 ms'$$;

-- The functions that are generated for each table, whose names are that of its history table with "_" and these: what its triggers
-- run, and one that gives a statement to some of them.
CREATE OR REPLACE FUNCTION audittrail.capture_functions() RETURNS text[]
LANGUAGE sql IMMUTABLE AS $$SELECT '{insert,update,delete,truncate,weave}'::text[]$$;
