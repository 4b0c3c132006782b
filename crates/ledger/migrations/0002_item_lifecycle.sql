-- An item may have no policy (protection stopped), may be deleted but not gone, and may leave disks
-- out. SQLite cannot drop NOT NULL, so the table is made anew; references to it are by its name.

CREATE TABLE item_new (
    id TEXT PRIMARY KEY NOT NULL,
    vault TEXT NOT NULL REFERENCES vault (id),
    -- One vault per virtual machine.
    vm TEXT NOT NULL UNIQUE,
    vm_name TEXT NOT NULL COLLATE NOCASE,
    vm_resource_group TEXT NOT NULL COLLATE NOCASE,
    policy TEXT COLLATE NOCASE,
    state TEXT NOT NULL,
    deletion_json TEXT,
    disks_json TEXT NOT NULL,
    last_backup_json TEXT,
    chain_json TEXT,
    created_at TEXT NOT NULL,
    FOREIGN KEY (vault, policy) REFERENCES policy (vault, name)
) STRICT;
INSERT INTO item_new (id, vault, vm, vm_name, vm_resource_group, policy, state, disks_json,
        last_backup_json, chain_json, created_at)
    SELECT id, vault, vm, vm_name, vm_resource_group, policy, state, '"all"',
        last_backup_json, chain_json, created_at
    FROM item;
DROP TABLE item;
ALTER TABLE item_new RENAME TO item;
CREATE INDEX item_by_vault ON item (vault, vm_name);
CREATE INDEX item_by_policy ON item (vault, policy);
