/** The copy as the pipeline sees it: the server, its databases and the stores of its state. */
import type { CheckpointStore } from '../destination/checkpoint.ts';
import type { ClickHouse } from '../destination/client.ts';
import type { Names } from '../destination/ddl.ts';
import type { Fence } from '../destination/fence.ts';
import type { TableStateStore } from '../destination/table-state.ts';

/** Where one pipeline writes. */
export interface Copy {
  readonly clickhouse: ClickHouse;
  readonly names: Names;
  /** Name of the pipeline: that of its slot. */
  readonly pipeline: string;
  /** What keeps others from writing, and marks what we write. */
  readonly fence: Fence;
  readonly checkpoint: CheckpointStore;
  readonly tables: TableStateStore;
}
