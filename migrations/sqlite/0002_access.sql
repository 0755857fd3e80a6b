-- Who may ask, and what for. Secrets stand here only as argon2id (passwords) or SHA-256 (random
-- texts). What leaves the registry names rows by their uid, never by their id.

CREATE TABLE identities (
    id            INTEGER PRIMARY KEY,
    uid           TEXT NOT NULL UNIQUE,
    kind          TEXT NOT NULL CHECK (kind IN ('user', 'principal', 'federated')),
    -- What one signs in with: of a service principal it is its uid.
    name          TEXT NOT NULL UNIQUE,
    display_name  TEXT NOT NULL DEFAULT '',
    enabled       INTEGER NOT NULL DEFAULT 1,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
);

-- A credential never changes: a new password is a new row, so what was issued on the old one goes
-- with it.
CREATE TABLE credentials (
    id           INTEGER PRIMARY KEY,
    uid          TEXT NOT NULL UNIQUE,
    identity_id  INTEGER NOT NULL REFERENCES identities (id) ON DELETE CASCADE,
    kind         TEXT NOT NULL CHECK (kind IN ('password', 'secret', 'token')),
    label        TEXT NOT NULL DEFAULT '',
    hash         TEXT NOT NULL,
    -- Rules as in scope_map_rules, one a line, that narrow the identity's rights; NULL for all.
    restriction  TEXT,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER
);

CREATE INDEX credentials_by_identity ON credentials (identity_id);
CREATE UNIQUE INDEX credentials_one_password ON credentials (identity_id) WHERE kind = 'password';
CREATE UNIQUE INDEX credentials_by_hash ON credentials (hash) WHERE kind <> 'password';

CREATE TABLE scope_maps (
    id           INTEGER PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE,
    description  TEXT NOT NULL DEFAULT '',
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
);

CREATE TABLE scope_map_rules (
    scope_map_id  INTEGER NOT NULL REFERENCES scope_maps (id) ON DELETE CASCADE,
    pattern       TEXT NOT NULL,
    -- Actions joined by commas, such as content/read,metadata/read.
    actions       TEXT NOT NULL,
    PRIMARY KEY (scope_map_id, pattern)
) WITHOUT ROWID;

-- A role or a scope map, given to an identity or to a group that an issuer names.
CREATE TABLE role_assignments (
    id            INTEGER PRIMARY KEY,
    uid           TEXT NOT NULL UNIQUE,
    identity_id   INTEGER REFERENCES identities (id) ON DELETE CASCADE,
    group_name    TEXT,
    role          TEXT,
    scope_map_id  INTEGER REFERENCES scope_maps (id),
    pattern       TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    CHECK ((identity_id IS NULL) <> (group_name IS NULL)),
    CHECK ((role IS NULL) <> (scope_map_id IS NULL))
);

CREATE INDEX role_assignments_by_identity ON role_assignments (identity_id);
CREATE INDEX role_assignments_by_group ON role_assignments (group_name);
CREATE INDEX role_assignments_by_scope_map ON role_assignments (scope_map_id);

-- The newest key signs; the older ones verify what they signed until they retire.
CREATE TABLE signing_keys (
    id          INTEGER PRIMARY KEY,
    kid         TEXT NOT NULL UNIQUE,
    -- PKCS #8.
    private     BLOB NOT NULL,
    created_at  INTEGER NOT NULL,
    retires_at  INTEGER
);

-- Foreign issuers of ID tokens.
CREATE TABLE trusted_issuers (
    id             INTEGER PRIMARY KEY,
    uid            TEXT NOT NULL UNIQUE,
    name           TEXT NOT NULL UNIQUE,
    url            TEXT NOT NULL UNIQUE,
    audience       TEXT NOT NULL,
    -- Claim that lists the groups of the subject; NULL for none.
    groups_claim   TEXT,
    -- For people who sign in with a browser; NULL if the issuer is for machines only.
    client_id      TEXT,
    client_secret  TEXT,
    created_at     INTEGER NOT NULL
);

-- What the claims of an issuer's ID token must be, and whom or what they then stand for.
CREATE TABLE federation_rules (
    id           INTEGER PRIMARY KEY,
    uid          TEXT NOT NULL UNIQUE,
    issuer_id    INTEGER NOT NULL REFERENCES trusted_issuers (id) ON DELETE CASCADE,
    condition    TEXT NOT NULL,
    identity_id  INTEGER REFERENCES identities (id) ON DELETE CASCADE,
    role         TEXT,
    pattern      TEXT,
    created_at   INTEGER NOT NULL,
    CHECK ((identity_id IS NULL) <> (role IS NULL)),
    CHECK ((role IS NULL) = (pattern IS NULL))
);

CREATE INDEX federation_rules_by_issuer ON federation_rules (issuer_id);

-- A sign-in by a foreign ID token: its claims decide the rights as long as anything issued on it
-- lives.
CREATE TABLE federated_sign_ins (
    id           INTEGER PRIMARY KEY,
    uid          TEXT NOT NULL UNIQUE,
    identity_id  INTEGER NOT NULL REFERENCES identities (id) ON DELETE CASCADE,
    issuer_id    INTEGER NOT NULL REFERENCES trusted_issuers (id) ON DELETE CASCADE,
    claims       TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL
);

CREATE INDEX federated_sign_ins_by_expiry ON federated_sign_ins (expires_at);
CREATE INDEX federated_sign_ins_by_identity ON federated_sign_ins (identity_id);
CREATE INDEX federated_sign_ins_by_issuer ON federated_sign_ins (issuer_id);

-- Refresh tokens and browser sessions: random texts, kept as SHA-256. They end with what they were
-- issued on.
CREATE TABLE refresh_tokens (
    id             INTEGER PRIMARY KEY,
    hash           TEXT NOT NULL UNIQUE,
    kind           TEXT NOT NULL CHECK (kind IN ('refresh', 'session')),
    identity_id    INTEGER NOT NULL REFERENCES identities (id) ON DELETE CASCADE,
    credential_id  INTEGER REFERENCES credentials (id) ON DELETE CASCADE,
    sign_in_id     INTEGER REFERENCES federated_sign_ins (id) ON DELETE CASCADE,
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    CHECK ((credential_id IS NULL) <> (sign_in_id IS NULL))
);

CREATE INDEX refresh_tokens_by_identity ON refresh_tokens (identity_id);
CREATE INDEX refresh_tokens_by_credential ON refresh_tokens (credential_id);
CREATE INDEX refresh_tokens_by_sign_in ON refresh_tokens (sign_in_id);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);

-- Every change to the above: who, what, when, from where.
CREATE TABLE audit_events (
    id          INTEGER PRIMARY KEY,
    created_at  INTEGER NOT NULL,
    actor       TEXT NOT NULL,
    address     TEXT NOT NULL,
    action      TEXT NOT NULL,
    target      TEXT NOT NULL,
    -- A JSON object.
    detail      TEXT NOT NULL
);
