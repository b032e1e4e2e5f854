/** Columns that hold other values than those that are appended, in a column of another kind. */
import { AppError } from '../model/errors.ts';
import type { Transform } from '../model/table-rule.ts';
import type { ColumnBuffer, UnfitPolicy } from './column.ts';

/** A column that keeps its rows in another. What comes from the copy goes there as it is: it has been changed already. */
abstract class WrappedColumn implements ColumnBuffer {
  protected readonly inner: ColumnBuffer;

  /** @param inner An empty column. */
  constructor(inner: ColumnBuffer) {
    this.inner = inner;
  }

  abstract appendText(bytes: Buffer, start: number, end: number): void;
  abstract appendBinary(bytes: Buffer, start: number, end: number): void;
  abstract appendBinaryRun(bytes: Buffer, start: number, strideBytes: number, rows: number): void;
  abstract appendNull(): void;

  get clickhouseType(): string {
    return this.inner.clickhouseType;
  }
  get length(): number {
    return this.inner.length;
  }
  get byteLength(): number {
    return this.inner.byteLength;
  }
  appendFiller(): void {
    this.inner.appendFiller();
  }
  appendFrom(source: ColumnBuffer, row: number): void {
    this.inner.appendFrom(source instanceof WrappedColumn ? source.inner : source, row);
  }
  truncate(rows: number): void {
    this.inner.truncate(rows);
  }
  clear(): void {
    this.inner.clear();
  }
  isNull(row: number): boolean {
    return this.inner.isNull(row);
  }
  value(row: number): ReturnType<ColumnBuffer['value']> {
    return this.inner.value(row);
  }
  encode(parts: Uint8Array[]): void {
    this.inner.encode(parts);
  }
  decode(bytes: Buffer, offset: number, rows: number): number {
    return this.inner.decode(bytes, offset, rows);
  }
}

/** NULL for every value, in a column of the value's own type. */
export class NulledColumn extends WrappedColumn {
  /** @param inner An empty column that can hold NULL. */
  constructor(inner: ColumnBuffer) {
    if (!inner.clickhouseType.includes('Nullable(')) throw new AppError('INTERNAL', 'a column that cannot hold NULL');
    super(inner);
  }

  appendText(): void {
    this.inner.appendNull();
  }
  appendBinary(): void {
    this.inner.appendNull();
  }
  appendBinaryRun(_bytes: Buffer, _start: number, _strideBytes: number, rows: number): void {
    for (let row = 0; row < rows; row++) this.inner.appendNull();
  }
  appendNull(): void {
    this.inner.appendNull();
  }
  override appendFrom(): void {
    this.inner.appendNull();
  }
  override isNull(): boolean {
    return true;
  }
  override value(): null {
    return null;
  }
}

/** What is told of a value that was not stored: it may be what the transform is there to hide. */
const WITHHELD = '(withheld)';
const LONE_SURROGATE = /\p{Surrogate}/u;

/** The same policy, telling no values. */
export function withheld(policy: UnfitPolicy): UnfitPolicy {
  return { ...policy, report: (value) => policy.report({ ...value, text: WITHHELD }) };
}

/** What a function of the configuration makes of the values' text. */
export class TransformedColumn extends WrappedColumn {
  readonly #transform: Transform;
  readonly #label: string;
  readonly #policy: UnfitPolicy;

  /** @param inner Reads what the function returns, in the text form of its type. */
  constructor(inner: ColumnBuffer, options: { transform: Transform; label: string; policy: UnfitPolicy }) {
    super(inner);
    this.#transform = options.transform;
    this.#label = options.label;
    this.#policy = options.policy;
  }

  appendText(bytes: Buffer, start: number, end: number): void {
    if (start < 0 || end < start || end > bytes.length)
      throw new AppError('VALUE_SYNTAX', `${this.#label}: a value ends outside its bytes`);
    this.#append(bytes.toString('utf8', start, end));
  }
  /** Only of types whose binary form is their text. */
  appendBinary(bytes: Buffer, start: number, end: number): void {
    this.appendText(bytes, start, end);
  }
  appendBinaryRun(): void {
    throw new AppError('INTERNAL', `${this.#label}: a transformed column has no fixed width`);
  }
  appendNull(): void {
    this.#append(null);
  }

  #append(value: string | null): void {
    let result: unknown;
    try {
      result = this.#transform(value);
    } catch (error) {
      this.refuse(`its transform threw ${error instanceof Error ? error.name : typeof error}`);
      return;
    }
    if (typeof result === 'string' || result === null) this.store(result);
    else this.refuse(`its transform gave ${typeof result}, not text or null`);
  }

  /** Appends what a function has made. */
  store(text: string | null): void {
    if (text === null) this.#orRefuse(() => this.inner.appendNull(), 'its transform gave NULL');
    else if (LONE_SURROGATE.test(text)) this.refuse('its transform gave half of a surrogate pair, which is no text');
    else {
      const bytes = Buffer.from(text, 'utf8');
      const type = this.inner.clickhouseType;
      this.#orRefuse(() => this.inner.appendText(bytes, 0, bytes.length), `its transform gave no value of ${type}`);
    }
  }

  /** Appends; what the column of the copy does not take is a value that does not fit. */
  #orRefuse(append: () => void, reason: string): void {
    const row = this.inner.length;
    try {
      append();
    } catch (error) {
      if (!(error instanceof AppError) || (error.code !== 'VALUE_SYNTAX' && error.code !== 'VALUE_UNFIT')) throw error;
      this.inner.truncate(row);
      this.refuse(reason);
    }
  }

  /** Appends what `unfit` says of a value that is none. @throws {AppError} `VALUE_UNFIT`, unless that is NULL. */
  refuse(reason: string): void {
    const row = this.inner.length;
    if (this.#policy.action !== 'null' || !this.inner.clickhouseType.includes('Nullable('))
      throw new AppError('VALUE_UNFIT', `${this.#label}: ${reason}`);
    this.inner.appendNull();
    this.#policy.report({ text: WITHHELD, reason, action: 'null', row });
  }
}
