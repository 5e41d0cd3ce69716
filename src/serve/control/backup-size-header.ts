/** The header of `GET /backup` with about how many bytes come. */
export const backupSizeHeader = 'Trow-Backup-Bytes'
