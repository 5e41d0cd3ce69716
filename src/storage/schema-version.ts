import { schemaVersion } from '../metadata/sqlite/migrations.ts'

/** The schema to which this program brings a registry's own database: how many migrations it knows. */
export const embeddedSchema = schemaVersion
