/** Values of `--engine`. */
export const engineKinds = [
  'dockerd',
  'docker-desktop',
  'colima',
  'rancher-desktop',
  'orbstack',
  'podman',
  'podman-machine',
] as const

export type EngineKind = (typeof engineKinds)[number]

/** An engine that pushes and pulls images for the user of this machine. */
export interface ContainerEngine {
  readonly kind: EngineKind
  /** `unix:///…`, `npipe:////./pipe/…` or `tcp://…`. `undefined` for podman, which is called as a program. */
  readonly endpoint: string | undefined
  /** Where the engine was found, as text: `docker context colima`. */
  readonly origin: string
  /** A profile of colima or a machine of podman; `undefined` for the default one. */
  readonly instance: string | undefined
  /** True for a dockerd of a user, whose certificates are in the user's home folder. */
  readonly rootless: boolean
}

const titles: Readonly<Record<EngineKind, string>> = {
  dockerd: 'dockerd',
  'docker-desktop': 'Docker Desktop',
  colima: 'colima',
  'rancher-desktop': 'Rancher Desktop',
  orbstack: 'OrbStack',
  podman: 'podman',
  'podman-machine': 'podman machine',
}

/** Returns the product name as its maker writes it. */
export function titleOf({ kind, instance }: ContainerEngine): string {
  return instance === undefined ? titles[kind] : `${titles[kind]} (${instance})`
}

/** Returns whether the engine runs in a VM, in which `localhost` is not the user's machine. */
export function isVirtual(kind: EngineKind): boolean {
  return kind !== 'dockerd' && kind !== 'podman'
}

/**
 * Returns whether the engine is a dockerd, in a VM or not. dockerd treats 127.0.0.0/8 as insecure and does
 * not verify certificates there.
 */
export function isDocker(kind: EngineKind): boolean {
  return kind !== 'podman' && kind !== 'podman-machine'
}
