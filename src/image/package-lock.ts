import * as z from 'zod'
import { parseForeignJson } from '../foreign-json.ts'
import type { Platform } from './platform.ts'

const names = z.record(z.string(), z.string()).optional()
const entry = z.looseObject({
  /** Set for an alias only: the package's name in the registry. */
  name: z.string().optional(),
  version: z.string().optional(),
  integrity: z.string().optional(),
  dependencies: names,
  optionalDependencies: names,
  peerDependencies: names,
  os: z.array(z.string()).optional(),
  cpu: z.array(z.string()).optional(),
  libc: z.array(z.string()).optional(),
})
const lock = z.looseObject({
  lockfileVersion: z.literal(3),
  packages: z.record(z.string(), entry),
})
type LockEntry = z.infer<typeof entry>

/** A package of the npm registry, and its place in the image. */
export interface NpmPackage {
  /** Relative to the package's folder: `node_modules/a/node_modules/b`. */
  readonly path: string
  readonly name: string
  readonly version: string
  /** Subresource Integrity: `sha512-…`. */
  readonly integrity: string
}

/**
 * Returns the packages that a package needs to run on a platform (Linux, glibc), from its package-lock.json,
 * version 3: all dependencies of dependencies, without those for other platforms.
 */
export function runtimePackages(lockText: string, { cpu }: Pick<Platform, 'cpu'>): readonly NpmPackage[] {
  const { packages } = parseForeignJson(lockText, lock)
  const reached = new Map<string, NpmPackage>()
  const waiting = ['']
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const { dependencies, optionalDependencies, peerDependencies } = packages[path] ?? {}
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
      const found = resolve(packages, path, name)
      if (found === undefined) {
        if (dependencies?.[name] === undefined || optionalDependencies?.[name] !== undefined) continue
        throw new Error(`the lock has no ${name}, which ${path || 'the package'} needs`)
      }
      const [place, entry] = found
      if (reached.has(place) || !fits(entry, cpu)) continue
      reached.set(place, describe(place, entry))
      waiting.push(place)
    }
  }
  return [...reached.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** Searches as Node does: beside the requiring package, then in each folder above. */
function resolve(
  packages: Readonly<Record<string, LockEntry>>,
  from: string,
  name: string,
): readonly [string, LockEntry] | undefined {
  for (let folder = from; ;) {
    const place = folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`
    const entry = packages[place]
    if (entry !== undefined) return [place, entry]
    if (folder === '') return undefined
    folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))
  }
}

function fits({ os, cpu: cpus, libc }: LockEntry, cpu: string): boolean {
  return allows(os, 'linux') && allows(cpus, cpu) && allows(libc, 'glibc')
}

/**
 * `os`, `cpu` and `libc` of package.json: a list of allowed values, or of refused values with `!` before
 * them.
 */
function allows(list: readonly string[] | undefined, value: string): boolean {
  if (list === undefined || list.includes(value)) return true
  return !list.includes(`!${value}`) && list.every((each) => each.startsWith('!'))
}

function describe(path: string, { name, version, integrity }: LockEntry): NpmPackage {
  if (version === undefined || integrity === undefined) throw new Error(`${path} is from no registry`)
  const own = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
  return { path, name: name ?? own, version, integrity }
}
