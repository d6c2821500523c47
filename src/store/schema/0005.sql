-- Version 5: what each SIM has spent of its budget, and modems that an operator holds back.

-- Counted with the attempt, so that a budget holds over restarts and outlives the messages. Windows as `route::budget` numbers
-- them (UTC): minutes and days since the epoch, months since the year 0.
CREATE TABLE spent (
    channel    TEXT PRIMARY KEY,
    minute     INTEGER NOT NULL,
    day        INTEGER NOT NULL,
    month      INTEGER NOT NULL,
    in_minute  INTEGER NOT NULL,    -- segments that the network took or may have
    in_day     INTEGER NOT NULL,
    in_month   INTEGER NOT NULL,
    recipients INTEGER NOT NULL     -- distinct ones in the month, where they are counted
) STRICT, WITHOUT ROWID;

INSERT INTO spent
    SELECT channel, 0, unixepoch() / 86400, strftime('%Y') * 12 + strftime('%m') - 1, 0,
        sum(begun >= unixepoch('now', 'start of day') * 1000), count(*), 0
    FROM attempt WHERE state IN (0, 1, 3) AND begun >= unixepoch('now', 'start of month') * 1000 GROUP BY channel;

CREATE TABLE spent_recipient (
    month    INTEGER NOT NULL,
    channel  TEXT NOT NULL,
    whom     BLOB NOT NULL,         -- HMAC of the number
    segments INTEGER NOT NULL,
    PRIMARY KEY (month, channel, whom)
) STRICT, WITHOUT ROWID;

CREATE TABLE hold (
    modem     TEXT PRIMARY KEY,     -- an IMEI, or the name of a port
    finishing INTEGER NOT NULL      -- what began on it may finish
) STRICT, WITHOUT ROWID;

-- What began on a SIM, for demands that want nothing else.
CREATE INDEX message_begun ON message (lane, due, id, deadline, channel) WHERE state = 0 AND channel IS NOT NULL;
