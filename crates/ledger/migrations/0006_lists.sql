-- Each list that the API pages through has an index that ends in the list's own order, so that a page
-- costs what is on it, whatever is filtered by and wherever in the list it is.

DROP INDEX item_by_vault;
CREATE INDEX item_by_vault ON item (vault, vm_name, id);
DROP INDEX item_by_policy;
CREATE INDEX item_by_policy ON item (vault, policy, vm_name, id);
CREATE INDEX job_by_status ON job (vault, status, started_at);
CREATE INDEX job_by_operation ON job (vault, operation, started_at);
