import type { Instant } from '../instant.ts'

/** A place in a text, both counted from 1. */
export interface TextPlace {
  readonly line: number
  readonly column: number
}

/** A document as it is, whatever it holds. */
export interface SourceDocument {
  readonly value: unknown
  /** Where a field stands in a text; of one that is missing, where the nearest thing around it stands. Undefined: in no text. */
  placeOf(path: readonly (string | number)[]): TextPlace | undefined
}

/** Why a unit, or a field of it, is not taken. */
export interface UnitProblem {
  /** Undefined: it is about the whole, or in no text. */
  readonly place: TextPlace | undefined
  /** With the field before it, where it is about one. Holds nothing that a terminal could take for something else. */
  readonly message: string
}

/**
 * What is replaced as a whole, and stays as it was when it was last good while it is broken: a file with one or more
 * documents, or one object of the cluster.
 */
export interface SourceUnit {
  /** One of its kind in the source, and shown: `production.yaml`, `trowpolicies/production`. */
  readonly name: string
  readonly documents: readonly SourceDocument[]
  /** What kept it from being read as documents. */
  readonly problems: readonly UnitProblem[]
  /** Who changed it last, as far as the source knows: the file's owner and time, a field manager. */
  readonly changedBy: string | undefined
  readonly changedAt: Instant | undefined
  /** Differs whenever the unit does; what is the same object as before need not be looked at again. */
  readonly version: string
}

export interface SourceListener {
  /** All units, at first and after every change. */
  state(units: readonly SourceUnit[]): void
  /** The source was heard, and has nothing new. */
  alive(): void
  /** It cannot be read now; what is in force stays. `state` or `alive` follows when it can. */
  away(reason: string): void
}

/** Where policies and exceptions come from: a folder, a cluster. */
export interface PolicySource {
  /** For people: `the folder /etc/trow/policies`. */
  readonly name: string
  /** Once. The listener is told something within 5 s, and from then on within 500 ms of a change where the source can. */
  watch(listener: SourceListener): void
  /** The listener is told nothing any more. */
  close(): Promise<void>
}

/** What has become of a unit, for a source that can say so where people look: an object's `status`. */
export interface UnitOutcome {
  readonly name: string
  readonly version: string
  /** Empty: it is taken as it is. */
  readonly problems: readonly UnitProblem[]
  /** Whether something of it, as it is or as it was last good, is in force at every door. */
  readonly inForce: boolean
  /** `sha256:…` of its policies and exceptions that are in force. Undefined: there are none. */
  readonly hash: string | undefined
  /** Since when it has been in force as it is now. */
  readonly generation: number | undefined
}
