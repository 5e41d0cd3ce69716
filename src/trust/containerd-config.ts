import { dirname, join, normalize } from 'node:path/posix'
import { reasonOf } from '../reason-of.ts'
import type { MachineFiles } from './machine-files.ts'
import { isTable, parseToml, tableAt, TomlError, type Toml } from './toml.ts'

/** What containerd's configuration says of pulls through CRI. */
export interface ContainerdConfig {
  /** As containerd has it after imports and defaults; may be a list with colons; undefined: no folder is read. */
  readonly configPath: string | undefined
  /** Whether a file says so, or it is the default of that version. */
  readonly configured: boolean
  /** Pulls by containerd's client, which splits the list, rather than by the transfer service, which does not. */
  readonly localPull: boolean
  /** Deprecated mirrors and configs in config.toml: containerd refuses them together with a config_path. */
  readonly inlineRegistries: boolean
  /** False where the CRI plug-in is disabled, as Docker's packages do. */
  readonly cri: boolean
  /** The socket that it says it listens on. */
  readonly address: string | undefined
  /** The file whose registry section holds, where a config_path would be added; undefined: there is no file at all. */
  readonly file: string | undefined
}

/** A file of the configuration that containerd could not read either. */
export class ContainerdConfigError extends Error {
  readonly file: string

  constructor(file: string, cause: unknown) {
    const line = cause instanceof TomlError ? `:${cause.line}` : ''
    super(`${file}${line}: ${reasonOf(cause).split('\n')[0]}`, { cause })
    this.file = file
  }
}

const defaultList = '/etc/containerd/certs.d:/etc/docker/certs.d'
const [oldPlugin, newPlugin] = ['io.containerd.grpc.v1.cri', 'io.containerd.cri.v1.images']

/**
 * Reads config.toml and its imports as containerd of that version does (cmd/containerd/server/config, LoadConfig): files
 * breadth first; a plug-in's section is replaced as a whole by 1.x and merged key by key by 2.x.
 */
export async function readContainerdConfig(
  files: MachineFiles,
  path: string,
  version: string,
): Promise<ContainerdConfig> {
  const release = parseRelease(version)
  const loaded = await loadFiles(files, path)
  let images: Toml = {}
  let file = loaded[0]?.path
  let address: string | undefined
  const disabled: unknown[] = []
  for (const { path: each, content } of loaded) {
    const section = imagesSection(content, release)
    if (section !== undefined) {
      file = each
      images = release.major >= 2 ? mergeTables(images, section) : section
    }
    const given = tableAt(content, 'grpc')['address']
    if (typeof given === 'string' && given !== '') address = given
    const listed = content['disabled_plugins']
    if (Array.isArray(listed)) disabled.push(...(listed as unknown[]))
  }
  const registry = tableAt(images, 'registry')
  const given = registry['config_path']
  const mirrors = Object.keys(tableAt(registry, 'mirrors')).length > 0
  const configs = Object.keys(tableAt(registry, 'configs'))
  const configured = typeof given === 'string' && given !== ''
  return {
    configured,
    configPath: configured ? given : mirrors ? undefined : defaultPath(release),
    localPull: isLocalPull(images, registry, release),
    inlineRegistries: mirrors || configs.some((host) => 'tls' in tableAt(registry, 'configs', host)),
    cri: !disabled.some((name) => name === 'cri' || name === oldPlugin || name === newPlugin),
    address,
    file,
  }
}

export interface Release {
  readonly major: number
  readonly minor: number
}

/** `v2.3.7-k3s1`, `1.6.20~ds1`; what cannot be read counts as the oldest. */
export function parseRelease(version: string): Release {
  const match = /^v?(\d+)\.(\d+)/.exec(version)
  return { major: Number(match?.[1] ?? 0), minor: Number(match?.[2] ?? 0) }
}

export function isAtLeast({ major, minor }: Release, wantedMajor: number, wantedMinor: number): boolean {
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)
}

/** The name of the section that holds `registry` in a file of this content. */
export function imagesPlugin(content: Toml, release: Release): string {
  const written = Number(content['version'] ?? 1)
  if (written <= 1) return oldPlugin in tableAt(content, 'plugins') ? oldPlugin : 'cri'
  return release.major >= 2 && written >= 3 ? newPlugin : oldPlugin
}

async function loadFiles(
  files: MachineFiles,
  path: string,
): Promise<{ readonly path: string; readonly content: Toml }[]> {
  const loaded = new Map<string, Toml>()
  const pending = [path]
  for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
    if (loaded.has(next)) continue
    const text = await files.read(next)
    if (text === undefined) {
      if (next === path) return []
      throw new ContainerdConfigError(next, new Error('is imported and not there'))
    }
    let content: Toml
    try {
      content = parseToml(text)
    } catch (error) {
      throw new ContainerdConfigError(next, error)
    }
    loaded.set(next, content)
    pending.push(...(await importsOf(files, next, content)))
  }
  return [...loaded].map(([each, content]) => ({ path: each, content }))
}

async function importsOf(files: MachineFiles, parent: string, content: Toml): Promise<string[]> {
  const { imports } = content
  if (!Array.isArray(imports)) return []
  const found: string[] = []
  for (const each of imports as unknown[]) {
    if (typeof each !== 'string') continue
    const path = normalize(each.startsWith('/') ? each : join(dirname(parent), each))
    found.push(...(path.includes('*') ? await files.glob(path) : [path]))
  }
  return found
}

function imagesSection(content: Toml, release: Release): Toml | undefined {
  const plugins = tableAt(content, 'plugins')
  const section = plugins[imagesPlugin(content, release)]
  if (!isTable(section)) return undefined
  if (release.major < 2 || Number(content['version'] ?? 1) >= 3) return section
  // containerd 2.x takes these over from the containerd table of older files (plugins/cri/images, migrateConfig).
  const { disable_snapshot_annotations, discard_unpacked_layers } = tableAt(section, 'containerd')
  return defined({ ...section, disable_snapshot_annotations, discard_unpacked_layers })
}

/** As mergo with override: empty values of `over` change nothing. */
function mergeTables(under: Toml, over: Toml): Toml {
  const merged: Record<string, unknown> = { ...under }
  for (const [key, value] of Object.entries(over)) {
    const old = Object.hasOwn(merged, key) ? merged[key] : undefined
    if (isTable(value) && isTable(old)) merged[key] = mergeTables(old, value)
    else if (old === undefined || (value !== '' && value !== 0 && value !== false)) merged[key] = value
  }
  return merged
}

/** The conditions of internal/cri/config, CheckLocalImagePullConfigs; before 2.1 every pull was local. */
function isLocalPull(images: Toml, registry: Toml, release: Release): boolean {
  if (!isAtLeast(release, 2, 1)) return true
  const downloads = images['max_concurrent_downloads']
  return (
    images['use_local_image_pull'] === true ||
    images['disable_snapshot_annotations'] === false ||
    images['discard_unpacked_layers'] === true ||
    images['image_pull_with_sync_fs'] === true ||
    (downloads !== undefined && Number(downloads) !== 3) ||
    ['mirrors', 'configs', 'auths'].some((key) => Object.keys(tableAt(registry, key)).length > 0)
  )
}

/** 2.2 and later, on Linux (plugins/cri/images), where config_path is missing or empty (seen with 2.3.7). */
function defaultPath(release: Release): string | undefined {
  return isAtLeast(release, 2, 2) ? defaultList : undefined
}

function defined(table: Toml): Toml {
  return Object.fromEntries(Object.entries(table).filter(([, value]) => value !== undefined))
}
