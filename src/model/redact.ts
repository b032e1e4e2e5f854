/** Keeps secrets out of messages and logs. */

/** Parameters of connection URLs that hold secrets. */
const SECRET_PARAMETERS = ['password', 'sslpassword', 'access_token', 'token'];

/** A URL without its password, wherever it stands, for messages and logs. */
export function redactUrl(url: string): string {
  try {
    const parsed = new URL(url);
    if (parsed.password !== '') parsed.password = '***';
    for (const name of SECRET_PARAMETERS) if (parsed.searchParams.has(name)) parsed.searchParams.set(name, '***');
    return parsed.toString();
  } catch {
    return '(unreadable URL)';
  }
}
