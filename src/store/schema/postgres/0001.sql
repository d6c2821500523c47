-- Version 1 of the shared store: what SQLite's versions 1 to 10 hold, for several appliances at once.
-- Times are milliseconds since 1970 (UTC) by the clock of this server; codes are those of the Rust enums.

CREATE TABLE seal_key (
    id       bytea PRIMARY KEY,         -- keys that sealed something here; every appliance must have them all
    replaced bigint                     -- since when nothing is sealed with it; it stays for what was compared with it
);

CREATE TABLE message (
    id          uuid PRIMARY KEY,
    state       smallint NOT NULL,
    lane        smallint NOT NULL,
    due         bigint NOT NULL,
    epoch       bigint NOT NULL DEFAULT 0,
    lease_until bigint NOT NULL DEFAULT 0,
    holder      uuid,                   -- the appliance that leased it last
    channel     text,                   -- the SIM on which its first segment left; the others follow there
    refused_by  text,
    refusals    integer NOT NULL DEFAULT 0,
    uncertain   integer NOT NULL DEFAULT 0,
    cause       text,
    changed     bigint NOT NULL,
    created     bigint NOT NULL,
    deadline    bigint NOT NULL,
    segments    smallint NOT NULL,
    concat_ref  smallint NOT NULL,
    coding      integer NOT NULL,       -- code of `pdu::Coding`
    flash       boolean NOT NULL,
    report      boolean NOT NULL,
    caller      text NOT NULL,
    idempotency bytea,                  -- HMAC of caller and key
    recipient   text NOT NULL,
    body        bytea NOT NULL,         -- sealed
    life        bytea NOT NULL,         -- entries as `queue::life` writes them
    asked       bytea                   -- HMAC of what came with the idempotency key
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- The lease query reads only this, in order.
CREATE INDEX message_queue ON message (lane, due, id) INCLUDE (deadline) WHERE state = 0;
-- What began on a SIM, for demands that want nothing else.
CREATE INDEX message_begun ON message (channel, lane, due, id) WHERE state = 0 AND channel IS NOT NULL;
CREATE INDEX message_lease ON message (lease_until) WHERE state = 1;
-- Ids begin with the time of the appliance that made them, so what is outlived is found by the server's time.
CREATE INDEX message_finished ON message (lane, changed) WHERE state > 1;
-- Texts that are there after the end, for the janitor; an erased text is empty, which no sealed one is.
CREATE INDEX message_text ON message (changed, lane, deadline) WHERE state > 1 AND body <> '';
CREATE UNIQUE INDEX message_idempotency ON message (idempotency) WHERE idempotency IS NOT NULL;

-- Segment 0 is the whole text in one attempt.
CREATE TABLE attempt (
    message   uuid NOT NULL REFERENCES message (id) ON DELETE CASCADE,
    seq       smallint NOT NULL,
    n         integer NOT NULL,
    channel   text NOT NULL,
    epoch     bigint NOT NULL,
    state     smallint NOT NULL,
    begun     bigint NOT NULL,
    ended     bigint,
    reference smallint,
    cause     text,
    status    smallint,                 -- TP-ST of the last report
    verdict   smallint,                 -- what it means
    reported  bigint,
    overruled smallint,                 -- the state that a retry overruled; it counts anew once the state changes
    PRIMARY KEY (message, seq, n)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

CREATE INDEX attempt_reference ON attempt (channel, reference, begun) WHERE reference IS NOT NULL;
CREATE INDEX attempt_doubt ON attempt (channel, begun) WHERE state = 3;

-- Rows by lane and state: each appliance adds its changes to rows of its own, once a commit, so that none waits for another.
CREATE TABLE tally (
    appliance uuid NOT NULL,
    lane      smallint NOT NULL,
    state     smallint NOT NULL,
    messages  bigint NOT NULL,          -- may be negative: one appliance accepts what another finishes
    PRIMARY KEY (appliance, lane, state)
) WITH (fillfactor = 50);

CREATE TABLE incoming (
    id       bytea PRIMARY KEY,
    channel  text NOT NULL,
    sender   text NOT NULL,
    body     bytea NOT NULL,            -- sealed
    pdu      bytea NOT NULL,            -- sealed
    received bigint NOT NULL,
    sent     bigint,                    -- TP-SCTS
    parts    smallint NOT NULL,         -- of the whole text
    missing  smallint NOT NULL          -- of them, those that did not come
);

CREATE INDEX incoming_received ON incoming (received, id);
CREATE INDEX incoming_sender ON incoming (received) WHERE left(sender, 7) <> 'erased:';

CREATE TABLE seen (
    mac      bytea PRIMARY KEY,         -- HMAC of channel, sender, time stamp, place and content: shown again, it is not stored twice
    received bigint NOT NULL
);

CREATE INDEX seen_received ON seen (received);

-- Parts that wait for others; a thousand at most, so they are judged as a whole.
CREATE TABLE part (
    n         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- order of arrival
    mac       bytea NOT NULL,           -- as in `seen`
    text      bigint NOT NULL,          -- parts of one text share it
    channel   text NOT NULL,
    sender    text NOT NULL,
    reference integer NOT NULL,
    total     smallint NOT NULL,
    seq       smallint NOT NULL,
    sent      bigint,
    received  bigint NOT NULL,
    content   bytea NOT NULL,           -- HMAC: two parts with one number are the same or of two texts
    pdu       bytea NOT NULL,           -- sealed
    UNIQUE (text, seq)
);

CREATE TABLE token (
    serial       text PRIMARY KEY,
    "user"       text NOT NULL,
    phone        text NOT NULL,
    pin          text NOT NULL,         -- argon2id, PHC string
    seed         bytea NOT NULL,        -- sealed
    counter      bigint NOT NULL,
    digits       smallint NOT NULL,
    failures     integer NOT NULL,
    max_failures integer NOT NULL,
    active       boolean NOT NULL,
    description  text NOT NULL,
    created      bigint NOT NULL
);

CREATE INDEX token_user ON token ("user");

CREATE TABLE challenge (
    txn      text NOT NULL,
    serial   text NOT NULL REFERENCES token (serial) ON DELETE CASCADE,
    counter  bigint NOT NULL,
    created  bigint NOT NULL,
    expires  bigint NOT NULL,
    message  uuid NOT NULL,             -- may be purged earlier, hence no foreign key
    answered bigint,
    proven   boolean NOT NULL,          -- a right PIN asked for it
    PRIMARY KEY (txn, serial)
);

CREATE INDEX challenge_serial ON challenge (serial, created);
CREATE INDEX challenge_expires ON challenge (expires);

-- Alarms and holds are of one appliance: the name of a port means something there only.
CREATE TABLE alarm (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    appliance uuid NOT NULL,
    kind      text NOT NULL,
    subject   text NOT NULL,            -- an IMEI, or the name of a port
    severity  text NOT NULL,
    cause     text NOT NULL,
    remedy    text NOT NULL,
    raised    bigint NOT NULL,          -- first told
    seen      bigint NOT NULL,          -- last told
    count     bigint NOT NULL,          -- times told
    cleared   bigint
);

CREATE UNIQUE INDEX alarm_open ON alarm (appliance, kind, subject) WHERE cleared IS NULL;
CREATE INDEX alarm_cleared ON alarm (cleared) WHERE cleared IS NOT NULL;

CREATE TABLE hold (
    appliance uuid NOT NULL,
    modem     text NOT NULL,            -- an IMEI, or the name of a port
    finishing boolean NOT NULL,         -- what began on it may finish
    PRIMARY KEY (appliance, modem)
);

-- Counted with the attempt, so that a budget holds over restarts and outlives the messages. A SIM that moves to another appliance
-- takes its count along. Windows as `route::budget` numbers them (UTC).
CREATE TABLE spent (
    channel    text PRIMARY KEY,
    minute     bigint NOT NULL,
    day        bigint NOT NULL,
    month      bigint NOT NULL,
    in_minute  integer NOT NULL,        -- segments that the network took or may have
    in_day     integer NOT NULL,
    in_month   integer NOT NULL,
    recipients integer NOT NULL         -- distinct ones in the month, where they are counted
) WITH (fillfactor = 50);

CREATE TABLE spent_recipient (
    month    bigint NOT NULL,
    channel  text NOT NULL,
    whom     bytea NOT NULL,            -- HMAC of the number
    segments integer NOT NULL,
    PRIMARY KEY (month, channel, whom)
);

-- What was asked for of the budgets of admission. One row for each thing that is counted and each day (UTC, since the epoch): the minute
-- of its last message, with the messages in it, in its hour and in the day. `counter` is an HMAC of dimension, subject and day.
CREATE TABLE allowance (
    day       bigint NOT NULL,
    counter   bytea NOT NULL,
    minute    bigint NOT NULL,
    in_minute integer NOT NULL,
    in_hour   integer NOT NULL,
    in_day    integer NOT NULL,
    PRIMARY KEY (day, counter)
) WITH (fillfactor = 50);

-- Lanes that an operator paused; for all appliances.
CREATE TABLE lane_hold (
    lane  smallint PRIMARY KEY,
    who   text NOT NULL,
    since bigint NOT NULL
);

-- What is on its way to hooks. One row for each story and hook, written by the appliance where it happened and carried by that one; gone
-- when it has arrived, kept for a while when it is given up.
CREATE TABLE outbox (
    id        bytea PRIMARY KEY,        -- time and chance
    appliance uuid NOT NULL,
    hook      text NOT NULL,            -- empty for a Kannel client
    made      bigint NOT NULL,
    due       bigint NOT NULL,          -- while it is carried: when it is taken for lost
    taken     boolean NOT NULL DEFAULT false,
    tries     integer NOT NULL DEFAULT 0,
    dead      bigint,                   -- when it was given up
    cause     text,                     -- of the last failure
    body      bytea NOT NULL            -- sealed
) WITH (autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX outbox_due ON outbox (appliance, hook, due) WHERE dead IS NULL;
CREATE INDEX outbox_dead ON outbox (dead) WHERE dead IS NOT NULL;

CREATE TABLE callback (
    message uuid PRIMARY KEY REFERENCES message (id) ON DELETE CASCADE,
    mask    smallint NOT NULL,          -- Kannel's dlr-mask
    target  bytea NOT NULL              -- sealed
);
