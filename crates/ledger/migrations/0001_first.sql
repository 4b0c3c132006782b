-- Times are RFC 3339 in UTC with nine decimals, so that text order is time order. Identifiers are
-- UUIDs in their hyphenated form. Columns whose text is JSON end in _json; nothing searches in them.

CREATE TABLE tenancy (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    tenant TEXT NOT NULL,
    subscription TEXT NOT NULL
) STRICT;

CREATE TABLE principal (
    client_id TEXT PRIMARY KEY NOT NULL,
    object_id TEXT NOT NULL,
    name TEXT NOT NULL,
    secret_hash TEXT NOT NULL,
    role TEXT NOT NULL
) STRICT;

CREATE TABLE resource_group (
    name TEXT PRIMARY KEY NOT NULL COLLATE NOCASE,
    region TEXT NOT NULL
) STRICT;

CREATE TABLE host (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    uri TEXT NOT NULL UNIQUE,
    region TEXT NOT NULL,
    resource_group TEXT NOT NULL
) STRICT;

CREATE TABLE vault (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL COLLATE NOCASE,
    resource_group TEXT NOT NULL COLLATE NOCASE,
    region TEXT NOT NULL,
    redundancy TEXT NOT NULL,
    created_at TEXT NOT NULL,
    UNIQUE (name, resource_group)
) STRICT;

CREATE TABLE policy (
    vault TEXT NOT NULL REFERENCES vault (id),
    name TEXT NOT NULL COLLATE NOCASE,
    schedule_json TEXT NOT NULL,
    daily_retention_days INTEGER NOT NULL,
    instant_rp_days INTEGER NOT NULL,
    time_zone TEXT NOT NULL,
    PRIMARY KEY (vault, name)
) STRICT;

CREATE TABLE item (
    id TEXT PRIMARY KEY NOT NULL,
    vault TEXT NOT NULL REFERENCES vault (id),
    -- One vault per virtual machine.
    vm TEXT NOT NULL UNIQUE,
    vm_name TEXT NOT NULL COLLATE NOCASE,
    vm_resource_group TEXT NOT NULL COLLATE NOCASE,
    policy TEXT NOT NULL COLLATE NOCASE,
    state TEXT NOT NULL,
    last_backup_json TEXT,
    chain_json TEXT,
    created_at TEXT NOT NULL,
    FOREIGN KEY (vault, policy) REFERENCES policy (vault, name)
) STRICT;
CREATE INDEX item_by_vault ON item (vault, vm_name);
CREATE INDEX item_by_policy ON item (vault, policy);

CREATE TABLE job (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    vault TEXT NOT NULL REFERENCES vault (id),
    item TEXT NOT NULL REFERENCES item (id),
    operation TEXT NOT NULL,
    status TEXT NOT NULL,
    ended INTEGER NOT NULL GENERATED ALWAYS AS
        (status IN ('Cancelled', 'Completed', 'CompletedWithWarnings', 'Failed')) VIRTUAL,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    point INTEGER,
    retain_until TEXT,
    detail_json TEXT NOT NULL
) STRICT;
-- One backup job per item.
CREATE UNIQUE INDEX job_one_backup ON job (item) WHERE ended = 0 AND operation = 'Backup';
CREATE INDEX job_unfinished ON job (started_at) WHERE ended = 0;
CREATE INDEX job_by_time ON job (started_at);
CREATE INDEX job_by_vault ON job (vault, started_at);
CREATE INDEX job_by_item ON job (item, started_at);

CREATE TABLE point (
    id INTEGER PRIMARY KEY,
    vault TEXT NOT NULL REFERENCES vault (id),
    item TEXT NOT NULL REFERENCES item (id),
    -- No reference: points can be rebuilt from the repository, which knows no jobs.
    job TEXT NOT NULL,
    taken_at TEXT NOT NULL,
    consistency TEXT NOT NULL,
    retain_until TEXT,
    logical_bytes INTEGER NOT NULL,
    read_bytes INTEGER NOT NULL,
    stored_bytes INTEGER NOT NULL,
    disks_json TEXT NOT NULL
) STRICT;
CREATE INDEX point_by_item ON point (item, taken_at);
CREATE INDEX point_by_vault ON point (vault);
