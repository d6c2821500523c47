-- Version 10: the clocks of the last run, so that the next one knows which life times still hold.

CREATE TABLE boot (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    id      TEXT NOT NULL,
    ahead   INTEGER NOT NULL,       -- wall time minus CLOCK_BOOTTIME
    apart   INTEGER NOT NULL,       -- what the wall clock was set ahead of that, at the last look
    newest  INTEGER NOT NULL,       -- the newest stored time
    doubted INTEGER                 -- CLOCK_BOOTTIME since when the clock is not trusted
) STRICT;
