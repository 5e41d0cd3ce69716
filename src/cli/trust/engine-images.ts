import type { ContainerEngine } from '../../trust/docker/engine.ts'
import type { DeveloperMachine } from '../../trust/docker/machine.ts'
import { PodmanImages, podmanInfo } from '../../trust/docker/podman-images.ts'
import type { EngineImages } from '../../trust/docker/proof.ts'
import type { InsecureRegistries } from '../../trust/docker/registry-address.ts'
import { EngineApi } from '../../trust/docker/engine-api.ts'
import { storedDockerCredential } from '../../login/stored-credential.ts'

export interface OpenEngine {
  /** Returns `undefined` if the engine does not answer. */
  info(): Promise<{ readonly architecture: string; readonly insecure: InsecureRegistries } | undefined>
  readonly images: EngineImages
  /**
   * Returns whether the engine has credentials for a registry; `undefined` if only the engine itself knows.
   */
  hasLogin(host: string): Promise<boolean | undefined>
  close(): Promise<void>
}

/**
 * podman is called as a program. All other engines are asked by the Docker Engine API, with the credentials
 * of docker's config for a registry.
 */
export function openEngine(machine: DeveloperMachine, { endpoint }: ContainerEngine): OpenEngine {
  if (endpoint === undefined) {
    return {
      info: () => podmanInfo(machine),
      images: new PodmanImages(machine),
      hasLogin: async () => undefined,
      close: async () => {},
    }
  }
  const api = new EngineApi(endpoint)
  const credentialFor = (repository: string): ReturnType<typeof storedDockerCredential> =>
    storedDockerCredential(repository.split('/')[0] ?? '', machine.env)
  return {
    async info() {
      const info = await api.info()
      return (
        info && {
          architecture: info.architecture,
          insecure: { hosts: info.insecureHosts, ranges: info.insecureRanges },
        }
      )
    },
    images: {
      load: (archive) => api.load(archive),
      push: async (repository, tag) => api.push(repository, tag, await credentialFor(repository)),
      pull: async (repository, tag) => api.pull(repository, tag, await credentialFor(repository)),
      remove: (reference) => api.remove(reference),
    },
    hasLogin: async (host) => (await credentialFor(host)) !== undefined,
    close: () => api.close(),
  }
}
