import { z } from 'zod'
import { document } from './document.ts'

export const commonResults = {
  Error: document('Error', 'Why a command failed: the last line of stderr, where -o is json, jsonl or yaml', {
    code: z.string().describe('stable, in capitals; docs/errors.md lists them'),
    message: z.string(),
    hint: z.string().optional().describe('what to do about it'),
    exitCode: z.int(),
  }),
  Version: document('Version', 'trow version', {
    trow: z.string(),
    node: z.string(),
    sqlite: z.string().optional(),
    platform: z.string().describe('as linux/x64'),
  }),
}
