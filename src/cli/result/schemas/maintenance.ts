import { z } from 'zod'
import { bytes, count, digest, document, time } from './document.ts'

/** The same names for the same things wherever what a folder holds is counted. */
const contents = {
  blobs: count.describe('distinct blobs that the registry knows'),
  bytes: bytes.describe('bytes of these blobs'),
  manifests: count.describe('of each repository'),
}

const missing = {
  missing: count.describe('those of the blobs whose bytes the registry had lost before'),
  missingDigests: z.array(digest).describe('the first 1000 of them'),
}

const garbageItem = {
  action: z
    .enum(['expired', 'unlinked', 'condemned', 'deleted'])
    .describe('condemned: the next collection deletes it'),
  type: z.enum(['upload', 'manifest', 'blob-link', 'blob', 'repository']),
  repository: z.string().optional(),
  subject: z.string().describe('the id of an upload, a digest, or the name of a repository'),
  bytes: bytes.describe('bytes that its removal frees'),
  reason: z.string(),
}

const storageProblem = {
  problem: z.enum([
    'blob-missing',
    'blob-size',
    'blob-corrupt',
    'twin-wrong',
    'manifest-corrupt',
    'reference-missing',
    'orphan',
  ]),
  subject: z.string().describe('a digest, or the name of an orphan file'),
  repositories: z.array(z.string()),
  detail: z.string(),
  isRepaired: z.boolean(),
}

export const maintenanceResults = {
  GarbageItem: document('GarbageItem', 'A line of trow gc -o jsonl', garbageItem),
  GarbageCollection: document('GarbageCollection', 'trow gc', {
    isDryRun: z.boolean().describe('true: nothing was changed, and this is what would be'),
    removed: z.object({
      ...contents,
      uploads: count,
      blobLinks: count.describe('blobs that a repository has no more, whoever else has them'),
      repositories: count,
    }),
    condemned: z
      .object({ blobs: count, bytes })
      .describe('what the next collection removes, unless a push needs it'),
    items: z
      .array(z.object(garbageItem))
      .optional()
      .describe('absent with -o jsonl, which has a line for each'),
    suspendedUntil: time.optional().describe('nothing is removed before'),
    suspendedBecause: z
      .enum(['clock-jumped', 'commits-lost', 'two-databases'])
      .optional()
      .describe('set with suspendedUntil'),
    otherDatabases: z
      .array(z.string())
      .optional()
      .describe('with two-databases: what else answers for the same blobs'),
    lostBlobs: z
      .array(z.object({ digest, repositories: z.array(z.string()) }))
      .optional()
      .describe('after commits-lost, once: blobs whose bytes are gone'),
    keptUntagged: z
      .object({
        manifests: count,
        repositories: count,
        names: z.array(z.string()).describe('the first of them'),
      })
      .optional()
      .describe('untagged manifests that no rule removes'),
  }),
  StorageProblem: document('StorageProblem', 'A line of trow fsck -o jsonl', storageProblem),
  StorageCheck: document('StorageCheck', 'trow fsck', {
    ...contents,
    found: count.describe('problems'),
    repaired: count,
    problems: z
      .array(z.object(storageProblem))
      .optional()
      .describe('absent with -o jsonl, which has a line for each'),
  }),
  Backup: document('Backup', 'trow backup', {
    file: z.string(),
    fileBytes: bytes,
    ...contents,
    ...missing,
  }),
  Restore: document('Restore', 'trow restore', {
    folder: z.string(),
    ...contents,
    policies: count.describe('policies and exceptions of --policy-database that came with it'),
    policyFolder: z
      .string()
      .optional()
      .describe('the folder into which they were written, where the registry has no database'),
    ...missing,
  }),
}
