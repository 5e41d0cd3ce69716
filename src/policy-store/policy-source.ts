import type { Instant } from '../instant.ts'

/** A place in a text; line and column start at 1. */
export interface TextPlace {
  readonly line: number
  readonly column: number
}

/** A document as read, with any content. */
export interface SourceDocument {
  readonly value: unknown
  /**
   * The place of a field in its text; for a missing field, the place of the nearest enclosing value.
   * Undefined: the document has no text.
   */
  placeOf(path: readonly (string | number)[]): TextPlace | undefined
}

/** Why a unit, or a field of it, is rejected. */
export interface UnitProblem {
  /** Undefined: the problem concerns the whole unit, or the unit has no text. */
  readonly place: TextPlace | undefined
  /**
   * Begins with the field, if the problem is about one. Contains no characters that a terminal could
   * interpret.
   */
  readonly message: string
}

/**
 * The part of a source that is replaced as a whole: a file with one or more documents, or one object of the
 * cluster. While a unit is broken, its last good version stays in force.
 */
export interface SourceUnit {
  /** Unique in the source and shown to users: `production.yaml`, `trowpolicies/production`. */
  readonly name: string
  readonly documents: readonly SourceDocument[]
  /** Why it could not be read as documents. */
  readonly problems: readonly UnitProblem[]
  /** The author of the last change, as far as the source knows: the file's owner, or a field manager. */
  readonly changedBy: string | undefined
  readonly changedAt: Instant | undefined
  /** Changes whenever the unit does: a unit with the same version is not loaded again. */
  readonly version: string
}

export interface SourceListener {
  /** Receives all units, first at the start and then after every change. */
  state(units: readonly SourceUnit[]): void
  /** The source can be reached and has not changed. */
  alive(): void
  /**
   * The source cannot be read at the moment; the policies in force stay. `state` or `alive` follows once it
   * can.
   */
  away(reason: string): void
}

/** A source of policies and exceptions: a folder or a cluster. */
export interface PolicySource {
  /** Shown to users: `the folder /etc/trow/policies`. */
  readonly name: string
  /**
   * To be called once. The listener is called within 5 s, and later within 500 ms of a change where the
   * source supports that.
   */
  watch(listener: SourceListener): void
  /** After this the listener is not called any more. */
  close(): Promise<void>
}

/** The outcome of a unit, for a source that can publish it, such as in an object's `status`. */
export interface UnitOutcome {
  readonly name: string
  readonly version: string
  /** Empty: the unit is accepted. */
  readonly problems: readonly UnitProblem[]
  /** Whether the unit, in its present or last good version, is in force in every thread, but for what `note` says. */
  readonly inForce: boolean
  /** Which parts of the server have not confirmed what is in force. */
  readonly note?: string | undefined
  /** `sha256:…` over the unit's policies and exceptions in force. Undefined: there are none. */
  readonly hash: string | undefined
  /** The generation that is in force. */
  readonly generation: number | undefined
}
