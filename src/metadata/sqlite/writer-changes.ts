import { changes } from '../rules/changes.ts'
import { setPolicyGeneration } from './change-policy-generation.ts'
import { reclaim } from './change-room.ts'

/** Every change that the writer runs: the changes of `rules`, and SQLite's own. */
export const writerChanges = { ...changes, reclaim, setPolicyGeneration } as const

export type WriterChangeName = keyof typeof writerChanges
