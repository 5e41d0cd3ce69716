import type { Target } from './http-connection.ts'

/** What a load client is told to do, as JSON on its stdin. */
export type LoadJob = {
  readonly target: Target
  readonly connections: number
  readonly seconds: number
} & (
  | {
      /** Each connection sends its next request when the reply is there. */
      readonly kind: 'requests'
      readonly method: 'GET' | 'HEAD'
      /** Taken at random; `*` stands for a number below `count`, in six digits where it names a tag. */
      readonly paths: PathChoice
    }
  | {
      /** Sends at a constant rate and never waits for replies to do so. */
      readonly kind: 'rate'
      readonly method: 'GET' | 'HEAD'
      readonly paths: PathChoice
      readonly rate: number
    }
  | { readonly kind: 'blobs'; readonly repository: string; readonly size: number; readonly limit?: number }
  | {
      readonly kind: 'images'
      readonly repository: string
      readonly configSize: number
      readonly layerSize: number
      /** Each connection pushes into a repository of its own, below `repository`. */
      readonly apart?: boolean
      /** Each image has a layer more, mounted from another repository: one layer for all, or one for each connection. */
      readonly base?: 'shared' | 'own'
    }
  | {
      readonly kind: 'manifests'
      readonly repository: string
      readonly config: { readonly digest: string; readonly size: number }
      readonly layer: { readonly digest: string; readonly size: number }
    }
  | { readonly kind: 'streams-in'; readonly repository: string; readonly size: number }
  | { readonly kind: 'streams-out'; readonly path: string }
)

export type PathChoice =
  | { readonly kind: 'one'; readonly path: string }
  | { readonly kind: 'list'; readonly file: string }
  | { readonly kind: 'numbered'; readonly prefix: string; readonly count: number }

export interface LoadResult {
  readonly done: number
  readonly bytes: number
  readonly seconds: number
  readonly errors: number
  readonly firstError: string | undefined
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  /** With a constant rate: late because no connection was free. */
  readonly p99Scheduled: number
  /** Share of one core that the client itself took. */
  readonly clientCores: number
}
