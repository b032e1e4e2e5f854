/**
 * The repository's own rules, those a linter does not know. Run by `npm run lint`; exit code 1 on a violation.
 *
 *   imports go in one direction, without cycles · every export is documented · files stay small ·
 *   no barrels, leftovers or empty catches · the lock file and the texts name no machine ·
 *   the commands in the documents exist
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SKIPPED = new Set(['node_modules', 'dist', '.git', '.millrace', 'coverage']);

/** Which rooms of src/ a room may import, itself aside. Test files and everything outside src/ may import all. */
const ROOMS = {
  model: [],
  telemetry: ['model'],
  config: ['model'],
  codec: ['model'],
  engines: ['model', 'telemetry'],
  source: ['model', 'codec', 'telemetry'],
  destination: ['model', 'codec', 'telemetry'],
  kpi: ['model', 'destination', 'telemetry'],
  alerts: ['model', 'config', 'kpi', 'destination', 'telemetry'],
  generator: ['model', 'source', 'telemetry'],
  verify: ['model', 'codec', 'source', 'destination', 'telemetry'],
  pipeline: ['model', 'config', 'codec', 'source', 'destination', 'telemetry'],
};
// Chaos breaks a whole product: it knows all rooms but the command line, which knows chaos too.
ROOMS.chaos = Object.keys(ROOMS);
ROOMS.cli = Object.keys(ROOMS);

const MAX_LINES = 400;
const MAX_TEST_LINES = 600;

const violations = [];
const texts = readTree('');
const sources = new Map([...texts].filter(([path]) => /\.(ts|mjs)$/.test(path)));
const program = new Map([...sources].filter(([path]) => path.startsWith('src/') && !isTest(path)));

checkRooms();
checkImports();
checkExports();
checkSizes();
checkLeftovers();
checkMachines();
checkCommands();
report();

/** All text files of the repository by path. */
function readTree(folder) {
  const found = new Map();
  for (const entry of readdirSync(join(ROOT, folder), { withFileTypes: true })) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (SKIPPED.has(entry.name)) continue;
    if (entry.isDirectory()) for (const [name, text] of readTree(path)) found.set(name, text);
    else if (/\.(ts|mjs|js|json|md|sql|ya?ml|sh|css|html)$|file$/i.test(entry.name)) {
      found.set(path, readFileSync(join(ROOT, path), 'utf8'));
    }
  }
  return found;
}

function isTest(path) {
  return path.endsWith('.test.ts') || path.startsWith('test/');
}

function violate(path, message) {
  violations.push(`${path}: ${message}`);
}

function checkRooms() {
  for (const path of sources.keys()) {
    const [top, room, file] = path.split('/');
    if (top === 'src' && (file === undefined || !(room in ROOMS))) violate(path, 'lies in no known room of src/');
    if (/(^|\/)index\.(ts|mjs)$/.test(path)) violate(path, 'barrels are not used: import from the file that declares');
  }
}

/** The files of ours that a file imports, also those it imports types from. */
function importsOf(path, text) {
  const specifiers = text.matchAll(/(?:^|\n)\s*(?:import|export)\b[^;'"]*?from '([^']+)'|\bimport\('([^']+)'\)/g);
  return [...specifiers]
    .map(([, fixed, lazy]) => fixed ?? lazy)
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => normalize(join(dirname(path), specifier)));
}

function checkImports() {
  const graph = new Map();
  for (const [path, text] of program) {
    const imports = importsOf(path, text);
    const room = path.split('/')[1];
    for (const target of imports) {
      const [top, other] = target.split('/');
      if (top !== 'src') violate(path, `imports ${target}, which is no part of the program`);
      else if (other !== room && !ROOMS[room]?.includes(other))
        violate(path, `${room} may not import ${other} (${target})`);
    }
    graph.set(path, imports);
  }
  for (const cycle of findCycles(graph)) violate(cycle[0], `import cycle: ${cycle.join(' → ')}`);
}

/** Cycles by depth-first search: each edge back to a file that is still open closes one. */
function findCycles(graph) {
  const cycles = [];
  const closed = new Set();
  const visit = (path, open) => {
    if (open.includes(path)) cycles.push([...open.slice(open.indexOf(path)), path]);
    else if (!closed.has(path)) {
      for (const target of graph.get(path) ?? []) visit(target, [...open, path]);
      closed.add(path);
    }
  };
  for (const path of graph.keys()) visit(path, []);
  return cycles;
}

function checkExports() {
  const declaration = /^export (?:declare |abstract |async )*(?:function\*?|class|const|let|interface|type) (\w+)/;
  for (const [path, text] of sources) {
    if (path.endsWith('.test.ts')) continue;
    const lines = text.split('\n');
    for (const [i, line] of lines.entries()) {
      if (/^export (\*|\{[^}]*\} from|type \{[^}]*\} from)/.test(line))
        violate(`${path}:${i + 1}`, 're-exports are not used');
      const name = declaration.exec(line)?.[1];
      if (name === undefined || (lines[i - 1] ?? '').trimEnd().endsWith('*/')) continue;
      // The second and later signatures of an overloaded function.
      if (new RegExp(`^export (async )?function ${name}\\b.*;$`).test(lines[i - 1] ?? '')) continue;
      violate(`${path}:${i + 1}`, `${name} is exported without a docstring directly above`);
    }
  }
}

