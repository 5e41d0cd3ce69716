import { changes } from '../rules/changes.ts'
import {
  claimAuditSegment,
  extendAuditChain,
  forgetAuditSegment,
  pruneAuditChain,
  sealAuditSegment,
  skipAuditLines,
} from './change-audit.ts'
import { placeRecords } from './change-places.ts'
import { noteLostCommits } from './lost-commits.ts'
import { addLoginFailures, clearLoginFailures } from './login-failures.ts'
import { writePolicyDocument } from './policy-documents.ts'
import { bringPolicies, holdPolicies } from './policy-sets.ts'
import { leaveProcesses, meetProcesses } from './serving-processes.ts'
import { claimUpload, holdUploads, releaseUpload, releaseUploadsOf } from './claims.ts'

/** Every change that PostgreSQL runs: the changes of `rules`, and its own. */
export const postgresChanges = {
  ...changes,
  claimUpload,
  releaseUpload,
  releaseUploadsOf,
  holdUploads,
  placeRecords,
  bringPolicies,
  holdPolicies,
  writePolicyDocument,
  addLoginFailures,
  clearLoginFailures,
  meetProcesses,
  leaveProcesses,
  noteLostCommits,
  extendAuditChain,
  skipAuditLines,
  claimAuditSegment,
  sealAuditSegment,
  pruneAuditChain,
  forgetAuditSegment,
} as const

export type PostgresChanges = typeof postgresChanges
export type PostgresChangeName = keyof PostgresChanges
