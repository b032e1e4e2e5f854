/**
 * What all columns share: their type, the NULL map, and what happens to a value that does not fit.
 *
 * Subclasses read `rows` and `nulls` directly: a method call per value would be the dearest part of it.
 */
import { endianness } from 'node:os';
import { AppError } from '../model/errors.ts';
import type { ColumnBuffer, UnfitPolicy } from './column.ts';

/** How a column is opened. */
export interface ColumnOptions {
  /** Type in ClickHouse without `Nullable(…)`, for example `Decimal(10, 2)`. */
  readonly type: string;
  /** Whether the column has a NULL map. */
  readonly nullable: boolean;
  /** Name for messages: that of the source column, or the type. */
  readonly label: string;
  /** What to do with values that do not fit. */
  readonly policy: UnfitPolicy;
  /** NULL is a value that does not fit: the configuration wants none where the source allows it. */
  readonly isNullUnfit?: boolean;
}

/** The policy that replaces nothing. */
export const FAIL_UNFIT: UnfitPolicy = { action: 'fail', report: () => undefined };

/** Longest text handed to {@link UnfitPolicy.report}. */
const REPORTED_CHARACTERS = 200;
const NO_BYTES = new Uint8Array(0);

// Native data is little-endian, and columns write it through Int32Array. Node runs on one big-endian
// platform (s390x), where every value would be wrong: better not to start.
if (endianness() !== 'LE') throw new AppError('INTERNAL', 'Millrace needs a little-endian processor');

/** Type, NULL map and unfit values of a column. */
export abstract class ColumnBase implements ColumnBuffer {
  readonly clickhouseType: string;
  protected readonly options: ColumnOptions;
  protected rows = 0;
  /** One byte per row, 1 = NULL; null when the column cannot hold NULL. */
  protected nulls: Uint8Array | null;

  constructor(options: ColumnOptions) {
    this.options = options;
    this.clickhouseType = options.nullable ? `Nullable(${options.type})` : options.type;
    this.nulls = options.nullable ? NO_BYTES : null;
  }

  get length(): number {
    return this.rows;
  }

  abstract readonly byteLength: number;
  abstract appendText(bytes: Buffer, start: number, end: number): void;
  abstract appendBinary(bytes: Buffer, start: number, end: number): void;
  abstract appendFrom(source: ColumnBuffer, row: number): void;
  abstract truncate(rows: number): void;
  abstract value(row: number): number | bigint | string | boolean | null;
  abstract encode(parts: Uint8Array[]): void;
  abstract decode(bytes: Buffer, offset: number, rows: number): number;
  /** Appends the type's zero: 0, the empty string, 1970-01-01. */
  protected abstract appendZero(): void;

  appendBinaryRun(_bytes: Buffer, _start: number, _strideBytes: number, _rows: number): void {
    throw new AppError('INTERNAL', `${this.clickhouseType} has no fixed width`);
  }

  appendNull(): void {
    if (this.nulls === null && this.options.isNullUnfit === true)
      return this.unfit('NULL', 'NULL in a column that is not to be Nullable', () => this.appendZero());
    if (this.nulls === null) {
      const message = `${this.options.label}: NULL in a column that cannot hold it`;
      throw new AppError('VALUE_UNFIT', message, { details: { isUnexpectedNull: true } });
    }
    this.appendZero();
    this.nulls[this.rows - 1] = 1;
  }

  appendFiller(): void {
    if (this.nulls === null) this.appendZero();
    else this.appendNull();
  }

  clear(): void {
    this.truncate(0);
  }

  isNull(row: number): boolean {
    return this.nulls !== null && this.nulls[row] === 1;
  }

  /** Refuses bytes that are not in the form PostgreSQL documents. The value itself stays out of the message. */
  protected syntax(form: string): AppError {
    return new AppError('VALUE_SYNTAX', `${this.options.label}: a value is not in the form of ${form}`);
  }

  /** Refuses a source column of another class; only columns of one type can be copied row by row. */
  protected foreign(source: ColumnBuffer): AppError {
    return new AppError(
      'INTERNAL',
      `${this.options.label}: cannot append from ${source.clickhouseType} to ${this.clickhouseType}`,
    );
  }

  /** Checks that `[start, end)` is `width` bytes inside `bytes`. */
  protected checkWidth(bytes: Buffer, range: { start: number; end: number }, width: number): void {
    if (range.end - range.start !== width || range.start < 0 || range.end > bytes.length) {
      throw this.syntax(`${this.options.type}: ${range.end - range.start} bytes instead of ${width}`);
    }
  }

  /**
   * Applies the policy to a value that does not fit.
   *
   * @param text The value as PostgreSQL writes it.
   * @param clamp Appends the nearest value that fits; null when there is none (NaN).
   * @throws {AppError} `VALUE_UNFIT` when the policy is to fail, or nothing can stand in.
   */
  protected unfit(text: string, reason: string, clamp: (() => void) | null): void {
    const { action, report } = this.options.policy;
    const cannotStandIn = action === 'clamp' ? clamp === null : this.nulls === null;
    if (action === 'fail' || cannotStandIn) {
      throw new AppError('VALUE_UNFIT', `${this.options.label}: ${reason}`);
    }
    const { rows: row } = this;
    if (action === 'clamp' && clamp !== null) clamp();
    else this.appendNull();
    report({ text: text.slice(0, REPORTED_CHARACTERS), reason, action: action === 'clamp' ? 'clamp' : 'null', row });
  }
}
