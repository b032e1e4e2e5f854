-- The fence: whose writes the tables take. Every start of a pipeline gets an epoch of its own, higher than all before
-- it, and every statement that writes carries it in the setting log_comment:
--
--   millrace <what it does> <pipeline> <epoch> <internal database>
--
-- A constraint on every table that is written compares it with the epoch in force and refuses all others: what a
-- process sends that another one has replaced while it slept, and also what nobody has marked.

-- The epoch in force, per pipeline, as a hash table in memory (and on disk). An epoch never falls: see src/destination/fence.ts.
CREATE TABLE IF NOT EXISTS ${internal}.fence
(
    pipeline  String,
    epoch     UInt64
)
ENGINE = Join(ANY, LEFT, pipeline)
SETTINGS join_any_take_last_row = 1;

-- The state of the copy. Mirrors, histories and the rollup get the same constraint when a pipeline starts.

ALTER TABLE ${internal}.checkpoint ADD CONSTRAINT IF NOT EXISTS millrace_fence CHECK
    toUInt64OrZero(splitByChar(' ', getSetting('log_comment'))[4]) > 0
    AND joinGet('${internal}.fence', 'epoch', splitByChar(' ', getSetting('log_comment'))[3]) = toUInt64OrZero(splitByChar(' ', getSetting('log_comment'))[4]);

ALTER TABLE ${internal}.tables ADD CONSTRAINT IF NOT EXISTS millrace_fence CHECK
    toUInt64OrZero(splitByChar(' ', getSetting('log_comment'))[4]) > 0
    AND joinGet('${internal}.fence', 'epoch', splitByChar(' ', getSetting('log_comment'))[3]) = toUInt64OrZero(splitByChar(' ', getSetting('log_comment'))[4]);

ALTER TABLE ${internal}.chunks ADD CONSTRAINT IF NOT EXISTS millrace_fence CHECK
    toUInt64OrZero(splitByChar(' ', getSetting('log_comment'))[4]) > 0
    AND joinGet('${internal}.fence', 'epoch', splitByChar(' ', getSetting('log_comment'))[3]) = toUInt64OrZero(splitByChar(' ', getSetting('log_comment'))[4]);

ALTER TABLE ${internal}.incomplete ADD CONSTRAINT IF NOT EXISTS millrace_fence CHECK
    toUInt64OrZero(splitByChar(' ', getSetting('log_comment'))[4]) > 0
    AND joinGet('${internal}.fence', 'epoch', splitByChar(' ', getSetting('log_comment'))[3]) = toUInt64OrZero(splitByChar(' ', getSetting('log_comment'))[4]);

ALTER TABLE ${internal}.losses ADD CONSTRAINT IF NOT EXISTS millrace_fence CHECK
    toUInt64OrZero(splitByChar(' ', getSetting('log_comment'))[4]) > 0
    AND joinGet('${internal}.fence', 'epoch', splitByChar(' ', getSetting('log_comment'))[3]) = toUInt64OrZero(splitByChar(' ', getSetting('log_comment'))[4]);
