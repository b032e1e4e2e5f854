/** Names of columns that mirrors, landing tables and views have beside those of the source: no source column can be called so. */
export const OWN_COLUMNS: ReadonlySet<string> = new Set([
  '_version',
  '_deleted',
  '_deleted_at',
  '_ordinal',
  '_sign',
  '_raw',
  '_committed_at',
  '_copies',
  '_copy',
]);
