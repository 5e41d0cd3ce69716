import { createWriteStream, existsSync, renameSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Command } from 'commander'
import { readBackupTail, tailRoom, type BackupTail } from '../../registry/backup-form.ts'
import { exitCode, UserError } from '../../user-error.ts'
import { askServer, refusalOf } from '../control/control-client.ts'
import { createLogger } from '../../serve/logger.ts'
import type { CommandContext } from '../command-context.ts'
import { addSettingOptions, settingsOf } from '../setting-options.ts'
import { stopSignal } from '../stop-signal.ts'
import { flush } from '../../flush.ts'
import { openLocalStores } from './local-stores.ts'
import { missingLines } from './missing-lines.ts'

type Chunks = AsyncIterable<Uint8Array>

export function backupCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('backup')
    .description('write everything the registry holds to one file, while it works')
    .argument('<file>', 'the file, or - for standard output')
    .addHelpText(
      'after',
      '\nExit code 0: all is in it; 79: all but what the registry had lost before, which is listed.',
    )
  addSettingOptions(command, ['data'])
  return command.action(async (file: string, options: Record<string, unknown>) => {
    const { settings } = await settingsOf(options, terminal)
    const path = file === '-' ? undefined : checkTarget(resolve(terminal.cwd, file))
    const { signal, stop } = stopSignal(terminal)
    const write = async (source: Chunks): Promise<void> => {
      const tail =
        path === undefined
          ? await copy(source, terminal.exact.stdout, { end: false }, signal)
          : await writeWhole(source, path, signal)
      for (const line of missingLines(tail)) terminal.stderr.write(`${line}\n`)
      finish(tail.missing > 0 ? exitCode.problemsFound : 0)
    }
    try {
      const reply = await askServer(settings.data, 'GET', '/backup')
      if (reply === undefined) {
        const { backup } = await import('../../registry/backup.ts')
        const log = createLogger({ format: 'text', level: settings['log-level'] })
        const { stores, close } = await openLocalStores(settings, log)
        try {
          await write(backup(stores, signal))
        } finally {
          await close()
        }
      } else if (reply.statusCode === 200) await write(reply)
      else throw await refusalOf(reply)
    } catch (error) {
      if (!signal.aborted) throw error
      finish(exitCode.interrupted)
    } finally {
      stop()
    }
  })
}

/** Before anything is copied. Throws UserError FILE_EXISTS, FILE_UNWRITABLE. */
function checkTarget(path: string): string {
  if (existsSync(path))
    throw new UserError('FILE_EXISTS', `${path} exists already`, { hint: 'Name a new file.' })
  const folder = dirname(path)
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) return path
  throw new UserError('FILE_UNWRITABLE', `${path} cannot be written: there is no folder ${folder}`, {
    hint: `Make it first: mkdir -p ${folder}`,
  })
}

/** Under another name until it is whole and flushed. */
async function writeWhole(source: Chunks, path: string, signal: AbortSignal): Promise<BackupTail> {
  const part = `${path}.part`
  try {
    await rm(part, { force: true })
    const target = createWriteStream(part, { flush: true, flags: 'wx', mode: 0o600 })
    const tail = await copy(source, target, { end: true }, signal)
    renameSync(part, path)
    await flush(dirname(path))
    return tail
  } catch (error) {
    await rm(part, { force: true }).catch(() => undefined)
    throw error
  }
}

/** Throws UserError FILE_UNWRITABLE, or SERVER_FAILED where the source ended too early. */
async function copy(
  source: Chunks,
  target: Writable,
  { end }: { readonly end: boolean },
  signal: AbortSignal,
): Promise<BackupTail> {
  let last: Buffer = Buffer.alloc(0)
  async function* watched(): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      last = Buffer.concat([last, chunk]).subarray(-tailRoom)
      yield chunk
    }
  }
  let fault: Error | undefined
  const noteFault = (error: Error): void => void (fault ??= error)
  target.once('error', noteFault)
  try {
    await pipeline(watched(), target, { end, signal })
  } catch (error) {
    if (error instanceof UserError) throw error
    const { syscall, message } = (fault ?? error) as NodeJS.ErrnoException
    if (fault === error && syscall !== undefined)
      throw new UserError('FILE_UNWRITABLE', `the backup cannot be written: ${message}`, { cause: error })
    throw notWhole(error)
  } finally {
    target.off('error', noteFault)
  }
  const tail = readBackupTail(last)
  if (tail === undefined) throw notWhole(undefined)
  return tail
}

function notWhole(cause: unknown): UserError {
  return new UserError('SERVER_FAILED', 'the server did not give a whole backup', {
    hint: 'Its log says why: run the command again. Nothing of the backup was kept.',
    cause,
  })
}
