/** Small files of the engines' directories: passwords, ports, endpoints. */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';

/** The content, or undefined when there is no such file. */
export async function readIfExists(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Replaces a file in one step; only its owner may read it. */
export async function writePrivate(path: string, text: string): Promise<void> {
  const draft = `${path}.${process.pid}.tmp`;
  await writeFile(draft, text, { mode: 0o600 });
  await rename(draft, path);
}

/** The password kept in this file; made up (192 bits) at the first call. */
export async function keptPassword(path: string): Promise<string> {
  const kept = await readIfExists(path);
  if (kept !== undefined && kept !== '') return kept;
  const password = randomBytes(24).toString('base64url');
  await writePrivate(path, password);
  return password;
}

/** The port kept in this file, if any. */
export async function keptPort(path: string): Promise<number | undefined> {
  const text = await readIfExists(path);
  return text !== undefined && /^\d{1,5}$/.test(text) ? Number(text) : undefined;
}

/**
 * Makes a directory (and its parents). One that root makes may be passed through, though not listed,
 * by others: PostgreSQL runs as another user then.
 */
export async function makeDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 });
  if (first === undefined || process.getuid?.() !== 0) return;
  for (let made = path; made.startsWith(first); made = made.slice(0, made.lastIndexOf('/'))) await chmod(made, 0o711);
}
