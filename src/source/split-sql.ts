/**
 * Cuts a script of PostgreSQL into its statements, as psql would: at semicolons outside of quotes, comments, dollar
 * quotes, parentheses and bodies of SQL functions.
 */

/** One statement of a script. */
export interface SqlStatement {
  readonly text: string;
  /** The same without comments. */
  readonly plain: string;
  /** Where it begins, from 1. */
  readonly line: number;
}

/** What is one piece, whatever is in it; the first that fits counts. */
const COMMENT = /--[^\n]*/y;
const QUOTED = [/[eE]'(?:[^'\\]|\\[^]|'')*(?:'|$)/y, /'(?:[^']|'')*(?:'|$)/y, /"(?:[^"]|"")*(?:"|$)/y];
const DOLLAR = /\$([\p{L}_][\p{L}\p{N}_]*)?\$/uy;
const WORD = /[\p{L}_][\p{L}\p{N}_$]*/uy;

/** Cuts a script. What is left open at its end is the last statement: PostgreSQL says what is wrong with it. */
export function splitSql(script: string): SqlStatement[] {
  const statements: SqlStatement[] = [];
  let start = 0;
  let plain = '';
  let parentheses = 0;
  let bodies = 0;
  const end = (at: number): void => {
    const text = script.slice(start, at).trim();
    const line = 1 + linesIn(script.slice(0, start + leadingSpace(script.slice(start, at))));
    if (plain.trim() !== '') statements.push({ text, plain: plain.trim(), line });
    [start, plain, parentheses, bodies] = [at + 1, '', 0, 0];
  };
  for (let at = 0; at < script.length;) {
    const comment = commentAt(script, at);
    if (comment > 0) {
      plain += ' ';
      at += comment;
      continue;
    }
    const char = script[at] as string;
    const length = quotedAt(script, at) || matchAt(WORD, script, at).length || 1;
    const piece = script.slice(at, at + length);
    if (char === ';' && parentheses === 0 && bodies === 0) end(at);
    else plain += piece;
    if (char === '(') parentheses++;
    else if (char === ')') parentheses--;
    bodies = Math.max(0, bodies + bodyStep(piece, plain, bodies));
    at += length;
  }
  end(script.length);
  return statements;
}

/** The body of an SQL function between BEGIN ATOMIC and END has statements of its own. */
function bodyStep(word: string, plain: string, bodies: number): number {
  if (!/^(begin|case|end)$/i.test(word) || !/^\s*create\s+(or\s+replace\s+)?(function|procedure)\b/i.test(plain))
    return 0;
  if (/^end$/i.test(word)) return -1;
  return /^begin$/i.test(word) || bodies > 0 ? 1 : 0;
}

function commentAt(script: string, at: number): number {
  const line = matchAt(COMMENT, script, at).length;
  if (line > 0 || !script.startsWith('/*', at)) return line;
  // Comments of PostgreSQL may lie in one another.
  for (let depth = 0, i = at; i < script.length; i++) {
    if (script.startsWith('/*', i)) depth++;
    else if (script.startsWith('*/', i)) depth--;
    else continue;
    i++;
    if (depth === 0) return i + 1 - at;
  }
  return script.length - at;
}

function quotedAt(script: string, at: number): number {
  for (const pattern of QUOTED) {
    const { length } = matchAt(pattern, script, at);
    if (length > 0) return length;
  }
  const tag = matchAt(DOLLAR, script, at);
  if (tag === '') return 0;
  const close = script.indexOf(tag, at + tag.length);
  return (close < 0 ? script.length : close + tag.length) - at;
}

function matchAt(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? '';
}

function leadingSpace(text: string): number {
  return text.length - text.trimStart().length;
}

function linesIn(text: string): number {
  return text.split('\n').length - 1;
}
