import type { CommitMarks } from '../commit-marks.ts'
import { markStanding } from './change-marks.ts'
import type { ChangeRunner } from './changes.ts'
import type { Database } from './database.ts'

export function sqlMarks(database: Database, changes: ChangeRunner): CommitMarks {
  return {
    standing: () => markStanding(database),
    mark: (look) => changes.run('markCommits', look),
    noteMissing: (missing) => changes.run('noteMissing', missing),
  }
}
