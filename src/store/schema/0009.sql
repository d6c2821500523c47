-- Version 9: what is on its way to hooks, and Kannel clients that want to hear what became of their messages.

-- One row for each story and hook, written with what it tells; gone when it has arrived, kept for a while when it is given up.
CREATE TABLE outbox (
    id    BLOB PRIMARY KEY,         -- time and chance
    hook  TEXT NOT NULL,            -- empty for a Kannel client
    made  INTEGER NOT NULL,
    due   INTEGER NOT NULL,         -- while it is carried: when it is taken for lost
    taken INTEGER NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0,
    dead  INTEGER,                  -- when it was given up
    cause TEXT,                     -- of the last failure
    body  BLOB NOT NULL             -- sealed
) STRICT, WITHOUT ROWID;

CREATE INDEX outbox_due ON outbox (hook, due) WHERE dead IS NULL;
CREATE INDEX outbox_dead ON outbox (dead) WHERE dead IS NOT NULL;
-- Counts by hook, for metrics, read nothing else.
CREATE INDEX outbox_hook ON outbox (hook, dead, made);

CREATE TABLE callback (
    message BLOB PRIMARY KEY REFERENCES message (id) ON DELETE CASCADE,
    mask    INTEGER NOT NULL,       -- Kannel's dlr-mask
    target  BLOB NOT NULL           -- sealed
) STRICT, WITHOUT ROWID;
