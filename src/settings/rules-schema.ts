import { z } from 'zod'
import { actions } from '../access/principal.ts'
import { ownNamespace } from '../access/rules.ts'
import { patternProblem } from '../oci/repository-pattern.ts'

const words = z
  .union([z.string(), z.array(z.string()).min(1, 'must name at least one')])
  .transform((value) => [value].flat())

const pattern = z.string().superRefine((text, context) => {
  const problem = patternProblem(text.replaceAll(ownNamespace, 'a'))
  if (problem !== undefined) context.addIssue({ code: 'custom', message: `matches nothing: ${problem}` })
})

/** `access` of trow.yaml: the access rules. A single word needs no brackets. */
export const rulesSchema = z.array(
  z
    .strictObject({
      who: words
        .pipe(z.array(z.string().min(1, 'names nobody')))
        .describe(
          'callers: names (* stands for any text), group:NAME, or users, robots, nodes, service-accounts, authenticated, anonymous',
        ),
      repositories: words
        .pipe(z.array(pattern))
        .describe('patterns: * is one segment of a name, ** any number of them'),
      actions: words.pipe(z.array(z.enum(actions))).describe(`one or several of ${actions.join(', ')}`),
      deny: z.boolean().optional().describe('true: refuse, whatever other rules allow'),
    })
    .refine(
      ({ who, repositories }) =>
        !repositories.some((each) => each.includes(ownNamespace)) ||
        who.every((word) => word === 'service-accounts'),
      `has ${ownNamespace}, which only "who: service-accounts" have`,
    ),
)
