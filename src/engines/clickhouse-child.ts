/**
 * The program that becomes a ClickHouse server: loads the library and calls it, which returns when
 * the server has ended (some seconds after the end of stdin).
 *
 * Usage: `node clickhouse-child.js LIBRARY ARGUMENT…`. Passwords are in the configuration file that an argument
 * names, so they stand in no process list.
 *
 * With ffi-rs, as koffi switches stacks and ClickHouse then aborts with TOO_DEEP_RECURSION; on the main thread,
 * as that one has the deep stack.
 */
import { DataType, load, open } from 'ffi-rs';

const [path = '', ...options] = process.argv.slice(2);
// The last statement reads our stdin, which never holds anything: it blocks until the other end closes.
const untilStdinEnds = "SELECT * FROM file(stdin, 'LineAsString', 'line String') FORMAT Null";
const query = `SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; ${untilStdinEnds}`;
const args = ['clickhouse', ...options, `--query=${query}`];

open({ library: 'chdb', path });
const result = load({
  library: 'chdb',
  funcName: 'chdb_query_cmdline',
  retType: DataType.External,
  paramsType: [DataType.I32, DataType.StringArray],
  paramsValue: [args.length, args],
});
const readError = {
  library: 'chdb',
  funcName: 'chdb_result_error',
  paramsType: [DataType.External],
  paramsValue: [result],
};
// First as a number: the text of a null pointer, which means no error, would be read from address 0.
if (Number(load({ ...readError, retType: DataType.BigInt })) !== 0) {
  process.stderr.write(`${load({ ...readError, retType: DataType.String })}\n`);
  process.exitCode = 1;
}
