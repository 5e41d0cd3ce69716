import { z } from 'zod'

/** The result of one check of an install or of its floor (`Check`). */
export const check = z.object({
  description: z.string(),
  result: z.enum(['success', 'warning', 'error', 'unknown']).describe('unknown: there was no answer'),
  error: z.string().optional().describe('what was found instead'),
  hint: z.string().optional(),
  node: z.string().optional(),
})
