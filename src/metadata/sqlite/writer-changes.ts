import { changes } from '../rules/changes.ts'
import { reclaim } from './change-room.ts'

/** Every change by its name, those of the rules and SQLite's own: the writer's whole vocabulary. */
export const writerChanges = { ...changes, reclaim } as const

export type WriterChangeName = keyof typeof writerChanges
