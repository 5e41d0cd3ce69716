import { existsSync, readdirSync } from 'node:fs'
import { planCertificate, planRemoval, type CertificatePlace } from './certificate-file.ts'
import type { ContainerEngine } from './engine.ts'
import { planKeychain } from './keychain.ts'
import { pathOf, systemPath, type DeveloperMachine } from './machine.ts'
import { planProvisioning } from './rancher-desktop.ts'
import { planRestart } from './restart.ts'
import type { TrustPlan, TrustStep } from './trust-step.ts'
import { planInside } from './virtual-machine.ts'
import { UserError } from '../../user-error.ts'

export interface DockerTrust {
  /** `HOST` or `HOST:PORT`, exactly as image references write it. */
  readonly host: string
  /** A PEM bundle. */
  readonly ca: string
  /** True to change the keychain of the machine's user as well. */
  readonly keychain: boolean
}

/**
 * Plans the steps that make an engine trust a registry; no step if it does already. Only reads, and runs only
 * programs that read. Throws UserError FILE_EXISTS, KEYCHAIN_UNSUPPORTED, OVERRIDE_UNUSABLE,
 * ENGINE_NEVER_RAN, ENGINE_STOPPED.
 */
export async function planTrust(
  machine: DeveloperMachine,
  engine: ContainerEngine,
  { host, ca, keychain }: DockerTrust,
): Promise<TrustPlan> {
  const steps: TrustStep[] = []
  const notes: string[] = []
  const place = placeOf(machine, engine, host)
  const file =
    place === undefined ? planOverride(machine, engine, host, ca) : planCertificate(machine, place, ca)
  if (file !== undefined) steps.push(file)
  if (entersMachine(engine)) {
    const inside = await planInside(machine, engine, { host, ca })
    if (inside !== undefined) steps.push(...inside)
    else if (engine.kind === 'podman-machine') throw stopped()
    else notes.push('Its VM does not run: it takes the CA up when it starts.')
  }
  if (keychain) steps.push(...(await keychainOf(machine, engine, ca)))
  if (steps.length > 0) {
    const restart = await planRestart(machine, engine)
    steps.push(...restart.steps)
    notes.push(...restart.notes)
  }
  return { steps, notes }
}

/** Plans the removal of what trow wrote, and of nothing else. Throws as `planTrust`. */
export async function planUndo(
  machine: DeveloperMachine,
  engine: ContainerEngine,
  host: string,
): Promise<TrustPlan> {
  const steps: TrustStep[] = []
  const notes: string[] = []
  const place = placeOf(machine, engine, host)
  const file =
    place === undefined ? planOverride(machine, engine, host, undefined) : planRemoval(machine, place)
  if (hasKeychain(machine, engine) && file?.before !== undefined) {
    steps.push(...(await planKeychain(machine, file.before, 'remove')))
  }
  if (file !== undefined) steps.push(file)
  if (entersMachine(engine)) {
    const inside = await planInside(machine, engine, { host, ca: undefined })
    if (inside === undefined && engine.kind !== 'rancher-desktop') throw stopped()
    steps.push(...(inside ?? []))
  }
  if (steps.length > 0) {
    const restart = await planRestart(machine, engine)
    steps.push(...restart.steps)
    notes.push(...restart.notes)
  }
  return { steps, notes }
}

function placeOf(
  machine: DeveloperMachine,
  engine: ContainerEngine,
  host: string,
): CertificatePlace | undefined {
  const { home, env } = machine
  switch (engine.kind) {
    case 'dockerd': {
      const config = env['XDG_CONFIG_HOME'] || pathOf(home, '.config')
      const certificates = engine.rootless
        ? pathOf(config, 'docker', 'certs.d')
        : systemPath(machine, '/etc/docker/certs.d')
      return { certificates, host }
    }
    case 'docker-desktop':
    case 'colima':
    case 'orbstack':
      return { certificates: pathOf(home, '.docker', 'certs.d'), host }
    case 'podman':
      return { certificates: podmanFolder(machine, host), host }
    case 'rancher-desktop':
    case 'podman-machine':
      return undefined
  }
}

/** containers-certs.d(5): podman reads only the first of these folders that has an entry for the host. */
function podmanFolder(machine: DeveloperMachine, host: string): string {
  const own = pathOf(machine.home, '.config', 'containers', 'certs.d')
  const common = systemPath(machine, '/etc/containers/certs.d')
  const docker = systemPath(machine, '/etc/docker/certs.d')
  const read = [own, common].find((folder) => existsSync(pathOf(folder, host)))
  if (read !== undefined) return read
  const besides = filesIn(pathOf(docker, host)).some((name) => name !== 'trow-ca.crt')
  if (besides) return docker
  return machine.uid === 0 ? common : own
}

function filesIn(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder) : []
}

function planOverride(
  machine: DeveloperMachine,
  { kind }: ContainerEngine,
  host: string,
  ca: string | undefined,
): ReturnType<typeof planProvisioning> {
  return kind === 'rancher-desktop' ? planProvisioning(machine, host, ca) : undefined
}

function entersMachine({ kind }: ContainerEngine): boolean {
  return kind === 'colima' || kind === 'rancher-desktop' || kind === 'podman-machine'
}

function hasKeychain({ platform }: DeveloperMachine, { kind }: ContainerEngine): boolean {
  return (kind === 'docker-desktop' && platform !== 'linux') || (kind === 'orbstack' && platform === 'darwin')
}

async function keychainOf(
  machine: DeveloperMachine,
  engine: ContainerEngine,
  ca: string,
): ReturnType<typeof planKeychain> {
  if (hasKeychain(machine, engine)) return planKeychain(machine, ca, 'add')
  throw new UserError('KEYCHAIN_UNSUPPORTED', `${engine.kind} reads no keychain here`, {
    hint: 'Leave --keychain out.',
  })
}

function stopped(): UserError {
  return new UserError('ENGINE_STOPPED', 'the VM of the engine does not run', {
    hint: 'Start it (colima start, podman machine start), then run the command again.',
  })
}
