import { dirname, join, normalize } from 'node:path/posix'
import { reasonOf } from '../reason-of.ts'
import type { MachineFiles } from './machine-files.ts'
import { isTable, parseToml, tableAt, TomlError, type Toml } from './toml.ts'

/** The part of containerd's configuration that concerns pulls through CRI. */
export interface ContainerdConfig {
  /**
   * The value after imports and defaults. It may be a colon-separated list. `undefined` means that containerd
   * reads no folder.
   */
  readonly configPath: string | undefined
  /** True if a file sets config_path; false if the value is the default of the containerd version. */
  readonly configured: boolean
  /**
   * True if containerd's client pulls, which splits the list; false if the transfer service pulls, which does
   * not.
   */
  readonly localPull: boolean
  /**
   * True for the deprecated mirrors and configs in config.toml: containerd refuses them together with a
   * config_path.
   */
  readonly inlineRegistries: boolean
  /** False if the CRI plug-in is disabled, as in Docker's packages. */
  readonly cri: boolean
  /** The socket on which containerd listens, according to the configuration. */
  readonly address: string | undefined
  /**
   * The file whose registry section is in effect, and to which a config_path would be added; `undefined` if
   * no file exists.
   */
  readonly file: string | undefined
}

/** A configuration file that cannot be read; containerd could not read it either. */
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
 * Reads config.toml and its imports as this version of containerd does (cmd/containerd/server/config,
 * LoadConfig). Files are read breadth first. containerd 1.x replaces a plug-in's section as a whole, 2.x
 * merges it key by key.
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

/** Parses `v2.3.7-k3s1` or `1.6.20~ds1`. A version that cannot be parsed counts as the oldest. */
export function parseRelease(version: string): Release {
  const match = /^v?(\d+)\.(\d+)/.exec(version)
  return { major: Number(match?.[1] ?? 0), minor: Number(match?.[2] ?? 0) }
}

export function isAtLeast({ major, minor }: Release, wantedMajor: number, wantedMinor: number): boolean {
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)
}

/** Returns the name of the plug-in section that holds `registry` in a file with this content. */
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
  // containerd 2.x takes these from the containerd table of files in an older version (plugins/cri/images,
  // migrateConfig).
  const { disable_snapshot_annotations, discard_unpacked_layers } = tableAt(section, 'containerd')
  return defined({ ...section, disable_snapshot_annotations, discard_unpacked_layers })
}

/** Merges as Go's mergo with override: empty values of `over` change nothing. */
function mergeTables(under: Toml, over: Toml): Toml {
  const merged: Record<string, unknown> = { ...under }
  for (const [key, value] of Object.entries(over)) {
    const old = Object.hasOwn(merged, key) ? merged[key] : undefined
    if (isTable(value) && isTable(old)) merged[key] = mergeTables(old, value)
    else if (old === undefined || (value !== '' && value !== 0 && value !== false)) merged[key] = value
  }
  return merged
}

/** The conditions of CheckLocalImagePullConfigs in internal/cri/config. Before 2.1 every pull was local. */
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

/**
 * containerd 2.2 and later on Linux has this default (plugins/cri/images) if config_path is missing or empty
 * (seen with 2.3.7).
 */
function defaultPath(release: Release): string | undefined {
  return isAtLeast(release, 2, 2) ? defaultList : undefined
}

function defined(table: Toml): Toml {
  return Object.fromEntries(Object.entries(table).filter(([, value]) => value !== undefined))
}
