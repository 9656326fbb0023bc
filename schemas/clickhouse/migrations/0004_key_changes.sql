-- Key changes of signed decisions (spec 11): an envelope is stored whole, so that it can be verified after an export.

ALTER TABLE decision_rows
    ADD COLUMN IF NOT EXISTS key_change String CODEC(ZSTD(1)) COMMENT 'JSON, empty where the key stays' AFTER key_id;

CREATE OR REPLACE VIEW decisions AS SELECT * FROM decision_rows FINAL;
