import type { Digest } from '../../oci/digest.ts'
import type { Coverage } from '../../policy-store/policy-coverage.ts'
import {
  policyPaths,
  type PolicyEdit,
  type PolicyEditAnswer,
  type PolicyObjectName,
  type PolicyReadAnswer,
  type WrittenObject,
} from '../../policy-store/policy-edits.ts'
import type { PolicyStatus } from '../../policy-store/policy-status.ts'
import { askRunning } from '../control/control-client.ts'
import type { PolicyPlace } from './policy-place.ts'

/** The policies of the server that serves a data folder, through its control socket. */
export class ServerPlace implements PolicyPlace {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  status(): Promise<PolicyStatus> {
    return this.#ask('GET', policyPaths.status)
  }

  floor(): Promise<readonly []> {
    return Promise.resolve([])
  }

  /** A server on a machine has no pods. */
  running(): Promise<undefined> {
    return Promise.resolve(undefined)
  }

  podsRunning(): Promise<undefined> {
    return Promise.resolve(undefined)
  }

  async read(object: PolicyObjectName): Promise<WrittenObject | undefined> {
    return (await this.#ask<PolicyReadAnswer>('POST', policyPaths.read, object)).object
  }

  edit(edit: PolicyEdit): Promise<PolicyEditAnswer> {
    return this.#ask('POST', policyPaths.edit, edit)
  }

  coverage(digest: Digest): Promise<Coverage> {
    return this.#ask('POST', policyPaths.coverage, { digest })
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #ask<Answer>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<Answer> {
    const text = body === undefined ? undefined : JSON.stringify(body)
    return askRunning<Answer>(
      this.#folder,
      { method, path, body: text },
      'Name the data folder of a running server with --data, or a cluster with --context. "trow policy lint" and "trow policy eval" need neither.',
    )
  }
}
