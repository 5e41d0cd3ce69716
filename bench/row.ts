import type { Certificate } from './certificate.ts'
import type { Peer, PeerName } from './peers.ts'
import type { Seeded } from './seed.ts'
import type { Server } from './server.ts'

/** Least ratio of trow to the peer; of "lower is better" rows the ratio is turned round. */
export type Goals = Partial<Record<Exclude<PeerName, 'trow'>, number>>

/** A row that compares peers: measured on each, in turns. */
export interface Row {
  readonly name: string
  readonly unit: string
  readonly goals: Goals
  /** It pushes: what a peer left unflushed is written out before the next one's turn. */
  readonly writes?: true
  measure(subject: Subject): Promise<number>
}

export interface Subject {
  readonly server: Server
  readonly seeded: Seeded
  /** Of one measurement. */
  readonly seconds: number
}

/** A row about one server in several states, or one that needs servers of its own. */
export interface SpecialRow {
  readonly name: string
  readonly peers: readonly PeerName[]
  measure(peer: Peer, tools: Tools): Promise<readonly Finding[]>
}

export interface Tools {
  /** An empty folder that is removed afterwards. */
  readonly folder: string
  readonly certificate: Certificate | undefined
  readonly seconds: number
  readonly rounds: number
  readonly quick: boolean
}

export interface Finding {
  readonly name: string
  readonly unit: string
  readonly value: number
  /** Undefined: a fact without a goal. */
  readonly goal: { readonly text: string; readonly met: boolean } | undefined
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  if (sorted.length % 2 === 1) return sorted[middle] as number
  return ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}

/** A finding without a goal. */
export function fact(name: string, unit: string, value: number): Finding {
  return { name, unit, value, goal: undefined }
}
