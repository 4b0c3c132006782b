-- What an operator wants of a vault, and what vaults and resource groups are marked with. A vault of
-- before gets what Azure gives a new one. What is left of a deleted vault is removed after its row is
-- here; until then cleared_at is null.

ALTER TABLE vault ADD COLUMN settings_json TEXT NOT NULL DEFAULT '{}';
ALTER TABLE vault ADD COLUMN tags_json TEXT NOT NULL DEFAULT '{}';
ALTER TABLE vault ADD COLUMN changed_at TEXT NOT NULL DEFAULT '';
UPDATE vault SET changed_at = created_at;

ALTER TABLE resource_group ADD COLUMN tags_json TEXT NOT NULL DEFAULT '{}';

CREATE TABLE deleted_vault (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL COLLATE NOCASE,
    resource_group TEXT NOT NULL COLLATE NOCASE,
    region TEXT NOT NULL,
    deleted_at TEXT NOT NULL,
    cleared_at TEXT
) STRICT;
CREATE INDEX deleted_vault_uncleared ON deleted_vault (deleted_at) WHERE cleared_at IS NULL;
