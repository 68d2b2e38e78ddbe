-- Numbers on which several functions agree. PostgreSQL puts them in place of the calls when it makes a plan.

-- How many ticks a revision may take, from its first to that of its commit, without being listed in long_revision. Whoever looks for
-- the revisions that were open at a tick finds them among so many before it, and in that list.
CREATE OR REPLACE FUNCTION audittrail.short_revision() RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT 64::bigint';

-- The first key of the advisory lock that a transaction takes before the tick of its commit, and holds until it is visible. The
-- second key is 1.
CREATE OR REPLACE FUNCTION audittrail.commit_lock() RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT 1635083369';

-- How much older than the lock of its commit the time of a revision may be: a transaction that was stamped earlier is stamped again.
CREATE OR REPLACE FUNCTION audittrail.stamp_age() RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$SELECT interval '10 ms'$$;
