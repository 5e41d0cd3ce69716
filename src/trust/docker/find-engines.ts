import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { UserError } from '../../user-error.ts'
import type { ContainerEngine, EngineKind } from './engine.ts'
import { pathOf, systemPath, type DeveloperMachine } from './machine.ts'

interface DockerContext {
  readonly name: string
  readonly endpoint: string
}

/** The engine that was asked for or that docker uses now, and the other engines of the machine. */
export interface FoundEngines {
  readonly chosen: ContainerEngine
  readonly others: readonly ContainerEngine[]
}

/**
 * Follows docker's own rules: DOCKER_HOST, DOCKER_CONTEXT, `currentContext` of its config, the default
 * socket; podman if there is no docker. Throws UserError ENGINE_MISSING, ENGINE_REMOTE,
 * DOCKER_CONTEXT_UNKNOWN.
 */
export function findEngines(machine: DeveloperMachine, wanted: EngineKind | undefined): FoundEngines {
  const contexts = readContexts(machine)
  const current = currentContext(machine, contexts)
  const found: ContainerEngine[] = []
  for (const context of [current, ...contexts, defaultContext(machine)]) {
    const engine = context && recognise(machine, context)
    if (engine !== undefined && !found.some((other) => isSame(other, engine))) found.push(engine)
  }
  const { platform } = machine
  const podman: EngineKind = platform === 'linux' ? 'podman' : 'podman-machine'
  if (hasProgram(machine, 'podman') && !found.some(({ kind }) => kind === podman)) {
    const origin = 'podman in PATH'
    found.push({
      kind: podman,
      endpoint: undefined,
      origin,
      instance: undefined,
      rootless: machine.uid !== 0,
    })
  }
  if (wanted === undefined && current !== undefined && recognise(machine, current) === undefined) {
    throw remote(current)
  }
  const chosen = found.find(({ kind }) => kind === (wanted ?? kind))
  if (chosen === undefined) throw missing(wanted, found)
  return { chosen, others: found.filter((engine) => engine !== chosen) }
}

function currentContext(
  machine: DeveloperMachine,
  contexts: readonly DockerContext[],
): DockerContext | undefined {
  const { DOCKER_HOST: host, DOCKER_CONTEXT: named } = machine.env
  if (host) return { name: 'DOCKER_HOST', endpoint: host }
  const name = named || configuredContext(machine)
  if (name === undefined || name === 'default') return undefined
  const context = contexts.find((each) => each.name === name)
  if (context !== undefined) return context
  throw new UserError('DOCKER_CONTEXT_UNKNOWN', `docker has no context "${name}"`, {
    hint: 'docker context ls shows those it has; --engine names an engine without one.',
  })
}

function configuredContext(machine: DeveloperMachine): string | undefined {
  const config = readJson(pathOf(dockerFolder(machine), 'config.json'))
  const name = config?.['currentContext']
  return typeof name === 'string' && name !== '' ? name : undefined
}

/** docker's CLI keeps each context in `contexts/meta/<sha256 of the name>/meta.json`. */
function readContexts(machine: DeveloperMachine): DockerContext[] {
  const folder = pathOf(dockerFolder(machine), 'contexts', 'meta')
  if (!existsSync(folder)) return []
  return readdirSync(folder).flatMap((each) => {
    const meta = readJson(pathOf(folder, each, 'meta.json'))
    const { docker } = (meta?.['Endpoints'] ?? {}) as { docker?: { Host?: unknown } }
    const name = meta?.['Name']
    const endpoint = docker?.Host
    return typeof name === 'string' && typeof endpoint === 'string' ? [{ name, endpoint }] : []
  })
}

function defaultContext(machine: DeveloperMachine): DockerContext | undefined {
  const { platform } = machine
  if (platform === 'win32') {
    return hasProgram(machine, 'docker')
      ? { name: 'default', endpoint: 'npipe:////./pipe/docker_engine' }
      : undefined
  }
  const socket = systemPath(machine, '/var/run/docker.sock')
  if (existsSync(socket)) {
    // On a Mac this is a link to the socket of the engine that was set up as the default.
    return {
      name: 'default',
      endpoint: `unix://${platform === 'darwin' ? realpathSync(socket) : '/var/run/docker.sock'}`,
    }
  }
  const installed = platform === 'linux' && hasProgram(machine, 'dockerd')
  return installed ? { name: 'default', endpoint: 'unix:///var/run/docker.sock' } : undefined
}

