/** A process that serves a registry. */
export interface ServingProcess {
  /** Equal after a restart with the same data folder. */
  readonly id: string
  /** For people: the data folder and the machine. */
  readonly name: string
  /** JSON, of an object: what it wants others to know of its settings. No secrets. */
  readonly settings: string
}

/** What a database is, beside what is stored in it. */
export interface DatabaseStanding {
  /** `synchronous_standby_names`; empty: no commit waits for a standby. */
  readonly synchronousStandbyNames: string
  /** `synchronous_commit`, as it is for who says nothing else. */
  readonly synchronousCommit: string
  /** Servers that receive what is written. */
  readonly standbys: number
  /** Those of them for which a commit may wait; undefined: the user of the database may not see it. */
  readonly synchronous: number | undefined
  /** Policies and exceptions that are kept in it. */
  readonly policies: number
}

/** The database of a registry, for the process that serves it. Every call rejects while it is away. */
export interface ServingDatabase {
  standing(): Promise<DatabaseStanding>
  /** Says that the process serves the registry. Resolves to the others of which the same was heard in the last 30 s. */
  meet(process: ServingProcess): Promise<readonly ServingProcess[]>
  /** Says that the process has ended. */
  leave(id: string): Promise<void>
}
