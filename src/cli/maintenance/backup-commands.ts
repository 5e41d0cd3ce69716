import { createReadStream, createWriteStream, existsSync, readdirSync, renameSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Command } from 'commander'
import { openDiskBlobStore } from '../../blobs/disk/disk-blob-store.ts'
import type { ByteSource } from '../../blobs/blob-store.ts'
import { lockFolder } from '../../metadata/sql/folder-lock.ts'
import { databasePath } from '../../metadata/sql/sqlite-file.ts'
import { forgetUploads, snapshotFormat } from '../../metadata/sql/snapshot-file.ts'
import { UserError } from '../../user-error.ts'
import { askServer } from '../control/control-client.ts'
import { createLogger } from '../logger.ts'
import { makeFolder } from '../new-folder.ts'
import type { CommandContext } from '../program.ts'
import { humanSize } from '../quantities.ts'
import { addSettingOptions, settingsOf } from '../serve/command.ts'
import { openLocalStores } from './local-stores.ts'

export function backupCommand({ terminal }: CommandContext): Command {
  const command = new Command('backup')
    .description('write everything the registry holds to one file, while it works')
    .argument('<file>', 'the file, or - for standard output')
  addSettingOptions(command, ['data'])
  return command.action(async (file: string, options: Record<string, unknown>) => {
    const { settings } = await settingsOf(options, terminal)
    if (file !== '-' && existsSync(file)) {
      throw new UserError('FILE_EXISTS', `${file} exists already`, { hint: 'Name a new file.' })
    }
    const reply = await askServer(settings.data, 'GET', '/backup')
    if (reply !== undefined) {
      if (reply.statusCode !== 200) throw notWritten(undefined)
      return writeWhole(reply, file, terminal.exact.stdout).catch((error: unknown) => {
        throw notWritten(error)
      })
    }
    const log = createLogger({ format: 'text', level: settings['log-level'] })
    const { backup } = await import('../../registry/backup.ts')
    const { stores, close } = await openLocalStores(settings, log)
    try {
      await writeWhole(backup(stores), file, terminal.exact.stdout)
    } finally {
      await close()
    }
  })
}

export function restoreCommand({ terminal }: CommandContext): Command {
  const command = new Command('restore')
    .description('take a backup back into an empty folder')
    .argument('<file>', 'the file, or - for standard input')
  addSettingOptions(command, ['data'])
  return command.action(async (file: string, options: Record<string, unknown>) => {
    const { settings } = await settingsOf(options, terminal)
    const folder = resolve(settings.data)
    makeFolder(folder)
    if (readdirSync(folder).length > 0) {
      throw new UserError('FOLDER_NOT_EMPTY', `${folder} is not empty`, {
        hint: 'Restore into a new folder with --data, then serve that.',
      })
    }
    const { restore } = await import('../../registry/backup.ts')
    const lock = lockFolder(folder)
    const blobs = await openDiskBlobStore({ folder, reserve: 0 })
    try {
      const source = file === '-' ? terminal.stdin : openFile(file)
      const done = await restore(source as ByteSource, {
        blobs,
        metadataFormat: snapshotFormat,
        placeMetadata: (metadata) => placeDatabase(folder, metadata),
      })
      terminal.stdout.write(`restored ${done.blobs} blobs (${humanSize(done.bytes)}) into ${folder}\n`)
    } finally {
      await blobs.close()
      lock.release()
    }
  })
}

/** Under another name until it is whole and flushed. */
async function writeWhole(source: AsyncIterable<Uint8Array>, file: string, stdout: Writable): Promise<void> {
  if (file === '-') return pipeline(source, stdout, { end: false })
  const part = `${file}.part`
  try {
    await rm(part, { force: true })
    await pipeline(source, createWriteStream(part, { flush: true, flags: 'wx', mode: 0o600 }))
    renameSync(part, file)
    await flush(dirname(resolve(file)))
  } catch (error) {
    await rm(part, { force: true })
    throw error
  }
}

async function placeDatabase(folder: string, source: ByteSource): Promise<() => Promise<void>> {
  const path = databasePath(folder)
  const part = `${path}.restoring`
  await pipeline(
    source as AsyncIterable<Uint8Array>,
    createWriteStream(part, { flush: true, flags: 'wx', mode: 0o600 }),
  )
  return async () => {
    forgetUploads(part)
    await flush(part)
    renameSync(part, path)
    await flush(folder)
  }
}

async function flush(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function openFile(file: string): Readable {
  if (!existsSync(file)) throw new UserError('FILE_MISSING', `${file} does not exist`)
  return createReadStream(file)
}

function notWritten(cause: unknown): UserError {
  return new UserError('SERVER_FAILED', 'the server did not give a whole backup', {
    hint: 'A collection of garbage or another backup may be running: try again when it is done.',
    cause,
  })
}
