-- The tables of relay.db before revisions were numbered (user_version 2); version 1 had no tiles.
CREATE TABLE tiles (
    level INTEGER NOT NULL,
    number INTEGER NOT NULL,
    root BLOB NOT NULL,
    hashes BLOB NOT NULL,
    PRIMARY KEY (level, number)
);

CREATE TABLE tickets (
    id INTEGER NOT NULL,
    subject VARCHAR NOT NULL,
    description VARCHAR NOT NULL,
    opened VARCHAR NOT NULL,
    opened_by VARCHAR NOT NULL,
    closed VARCHAR,
    PRIMARY KEY (id)
);

CREATE TABLE outbox (
    id INTEGER NOT NULL,
    session VARCHAR(18) NOT NULL,
    seq INTEGER NOT NULL,
    ticket INTEGER NOT NULL,
    visibility VARCHAR NOT NULL,
    note INTEGER,
    PRIMARY KEY (id),
    UNIQUE (session, seq)
);

CREATE INDEX outbox_waiting ON outbox (ticket, id) WHERE note IS NULL;

CREATE TABLE tokens (
    hash BLOB NOT NULL,
    name VARCHAR NOT NULL,
    "key" VARCHAR NOT NULL,
    serial INTEGER NOT NULL,
    role VARCHAR NOT NULL,
    expires VARCHAR NOT NULL,
    PRIMARY KEY (hash)
);

CREATE TABLE logins (
    id INTEGER NOT NULL,
    time VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    "key" VARCHAR NOT NULL,
    serial INTEGER NOT NULL,
    role VARCHAR NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE sessions (
    id VARCHAR(18) NOT NULL,
    ticket INTEGER NOT NULL,
    subject VARCHAR NOT NULL,
    technician VARCHAR NOT NULL,
    technician_key VARCHAR NOT NULL,
    serial INTEGER NOT NULL,
    host_key VARCHAR NOT NULL,
    journal_key VARCHAR NOT NULL,
    opened VARCHAR NOT NULL,
    until VARCHAR NOT NULL,
    streams INTEGER NOT NULL,
    ended VARCHAR,
    end_reason VARCHAR NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(ticket) REFERENCES tickets (id)
);

CREATE INDEX ix_sessions_technician_key ON sessions (technician_key);

CREATE INDEX ix_sessions_ticket ON sessions (ticket);

CREATE TABLE notes (
    id INTEGER NOT NULL,
    ticket INTEGER NOT NULL,
    "key" VARCHAR NOT NULL,
    time VARCHAR NOT NULL,
    author VARCHAR NOT NULL,
    text VARCHAR NOT NULL,
    visibility VARCHAR NOT NULL,
    session VARCHAR NOT NULL,
    events BLOB NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (ticket, "key"),
    FOREIGN KEY(ticket) REFERENCES tickets (id)
);

CREATE TABLE records (
    "index" INTEGER NOT NULL,
    session VARCHAR(18) NOT NULL,
    seq INTEGER NOT NULL,
    hash VARCHAR(64) NOT NULL,
    code VARCHAR(8) NOT NULL,
    action VARCHAR NOT NULL,
    record BLOB NOT NULL,
    head VARCHAR NOT NULL,
    time VARCHAR NOT NULL,
    signature VARCHAR NOT NULL,
    PRIMARY KEY ("index"),
    UNIQUE (session, seq),
    FOREIGN KEY(session) REFERENCES sessions (id)
);

CREATE TABLE wraps (
    session VARCHAR(18) NOT NULL,
    key_id VARCHAR NOT NULL,
    reviewer VARCHAR NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (session, key_id, reviewer),
    FOREIGN KEY(session) REFERENCES sessions (id)
);

PRAGMA user_version=2;
