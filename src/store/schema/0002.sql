-- Version 2: texts of several parts, and what came before.

-- What was the HMAC of the octets is a random id from now on; for older rows it stays, since their values are sealed to it.
ALTER TABLE incoming RENAME COLUMN mac TO id;
ALTER TABLE incoming ADD COLUMN sent INTEGER;                           -- TP-SCTS
ALTER TABLE incoming ADD COLUMN parts INTEGER NOT NULL DEFAULT 1;       -- of the whole text
ALTER TABLE incoming ADD COLUMN missing INTEGER NOT NULL DEFAULT 0;     -- of them, those that did not come

CREATE TABLE seen (
    mac      BLOB PRIMARY KEY,      -- HMAC of channel, sender, time stamp, place and content: shown again, it is not stored twice
    received INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX seen_received ON seen (received);

-- Parts that wait for others; a thousand at most, so they are judged as a whole.
CREATE TABLE part (
    n         INTEGER PRIMARY KEY,  -- order of arrival
    mac       BLOB NOT NULL,        -- as in `seen`
    text      INTEGER NOT NULL,     -- parts of one text share it
    channel   TEXT NOT NULL,
    sender    TEXT NOT NULL,
    reference INTEGER NOT NULL,
    total     INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    sent      INTEGER,
    received  INTEGER NOT NULL,
    content   BLOB NOT NULL,        -- HMAC: two parts with one number are the same or of two texts
    pdu       BLOB NOT NULL,        -- sealed
    UNIQUE (text, seq)
) STRICT;
