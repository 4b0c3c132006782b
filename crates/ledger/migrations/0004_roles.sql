-- Roles are held on scopes. A scope is the subscription (both names empty), a resource group (its
-- vault empty) or a vault. Roles are built in, so a role is its id.

CREATE UNIQUE INDEX principal_by_object ON principal (object_id);

CREATE TABLE role_assignment (
    name TEXT PRIMARY KEY NOT NULL,
    principal TEXT NOT NULL REFERENCES principal (object_id) ON DELETE CASCADE ON UPDATE CASCADE,
    role TEXT NOT NULL,
    resource_group TEXT NOT NULL COLLATE NOCASE,
    vault TEXT NOT NULL COLLATE NOCASE,
    created_at TEXT NOT NULL,
    UNIQUE (principal, role, resource_group, vault),
    CHECK (vault = '' OR resource_group <> '')
) STRICT;

-- What the column said becomes an assignment on the subscription. Only Owner gave access; other
-- texts gave none, and give none now.
INSERT INTO role_assignment (name, principal, role, resource_group, vault, created_at)
    SELECT lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4'
               || substr(hex(randomblob(2)), 2) || '-a' || substr(hex(randomblob(2)), 2) || '-'
               || hex(randomblob(6))),
           object_id, '8e3af657-a8ff-443c-a75c-2fe8c4bcb635', '', '',
           strftime('%Y-%m-%dT%H:%M:%f000000Z', 'now')
    FROM principal WHERE role = 'Owner';

ALTER TABLE principal DROP COLUMN role;

-- A group or vault that is made again under an old name does not bring old rights back.
CREATE TRIGGER role_assignment_ends_with_vault AFTER DELETE ON vault BEGIN
    DELETE FROM role_assignment
    WHERE resource_group = OLD.resource_group AND vault = OLD.name;
END;
CREATE TRIGGER role_assignment_ends_with_group AFTER DELETE ON resource_group BEGIN
    DELETE FROM role_assignment WHERE resource_group = OLD.name;
END;
