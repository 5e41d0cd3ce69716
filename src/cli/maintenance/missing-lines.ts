import type { BackupTail } from '../../registry/backup-form.ts'

const mostShown = 20

/** Returns what a backup lacks, as text for people; no line if it is complete. */
export function missingLines({ missing, missingDigests }: BackupTail): readonly string[] {
  if (missing === 0) return []
  const shown = missingDigests.slice(0, mostShown)
  const rest = missing - shown.length
  return [
    `${missing} ${missing === 1 ? 'blob is' : 'blobs are'} not in the backup: the registry had lost them before it was made`,
    ...shown.map((digest) => `  ${digest}`),
    ...(rest > 0 ? [`  and ${rest} more`] : []),
    'trow fsck says which repositories need them; pushing them again brings them back.',
  ]
}
