import type { ConnectOptions } from '../registry/target.ts'

export type AuditOptions = ConnectOptions & Readonly<Record<string, unknown>>
