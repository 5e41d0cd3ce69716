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
import { addSettingOptions, settingsOf, storageSettingNames } from '../setting-options.ts'
import { flush } from '../../flush.ts'
import { humanSize } from '../../settings/quantities.ts'
import { backupSizeHeader } from '../../serve/control/backup-size-header.ts'
import { longWork } from '../progress/long-work.ts'
import { objectOutputs, outputOption, type Output } from '../result/output.ts'
import { printResult } from '../result/print-result.ts'
import type { Terminal } from '../streams.ts'
import { contentsText } from './contents-text.ts'
import { openLocalStores } from './local-stores.ts'
import { missingLines } from './missing-lines.ts'
import { isOfSystemCall } from '../../error-code.ts'
import { plainReason } from '../../plain-reason.ts'
import { examples } from '../help/examples.ts'

type Chunks = AsyncIterable<Uint8Array>

export function backupCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('backup')
    .description('write everything the registry holds to one file, while it works')
    .addHelpText(
      ...examples(
        'trow backup registry.trowbackup',
        "trow backup - --data /var/lib/trow | ssh backup 'cat > registry.trowbackup'",
      ),
    )
    .argument('<file>', 'the file, or - for standard output')
    .addOption(outputOption(...objectOutputs))
    .addHelpText(
      'after',
      '\nExit code 0: all is in it; 79: all but what the registry had lost before, which is listed.',
    )
  addSettingOptions(command, storageSettingNames)
  return command.action(async (file: string, options: Record<string, unknown>) => {
    const { settings } = await settingsOf(options, terminal)
    const output = options['output'] as Output
    if (file === '-' && output !== 'text') {
      throw new UserError('OPTIONS_CONFLICT', `-o ${output}: the backup itself goes to standard output`, {
        hint: 'Name a file, or leave out -o.',
        exitCode: exitCode.usage,
      })
    }
    const path = file === '-' ? undefined : checkTarget(resolve(terminal.cwd, file))
    await longWork(terminal, { output, kept: notKept }, async ({ signal, progress }) => {
      const write = async (source: Chunks, size: number | undefined): Promise<void> => {
        if (size !== undefined) progress.expect(size)
        const counted = progress.counted(source)
        const written =
          path === undefined
            ? await copy(counted, terminal.exact.stdout, { end: false }, signal)
            : await writeWhole(counted, path, signal)
        progress.end()
        await report(written, { path, output, terminal })
        finish(written.tail.missing > 0 ? exitCode.problemsFound : 0)
      }
      const reply = await askServer(settings.data, 'GET', '/backup')
      if (reply === undefined) {
        const { backup, backupSize } = await import('../../registry/backup.ts')
        const log = createLogger({ format: 'text', level: settings['log-level'] })
        const { stores, close } = await openLocalStores(settings, { log, env: terminal.env })
        try {
          await write(backup(stores, signal), await backupSize(stores))
        } finally {
          await close()
        }
      } else if (reply.statusCode === 200) {
        const size = Number(reply.headers[backupSizeHeader.toLowerCase()])
        await write(reply, Number.isSafeInteger(size) ? size : undefined)
      } else throw await refusalOf(reply)
    })
  })
}

const notKept = 'Nothing of the backup was kept.'

interface WrittenBackup {
  readonly tail: BackupTail
  readonly fileBytes: number
}

async function report(
  { tail, fileBytes }: WrittenBackup,
  {
    path,
    output,
    terminal,
  }: { readonly path: string | undefined; readonly output: Output; readonly terminal: Terminal },
): Promise<void> {
  const { missing, missingDigests, blobs, bytes } = tail
  // An older server does not count what is in its metadata.
  const { contents = { blobs: blobs + missing, bytes, manifests: 0 } } = tail
  if (output !== 'text') {
    const result = { file: path ?? '-', fileBytes, ...contents, missing, missingDigests }
    return printResult('Backup', result, output, terminal)
  }
  // Standard output is the backup itself where there is no file.
  const { stderr, stdout } = terminal
  const lines = [
    `wrote ${contentsText(contents, missing)} to ${path ?? 'standard output'}, ${humanSize(fileBytes)}`,
    `  trow restore ${path ?? 'FILE'} --data FOLDER brings it back into an empty folder`,
  ]
  for (const line of lines) (path === undefined ? stderr : stdout).write(`${line}\n`)
  for (const line of missingLines(tail)) stderr.write(`${line}\n`)
}

/** Runs before anything is copied. Throws UserError FILE_EXISTS, FILE_UNWRITABLE. */
function checkTarget(path: string): string {
  if (existsSync(path))
    throw new UserError('FILE_EXISTS', `${path} exists already`, { hint: 'Name a new file.' })
  const folder = dirname(path)
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) return path
  throw new UserError('FILE_UNWRITABLE', `${path} cannot be written: there is no folder ${folder}`, {
    hint: `Make it first: mkdir -p ${folder}`,
  })
}

/** Writes under another name until the file is complete and flushed. */
async function writeWhole(source: Chunks, path: string, signal: AbortSignal): Promise<WrittenBackup> {
  const part = `${path}.part`
  try {
    await rm(part, { force: true })
    const target = createWriteStream(part, { flush: true, flags: 'wx', mode: 0o600 })
    const written = await copy(source, target, { end: true }, signal)
    renameSync(part, path)
    await flush(dirname(path))
    return written
  } catch (error) {
    await rm(part, { force: true }).catch(() => undefined)
    throw error
  }
}

/** Throws UserError FILE_UNWRITABLE, or SERVER_FAILED if the source ends too early. */
async function copy(
  source: Chunks,
  target: Writable,
  { end }: { readonly end: boolean },
  signal: AbortSignal,
): Promise<WrittenBackup> {
  let last: Buffer = Buffer.alloc(0)
  let fileBytes = 0
  async function* watched(): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      fileBytes += chunk.byteLength
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
    if (fault === error && isOfSystemCall(error))
      throw new UserError('FILE_UNWRITABLE', `the backup cannot be written: ${plainReason(error)}`, {
        cause: error,
      })
    throw notWhole(error)
  } finally {
    target.off('error', noteFault)
  }
  const tail = readBackupTail(last)
  if (tail === undefined) throw notWhole(undefined)
  return { tail, fileBytes }
}

function notWhole(cause: unknown): UserError {
  return new UserError('SERVER_FAILED', 'the server did not give a whole backup', {
    hint: 'Its log says why: run the command again. Nothing of the backup was kept.',
    cause,
  })
}
