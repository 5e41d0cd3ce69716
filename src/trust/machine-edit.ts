import { chmod, lstat, mkdir, open, rename, rm, symlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path/posix'
import { errorCode } from '../error-code.ts'
import { reasonOf } from '../reason-of.ts'
import { exitCode, UserError } from '../user-error.ts'
import type { MachineFiles } from './machine-files.ts'
import { MachineFolder } from './machine-folder.ts'
import type { TrustChange } from './node-trust.ts'
import { foldersMade, isOwn, ownText } from './ownership.ts'

/** One step of a change to a machine. Steps are made in the order of their list. */
export type Step =
  | {
      readonly kind: 'write'
      readonly path: string
      readonly text: string
      readonly before?: string
      /** Default: the mode of the file that is replaced, or 0644. */
      readonly mode?: number
    }
  | { readonly kind: 'link'; readonly path: string; readonly target: string; readonly before?: string }
  /** Also removes the folders that were made for the file, if they are empty. */
  | {
      readonly kind: 'remove'
      readonly path: string
      readonly before: string
      readonly made: readonly string[]
    }

/** The names of files that trow writes, in any folder. */
const ownNames =
  /^(ca\.crt|hosts\.toml|managed-by-trow|trow\.toml|50-trow-.*\.conf|trow-credential-provider(\.yaml)?|config\.yaml|note)$/
/** The name prefix of unfinished files. The next run deletes those of a killed run. */
const unfinished = '.trow-part'

/** Writes a file of trow with this body; no step if it exists already. Throws UserError FILE_FOREIGN. */
export async function ownFile(
  files: MachineFiles,
  path: string,
  body: string,
  mode?: number,
): Promise<Step[]> {
  const target = await files.linkTarget(path)
  const before = await files.read(path)
  if (target !== undefined || (before !== undefined && !isOwn(before))) throw foreign(path)
  if (before === undefined && (await files.exists(path))) throw foreign(path)
  const text = ownText(body, await foldersOf(files, path, before))
  if (text === before && (mode === undefined || (await files.mode(path)) === mode)) return []
  return [
    {
      kind: 'write',
      path,
      text,
      ...(before === undefined ? {} : { before }),
      ...(mode === undefined ? {} : { mode }),
    },
  ]
}

/** Makes a link. The caller must know whether an existing link at this path is trow's. */
export async function ownLink(files: MachineFiles, path: string, target: string): Promise<Step[]> {
  const before = await files.linkTarget(path)
  if (before === target) return []
  if (before === undefined && (await files.exists(path))) throw foreign(path)
  return [{ kind: 'link', path, target, ...(before === undefined ? {} : { before }) }]
}

/** Removes a file of trow; no step if there is none or it belongs to another owner. */
export async function removeOwn(files: MachineFiles, path: string): Promise<Step[]> {
  const before = (await files.linkTarget(path)) === undefined ? await files.read(path) : undefined
  if (before === undefined || !isOwn(before)) return []
  return [{ kind: 'remove', path, before, made: await foldersOf(files, path, before) }]
}

export async function removeLink(files: MachineFiles, path: string): Promise<Step[]> {
  const before = await files.linkTarget(path)
  return before === undefined ? [] : [{ kind: 'remove', path, before, made: [] }]
}

/**
 * Makes the steps. Each is durable before the next begins. Files and links appear as a whole under their
 * names, or not at all, together with the folders that they need. Returns what changed, or with `dryRun`
 * would change.
 */
export async function makeSteps(
  files: MachineFiles,
  steps: readonly Step[],
  dryRun = false,
): Promise<TrustChange[]> {
  const changes: TrustChange[] = []
  for (const step of steps) {
    if (!dryRun) await guarded(step.path, () => makeStep(files, step))
    const { path } = step
    if (step.kind === 'remove') changes.push({ action: 'remove', path, before: step.before })
    else {
      const after = step.kind === 'write' ? step.text : step.target
      if (step.before === undefined) changes.push({ action: 'create', path, after })
      else changes.push({ action: 'update', path, before: step.before, after })
    }
  }
  return changes
}

/** Deletes the unfinished files of a killed run in the folders above these paths. */
export async function clearUnfinished(files: MachineFiles, paths: readonly string[]): Promise<void> {
  const folders = new Set(['/', ...paths.flatMap((path) => [...foldersAbove(path)])])
  for (const folder of folders) {
    for (const name of await files.list(folder)) {
      if (!name.startsWith(unfinished)) continue
      await guarded(join(folder, name), () =>
        within(files, folder, (held) => rm(held.at(name), { recursive: true, force: true })),
      )
    }
  }
}

async function makeStep(files: MachineFiles, step: Step): Promise<void> {
  switch (step.kind) {
    case 'write':
      return put(files, step.path, (at) => writeWhole(at, step, files))
    case 'link':
      return put(files, step.path, (at) => symlink(step.target, at))
    case 'remove':
      return remove(files, step)
  }
}

/** Removes a file, or in one step the outermost folder that was made for it and contains nothing else. */
async function remove(
  files: MachineFiles,
  { path, made }: Extract<Step, { readonly kind: 'remove' }>,
): Promise<void> {
  let top = path
  for (const folder of foldersAbove(path)) {
    const [only, ...others] = await files.list(folder)
    if (!made.includes(folder) || only !== basename(top) || others.length > 0) break
    top = folder
  }
  await within(files, dirname(top), async (folder) => {
    const at = folder.at(basename(top))
    if (top === path) await rm(at, { force: true })
    else {
      const work = folder.at(unfinished)
      await rm(work, { recursive: true, force: true })
      await rename(at, work)
      await rm(work, { recursive: true })
    }
    await folder.flush()
  })
}

/**
 * `fill` makes the file under another name. One rename then gives it its own name, together with new folders.
 */
async function put(files: MachineFiles, path: string, fill: (at: string) => Promise<void>): Promise<void> {
  const missing = await missingFolders(files, path)
  const [top = path] = missing
  await within(files, dirname(top), async (folder) => {
    const work = folder.at(missing.length === 0 ? `${unfinished}-${basename(path)}` : unfinished)
    await rm(work, { recursive: true, force: true })
    const inside = missing.map((each) => join(work, each.slice(top.length)))
    for (const each of inside) {
      await mkdir(each)
      await chmod(each, 0o755)
    }
    await fill(missing.length === 0 ? work : join(work, path.slice(top.length)))
    for (const each of inside.reverse()) await flushFolder(each)
    await rename(work, folder.at(basename(top)))
    await folder.flush()
  })
}

/** The owner is root and the mode 0644, or both are those of the file that is replaced. */
async function writeWhole(
  at: string,
  { path, text, mode }: Extract<Step, { readonly kind: 'write' }>,
  files: MachineFiles,
): Promise<void> {
  const old = await lstat(await files.place(path)).catch(() => undefined)
  const kept = old?.isFile() === true ? old : undefined
  const handle = await open(at, 'wx', 0o600)
  try {
    await handle.writeFile(text)
    await handle.chmod(mode ?? (kept === undefined ? 0o644 : kept.mode & 0o7777))
    if (kept !== undefined && (kept.uid !== 0 || kept.gid !== 0)) await handle.chown(kept.uid, kept.gid)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Holds the folder open, so that nobody can replace it during the work. */
async function within(
  files: MachineFiles,
  path: string,
  work: (folder: MachineFolder) => Promise<void>,
): Promise<void> {
  const folder = await MachineFolder.open(files.root, path)
  try {
    await work(folder)
  } finally {
    await folder.close()
  }
}

/**
 * Returns the folders above a file of trow that were made, or will be made, for it or for trow's files beside
 * it; outermost first.
 */
async function foldersOf(files: MachineFiles, path: string, text: string | undefined): Promise<string[]> {
  const made = new Set(text === undefined ? await missingFolders(files, path) : foldersMade(text))
  const parent = dirname(path)
  const near = [
    join(parent, '*'),
    join(dirname(parent), '*', '*'),
    join(parent, '*', '*'),
    join(parent, '*', '*', '*'),
  ]
  for (const pattern of near) {
    for (const each of await files.glob(pattern)) {
      if (!ownNames.test(basename(each))) continue
      for (const folder of foldersMade((await files.read(each)) ?? '')) made.add(folder)
    }
  }
  return [...foldersAbove(path)].filter((folder) => made.has(folder)).reverse()
}

/** Returns the folders above a path that do not exist, outermost first. */
async function missingFolders(files: MachineFiles, path: string): Promise<string[]> {
  const missing: string[] = []
  for (const folder of foldersAbove(path)) {
    if ((await files.kind(folder)) !== undefined) break
    missing.unshift(folder)
  }
  return missing
}

function* foldersAbove(path: string): Generator<string> {
  for (let folder = dirname(path); folder !== '/'; folder = dirname(folder)) yield folder
}

async function flushFolder(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function guarded(path: string, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (cause) {
    const code = errorCode(cause)
    if (code === undefined || cause instanceof UserError) throw cause
    throw new UserError('MACHINE_NOT_WRITABLE', `${path} cannot be written: ${reasonOf(cause)}`, {
      hint: 'This needs root, a file system that may be written, and room on it.',
      exitCode:
        code === 'EACCES' || code === 'EPERM' || code === 'EROFS' ? exitCode.notPermitted : exitCode.failed,
      cause,
    })
  }
}

function foreign(path: string): UserError {
  return new UserError('FILE_FOREIGN', `${path} is there and not made by trow; it has been left as it is`, {
    hint: `Move it away (mv ${path} ${path}.old) and run this again.`,
  })
}
