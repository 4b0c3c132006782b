-- A vault that holds only soft-deleted items is out of sight once it is deleted, until it is
-- brought back or goes with the last of them: deleted_at says since when. Another vault may have
-- its name meanwhile, so names are unique among the others only. SQLite cannot drop a table's
-- UNIQUE, so the table is made anew; references to it are by its name.

CREATE TABLE vault_new (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL COLLATE NOCASE,
    resource_group TEXT NOT NULL COLLATE NOCASE,
    region TEXT NOT NULL,
    redundancy TEXT NOT NULL,
    created_at TEXT NOT NULL,
    settings_json TEXT NOT NULL DEFAULT '{}',
    tags_json TEXT NOT NULL DEFAULT '{}',
    changed_at TEXT NOT NULL DEFAULT '',
    deleted_at TEXT
) STRICT;
INSERT INTO vault_new (id, name, resource_group, region, redundancy, created_at, settings_json,
        tags_json, changed_at)
    SELECT id, name, resource_group, region, redundancy, created_at, settings_json, tags_json,
        changed_at
    FROM vault;
DROP TABLE vault;
ALTER TABLE vault_new RENAME TO vault;
CREATE UNIQUE INDEX vault_by_name ON vault (name, resource_group) WHERE deleted_at IS NULL;

-- A vault that is deleted in whichever way does not leave its rights to the next one of its name;
-- and one that has been out of sight takes none from the one that has its name by now.
CREATE TRIGGER role_assignment_ends_with_vault AFTER DELETE ON vault
    WHEN OLD.deleted_at IS NULL BEGIN
    DELETE FROM role_assignment
    WHERE resource_group = OLD.resource_group AND vault = OLD.name;
END;
CREATE TRIGGER role_assignment_ends_with_soft_deleted_vault AFTER UPDATE OF deleted_at ON vault
    WHEN OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL BEGIN
    DELETE FROM role_assignment
    WHERE resource_group = OLD.resource_group AND vault = OLD.name;
END;

-- The jobs of an item outlive it: they tell what became of it.

CREATE TABLE job_new (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    vault TEXT NOT NULL REFERENCES vault (id),
    -- No reference: the item may be gone.
    item TEXT NOT NULL,
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
INSERT INTO job_new (seq, id, vault, item, operation, status, started_at, ended_at, point,
        retain_until, detail_json)
    SELECT seq, id, vault, item, operation, status, started_at, ended_at, point, retain_until,
        detail_json
    FROM job;
DROP TABLE job;
ALTER TABLE job_new RENAME TO job;
-- One backup job per item.
CREATE UNIQUE INDEX job_one_backup ON job (item) WHERE ended = 0 AND operation = 'Backup';
CREATE INDEX job_unfinished ON job (started_at) WHERE ended = 0;
CREATE INDEX job_by_time ON job (started_at);
CREATE INDEX job_by_vault ON job (vault, started_at);
CREATE INDEX job_by_item ON job (item, started_at);
CREATE INDEX job_by_status ON job (vault, status, started_at);
CREATE INDEX job_by_operation ON job (vault, operation, started_at);