/** Returns `undefined` if the engine is on another machine. */
function recognise(
  machine: DeveloperMachine,
  { name, endpoint }: DockerContext,
): ContainerEngine | undefined {
  const { platform } = machine
  const origin = name === 'DOCKER_HOST' ? name : `docker context ${name}`
  const as = (kind: EngineKind, instance?: string, rootless = false): ContainerEngine => ({
    kind,
    endpoint: kind === 'podman' || kind === 'podman-machine' ? undefined : endpoint,
    origin,
    instance,
    rootless,
  })
  const path = endpoint.replaceAll('\\', '/')
  const [, profile] = /\/\.?colima\/([\w.-]+)\/docker\.sock$/.exec(path) ?? []
  if (profile !== undefined) return as('colima', profile === 'default' ? undefined : profile)
  if (path.includes('/.orbstack/') || name === 'orbstack') return as('orbstack')
  if (path.includes('/.rd/') || name === 'rancher-desktop') return as('rancher-desktop')
  if (path.includes('podman')) {
    if (platform === 'linux' && !path.includes('/machine')) return as('podman', undefined, machine.uid !== 0)
    return as('podman-machine', machineOf(path))
  }
  if (/\/\.docker\/(?:run|desktop)\/|com\.docker\.docker|pipe\/docker|pipe\/dockerDesktop/.test(path))
    return as('docker-desktop')
  if (name === 'desktop-linux') return as('docker-desktop')
  const local = /^unix:|^tcp:\/\/(?:127\.|localhost[:/]|\[::1\])/.test(endpoint)
  if (platform !== 'linux' || !local) return undefined
  return as('dockerd', undefined, /^unix:\/\/(?:\/var)?\/run\/user\//.test(endpoint))
}

/**
 * Reads the machine's name from its socket; returns `undefined` for podman's default machine. Older releases
 * name the socket's folder after the hypervisor.
 */
function machineOf(path: string): string | undefined {
  const [, name] =
    /podman\/([\w.-]+?)-api\.sock$/.exec(path) ??
    /machine\/([\w.-]+)\/podman\.sock$/.exec(path) ??
    /pipe\/([\w.-]+)$/.exec(path) ??
    []
  const usual = name === undefined || ['podman-machine-default', 'qemu', 'applehv'].includes(name)
  return usual ? undefined : name
}

function isSame(one: ContainerEngine, other: ContainerEngine): boolean {
  return (
    one.kind === other.kind &&
    (one.kind === 'docker-desktop' || (one.instance === other.instance && one.rootless === other.rootless))
  )
}

function hasProgram({ env, platform }: DeveloperMachine, program: string): boolean {
  const folders = [
    ...(env['PATH'] ?? '').split(platform === 'win32' ? ';' : ':'),
    ...(platform === 'linux' ? ['/usr/sbin'] : []),
  ]
  const name = platform === 'win32' ? `${program}.exe` : program
  return folders.some((folder) => folder !== '' && existsSync(pathOf(folder, name)))
}

function dockerFolder(machine: DeveloperMachine): string {
  return machine.env['DOCKER_CONFIG'] || pathOf(machine.home, '.docker')
}

function readJson(file: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'))
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    // The file does not exist, or docker could not read it either.
    return undefined
  }
}

function remote({ name, endpoint }: DockerContext): UserError {
  return new UserError('ENGINE_REMOTE', `the engine of ${name} (${endpoint}) is on another machine`, {
    hint: 'Run trow trust-docker there, or choose an engine of this machine with --engine or docker context use.',
  })
}

function missing(wanted: EngineKind | undefined, found: readonly ContainerEngine[]): UserError {
  const others = found.map(({ kind }) => kind).join(', ')
  return new UserError(
    'ENGINE_MISSING',
    wanted === undefined ? 'there is neither docker nor podman here' : `there is no ${wanted} here`,
    {
      hint:
        others === ''
          ? 'trow push needs none: it sends archives and image layouts by itself.'
          : `What is here: ${others}.`,
    },
  )
}
