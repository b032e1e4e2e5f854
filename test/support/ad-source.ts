/** A source with the ad platform's tables, and what is in them. */
import { readFile } from 'node:fs/promises';
import type pg from 'pg';
import { pgRows, type TextRow } from '../../src/source/connection.ts';
import { temporaryPostgres, type TemporaryPostgres } from './databases.ts';

/** The tables of the ad platform. */
export const AD_TABLES = ['advertiser', 'campaign', 'impressions', 'clicks'] as const;

/** Makes a database with the ad platform's tables, all empty. */
export async function temporaryAdSource(): Promise<TemporaryPostgres> {
  const source = await temporaryPostgres();
  await source.client.query(await readFile('sql/postgres/V1__create_schema.sql', 'utf8'));
  return source;
}

/** All rows of all tables, by id. */
export async function readAll(client: pg.Client): Promise<Record<(typeof AD_TABLES)[number], TextRow[]>> {
  const rows = async (table: string): Promise<TextRow[]> => pgRows(client, `SELECT * FROM ${table} ORDER BY id`);
  return {
    advertiser: await rows('advertiser'),
    campaign: await rows('campaign'),
    impressions: await rows('impressions'),
    clicks: await rows('clicks'),
  };
}
