/** Writes the documents that come from tables in the code (run by `npm run docs`, after a build). */
import { writeFileSync } from 'node:fs';
import { configDocument, errorsDocument } from '../dist/src/config/document.js';

writeFileSync(new URL('../docs/config.md', import.meta.url), configDocument());
writeFileSync(new URL('../docs/errors.md', import.meta.url), errorsDocument());
