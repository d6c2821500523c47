-- Version 1. Times are milliseconds since 1970 (UTC); codes are those of the Rust enums (State, Lane, AttemptState, Verdict).
-- Messages lie in order of their ids (UUID v7), so acceptance appends; a WITHOUT ROWID table saves the second tree.

CREATE TABLE seal_key (
    id BLOB PRIMARY KEY             -- keys that sealed something here; all must be in the ring
) STRICT, WITHOUT ROWID;

CREATE TABLE message (
    id          BLOB PRIMARY KEY,
    state       INTEGER NOT NULL,
    lane        INTEGER NOT NULL,
    due         INTEGER NOT NULL,
    epoch       INTEGER NOT NULL DEFAULT 0,
    lease_until INTEGER NOT NULL DEFAULT 0,
    channel     TEXT,               -- the SIM on which its first segment left; the others follow there
    refused_by  TEXT,
    refusals    INTEGER NOT NULL DEFAULT 0,
    uncertain   INTEGER NOT NULL DEFAULT 0,
    cause       TEXT,
    changed     INTEGER NOT NULL,
    created     INTEGER NOT NULL,
    deadline    INTEGER NOT NULL,
    segments    INTEGER NOT NULL,
    concat_ref  INTEGER NOT NULL,
    flash       INTEGER NOT NULL,
    report      INTEGER NOT NULL,
    caller      TEXT NOT NULL,
    idempotency BLOB,               -- HMAC of caller and key
    recipient   TEXT NOT NULL,
    body        BLOB NOT NULL       -- sealed
) STRICT, WITHOUT ROWID;

-- The lease query reads only this, in order; the last three columns let it judge without touching the row.
CREATE INDEX message_queue ON message (lane, due, id, deadline, channel) WHERE state = 0;
CREATE INDEX message_lease ON message (lease_until) WHERE state = 1;
CREATE UNIQUE INDEX message_idempotency ON message (idempotency) WHERE idempotency IS NOT NULL;

-- Segment 0 is the whole text in one attempt.
CREATE TABLE attempt (
    message   BLOB NOT NULL REFERENCES message (id) ON DELETE CASCADE,
    seq       INTEGER NOT NULL,
    n         INTEGER NOT NULL,
    channel   TEXT NOT NULL,
    epoch     INTEGER NOT NULL,
    state     INTEGER NOT NULL,
    begun     INTEGER NOT NULL,
    ended     INTEGER,
    reference INTEGER,
    cause     TEXT,
    status    INTEGER,              -- TP-ST of the last report
    verdict   INTEGER,              -- what it means
    reported  INTEGER,
    PRIMARY KEY (message, seq, n)
) STRICT, WITHOUT ROWID;

CREATE INDEX attempt_reference ON attempt (channel, reference, begun) WHERE reference IS NOT NULL;
CREATE INDEX attempt_doubt ON attempt (channel, begun) WHERE state = 3;

-- Rows by lane and state, kept by the triggers below: a scrape must not count a hundred thousand rows.
CREATE TABLE tally (
    lane     INTEGER NOT NULL,
    state    INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    PRIMARY KEY (lane, state)
) STRICT, WITHOUT ROWID;

WITH lanes (lane) AS (VALUES (0), (1), (2)),
     states (state) AS (VALUES (0), (1), (2), (3), (4), (5), (6), (7))
INSERT INTO tally SELECT lane, state, 0 FROM lanes, states;

CREATE TRIGGER message_in AFTER INSERT ON message BEGIN
    UPDATE tally SET messages = messages + 1 WHERE lane = new.lane AND state = new.state;
END;
CREATE TRIGGER message_moved AFTER UPDATE OF state ON message WHEN old.state <> new.state BEGIN
    UPDATE tally SET messages = messages - 1 WHERE lane = old.lane AND state = old.state;
    UPDATE tally SET messages = messages + 1 WHERE lane = new.lane AND state = new.state;
END;
CREATE TRIGGER message_out AFTER DELETE ON message BEGIN
    UPDATE tally SET messages = messages - 1 WHERE lane = old.lane AND state = old.state;
END;

CREATE TABLE incoming (
    mac      BLOB PRIMARY KEY,      -- HMAC of channel and octets: a duplicate is stored once
    channel  TEXT NOT NULL,
    sender   TEXT NOT NULL,
    body     BLOB NOT NULL,         -- sealed
    pdu      BLOB NOT NULL,         -- sealed
    received INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX incoming_received ON incoming (received);

CREATE TABLE token (
    serial       TEXT PRIMARY KEY,
    user         TEXT NOT NULL,
    phone        TEXT NOT NULL,
    pin          TEXT NOT NULL,     -- argon2id, PHC string
    seed         BLOB NOT NULL,     -- sealed
    counter      INTEGER NOT NULL,
    digits       INTEGER NOT NULL,
    failures     INTEGER NOT NULL,
    max_failures INTEGER NOT NULL,
    active       INTEGER NOT NULL,
    description  TEXT NOT NULL,
    created      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX token_user ON token (user);

CREATE TABLE challenge (
    txn      TEXT NOT NULL,
    serial   TEXT NOT NULL REFERENCES token (serial) ON DELETE CASCADE,
    counter  INTEGER NOT NULL,
    created  INTEGER NOT NULL,
    expires  INTEGER NOT NULL,
    message  BLOB NOT NULL,         -- may be purged earlier, hence no foreign key
    answered INTEGER,
    PRIMARY KEY (txn, serial)
) STRICT, WITHOUT ROWID;

CREATE INDEX challenge_serial ON challenge (serial, created);
CREATE INDEX challenge_expires ON challenge (expires);
