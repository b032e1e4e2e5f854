/** Cuts a script into statements: ClickHouse's HTTP interface takes one at a time. */

/**
 * What a `;` does not end a statement in, and what is not part of one. Sticky alternatives of ClickHouse's lexer:
 * comments (`--`, `#!`, `# `, and block comments, which do not nest), strings and quoted identifiers (a backslash or a doubled
 * quote escapes), and heredocs (`$tag$…$tag$`). An unclosed one reaches to the end.
 */
const COMMENT = /(?:--|#[ !])[^\n]*|\/\*[^]*?(?:\*\/|$)/y;
const QUOTED =
  /'(?:[^'\\]|\\[^]|'')*(?:'|$)|"(?:[^"\\]|\\[^]|"")*(?:"|$)|`(?:[^`\\]|\\[^]|``)*(?:`|$)|\$(\w*)\$[^]*?(?:\$\1\$|$)/y;

/** The statements of a script, without the `;`, comments kept; pieces of nothing but comments are left out. */
export function splitStatements(script: string): string[] {
  const statements: string[] = [];
  let start = 0;
  let isEmpty = true;
  const end = (at: number): void => {
    if (!isEmpty) statements.push(script.slice(start, at).trim());
    start = at + 1;
    isEmpty = true;
  };
  for (let at = 0; at < script.length;) {
    const comment = lengthAt(COMMENT, script, at);
    const quoted = comment === 0 ? lengthAt(QUOTED, script, at) : 0;
    const char = script[at] as string;
    if (comment + quoted === 0 && char === ';') end(at);
    else if (comment === 0 && /\S/.test(char)) isEmpty = false;
    at += Math.max(1, comment + quoted);
  }
  end(script.length);
  return statements;
}

function lengthAt(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0].length ?? 0;
}
