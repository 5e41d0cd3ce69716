import { z } from 'zod'
import { logNames } from '../../../audit/chain.ts'
import { count, document, list } from './document.ts'

const log = z.enum(logNames)
const head = z.object({ seq: z.int(), time: z.string() })

const auditProblem = {
  log,
  problem: z.enum([
    'edited',
    'removed',
    'inserted',
    'reordered',
    'unlinked',
    'cut',
    'rewritten',
    'incomplete',
    'unreadable',
    'head-invalid',
  ]),
  seq: z.int().optional().describe('the number of the line, or of the first of several'),
  upTo: z.int().optional().describe('the number of the last of several'),
  file: z.string().optional(),
  detail: z.string(),
}

export const auditResults = {
  AuditEventList: list(
    'AuditEventList',
    'trow audit query',
    z.looseObject({ specversion: z.string(), id: z.string(), type: z.string(), time: z.string() }),
  ),
  AuditProblem: document('AuditProblem', 'A line of trow audit verify -o jsonl', auditProblem),
  AuditVerification: document('AuditVerification', 'trow audit verify', {
    found: count.describe('problems'),
    logs: z.array(
      z.object({
        log,
        segments: count,
        lines: count,
        first: z.int().optional(),
        last: z.int().optional(),
        pruned: count.describe('lines before the first that retention removed'),
        head: head.optional().describe('the head that was compared; absent: a cut end could not be seen'),
        witness: head.optional().describe('the head in the cluster that was compared'),
        problems: count,
      }),
    ),
    problems: z
      .array(z.object(auditProblem))
      .optional()
      .describe('absent with -o jsonl, which has a line for each'),
  }),
  AuditKey: document('AuditKey', 'trow audit verify --show-key', {
    verifier: z.string().describe('as signed notes have it'),
  }),
}
