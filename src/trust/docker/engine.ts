/** Names for `--engine`. */
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

/** Something that pushes and pulls images for the person at this machine. */
export interface ContainerEngine {
  readonly kind: EngineKind
  /** `unix:///…`, `npipe:////./pipe/…`, `tcp://…`. Undefined: podman, which is asked by its own program. */
  readonly endpoint: string | undefined
  /** Where it was found, in words: `docker context colima`. */
  readonly origin: string
  /** A profile of colima, a machine of podman; undefined: the usual one. */
  readonly instance: string | undefined
  /** dockerd of a user, whose certificates are in their home. */
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

/** As its maker writes it. */
export function titleOf({ kind, instance }: ContainerEngine): string {
  return instance === undefined ? titles[kind] : `${titles[kind]} (${instance})`
}

/** `localhost` is then another machine for it than for the person. */
export function isVirtual(kind: EngineKind): boolean {
  return kind !== 'dockerd' && kind !== 'podman'
}

/** They take 127.0.0.0/8 for insecure and do not verify there. */
export function isDocker(kind: EngineKind): boolean {
  return kind !== 'podman' && kind !== 'podman-machine'
}
