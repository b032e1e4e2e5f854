import { expect, test } from 'vitest';
import { redactUrl } from './redact.ts';

test.each([
  { url: 'postgres://me:hunter2@host:5432/db', shown: 'postgres://me:***@host:5432/db' },
  { url: 'postgres://me:hunt%2Fer2@host/db?sslmode=require', shown: 'postgres://me:***@host/db?sslmode=require' },
  { url: 'postgres://host/db?user=me&password=hunter2', shown: 'postgres://host/db?user=me&password=***' },
  { url: 'http://host:8123/', shown: 'http://host:8123/' },
  { url: 'hunter2 is no URL', shown: '(unreadable URL)' },
])('$shown', ({ url, shown }) => {
  expect(redactUrl(url)).toBe(shown);
});