function checkSizes() {
  for (const [path, text] of sources) {
    const limit = isTest(path) ? MAX_TEST_LINES : MAX_LINES;
    const lines = countLines(text);
    if (lines > limit) violate(path, `${lines} lines, more than ${limit}`);
  }
}

function checkLeftovers() {
  const words = new RegExp(`\\b(${['TO', 'FIX'].map((start, i) => start + ['DO', 'ME'][i]).join('|')})\\b`);
  for (const [path, text] of sources) {
    for (const [i, line] of text.split('\n').entries()) {
      if (words.test(line)) violate(`${path}:${i + 1}`, 'a note to do something later: do it, or write an issue');
    }
    for (const match of text.matchAll(/catch\s*(\([^)]*\))?\s*\{\s*((\/\/[^\n]*|\/\*[\s\S]*?\*\/)\s*)*\}/g)) {
      const line = countLines(text.slice(0, match.index));
      violate(`${path}:${line}`, 'an empty catch: act, translate or rethrow');
    }
  }
}

/** Nothing may depend on, or tell of, the machine it was written on. */
function checkMachines() {
  const lock = JSON.parse(texts.get('package-lock.json') ?? '{}');
  for (const [name, entry] of Object.entries(lock.packages ?? {})) {
    if (entry.resolved !== undefined) violate('package-lock.json', `${name} names a registry host (“resolved”)`);
  }
  const personal = new RegExp(`(?<![\\w.:/])/(?:${['home', 'Users', 'root', 'work'].join('|')})/\\w+`);
  for (const [path, text] of texts) {
    for (const [i, line] of text.split('\n').entries()) {
      if (personal.test(line)) violate(`${path}:${i + 1}`, 'an absolute path of some machine');
    }
  }
}

/** Every command named in code of the documents exists. */
function checkCommands() {
  const main = texts.get('src/cli/main.ts') ?? '';
  const commands = new Set([...main.matchAll(/name: '([a-z]+)'/g)].map((match) => match[1]));
  const scripts = new Set(Object.keys(JSON.parse(texts.get('package.json') ?? '{}').scripts ?? {}));
  const documents = [...texts].filter(([path]) => path.endsWith('.md'));
  for (const [path, text] of documents) {
    for (const code of text.matchAll(/```[\s\S]*?```|`[^`\n]+`/g)) {
      for (const [, name] of code[0].matchAll(/(?:^|[\s`$])millrace ([a-z][\w-]*)/g)) {
        if (!commands.has(name)) violate(path, `there is no command “millrace ${name}”`);
      }
      for (const [, name] of code[0].matchAll(/npm run ([\w:-]+)/g)) {
        if (!scripts.has(name)) violate(path, `there is no script “npm run ${name}”`);
      }
    }
  }
}

/** Lengths of functions and methods in lines: formatted code closes a body at the indentation that opened it. */
function functionSizes(text) {
  const lines = text.split('\n');
  const opening = /^(\s*)(?:(?:export |async |static |get |set )*(?:function\*? \w+|#?\w+\*?)(?:<.*>)?\(.*|.*=> )\{$/;
  const control = /^\s*(?:if|for|while|switch|catch|else|do|try|return|test|describe)\b/;
  const sizes = [];
  for (const [i, line] of lines.entries()) {
    const indent = opening.exec(line)?.[1];
    if (indent === undefined || control.test(line)) continue;
    const end = lines.findIndex((other, j) => j > i && other.startsWith(`${indent}}`));
    if (end > i) sizes.push(end - i + 1);
  }
  return sizes;
}

function countLines(text) {
  return text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
}

function summary(name, numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return `${name}: ${sorted.length}, lines median ${at(0.5)}, p90 ${at(0.9)}, max ${at(1)}`;
}

function report() {
  const tests = [...sources].filter(([path]) => isTest(path)).map(([, text]) => countLines(text));
  process.stdout.write(`${summary('files of src', [...program.values()].map(countLines))}\n`);
  process.stdout.write(`${summary('functions of src', [...program.values()].flatMap(functionSizes))}\n`);
  process.stdout.write(`${summary('test files', tests)}\n`);
  for (const violation of violations) process.stderr.write(`${violation}\n`);
  if (violations.length > 0) process.stderr.write(`${violations.length} violations\n`);
  process.exitCode = violations.length > 0 ? 1 : 0;
}
