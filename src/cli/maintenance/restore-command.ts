import { createReadStream, existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { Command } from 'commander'
import type { ByteSource } from '../../blobs/blob-store.ts'
import { counted } from '../../counted.ts'
import { reasonOf } from '../../reason-of.ts'
import type { ContentTotals } from '../../metadata/metadata-store.ts'
import type { BackupTail } from '../../registry/backup-form.ts'
import { openRestoreStorage } from '../../storage/restore-storage.ts'
import type { TakenPolicies } from '../../storage/policy-folder.ts'
import type { StorageSettings } from '../../storage/storage-engine.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { CommandContext } from '../command-context.ts'
import { addSettingOptions, settingsOf, storageSettingNames } from '../setting-options.ts'
import { storageSettings } from '../../serve/storage-settings.ts'
import { longWork } from '../progress/long-work.ts'
import { objectOutputs, outputOption, type Output } from '../result/output.ts'
import { printResult } from '../result/print-result.ts'
import { contentsText } from './contents-text.ts'
import { missingLines } from './missing-lines.ts'
import { examples } from '../help/examples.ts'

export function restoreCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('restore')
    .description('take a backup back into an empty folder, database or bucket')
    .addHelpText(
      ...examples(
        'trow restore registry.trowbackup --data /var/lib/trow',
        'trow restore registry.trowbackup --data /srv/new --database postgres://trow@db.example/empty',
      ),
    )
    .argument('<file>', 'the file, or - for standard input')
    .addOption(outputOption(...objectOutputs))
    .addHelpText('after', '\nExit code 0: all is back; 79: all but what the backup lacks, which is listed.')
  addSettingOptions(command, storageSettingNames)
  return command.action(async (file: string, options: Record<string, unknown>) => {
    const { settings } = await settingsOf(options, terminal)
    const output = options['output'] as Output
    const source =
      file === '-' ? { stream: terminal.stdin, size: undefined } : await openFile(resolve(terminal.cwd, file))
    const folder = resolve(settings.data)
    await longWork(terminal, { output, kept }, async ({ signal, progress }) => {
      if (source.size !== undefined) progress.expect(source.size)
      const read = progress.counted(source.stream as ByteSource)
      const to = { ...storageSettings(settings, terminal.env), folder }
      const restored = await restoreInto(to, read, signal)
      progress.end()
      const { missing, missingDigests } = restored.tail
      if (output === 'text') {
        terminal.stdout.write(`restored ${contentsText(restored.totals, missing)} into ${folder}\n`)
        const policies = policiesText(restored.policies)
        if (policies !== undefined) terminal.stdout.write(`${policies}\n`)
        for (const line of missingLines(restored.tail)) terminal.stderr.write(`${line}\n`)
      } else {
        const { count, folder: policyFolder } = restored.policies
        const result = {
          folder,
          ...restored.totals,
          policies: count,
          ...(policyFolder !== undefined && { policyFolder }),
          missing,
          missingDigests,
        }
        await printResult('Restore', result, output, terminal)
      }
      finish(missing > 0 ? exitCode.problemsFound : 0)
    })
  })
}

const kept = 'Nothing of it is kept: the folder is as it was.'

interface Restored {
  readonly tail: BackupTail
  readonly totals: ContentTotals
  readonly policies: TakenPolicies
}

/** What becomes of the policies that a database kept: without these words they would be out of force unnoticed. */
function policiesText({ count, folder }: TakenPolicies): string | undefined {
  if (count === 0) return undefined
  const what = counted(count, 'policy or exception', 'policies and exceptions')
  return folder === undefined
    ? `with ${what}: trow serve --policy-database judges by them`
    : `with ${what} of --policy-database: they are files of ${folder} now, and in force only with trow serve --policy-dir ${folder}`
}

/** Restores everything, or undoes it. */
async function restoreInto(
  settings: StorageSettings,
  source: ByteSource,
  signal: AbortSignal,
): Promise<Restored> {
  const { restore } = await import('../../registry/restore.ts')
  const target = await openRestoreStorage(settings)
  let isDone = false
  try {
    const tail = await restore(source, target, signal)
    const [totals, policies] = [target.totals(), target.policies()]
    isDone = true
    return { tail, totals, policies }
  } finally {
    if (isDone) await target.keep()
    else await target.undo()
  }
}

/** The file is open before anything is created. Throws UserError FILE_MISSING. */
async function openFile(
  path: string,
): Promise<{ readonly stream: Readable; readonly size: number | undefined }> {
  if (!existsSync(path)) throw new UserError('FILE_MISSING', `${path} does not exist`)
  const stream = createReadStream(path)
  await new Promise<void>((done, reject) => stream.once('open', () => done()).once('error', reject)).catch(
    (cause: unknown) => {
      throw new UserError('FILE_MISSING', `${path} cannot be read: ${reasonOf(cause)}`, { cause })
    },
  )
  const found = statSync(path)
  return { stream, size: found.isFile() ? found.size : undefined }
}
