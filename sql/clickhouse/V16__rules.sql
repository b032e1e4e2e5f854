-- By which rules of the configuration a table's rows were copied: others mean that it is built anew.

ALTER TABLE ${internal}.tables ADD COLUMN IF NOT EXISTS
    rule  String  COMMENT 'JSON: digests of the rules for the table and its columns when its mirror was begun; empty: none' AFTER shape;
