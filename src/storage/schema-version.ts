import { schemaVersion } from '../metadata/sqlite/migrations.ts'

/** The schema version to which this program migrates a registry's own database. */
export const embeddedSchema = schemaVersion
