import { createReadStream, existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { Command } from 'commander'
import type { ByteSource } from '../../blobs/blob-store.ts'
import { reasonOf } from '../../reason-of.ts'
import type { BackupTail } from '../../registry/backup-form.ts'
import { openRestoreStorage } from '../../storage/restore-storage.ts'
import type { StorageSettings } from '../../storage/storage-engine.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { CommandContext } from '../command-context.ts'
import { humanSize } from '../../settings/quantities.ts'
import { addSettingOptions, settingsOf } from '../setting-options.ts'
import { storageSettings } from '../../serve/storage-settings.ts'
import { stopSignal } from '../stop-signal.ts'
import { missingLines } from './missing-lines.ts'

export function restoreCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('restore')
    .description('take a backup back into an empty folder')
    .argument('<file>', 'the file, or - for standard input')
    .addHelpText('after', '\nExit code 0: all is back; 79: all but what the backup lacks, which is listed.')
  addSettingOptions(command, ['data'])
  return command.action(async (file: string, options: Record<string, unknown>) => {
    const { settings } = await settingsOf(options, terminal)
    const source = file === '-' ? terminal.stdin : await openFile(resolve(terminal.cwd, file))
    const folder = resolve(settings.data)
    const { signal, stop } = stopSignal(terminal)
    try {
      const tail = await restoreInto({ ...storageSettings(settings), folder }, source as ByteSource, signal)
      terminal.stdout.write(`restored ${tail.blobs} blobs (${humanSize(tail.bytes)}) into ${folder}\n`)
      for (const line of missingLines(tail)) terminal.stderr.write(`${line}\n`)
      finish(tail.missing > 0 ? exitCode.problemsFound : 0)
    } catch (error) {
      if (!signal.aborted) throw error
      finish(exitCode.interrupted)
    } finally {
      stop()
    }
  })
}

/** All of it, or nothing that stays. */
async function restoreInto(
  settings: StorageSettings,
  source: ByteSource,
  signal: AbortSignal,
): Promise<BackupTail> {
  const { restore } = await import('../../registry/restore.ts')
  const target = await openRestoreStorage(settings)
  let isDone = false
  try {
    const tail = await restore(source, target, signal)
    isDone = true
    return tail
  } finally {
    if (isDone) await target.keep()
    else await target.undo()
  }
}

/** Open before anything is made for it. Throws UserError FILE_MISSING. */
async function openFile(path: string): Promise<Readable> {
  if (!existsSync(path)) throw new UserError('FILE_MISSING', `${path} does not exist`)
  const stream = createReadStream(path)
  await new Promise<void>((done, reject) => stream.once('open', () => done()).once('error', reject)).catch(
    (cause: unknown) => {
      throw new UserError('FILE_MISSING', `${path} cannot be read: ${reasonOf(cause)}`, { cause })
    },
  )
  return stream
}
